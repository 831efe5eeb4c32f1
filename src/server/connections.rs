//! Accepts connections, bounds their number, serves them with HTTP/1.1 or HTTP/2, and closes idle and slow ones.
//!
//! One rule bounds how long a peer can keep a connection: it is closed once it has been idle, or its peer too slow,
//! for the idle time. The rule covers unfinished request heads, answers that the peer does not take, and keep-alive,
//! in both versions of HTTP. A request in progress has its own bounds: the time for its body, then the limits of its
//! execution. If all places for connections are in use, a new connection takes the place of an idle one or of one
//! whose peer is slow. `budget` bounds the memory that a connection holds.

use std::future::pending;
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

/// Maximum number of concurrent requests of an HTTP/2 connection.
const STREAMS_MAX: u32 = 100;

/// Maximum size of a request's head; in HTTP/1 also the size of the read and write buffers.
const HEAD_BYTES_MAX: u32 = 16 << 10;

/// Bytes of unread bodies that a peer may send in HTTP/2.
const WINDOW_BYTES: u32 = 64 << 10;

/// Size of the kernel's send buffer, including its overhead. The default grows to megabytes, which count towards the
/// memory limit of a container.
pub(super) const SOCKET_BYTES: usize = 128 << 10;

/// Size of the kernel's receive buffer.
const SOCKET_REQUEST_BYTES: usize = 64 << 10;

/// Memory of a request in progress without its headers: its stream, its task and the state of its handlers.
const REQUEST_BYTES: usize = 8 << 10;

/// Memory of an entry in a header map without its text.
const HEADER_BYTES: usize = 128;

/// How often connections are checked for idle and slow peers.
const STALL_CHECK: Duration = Duration::from_millis(500);

/// How often a new connection looks for another one to replace.
const PLACE_CHECK: Duration = Duration::from_millis(20);

/// Time for the first bytes of a new connection, in which no other takes its place.
const FIRST_BYTES_TIME: Duration = Duration::from_millis(100);

/// Pause before the next attempt to accept a connection after an error, such as a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Accepts connections until `stop` completes, then waits until each has answered its requests in progress. Dropping
/// the future closes them all. Each connection is served by the one of `runtimes` that has the fewest.
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
            #[expect(clippy::expect_used, reason = "`serve_across` refuses an empty list")]
            let (runtime, connections) = fewest.expect("there is a runtime");
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

/// Registers `stream` with the runtime that this function runs on, instead of the one that accepted it.
fn here(stream: TcpStream) -> io::Result<TcpStream> {
    let stream = stream.into_std()?;
    // The kernel doubles the value: socket(7).
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

/// Waits for a place for a connection; dropping it releases the place. If none is free, another connection is told to
/// close. It may still be open when this returns.
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

/// Returns the next connection.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // The peer has disconnected already.
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
    // A peer that has disconnected already has no address.
    let peer = stream.peer_addr().ok();
    let account = service.0.budget.open(place);
    // A request that has arrived is read before others may take the connection's place.
    let arriving = account.begin_request();
    let _ = timeout(FIRST_BYTES_TIME, stream.readable()).await;
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
        // Polled after `served`, which has read what had arrived.
        () = async { drop(arriving); pending().await } => {}
    }
}

/// A server of HTTP/1 and HTTP/2 with bounds on the memory of each connection.
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

/// Wraps `router` so that `account` counts its requests, their memory and that of their answers.
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
            // The request had no effect, so the client may send it again. HTTP/1, which has one request at a time,
            // closes the connection.
            let refused = || h2::Error::from(h2::Reason::REFUSED_STREAM);
            let in_progress = in_progress.ok_or_else(refused)?;
            // No answer is sent: it would take more memory than the request.
            let held = hold(bytes, &account).await.ok_or_else(|| {
                service.0.refusals.refused(Code::Overloaded, peer, None);
                refused()
            })?;
            let Ok(response) = router.oneshot(request).await;
            let response = answer(response, account, held, in_progress).await;
            service.0.refusals.record(&response, peer);
            Ok(response)
        }
    })
}

/// Memory of a request's head, and of the part of its body that the peer may send before it is read.
fn bytes_of<B: HttpBody>(request: &Request<B>) -> usize {
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| name.as_str().len() + value.len() + HEADER_BYTES);
    let has_window = request.version() == Version::HTTP_2 && !request.body().is_end_stream();
    let window = if has_window { WINDOW_BYTES as usize } else { 0 };
    REQUEST_BYTES + headers.sum::<usize>() + window
}

/// Reserves the memory of a request. It waits only if its connection uses nothing of the budget, which keeps the
/// number of waiting requests small.
async fn hold(bytes: usize, account: &Arc<Account>) -> Option<Held> {
    if account.is_light() {
        account.hold(bytes, Share::Request).await
    } else {
        account.try_hold(bytes, Share::Request)
    }
}
