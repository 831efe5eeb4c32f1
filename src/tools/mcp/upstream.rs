//! A server over time: connected, lost, connected again, and whether its tools are still those that programs know.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::client::Client;
use super::definition::{Definition, Listed};
use super::failure::Failure;
use super::launch::Launch;
use super::offer::Offer;
use super::result;
use super::server::Server;
use crate::tools::http::{Breaker, Secrets};
use crate::tools::{Reply, ToolCall, ToolError, text};

/// Longest time for connecting, unless the registry file sets another. Starting a command may load it first.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(30);

/// Pauses before connecting again. Each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_mins(1);

/// When the list of tools is read again, if the server does not say how long it stays true, and bounds for what it says.
const REFRESH: Duration = Duration::from_mins(5);
const REFRESH_MIN: Duration = Duration::from_mins(1);
const REFRESH_MAX: Duration = Duration::from_hours(1);

/// How much is shown of why there is no connection. The server may have worded it.
const WHY_CHARS_MAX: usize = 500;

/// Least time between two reads of the list that the server asks for.
const CHANGE_PAUSE: Duration = Duration::from_secs(5);

/// A server.
pub(super) struct Upstream {
    pub(super) server: Arc<Server>,
    launch: Arc<dyn Launch>,
    /// What programs must not see.
    secrets: Secrets,
    breaker: Arc<Breaker>,
    is_failing: Arc<AtomicBool>,
    link: watch::Sender<Link>,
    /// Says that the current connection is of no use.
    lost: Notify,
    offer: Mutex<Offer>,
    /// Is told when other tools are offered.
    changes: watch::Sender<()>,
}

/// The current connection.
#[derive(Clone)]
enum Link {
    Up(Arc<Client>),
    /// And why there is none.
    Down(String),
}

impl Upstream {
    /// Connects for the first time. Returns the tools, or why there are none.
    pub(super) async fn start(
        server: Arc<Server>,
        launch: Arc<dyn Launch>,
        changes: watch::Sender<()>,
    ) -> (Arc<Self>, Result<Listed, String>) {
        let breaker = Arc::<Breaker>::default();
        let upstream = Arc::new(Self {
            is_failing: breaker.is_failing(),
            secrets: server.secrets(),
            server,
            launch,
            breaker,
            link: watch::Sender::new(Link::Down("not connected yet".into())),
            lost: Notify::new(),
            offer: Mutex::default(),
            changes,
        });
        let listed = upstream.connect().await;
        (upstream, listed)
    }

    /// Returns the tools that programs are to find by the names that the server gives them, or `None` if it has not
    /// answered yet.
    pub(super) fn offered(&self) -> Option<BTreeMap<String, Arc<Definition>>> {
        self.offer().known().cloned()
    }

    /// Returns why the server is not connected, if it is not.
    pub(super) fn why_down(&self) -> Option<String> {
        match &*self.link.borrow() {
            Link::Up(_) => None,
            Link::Down(why) => Some(why.clone()),
        }
    }

    /// Whether calls fail at once: always the latest.
    pub(super) fn is_failing(&self) -> Arc<AtomicBool> {
        self.is_failing.clone()
    }

    fn offer(&self) -> MutexGuard<'_, Offer> {
        self.offer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls a tool whose definition has this digest. Errors do not show the secrets of the server.
    pub(super) async fn call(&self, tool: &str, digest: [u8; 32], call: ToolCall) -> Reply {
        let reply = self.reply(tool, digest, call).await;
        reply.map_err(|error| ToolError { message: self.secrets.hidden_in(&error.message), ..error })
    }

    async fn reply(&self, tool: &str, digest: [u8; 32], call: ToolCall) -> Reply {
        let shown = shown(tool);
        let attempt = self.breaker.start(Instant::now(), call.deadline).map_err(|wait| {
            let seconds = wait.as_secs_f64().ceil();
            ToolError::failed(format!(
                "MCP tool '{shown}' connection failed: server is not answering; next attempt in {seconds}s"
            ))
        })?;
        match self.answer(tool, digest, &call).await {
            Ok(Ok(result)) => {
                attempt.answered();
                result::reply(&shown, &result)
            }
            Ok(Err(failure)) => {
                if !failure.is_of_server() {
                    attempt.answered();
                } else if attempt.failed(Instant::now()) {
                    warn!(mcp = %self.server.module, "MCP server does not answer; its tools fail fast until it does");
                }
                if call.happens_once && failure.is_open() {
                    let why = format!(
                        "MCP tool '{shown}' was called, but the connection closed before the answer: nobody knows whether it happened"
                    );
                    return Err(ToolError::interrupted(why).caused_by(failure.error(&shown)));
                }
                Err(failure.error(&shown))
            }
            // Nothing was sent, so this says nothing new about the server.
            Err(error) => Err(error),
        }
    }

    /// Returns the server's answer, or the error of a call that is not made.
    async fn answer(
        &self,
        tool: &str,
        digest: [u8; 32],
        call: &ToolCall,
    ) -> Result<Result<String, Failure>, ToolError> {
        let client = self.client(tool, digest)?;
        let answer = self.ask(&client, tool, call).await;
        if !matches!(answer, Err(Failure::Expired)) {
            return Ok(answer);
        }
        // The server has not looked at the request, so it can be made again: in a new session, of the same tools.
        self.lost.notify_one();
        let mut links = self.link.subscribe();
        let is_other = |link: &Link| matches!(link, Link::Up(other) if !Arc::ptr_eq(other, &client));
        if links.wait_for(is_other).await.is_err() {
            return Ok(answer);
        }
        let client = self.client(tool, digest)?;
        Ok(self.ask(&client, tool, call).await)
    }

