//! One connection to a server, by the library.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use rmcp::ClientHandler;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, ClientCapabilities, ClientConfig, ClientRequest, Implementation,
    ListToolsRequest, PaginatedRequestParams, ProtocolVersion, ServerResult,
};
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, NotificationContext, Peer, PeerRequestOptions, RoleClient,
    ServiceError, serve_client_with_lifecycle_and_ct,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::common::client_side_sse::NeverRetry;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Map, Value};
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::definition::Listed;
use super::failure::Failure;
use super::http::HttpClient;
use super::launch::Launch;
use super::server::{Reach, Server};
use super::slot::Slot;
use super::stdio::Pipes;
use crate::error::chain;
use crate::tools::http::{Failure as Connection, client};
use crate::tools::{ReplyShare, text};

/// For one page of a list of tools, and for all of them.
const PAGE_BYTES_MAX: usize = 4 << 20;
const LIST_BYTES_MAX: usize = 8 << 20;
const PAGES_MAX: usize = 50;

/// Requests by HTTP that one server gets at once.
const REQUESTS_MAX: usize = 128;

const CANCEL_TIME_MAX: Duration = Duration::from_secs(5);

/// The versions of the protocol that have no handshake.
const NEW_VERSIONS: [ProtocolVersion; 1] = [ProtocolVersion::V_2026_07_28];

/// A connection. It ends when this is dropped.
pub(super) struct Client {
    peer: Peer<RoleClient>,
    changed: Arc<Notify>,
    ended: CancellationToken,
    _stop: DropGuard,
}

/// What this side offers to servers: nothing. Requests of theirs are refused.
struct Handler {
    changed: Arc<Notify>,
}

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        let implementation = Implementation::new("ai-code-executor", env!("CARGO_PKG_VERSION"));
        ClientConfig::new(ClientCapabilities::default(), implementation)
            .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
    }

    async fn on_tool_list_changed(&self, _context: NotificationContext<RoleClient>) {
        self.changed.notify_one();
    }
}

impl Client {
    /// Connects, in whichever version of the protocol the server speaks.
    ///
    /// # Errors
    ///
    /// Why there is no connection, in words for the log and for programs.
    pub(super) async fn connect(server: &Server, launch: &Arc<dyn Launch>) -> Result<Self, String> {
        let changed = Arc::new(Notify::new());
        let handler = Handler { changed: changed.clone() };
        let stop = CancellationToken::new();
        let lifecycle =
            ClientLifecycleMode::Auto { preferred_versions: NEW_VERSIONS.into(), legacy_version: None };
        // If this future is dropped, whatever the library has started ends.
        let guard = stop.clone().drop_guard();
        let connected = match &server.reach {
            Reach::Http { uri, service } => {
                let client = client(service.roots.as_ref()).map_err(|error| error.to_string())?;
                let client = HttpClient::new(client, service.clone());
                let mut config = StreamableHttpClientTransportConfig::with_uri(uri.clone());
                config.retry_config = Arc::new(NeverRetry::default());
                config.reinit_on_expired_session = false;
                let config = config.max_concurrent_requests(REQUESTS_MAX);
                let transport = StreamableHttpClientTransport::with_client(client, config);
                serve_client_with_lifecycle_and_ct(handler, transport, lifecycle, stop).await
            }
            Reach::Command(command) => {
                let (launch, module) = (launch.clone(), command.module.clone());
                let pipes = tokio::task::spawn_blocking(move || launch.launch(&module)).await;
                let pipes = pipes.map_err(|error| error.to_string())?;
                let pipes = pipes.and_then(|pipes| Pipes::new(&command.module, pipes));
                let pipes = pipes.map_err(|error| format!("the command cannot be started: {error}"))?;
                serve_client_with_lifecycle_and_ct(handler, pipes, lifecycle, stop).await
            }
        };
        let running = connected.map_err(|error| why(&error))?;
        let (peer, ended) = (running.peer().clone(), CancellationToken::new());
        let end = ended.clone().drop_guard();
        tokio::spawn(async move {
            let _end = end;
            // Ends by itself: because the connection does, or because `guard` is dropped.
            let _ = running.waiting().await;
        });
        Ok(Self { peer, changed, ended, _stop: guard })
    }

