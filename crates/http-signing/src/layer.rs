//! A tower layer that admits only signed requests.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tower::{BoxError, Layer, Service};
use tracing::{error, warn};

use super::error::VerifyError;
use super::verifier::{Verified, Verifier};

/// Admits requests that a [`Verifier`] accepts, and adds [`Verified`] to their extensions.
///
/// Other requests get a small JSON body that does not give the reason; the log does. 401: no valid signature. 413: the
/// body is too large. 400: the body ended early. 503: the nonce cache is full.
///
/// Apply it outside the outermost router, where method, host, path and query are as they were sent. The body is read
/// whole after the signature was verified. The layer has no timeout: limit the time for bodies in the server.
#[derive(Clone)]
pub struct VerifierLayer {
    verifier: Arc<Verifier>,
    body_bytes_max: usize,
}

/// A service behind a [`VerifierLayer`].
#[derive(Clone)]
pub struct VerifierService<S> {
    layer: VerifierLayer,
    inner: S,
}

impl VerifierLayer {
    /// Returns a layer that accepts bodies of up to 1 MiB.
    pub fn new(verifier: impl Into<Arc<Verifier>>) -> Self {
        Self { verifier: verifier.into(), body_bytes_max: 1 << 20 }
    }

    /// Sets the maximum size of bodies, in bytes.
    #[must_use]
    pub fn body_bytes_max(mut self, bytes: usize) -> Self {
        self.body_bytes_max = bytes;
        self
    }

    async fn admit<B>(&self, request: Request<B>) -> Result<Request<B>, Refusal>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + From<Bytes>,
    {
        let (mut head, body) = request.into_parts();
        let signed = self.verifier.check_head(SystemTime::now(), &head)?;
        let body = Limited::new(body, self.body_bytes_max).collect().await?.to_bytes();
        let verified: Verified = self.verifier.check_body(SystemTime::now(), &head, signed, &body)?;
        head.extensions.insert(verified);
        Ok(Request::from_parts(head, B::from(body)))
    }
}

impl<S> Layer<S> for VerifierLayer {
    type Service = VerifierService<S>;

    fn layer(&self, inner: S) -> VerifierService<S> {
        VerifierService { layer: self.clone(), inner }
    }
}

impl<S, B, P> Service<Request<B>> for VerifierService<S>
where
    S: Service<Request<B>, Response = Response<P>, Future: Send> + Clone + Send + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + From<Bytes> + Send + 'static,
    P: From<Bytes>,
{
    type Response = Response<P>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<P>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let layer = self.layer.clone();
        // Call the service that was polled ready: its clone may not be.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            match layer.admit(request).await {
                Ok(request) => inner.call(request).await,
                Err(refusal) => Ok(refusal.answer()),
            }
        })
    }
}

/// The answer to a refused request. The reason is only logged.
struct Refusal {
    status: StatusCode,
    body: &'static str,
}

impl Refusal {
    fn answer<P: From<Bytes>>(self) -> Response<P> {
        let mut answer = Response::new(P::from(Bytes::from_static(self.body.as_bytes())));
        *answer.status_mut() = self.status;
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        answer
    }
}

impl From<VerifyError> for Refusal {
    fn from(error: VerifyError) -> Self {
        if matches!(error, VerifyError::ReplaysFull { .. }) {
            error!(%error, "refusing signed requests");
            let body = r#"{"detail":"Signatures cannot be checked now","code":"signatures_full"}"#;
            return Self { status: StatusCode::SERVICE_UNAVAILABLE, body };
        }
        warn!(%error, "request refused");
        let body = r#"{"detail":"Invalid or missing request signature","code":"bad_signature"}"#;
        Self { status: StatusCode::UNAUTHORIZED, body }
    }
}

impl From<BoxError> for Refusal {
    fn from(error: BoxError) -> Self {
        warn!(%error, "cannot read the body of a signed request");
        if error.is::<LengthLimitError>() {
            let body = r#"{"detail":"The body is too large","code":"body_too_large"}"#;
            return Self { status: StatusCode::PAYLOAD_TOO_LARGE, body };
        }
        let body = r#"{"detail":"The body could not be read","code":"bad_body"}"#;
        Self { status: StatusCode::BAD_REQUEST, body }
    }
}
