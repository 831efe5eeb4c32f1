//! A service in this process, with its own threads, on a free port of the loopback interface.

use std::net::SocketAddr;

use ai_code_executor::Sandbox;
use ai_code_executor::server::{Service, Settings, Token};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::client::TOKEN;

/// Starts the service. It serves until the process ends.
pub(crate) fn serve(sandbox: &Sandbox) -> SocketAddr {
    let runtime = Runtime::new().expect("a runtime");
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
    let address = listener.local_addr().expect("an address");
    let metrics = sandbox.metrics().clone();
    let service = Service::new(Settings::default().token(Token::new(TOKEN)).metrics(metrics));
    service.ready(sandbox.clone());
    std::thread::spawn(move || {
        runtime.block_on(async { service.serve(listener, std::future::pending()).await });
    });
    address
}
