//! Tools of servers that speak the Model Context Protocol.
//!
//! The library `rmcp` speaks the protocol. Its messages pass through `http` or `stdio`, which bound what a server can
//! send: `wire` tells messages apart, `slot` takes answers before the library parses them. `definition` makes tools of what
//! a server says, and `result` makes values. `upstream` keeps the connection; one thread does this for all servers.

mod client;
mod definition;
mod failure;
mod http;
mod launch;
mod offer;
mod result;
mod server;
mod slot;
mod sse;
mod stdio;
mod stream;
mod upstream;
mod wire;

use std::sync::{Arc, mpsc};

use futures::future::join_all;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tracing::{info, warn};

use super::{Tool, ToolError, ToolService, text};
use crate::error::Error;
use definition::{Definition, Listed};
use launch::Children;
pub use launch::{Launch, ServerPipes};
pub use server::ServerCommand;
pub(crate) use server::{COMMON_VARIABLES, Reach, Server};
use upstream::Upstream;

/// The function of a module whose server did not answer when the executor started.
const UNAVAILABLE: &str = "unavailable";

/// Parsing what servers send is recursive.
const THREAD_STACK_BYTES: usize = 16 << 20;

/// The thread of all connections. They end when the last tool is dropped.
struct Background(Option<Runtime>);

impl Background {
    fn start() -> Result<Self, Error> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).thread_name("mcp").thread_stack_size(THREAD_STACK_BYTES).enable_all();
        let runtime = builder.build();
        let runtime =
            runtime.map_err(|error| Error::config("starting the thread of MCP servers").caused_by(error))?;
        Ok(Self(Some(runtime)))
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.0 {
            drop(runtime.spawn(task));
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Waiting for tasks is not allowed here: tools may be dropped in async code.
        self.0.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

/// Servers, connected. The connections last until this and all of its tools are dropped.
pub(super) struct Servers {
    upstreams: Vec<Arc<Upstream>>,
    background: Arc<Background>,
    changes: watch::Receiver<()>,
}

impl Servers {
    /// Connects to all servers at once. **Blocks** until each has answered or its time is over. Returns `None` if there are
    /// none.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if no thread can be started. A server that does not answer is no error: its module has one
    /// function, which says why, until it does.
    pub(super) fn connect(
        servers: &[Arc<Server>],
        launch: Option<&Arc<dyn Launch>>,
    ) -> Result<Option<Self>, Error> {
        if servers.is_empty() {
            return Ok(None);
        }
        let launch = launch.cloned().unwrap_or_else(|| Arc::new(Children::new(commands(servers))));
        let background = Arc::new(Background::start()?);
        let (sender, started) = mpsc::channel();
        let changes = watch::Sender::new(());
        let start = |server: &Arc<Server>| Upstream::start(server.clone(), launch.clone(), changes.clone());
        let starting: Vec<_> = servers.iter().map(start).collect();
        background.spawn(async move {
            // Fails only if the receiver has panicked.
            let _ = sender.send(join_all(starting).await);
        });
        let started = started.recv().map_err(|_| Error::config("connecting to MCP servers panicked"))?;
        // What has been offered so far is no change.
        let changes = changes.subscribe();
        let mut upstreams = Vec::new();
        for (upstream, listed) in started {
            tell(&upstream.server, listed.as_ref());
            upstreams.push(upstream.clone());
            background.spawn(upstream.keep(listed));
        }
        Ok(Some(Self { upstreams, background, changes }))
    }

    /// Returns the tools that the servers offer now.
    pub(super) fn tools(&self) -> Vec<Tool> {
        let mut tools = Vec::new();
        for upstream in &self.upstreams {
            match upstream.offered() {
                Some(offered) => {
                    let offered = offered.iter();
                    tools.extend(offered.map(|(name, known)| tool(name, known, upstream, &self.background)));
                }
                None => tools.push(unavailable(upstream, &self.background)),
            }
        }
        tools
    }

    /// Waits until the servers offer other tools than when this was last called, or than at the beginning.
    pub(super) async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            // Nobody is left who could offer others.
            std::future::pending::<()>().await;
        }
    }
}

/// Returns the commands among `servers`.
pub(super) fn commands(servers: &[Arc<Server>]) -> Vec<ServerCommand> {
    let command = |server: &Arc<Server>| match &server.reach {
        Reach::Command(command) => Some(command.clone()),
        Reach::Http { .. } => None,
    };
    servers.iter().filter_map(command).collect()
}

