//! TLS: which certificates HTTP tools accept.

use std::sync::Arc;

use axum::Router;
use http::Version;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rcgen::CertifiedKey;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;
use tempfile::NamedTempFile;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::upstream::{OK, Upstream};
use super::{call, sandbox};

/// Returns the acceptor of a service with a certificate for `name` that speaks `protocol`, and the certificate as PEM.
pub(super) fn acceptor(name: &str, protocol: &[u8]) -> (TlsAcceptor, NamedTempFile) {
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = config.with_single_cert(vec![cert.der().clone()], key).unwrap();
    config.alpn_protocols = vec![protocol.to_owned()];
    let pem = NamedTempFile::new().unwrap();
    std::fs::write(&pem, cert.pem()).unwrap();
    (TlsAcceptor::from(Arc::new(config)), pem)
}

/// Starts a service that answers with the HTTP version of the request. Returns its port, and its certificate as PEM.
async fn serve(name: &str, protocol: &[u8]) -> (u16, NamedTempFile) {
    let (acceptor, pem) = acceptor(name, protocol);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = Router::new().fallback(async |version: Version| format!("\"{version:?}\""));
                let service = TowerToHyperService::new(service);
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    (port, pem)
}

#[tokio::test]
async fn only_trusted_certificates_for_the_name_are_accepted() {
    let (h1, pem1) = serve("localhost", b"http/1.1").await;
    let (h2, pem2) = serve("localhost", b"h2").await;
    let (other, other_pem) = serve("elsewhere.example", b"h2").await;
    let plain = Upstream::start(async |mut connection, _| {
        connection.say(OK).await;
    });
    let plain = plain.await.address.port();
    let silent = Upstream::start(|connection, _| async move { drop(connection) }).await.address.port();
    let ca = |file: &NamedTempFile| format!("ca_file = {:?}", file.path());
    let failed = |why: &str| Err(format!("ToolError: MCP tool 'ask' connection failed: {why}"));
    let cases = [
        ("https", h1, ca(&pem1), Ok(json!("HTTP/1.1"))),
        ("https", h2, ca(&pem2), Ok(json!("HTTP/2.0"))),
        ("https", h2, String::new(), failed("certificate not accepted")),
        ("https", h2, ca(&pem1), failed("certificate not accepted")),
        ("https", other, ca(&other_pem), failed("certificate not accepted")),
        ("https", plain, String::new(), failed("TLS handshake failed")),
        ("https", silent, String::new(), failed("closed before the answer")),
        ("http", h2, String::new(), failed("the answer's head is not HTTP, or too large")),
    ];
    for (scheme, port, service, expected) in cases {
        let sandbox = sandbox(&format!("{scheme}://localhost:{port}"), &service);
        assert_eq!(call(&sandbox, "up.ask(1)").await, expected, "{scheme} {port} {service}");
    }
}
