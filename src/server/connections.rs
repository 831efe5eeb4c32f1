//! Connections: accepted, bounded in number, served with HTTP/1.1 or HTTP/2, and closed in time.
//!
//! One rule bounds how long a peer can hold a connection: it is closed after it has been idle, or its peer too slow, for the
//! idle time. That covers a request head that does not come to its end, an answer that is not taken, and keep-alive, for
//! both versions of HTTP alike. A request in progress has bounds of its own: its body's time, then the execution's. When all
//! places for connections are taken, a new one takes the place of one that is idle or whose peer is slow. What a connection
//! holds in memory is bounded as well: see `budget`.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use axum::http::{Request, Version};
use axum::response::Response;
use axum::{BoxError, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{debug, warn};

use super::Service;
use super::answer::{Answer, answer};
use super::budget::{Account, Budget, Held, Share};
use super::refusal::Code;

/// Requests that one HTTP/2 connection may have in progress.
const STREAMS_MAX: u32 = 100;

/// A request's head; for HTTP/1 also what is read or written at once.
const HEAD_BYTES_MAX: u32 = 16 << 10;

/// What a peer may send of bodies that nobody has read yet, in HTTP/2.
const WINDOW_BYTES: u32 = 64 << 10;

/// What the kernel keeps of an answer, its own needs included. By default it keeps up to megabytes, which count towards the
/// limit of a container.
pub(super) const SOCKET_BYTES: usize = 128 << 10;

/// The same of a request.
const SOCKET_REQUEST_BYTES: usize = 64 << 10;

/// A request in progress, beside its headers: its stream, its task, its path through the service.
const REQUEST_BYTES: usize = 8 << 10;

/// An entry in a map of headers, beside its text.
const HEADER_BYTES: usize = 128;

/// How often connections are looked at whose peers take or send nothing.
const STALL_CHECK: Duration = Duration::from_millis(500);

/// Between two looks for a connection whose place another could have.
const PLACE_CHECK: Duration = Duration::from_millis(20);

/// Between two attempts to accept a connection while the process has no file descriptor left for it.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Accepts connections until `stop` completes, then waits until each has answered the requests in progress. Dropping
/// the future closes them all. Each is served by the one of `runtimes` that has the fewest.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    service: &Service,
    runtimes: &[Handle],
    stop: impl Future<Output = ()>,
) {
    let stopping = CancellationToken::new();
    let mut homes: Vec<(&Handle, JoinSet<()>)> =
        runtimes.iter().map(|runtime| (runtime, JoinSet::new())).collect();
    let accepting = async {
        let places = Arc::new(Semaphore::new(service.0.settings.connections_max.min(Semaphore::MAX_PERMITS)));
        loop {
            let stream = accept(&listener).await;
            let place = place(&places, &service.0.budget).await;
            for (_, connections) in &mut homes {
                while connections.try_join_next().is_some() {}
            }
            let fewest = homes.iter_mut().min_by_key(|(_, connections)| connections.len());
            let (runtime, connections) = fewest.unwrap_or_else(|| unreachable!("there is a runtime"));
            let (router, service, stopping) = (router.clone(), service.clone(), stopping.clone());
            let connection = async move {
                match here(stream) {
                    Ok(stream) => serve_connection(stream, router, &service, place, stopping).await,
                    Err(error) => warn!(%error, "connection closed: its thread cannot serve it"),
                }
            };
            connections.spawn_on(connection, runtime);
        }
    };
    tokio::select! {
        () = stop => {}
        () = accepting => {}
        () = close_stalled(service) => {}
    }
    drop(listener);
    stopping.cancel();
    for (_, connections) in &mut homes {
        while connections.join_next().await.is_some() {}
    }
}

/// `stream`, with its readiness known to the runtime that this runs on, not to the one that has accepted it.
fn here(stream: TcpStream) -> io::Result<TcpStream> {
    let stream = stream.into_std()?;
    // It doubles what it is told: socket(7).
    setsockopt(&stream, sockopt::SndBuf, &(SOCKET_BYTES / 2))?;
    setsockopt(&stream, sockopt::RcvBuf, &(SOCKET_REQUEST_BYTES / 2))?;
    TcpStream::from_std(stream)
}

