//! Connections: accepted, bounded in number, served with HTTP/1.1 or HTTP/2, and closed in time.
//!
//! One rule bounds how long a peer can hold a connection: without a request in progress, it is closed after the idle
//! time, or sooner when places run out. That covers a request head that does not come to its end, an answer that is not
//! taken, and keep-alive, for both versions of HTTP alike. A request in progress has bounds of its own: its body's time,
//! then the execution's.

use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::pin::pin;
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use axum::http::Request;
use axum::response::Response;
use axum::{BoxError, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt};
use tracing::{debug, warn};

use super::places::Places;

/// Requests that one HTTP/2 connection may have in progress.
const STREAMS_MAX: u32 = 100;

/// Between two attempts to accept a connection while the process has no file descriptor left for it.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Bounds of connections.
#[derive(Clone)]
pub(super) struct Bounds {
    pub(super) places: Places,
    pub(super) idle_time: Duration,
}

/// Accepts connections until `stop` completes, then waits until each has answered the requests in progress. Dropping
/// the future closes them all. Each is served by the one of `runtimes` that has the fewest.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    runtimes: &[Handle],
    stop: impl Future<Output = ()>,
) {
    let stopping = CancellationToken::new();
    let mut homes: Vec<(&Handle, JoinSet<()>)> =
        runtimes.iter().map(|runtime| (runtime, JoinSet::new())).collect();
    let mut stop = pin!(stop);
    loop {
        let (stream, permit) = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accept(&listener, &bounds.places) => accepted,
        };
        for (_, connections) in &mut homes {
            while connections.try_join_next().is_some() {}
        }
        let fewest = homes.iter_mut().min_by_key(|(_, connections)| connections.len());
        let (runtime, connections) = fewest.unwrap_or_else(|| unreachable!("there is a runtime"));
        let (router, bounds, stopping) = (router.clone(), bounds.clone(), stopping.clone());
        let connection = async move {
            match here(stream) {
                Ok(stream) => serve_connection(stream, router, bounds, stopping).await,
                Err(error) => warn!(%error, "connection closed: its thread cannot serve it"),
            }
            drop(permit);
        };
        connections.spawn_on(connection, runtime);
    }
    drop(listener);
    stopping.cancel();
    for (_, connections) in &mut homes {
        while connections.join_next().await.is_some() {}
    }
}

/// `stream`, with its readiness known to the runtime that this runs on, not to the one that has accepted it.
fn here(stream: TcpStream) -> io::Result<TcpStream> {
    TcpStream::from_std(stream.into_std()?)
}

/// The next connection for which there is room. Dropping the future loses no connection.
async fn accept(listener: &TcpListener, places: &Places) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    let permit = places.take().await;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            // The peer was gone already.
            Err(error) if is_of_peer(&error) => {}
            Err(error) => {
                warn!(%error, "cannot accept connections, trying again");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_of_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset
    )
}

async fn serve_connection(stream: TcpStream, router: Router, bounds: Bounds, stop: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "answers on this connection may be late");
    }
    let (in_progress, watched) = watch::channel(0_usize);
    let service = TowerToHyperService::new(counted(router, in_progress));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(STREAMS_MAX);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let served = async {
        tokio::select! {
            ended = connection.as_mut() => return ended,
            () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        connection.await
    };
    tokio::select! {
        ended = served => if let Err(error) = ended { debug!(%error, "connection ended") },
        () = idle(watched, &bounds) => debug!("idle connection closed"),
    }
}

/// `router`, with its requests in progress counted in `in_progress`.
fn counted<B>(
    router: Router,
    in_progress: watch::Sender<usize>,
) -> impl Service<Request<B>, Response = Response, Error = Infallible, Future: Send> + Clone
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    tower::service_fn(move |request: Request<B>| {
        let counted = InProgress::new(&in_progress);
        let answer = router.clone().oneshot(request);
        async move {
            let _counted = counted;
            answer.await
        }
    })
}

/// A request that counts until this is dropped: when it is answered, or its client has gone.
struct InProgress(watch::Sender<usize>);

impl InProgress {
    fn new(count: &watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count.clone())
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// Completes when there has been no request for the idle time, or for less while places are scarce.
async fn idle(mut in_progress: watch::Receiver<usize>, bounds: &Bounds) {
    loop {
        let idle = *in_progress.borrow_and_update() == 0;
        let ended = tokio::select! {
            changed = in_progress.changed() => changed.is_err(),
            _ = bounds.places.patience(bounds.idle_time), if idle => true,
        };
        if ended {
            return;
        }
    }
}