    async fn ask(&self, client: &Client, tool: &str, call: &ToolCall) -> Result<String, Failure> {
        client.call(tool, call.arguments.clone(), call.reply_bytes_max, call.share.clone()).await
    }

    /// Returns the connection for a call of `tool`, whose definition has this digest.
    fn client(&self, tool: &str, digest: [u8; 32]) -> Result<Arc<Client>, ToolError> {
        let why = self.offer().refusal(tool, digest);
        if let Some(why) = why {
            return Err(ToolError::failed(format!("MCP tool '{}' was not called: {why}", shown(tool))));
        }
        match &*self.link.borrow() {
            Link::Up(client) => Ok(client.clone()),
            Link::Down(why) => Err(ToolError::failed(format!(
                "MCP tool '{}' connection failed: server is not connected: {why}",
                shown(tool)
            ))),
        }
    }

    /// Connects and reads the list of tools.
    async fn connect(&self) -> Result<Listed, String> {
        let time_max = self.server.time_max.unwrap_or(CONNECT_TIME_MAX);
        let connecting = async {
            let client = Client::connect(&self.server, &self.launch).await?;
            let listed = client.list(&self.server).await.map_err(|failure| failure.why())?;
            Ok((client, listed))
        };
        let connected = timeout(time_max, connecting)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {}s", time_max.as_secs_f64())));
        match connected {
            Ok((client, listed)) => {
                self.is_failing.store(false, Ordering::Relaxed);
                // Before calls are made: they must know what has changed.
                self.take(&listed);
                self.link.send_replace(Link::Up(Arc::new(client)));
                Ok(listed)
            }
            Err(why) => {
                let why = self.told(&why);
                self.is_failing.store(true, Ordering::Relaxed);
                self.link.send_replace(Link::Down(why.clone()));
                Err(why)
            }
        }
    }

    /// Keeps the connection, and what is known of the tools, until it is dropped. `listed` is what the first attempt to
    /// connect found.
    pub(super) async fn keep(self: Arc<Self>, listed: Result<Listed, String>) {
        let mut refresh = listed.ok().map(|listed| refresh_after(&listed));
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(first) = refresh {
                let why = self.watch(first).await;
                warn!(mcp = %self.server.module, why, "lost the connection to an MCP server");
                self.is_failing.store(true, Ordering::Relaxed);
                self.link.send_replace(Link::Down(why));
                pause = FIRST_PAUSE;
            }
            sleep(pause).await;
            pause = PAUSE_MAX.min(2 * pause);
            let connected = self.connect().await;
            if connected.is_ok() {
                info!(mcp = %self.server.module, "connected to an MCP server again");
            }
            refresh = connected.ok().map(|listed| refresh_after(&listed));
        }
    }

    /// Reads the list of tools again from time to time. Returns why the connection is of no use any more.
    async fn watch(&self, first: Duration) -> String {
        let Link::Up(client) = self.link.borrow().clone() else { return "not connected".into() };
        let mut refresh = first;
        loop {
            tokio::select! {
                () = client.ended() => return "the server has closed it".into(),
                () = self.lost.notified() => return "the server has ended the session".into(),
                () = client.changed() => sleep(CHANGE_PAUSE).await,
                () = sleep(refresh) => {}
            }
            let time_max = self.server.time_max.unwrap_or(CONNECT_TIME_MAX);
            match timeout(time_max, client.list(&self.server)).await.unwrap_or(Err(Failure::Late)) {
                Ok(listed) => {
                    self.take(&listed);
                    refresh = refresh_after(&listed);
                }
                Err(failure) => return self.told(&failure.why()),
            }
        }
    }

    /// Returns a reason, which the server may have worded, in one line without secrets.
    fn told(&self, why: &str) -> String {
        self.secrets.hidden_in(&text::line(why, WHY_CHARS_MAX))
    }

    /// Takes over what the server offers. Logs what has changed, and tells it.
    fn take(&self, listed: &Listed) {
        let asks_for = |tool: &Definition| self.server.approval.asks_for(tool.read_only);
        let news = self.offer().take(listed, asks_for);
        let (module, line) =
            (&self.server.module, |names: &[String]| text::line(&names.join(", "), WHY_CHARS_MAX));
        if !news.held.is_empty() {
            let tools = line(&news.held);
            warn!(mcp = %module, tools, "tools of an MCP server have changed that need approval; they are refused until a restart takes them over");
        }
        if !news.taken.is_empty() {
            warn!(mcp = %module, tools = line(&news.taken), "tools of an MCP server have changed");
        }
        if news.is_first || !news.taken.is_empty() {
            self.tell_left_out(listed);
            self.changes.send_replace(());
        }
    }

    /// Says in the log which tools are not as the server or the operator means them.
    fn tell_left_out(&self, listed: &Listed) {
        let module = &self.server.module;
        for tool in listed.left_out.iter().chain(&listed.collisions()) {
            warn!(mcp = %module, tool, "tool of an MCP server");
        }
        for name in self.server.allow.iter().flatten().filter(|name| !listed.definitions.contains_key(*name))
        {
            warn!(mcp = %module, tool = shown(name), "`allow` names a tool that the MCP server does not offer");
        }
    }
}

/// Returns a tool's name as messages show it. The server has chosen it.
fn shown(tool: &str) -> String {
    text::line(tool, text::NAME_CHARS_MAX)
}

fn refresh_after(listed: &Listed) -> Duration {
    listed.ttl_ms.map_or(REFRESH, |ttl| Duration::from_millis(ttl).clamp(REFRESH_MIN, REFRESH_MAX))
}