    /// Waits until the connection has ended.
    pub(super) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Waits until the server says that its tools have changed.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Returns the server's tools.
    pub(super) async fn list(&self, server: &Arc<Server>) -> Result<Listed, Failure> {
        let (mut listed, mut cursor, mut bytes) = (Listed::default(), None, 0);
        for _ in 0..PAGES_MAX {
            let slot = Slot::for_list(PAGE_BYTES_MAX);
            let mut request =
                ListToolsRequest::with_param(PaginatedRequestParams::default().with_cursor(cursor));
            request.extensions.insert(slot.clone());
            let (page, read) = self.request(ClientRequest::ListToolsRequest(request), slot).await?;
            // The library leaves out tools whose calls would need impossible headers.
            let usable = match read {
                Some(ServerResult::ListToolsResult(list)) => {
                    Some(list.tools.into_iter().map(|tool| tool.name.into_owned()).collect())
                }
                _ => None,
            };
            bytes += page.len();
            if bytes > LIST_BYTES_MAX {
                return Err(Failure::TooLong(LIST_BYTES_MAX));
            }
            // Checking schemas takes time, and this thread is that of all servers.
            let server = server.clone();
            let added = tokio::task::spawn_blocking(move || {
                let next = listed.add(&server, &page, usable.as_ref());
                (listed, next)
            });
            let (all, next) =
                added.await.map_err(|_| Failure::Unreadable("the list of tools is not usable"))?;
            listed = all;
            cursor = next.map_err(Failure::Unreadable)?;
            if cursor.is_none() {
                return Ok(listed);
            }
        }
        Err(Failure::Unreadable("the list of tools has too many pages"))
    }

    /// Calls a tool. Returns its result as the server sent it.
    pub(super) async fn call(
        &self,
        tool: &str,
        arguments: Map<String, Value>,
        bytes_max: usize,
        share: Arc<ReplyShare>,
    ) -> Result<String, Failure> {
        let slot = Slot::for_call(bytes_max, share);
        let mut params = CallToolRequestParams::new(tool.to_owned());
        params.arguments = Some(arguments);
        let mut request = CallToolRequest::new(params);
        request.extensions.insert(slot.clone());
        self.request(ClientRequest::CallToolRequest(request), slot).await.map(|(result, _)| result)
    }

    /// Makes a request. Returns the result as the server sent it, and as the library has read it. If the future is
    /// dropped, the server is told that nobody waits any more.
    async fn request(
        &self,
        request: ClientRequest,
        slot: Slot,
    ) -> Result<(String, Option<ServerResult>), Failure> {
        let (mut done, answered) = oneshot::channel();
        let peer = self.peer.clone();
        tokio::spawn(async move {
            let sent = tokio::select! {
                sent = peer.send_cancellable_request(request, PeerRequestOptions::no_options()) => sent,
                () = done.closed() => return,
            };
            let mut handle = match sent {
                Ok(handle) => handle,
                Err(error) => return drop(done.send(Err(error))),
            };
            let answer = tokio::select! {
                answer = &mut handle.rx => Some(answer),
                () = done.closed() => None,
            };
            match answer {
                Some(answer) => drop(done.send(answer.unwrap_or(Err(ServiceError::TransportClosed)))),
                None => drop(timeout(CANCEL_TIME_MAX, handle.cancel(None)).await),
            }
        });
        let answer = answered.await.unwrap_or(Err(ServiceError::TransportClosed));
        // The slot knows more than the library.
        match (slot.take(), answer) {
            (Some(kept), answer) => kept.map(|kept| (kept, answer.ok())),
            (None, Ok(ServerResult::CallToolResult(_)) | Err(ServiceError::TransportClosed)) => {
                Err(Failure::Closed)
            }
            (None, Ok(_)) => Err(Failure::Unreadable("the answer is not one of the protocol")),
            (None, Err(error)) => {
                tracing::debug!(error = %text::line(&chain(&error), 500), "request to an MCP server");
                Err(Failure::Connection(Connection::Closed))
            }
        }
    }
}

/// Returns why there is no connection, without words of the server that nobody has cleaned.
fn why(error: &ClientInitializeError) -> String {
    let why = match error {
        ClientInitializeError::JsonRpcError(error) => format!("it refuses: {}", error.message),
        ClientInitializeError::TransportError { error, .. } => {
            let http = error.error.downcast_ref().map(super::http::said);
            http.map_or_else(|| "the connection broke".to_owned(), Cow::into_owned)
        }
        ClientInitializeError::ConnectionClosed(_) => "closed before the answer".into(),
        ClientInitializeError::NoCompatibleProtocolVersion { .. } => {
            "it speaks no version of the protocol in common".into()
        }
        ClientInitializeError::LegacyFallbackFailed { fallback, .. } => return self::why(fallback),
        ClientInitializeError::Cancelled => "cancelled".into(),
        _ => "the answer is not one of the protocol".into(),
    };
    text::line(&why, 500)
}
