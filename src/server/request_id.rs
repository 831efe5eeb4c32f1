//! Request IDs: the caller's own or a new one, for the answer and the log.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};

pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

const BYTES_MAX: usize = 128;

/// ID of a request: visible ASCII, of bounded length.
#[derive(Clone)]
pub(super) struct RequestId(HeaderValue);

impl RequestId {
    #[expect(clippy::expect_used, reason = "`name` takes and makes no others")]
    pub(super) fn as_str(&self) -> &str {
        self.0.to_str().expect("it is visible ASCII")
    }
}

/// Assigns an ID to a request, and returns it for the answer.
pub(super) fn name(request: &mut Request) -> HeaderValue {
    let id =
        request.headers().get(HEADER).filter(|id| is_sane(id.as_bytes())).cloned().unwrap_or_else(random);
    request.extensions_mut().insert(RequestId(id.clone()));
    id
}

fn is_sane(id: &[u8]) -> bool {
    (1..=BYTES_MAX).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

fn random() -> HeaderValue {
    let id = uuid::Uuid::new_v4().to_string();
    // Hexadecimal digits and hyphens are always a valid header value.
    HeaderValue::try_from(id).unwrap_or_else(|_| HeaderValue::from_static("-"))
}
