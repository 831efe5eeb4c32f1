//! A server over time: connected, lost, connected again, and whether its tools are still those that programs know.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
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
    tools: Mutex<Tools>,
}

/// The current connection.
#[derive(Clone)]
enum Link {
    Up(Arc<Client>),
    /// And why there is none.
    Down(String),
}

/// The tools that programs know, and how they have changed since.
#[derive(Default)]
struct Tools {
    known: BTreeMap<String, [u8; 32]>,
    changed: BTreeMap<String, Change>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Other,
    Gone,
}

impl Upstream {
    /// Connects for the first time. Returns the tools, or why there are none.
    pub(super) async fn start(
        server: Arc<Server>,
        launch: Arc<dyn Launch>,
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
            tools: Mutex::default(),
        });
        let listed = upstream.connect().await;
        let listed = listed.inspect(|listed| {
            let known = |(name, tool): (&String, &Definition)| (name.clone(), tool.digest());
            upstream.tools().known = listed.definitions.iter().map(known).collect();
        });
        (upstream, listed)
    }

    /// Whether calls fail at once: always the latest.
    pub(super) fn is_failing(&self) -> Arc<AtomicBool> {
        self.is_failing.clone()
    }

    fn tools(&self) -> MutexGuard<'_, Tools> {
        self.tools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls a tool. Errors do not show the secrets of the server.
    pub(super) async fn call(&self, tool: &str, call: ToolCall) -> Reply {
        let reply = self.reply(tool, call).await;
        reply.map_err(|error| ToolError { message: self.secrets.hidden_in(&error.message), ..error })
    }

    async fn reply(&self, tool: &str, call: ToolCall) -> Reply {
        let shown = shown(tool);
        let attempt = self.breaker.start(Instant::now(), call.deadline).map_err(|wait| {
            let seconds = wait.as_secs_f64().ceil();
            ToolError::failed(format!(
                "MCP tool '{shown}' connection failed: server is not answering; next attempt in {seconds}s"
            ))
        })?;
        match self.answer(tool, &call).await {
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
    async fn answer(&self, tool: &str, call: &ToolCall) -> Result<Result<String, Failure>, ToolError> {
        let client = self.client(tool)?;
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
        let client = self.client(tool)?;
        Ok(self.ask(&client, tool, call).await)
    }

    async fn ask(&self, client: &Client, tool: &str, call: &ToolCall) -> Result<String, Failure> {
        client.call(tool, call.arguments.clone(), call.reply_bytes_max, call.share.clone()).await
    }

    /// Returns the connection for a call of `tool`.
    fn client(&self, tool: &str) -> Result<Arc<Client>, ToolError> {
        let changed = self.tools().changed.get(tool).copied();
        let what = match changed {
            Some(Change::Other) => "its definition has changed",
            Some(Change::Gone) => "its server does not offer it any more",
            None => {
                return match &*self.link.borrow() {
                    Link::Up(client) => Ok(client.clone()),
                    Link::Down(why) => Err(ToolError::failed(format!(
                        "MCP tool '{}' connection failed: server is not connected: {why}",
                        shown(tool)
                    ))),
                };
            }
        };
        Err(ToolError::failed(format!(
            "MCP tool '{}' was not called: {what} since this executor started; a restart of the executor takes over the new one",
            shown(tool)
        )))
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
                self.compare(&listed);
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
            if connected.is_ok() && self.tools().known.is_empty() {
                info!(mcp = %self.server.module, "MCP server answers now; a restart makes its tools known");
            } else if connected.is_ok() {
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
                    self.compare(&listed);
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

    /// Notes how the tools differ from those that programs know, and logs it once.
    fn compare(&self, listed: &Listed) {
        let mut tools = self.tools();
        let Tools { known, changed } = &mut *tools;
        let mut news = Vec::new();
        for (name, digest) in &*known {
            let now = match listed.definitions.get(name) {
                None => Some(Change::Gone),
                Some(tool) if tool.digest() != *digest => Some(Change::Other),
                Some(_) => None,
            };
            match (changed.entry(name.clone()), now) {
                (Entry::Vacant(entry), Some(now)) => {
                    entry.insert(now);
                    news.push(name.as_str());
                }
                (Entry::Occupied(mut entry), Some(now)) => drop(entry.insert(now)),
                (Entry::Occupied(entry), None) => drop(entry.remove()),
                (Entry::Vacant(_), None) => {}
            }
        }
        if !news.is_empty() {
            let tools = text::line(&news.join(", "), WHY_CHARS_MAX);
            warn!(mcp = %self.server.module, tools, "tools of an MCP server have changed; they are refused until a restart takes them over");
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
