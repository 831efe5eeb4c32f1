//! Stand-ins for the three HomeIQ services that the built-in tools call, in one program.
//!
//! They answer only requests that the executor has signed:
//!
//! ```sh
//! export TOOL_SIGNING_KEY=$(openssl rand -base64 32)
//! cargo run --release --example homeiq
//! ```

mod house;
mod services;

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use http_signing::{Key, Verifier};
use services::{Behaviour, Fault};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

#[derive(Parser)]
#[command(about = "Stand-ins for data-api, ai-automation-service and device-intelligence-service")]
struct Arguments {
    /// The executor's key; requests that it has not signed are refused
    #[arg(long, env = "TOOL_SIGNING_KEY", hide_env_values = true)]
    tool_signing_key: String,
    /// What the executor calls that key
    #[arg(long, env = "TOOL_SIGNING_KEY_ID", default_value = "ai-code-executor")]
    tool_signing_key_id: String,
    /// Where to listen; the ports are 8006, 8024 and 8028
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Milliseconds before each answer
    #[arg(long, default_value_t = 0)]
    delay: u64,
    /// What is wrong with the services
    #[arg(long, value_enum, default_value_t)]
    fault: Fault,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let key = Key::new(arguments.tool_signing_key_id, &arguments.tool_signing_key)?;
    let behaviour = Behaviour {
        delay: Duration::from_millis(arguments.delay),
        fault: arguments.fault,
        verifier: Some(Arc::new(Verifier::new().key(key))),
        ..Behaviour::default()
    };
    let mut serving = JoinSet::new();
    for (name, port, router) in services::services(&behaviour) {
        let address = SocketAddr::new(arguments.host, port);
        let listener =
            TcpListener::bind(address).await.map_err(|error| format!("{name}, {address}: {error}"))?;
        println!("{name} on http://{address}");
        serving.spawn(async move { axum::serve(listener, router).await });
    }
    while let Some(ended) = serving.join_next().await {
        ended??;
    }
    Ok(())
}