/// Returns one tool for a server that nobody has connected to, so that its module has a name.
pub(super) fn unconnected(server: &Server) -> Tool {
    Tool::new(&server.module, UNAVAILABLE, async |_| Err(ToolError::failed("not connected")))
}

/// Says in the log what became of a server, by name.
fn tell(server: &Server, listed: Result<&Listed, &String>) {
    let module = &server.module;
    let listed = match listed {
        Ok(listed) => listed,
        Err(why) => {
            warn!(mcp = %module, why, "MCP server does not answer; its tools are unknown until it does");
            return;
        }
    };
    info!(mcp = %module, tools = listed.definitions.len(), "connected to an MCP server");
}

fn tool(name: &str, known: &Definition, upstream: &Arc<Upstream>, background: &Arc<Background>) -> Tool {
    let server = &upstream.server;
    let service = ToolService { name: server.module.clone(), is_failing: upstream.is_failing() };
    let (called, kept) = (Arc::new((name.to_owned(), known.digest, upstream.clone())), background.clone());
    let function = move |call| {
        let (called, kept) = (called.clone(), kept.clone());
        async move {
            let _connections_last = kept;
            let (name, digest, upstream) = &*called;
            upstream.call(name, *digest, call).await
        }
    };
    Tool {
        output: known.output.clone(),
        read_only: known.read_only,
        destructive: known.destructive,
        approval: server.approval,
        time_max: server.time_max,
        place: format!("{} {name}", server.place()),
        service: Some(service),
        ..Tool::raw(&server.module, name, function)
    }
    .describe(&known.description)
    .parameters(known.parameters.clone())
}

/// Returns the only function of a module whose server has not answered yet.
fn unavailable(upstream: &Arc<Upstream>, background: &Arc<Background>) -> Tool {
    let server = &upstream.server;
    let module = text::line(&server.module, text::NAME_CHARS_MAX);
    let why = upstream.why_down().unwrap_or_else(|| "it has just answered".into());
    let message = format!(
        "MCP server '{module}' has not answered yet, so its tools are unknown: {why}. The executor goes on trying"
    );
    let (service, kept) =
        (ToolService { name: server.module.clone(), is_failing: upstream.is_failing() }, background.clone());
    let said = message.clone();
    let tool = Tool::raw(&server.module, UNAVAILABLE, move |_| {
        let _connections_last = kept.clone();
        let error = ToolError::failed(said.clone());
        async move { Err(error) }
    });
    Tool { service: Some(service), ..tool.describe(message).read_only() }
}

/// Reads bytes as a server may send them: a stream of events, or one message. Returns tools for those that they list.
#[cfg(fuzzing)]
pub fn listed_in(bytes: &[u8]) -> Vec<Tool> {
    let command =
        ServerCommand { module: "up".into(), command: vec!["up".into()], env: Vec::new(), cwd: None };
    let server = Server {
        module: "up".into(),
        reach: Reach::Command(command),
        allow: None,
        deny: std::collections::BTreeSet::new(),
        approval: super::Approval::default(),
        time_max: None,
        trust_annotations: true,
    };
    let (mut events, mut listed) = (sse::Events::default(), Listed::default());
    events.push(bytes);
    let mut texts: Vec<String> = std::str::from_utf8(bytes).map(str::to_owned).into_iter().collect();
    while let Ok(Some(data)) = events.next() {
        texts.push(data);
    }
    for text in &texts {
        let _ = wire::typed(text);
        if let Ok(wire::Message::Answer { result: Ok(answer), .. }) = wire::read(text) {
            if let Ok(value) = result::reply("tool", answer.get()) {
                serde_json::from_str::<serde::de::IgnoredAny>(value.get()).expect("values are JSON");
            }
            let _ = listed.add(&server, answer.get(), None);
        }
    }
    let tool = |(name, known): (&String, &Arc<Definition>)| {
        let tool = Tool::raw("up", name, async |_| Err(ToolError::failed("not connected")));
        let tool = Tool { output: known.output.clone(), read_only: known.read_only, ..tool };
        tool.describe(&known.description).parameters(known.parameters.clone())
    };
    listed.definitions.iter().map(tool).collect()
}
