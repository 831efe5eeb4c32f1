//! Bodies of answers. Their memory counts until the peer has taken it or has disconnected.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, SizeHint};

use super::budget::{Account, Awaited, Held, InProgress, Share};
use super::connections::SOCKET_BYTES;
use super::refusal::Refusal;
use super::request_id;

/// Maximum size of a frame. With small frames, progress is visible even if the peer takes only a part of an answer.
const PIECE_BYTES: usize = 32 << 10;

/// Where the bytes of an answer are, as an extension of the response. Responses without it are not counted yet.
#[derive(Clone)]
pub(super) enum Memory {
    /// On the heap, already counted.
    Held(Arc<Held>),
    /// In the executable. Only the kernel's copy of the bytes that are being sent takes memory.
    Static,
    /// Made while it is sent. The peer is awaited only while there is something that it has not taken.
    Stream,
}

/// Body of an answer, counted until it is sent.
pub(super) struct Answer {
    inner: Body,
    /// Rest of the last frame that `inner` returned.
    rest: Bytes,
    taking: Arc<Taking>,
}

/// Memory and state that an answer holds until the peer has taken all of it.
struct Taking {
    account: Arc<Account>,
    _request: Held,
    _answer: Option<Arc<Held>>,
    /// `None` if the service does not wait for the peer until all is sent, but for the single pieces.
    awaited: Option<Awaited>,
    /// Of a stream: what is still to come of it.
    _in_progress: Option<InProgress>,
}

/// Converts `response` to a counted answer. It also keeps `request`, the memory of the request, until it is sent. A
/// stream is in progress until it ends.
pub(super) async fn answer(
    mut response: Response,
    account: Arc<Account>,
    request: Held,
    in_progress: InProgress,
) -> Response<Answer> {
    let is_stream = matches!(response.extensions().get(), Some(Memory::Stream));
    let held = hold(&mut response, &account).await;
    if held.is_none() {
        // This answer is a few bytes. The memory of the request covers them.
        let id = response.headers_mut().remove(request_id::HEADER);
        response = Refusal::overloaded().into_response();
        response.headers_mut().extend(id.map(|id| (request_id::HEADER, id)));
    }
    let awaited = (!is_stream).then(|| account.await_peer());
    let in_progress = is_stream.then_some(in_progress);
    let taking =
        Arc::new(Taking { account, _request: request, _answer: held, awaited, _in_progress: in_progress });
    response.map(|inner| Answer { inner, rest: Bytes::new(), taking })
}

/// Reserves memory for the body of the response; `None` if there is too little.
async fn hold(response: &mut Response, account: &Arc<Account>) -> Option<Arc<Held>> {
    let bytes = usize::try_from(response.body().size_hint().lower()).unwrap_or(usize::MAX);
    let bytes = match response.extensions_mut().remove::<Memory>() {
        Some(Memory::Held(held)) => return Some(held),
        Some(Memory::Static) => bytes.min(SOCKET_BYTES),
        Some(Memory::Stream) => SOCKET_BYTES,
        None => bytes,
    };
    account.hold(bytes, Share::Answer).await.map(Arc::new)
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        if this.rest.is_empty() {
            let frame = ready!(Pin::new(&mut this.inner).poll_frame(context));
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => this.rest = data,
                Some(Ok(Err(frame))) => return Poll::Ready(Some(Ok(frame))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let bytes = this.rest.split_to(this.rest.len().min(PIECE_BYTES));
        let awaited = this.taking.awaited.is_none().then(|| this.taking.account.await_peer());
        let piece = Piece { bytes, taking: this.taking.clone(), _awaited: awaited };
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, hint) = (self.rest.len() as u64, self.inner.size_hint());
        let mut whole = SizeHint::new();
        whole.set_lower(hint.lower() + rest);
        if let Some(upper) = hint.upper() {
            whole.set_upper(upper + rest);
        }
        whole
    }
}

/// A part of an answer. Hyper drops it after the kernel has copied it.
struct Piece {
    bytes: Bytes,
    taking: Arc<Taking>,
    /// Of a stream: the service waits for the peer until it has taken this.
    _awaited: Option<Awaited>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.taking.account.moved(self.bytes.len());
    }
}