async fn close_stalled(service: &Service) {
    let mut checks = interval(STALL_CHECK);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        checks.tick().await;
        service.0.budget.close_stalled(service.0.settings.idle_time);
    }
}

/// A place for a connection, given back when dropped. If there is none, another connection has to go, and need not be gone
/// yet.
async fn place(places: &Arc<Semaphore>, budget: &Budget) -> Option<OwnedSemaphorePermit> {
    if let Ok(place) = places.clone().try_acquire_owned() {
        return Some(place);
    }
    loop {
        if let Some(place) = budget.take_place() {
            return Some(place);
        }
        if let Ok(place) = timeout(PLACE_CHECK, places.clone().acquire_owned()).await {
            // The semaphore is never closed.
            return place.ok();
        }
    }
}

/// The next connection.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
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

async fn serve_connection(
    stream: TcpStream,
    router: Router,
    service: &Service,
    place: Option<OwnedSemaphorePermit>,
    stop: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "answers on this connection may be late");
    }
    // A peer that has gone already has none.
    let peer = stream.peer_addr().ok();
    let account = service.0.budget.open(place);
    let requests = TowerToHyperService::new(counted(router, account.clone(), service.clone(), peer));
    let builder = builder();
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), requests));
    let served = async {
        tokio::select! {
            ended = connection.as_mut() => return ended,
            () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        connection.await
    };
    tokio::select! {
        biased;
        () = account.closed() => debug!("connection closed: it is idle, or its peer is too slow"),
        ended = served => {
            if let Err(error) = ended {
                if error.downcast_ref().is_some_and(hyper::Error::is_parse) {
                    service.0.refusals.refused(Code::NotHttp, peer, None);
                }
                debug!(%error, "connection ended");
            }
        }
    }
}

/// HTTP/1 and HTTP/2, with bounds on what each keeps of a connection.
fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).max_buf_size(HEAD_BYTES_MAX as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX)
        .adaptive_window(false)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_send_buf_size(WINDOW_BYTES as usize);
    builder
}

/// `router`, with its requests, and what they and their answers take, counted in `account`.
fn counted<B>(
    router: Router,
    account: Arc<Account>,
    service: Service,
    peer: Option<SocketAddr>,
) -> impl tower::Service<Request<B>, Response = Response<Answer>, Error = h2::Error, Future: Send> + Clone
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    tower::service_fn(move |mut request: Request<B>| {
        let in_progress = account.begin_request();
        service.admit(&mut request, &account);
        let (router, account, service) = (router.clone(), account.clone(), service.clone());
        let bytes = bytes_of(&request);
        async move {
            // Nothing has come of the request: it may be sent again. HTTP/1, which has one at a time, closes the connection.
            let refused = || h2::Error::from(h2::Reason::REFUSED_STREAM);
            let in_progress = in_progress.ok_or_else(refused)?;
            // Any answer would take more than the request does.
            let held = hold(bytes, &account).await.ok_or_else(|| {
                service.0.refusals.refused(Code::Overloaded, peer, None);
                refused()
            })?;
            let Ok(response) = router.oneshot(request).await;
            drop(in_progress);
            let response = answer(response, account, held).await;
            service.0.refusals.record(&response, peer);
            Ok(response)
        }
    })
}

/// The memory of a request's head, and of what comes of its body unasked.
fn bytes_of<B: HttpBody>(request: &Request<B>) -> usize {
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| name.as_str().len() + value.len() + HEADER_BYTES);
    let has_window = request.version() == Version::HTTP_2 && !request.body().is_end_stream();
    let window = if has_window { WINDOW_BYTES as usize } else { 0 };
    REQUEST_BYTES + headers.sum::<usize>() + window
}

/// A request waits for its memory only if its connection takes none from others: so few wait.
async fn hold(bytes: usize, account: &Arc<Account>) -> Option<Held> {
    if account.is_light() {
        account.hold(bytes, Share::Request).await
    } else {
        account.try_hold(bytes, Share::Request)
    }
}
