//! `mcp`: serves a client of the Model Context Protocol on standard input and output.

use std::process::ExitCode;
use std::time::Duration;

use ai_code_executor::Metrics;
use ai_code_executor::server::serve_stdio;

use super::{Done, runtime, sandbox, sandbox_with_store, termination};
use crate::config::Config;

/// Time for programs to end once the client has gone away.
const GRACE: Duration = Duration::from_millis(500);

/// Serves until the client closes standard input, or until a signal.
pub(crate) fn mcp(config: &Config, approve: bool) -> Done {
    // Without STORE, states end with this process: two clients cannot share a store.
    let sandbox = if config.store.is_set {
        sandbox_with_store(config, Metrics::default())?
    } else {
        sandbox(config, Metrics::default())?
    };
    let runtime = runtime()?;
    let served = runtime.block_on(async {
        let served = tokio::select! {
            served = serve_stdio(sandbox.clone(), config.ceilings, approve) => served,
            () = termination(false)? => Ok(()),
        };
        sandbox.shutdown(GRACE).await;
        served.map_err(|error| format!("serving the client: {error}"))
    });
    // A thread may still wait for input.
    runtime.shutdown_background();
    served?;
    Ok(ExitCode::SUCCESS)
}
