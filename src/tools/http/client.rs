//! The HTTP client: connections to services, pooled and reused.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::Uri;
use http_body_util::Full;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;
use tower::{BoxError, Service};

use super::resolver::Resolver;

const CONNECT_TIME_MAX: Duration = Duration::from_secs(3);
const IDLE_TIME_MAX: Duration = Duration::from_secs(30);
const IDLE_CONNECTIONS_MAX: usize = 32;

/// Bounds for the head of a reply and for read-ahead of its body.
const BUFFER_BYTES_MAX: usize = 64 << 10;
const HEADER_BYTES_MAX: u32 = 32 << 10;
const WINDOW_BYTES: u32 = 256 << 10;

/// Opens a connection: name lookup, TCP and TLS, all within [`CONNECT_TIME_MAX`]. A call's deadline is not enough: the
/// pool completes connections in the background after their call has ended.
#[derive(Clone)]
pub(in crate::tools) struct Connector(HttpsConnector<HttpConnector<Resolver>>);

impl Service<Uri> for Connector {
    type Response = <HttpsConnector<HttpConnector<Resolver>> as Service<Uri>>::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connected = timeout(CONNECT_TIME_MAX, self.0.call(uri));
        Box::pin(async move { connected.await.map_err(|_| io::Error::from(ErrorKind::TimedOut))? })
    }
}

/// A client without proxies, cookies or redirects.
pub(in crate::tools) type Client = legacy::Client<Connector, Full<Bytes>>;

/// Returns a client with its own pool. It trusts `roots`, or the root certificates of `webpki-roots` if `None`.
///
/// # Errors
///
/// If TLS cannot be set up.
pub(in crate::tools) fn client(roots: Option<&Arc<RootCertStore>>) -> Result<Client, rustls::Error> {
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let tls = tls.with_safe_default_protocol_versions()?;
    let tls = match roots {
        Some(roots) => tls.with_root_certificates(roots.clone()),
        None => tls.with_webpki_roots(),
    };
    let mut tcp = HttpConnector::new_with_resolver(Resolver);
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls.with_no_client_auth()).https_or_http();
    let connector = connector.enable_all_versions().wrap_connector(tcp);
    let client = legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIME_MAX)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .http1_max_buf_size(BUFFER_BYTES_MAX)
        .http2_max_header_list_size(HEADER_BYTES_MAX)
        .http2_initial_stream_window_size(WINDOW_BYTES)
        .http2_initial_connection_window_size(4 * WINDOW_BYTES)
        .build(Connector(connector));
    Ok(client)
}
