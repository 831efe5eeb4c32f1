//! Signs outgoing requests.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderValue;
use http::header::InvalidHeaderValue;
use http::request::Parts;

use super::base::{ComponentError, signature_base};
use super::digest::content_digest;
use super::key::{Key, KeyError};
use super::{CONTENT_DIGEST, EXECUTION_ID, SIGNATURE, SIGNATURE_INPUT, covered};

/// The label of the signature in the two headers, which may hold several.
const LABEL: &str = "sig1";

/// Signs requests with one key.
#[derive(Clone, Debug)]
pub struct Signer {
    key: Key,
    lifetime: Duration,
}

/// Why a request could not be signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SigningError {
    /// A component that must be covered has no value.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// The execution id is not valid as a header.
    #[error("the execution id is empty or not visible ASCII text, so it cannot be a header")]
    ExecutionId,
    /// The system provides no random bytes.
    #[error("cannot get random bytes for the nonce")]
    Random(#[source] std::io::Error),
    /// The system's clock is wrong.
    #[error("the system's clock is set before 1970")]
    Clock,
    /// A header's value is invalid.
    #[error("the signature cannot be sent as a header")]
    Header(#[from] InvalidHeaderValue),
}

impl Signer {
    /// Returns a signer whose signatures expire after 60 s.
    ///
    /// # Errors
    ///
    /// If the key is a public key.
    pub fn new(key: Key) -> Result<Self, KeyError> {
        Ok(Self { key: key.can_sign()?, lifetime: Duration::from_mins(1) })
    }

    /// Sets the lifetime of signatures: whole seconds, at least one.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Signs a request of `execution` with `body` as it will be sent.
    ///
    /// Sets `content-digest`, `x-execution-id`, `signature-input` and `signature`, and replaces existing ones. Complete
    /// the request first: changing method, URI or `content-type` afterwards invalidates the signature.
    ///
    /// # Errors
    ///
    /// If the request names no authority, or if a covered part or `execution` is not ASCII.
    pub fn sign(&self, head: &mut Parts, body: &[u8], execution: &str) -> Result<(), SigningError> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(|error| SigningError::Random(std::io::Error::other(error)))?;
        self.sign_at(SystemTime::now(), &URL_SAFE_NO_PAD.encode(nonce), head, body, execution)
    }

    pub(super) fn sign_at(
        &self,
        now: SystemTime,
        nonce: &str,
        head: &mut Parts,
        body: &[u8],
        execution: &str,
    ) -> Result<(), SigningError> {
        if execution.is_empty() || !execution.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SigningError::ExecutionId);
        }
        head.headers.insert(CONTENT_DIGEST, HeaderValue::try_from(content_digest(body))?);
        head.headers.insert(EXECUTION_ID, HeaderValue::from_str(execution)?);

        let created = now.duration_since(UNIX_EPOCH).map_err(|_| SigningError::Clock)?.as_secs();
        let params = self.params(head, created, nonce);
        let base = signature_base(head, covered(head), &params)?;
        #[expect(clippy::expect_used, reason = "`new` refuses public keys")]
        let signature = self.key.sign(base.as_bytes()).expect("the key can sign");
        let signature = STANDARD.encode(signature);
        head.headers.insert(SIGNATURE_INPUT, HeaderValue::try_from(format!("{LABEL}={params}"))?);
        head.headers.insert(SIGNATURE, HeaderValue::try_from(format!("{LABEL}=:{signature}:"))?);
        Ok(())
    }

    /// Returns the value of `@signature-params`: components and parameters as a structured field's inner list. No value
    /// needs escaping, see [`Key::new`].
    pub(super) fn params(&self, head: &Parts, created: u64, nonce: &str) -> String {
        let components: Vec<_> = covered(head).map(|component| format!("\"{component}\"")).collect();
        let expires = created.saturating_add(self.lifetime.as_secs().max(1));
        format!(
            "({});created={created};expires={expires};nonce=\"{nonce}\";keyid=\"{}\";alg=\"{}\"",
            components.join(" "),
            self.key.id(),
            self.key.algorithm()
        )
    }
}
