//! Answers on their way: their memory counts until the peer has taken it, or has gone.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, SizeHint};

use super::budget::{Account, Awaited, Held, Share};
use super::connections::SOCKET_BYTES;
use super::refusal::Refusal;
use super::request_id;

/// What is handed over at once: an answer of which the peer takes a part makes progress.
const PIECE_BYTES: usize = 32 << 10;

/// Where an answer's bytes are, as an extension of the response. Without it, they are yet to be counted.
#[derive(Clone)]
pub(super) enum Memory {
    /// On the heap, and counted.
    Held(Arc<Held>),
    /// In the program's file. The kernel copies what it is about to send.
    Static,
}

/// The body of an answer.
pub(super) struct Answer {
    inner: Body,
    /// What is left of the frame that `inner` has given last.
    rest: Bytes,
    taking: Arc<Taking>,
}

/// An answer that the peer has not taken yet.
struct Taking {
    account: Arc<Account>,
    _request: Held,
    _answer: Option<Arc<Held>>,
    _awaited: Awaited,
}

/// `response` as an answer to the request that `request` holds.
pub(super) async fn answer(mut response: Response, account: Arc<Account>, request: Held) -> Response<Answer> {
    let held = hold(&mut response, &account).await;
    if held.is_none() {
        // A few bytes: the request's own memory has room for them.
        let id = response.headers_mut().remove(request_id::HEADER);
        response = Refusal::overloaded().into_response();
        response.headers_mut().extend(id.map(|id| (request_id::HEADER, id)));
    }
    let awaited = account.await_peer();
    let taking = Arc::new(Taking { account, _request: request, _answer: held, _awaited: awaited });
    response.map(|inner| Answer { inner, rest: Bytes::new(), taking })
}

/// What holds the memory of the response's body; `None` if there is too little.
async fn hold(response: &mut Response, account: &Arc<Account>) -> Option<Arc<Held>> {
    let bytes = usize::try_from(response.body().size_hint().lower()).unwrap_or(usize::MAX);
    let bytes = match response.extensions_mut().remove::<Memory>() {
        Some(Memory::Held(held)) => return Some(held),
        Some(Memory::Static) => bytes.min(SOCKET_BYTES),
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
        let piece = Piece { bytes, taking: this.taking.clone() };
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

/// A part of an answer, with hyper until the kernel has it.
struct Piece {
    bytes: Bytes,
    taking: Arc<Taking>,
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
