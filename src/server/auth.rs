//! The shared secret of the service's callers.

use axum::http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::refusal::Refusal;

/// The header that carries the secret.
pub(super) const HEADER: &str = "x-executor-token";

/// The expected token, as its digest: comparing digests takes the same time for every guess, of whatever length.
#[derive(Clone, Default)]
pub struct Token(Option<[u8; 32]>);

impl Token {
    /// An empty `secret`, like [`Token::default`], lets nobody in.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self((!secret.is_empty()).then(|| Sha256::digest(secret).into()))
    }

    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let expected = self.0.as_ref().ok_or_else(Refusal::no_token_configured)?;
        let sent = headers.get(HEADER).map(HeaderValue::as_bytes).unwrap_or_default();
        let sent: [u8; 32] = Sha256::digest(sent).into();
        if expected.ct_eq(&sent).into() { Ok(()) } else { Err(Refusal::unauthorized()) }
    }
}
