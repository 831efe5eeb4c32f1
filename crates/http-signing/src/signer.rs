//! Signing what goes out.

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

/// The signature's name in the two headers, which could hold several.
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
    /// The request lacks something that signatures cover.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// The execution's id cannot stand in a header.
    #[error("the execution id is empty or not visible ASCII text, so it cannot be a header")]
    ExecutionId,
    /// The system has no random numbers.
    #[error("no random numbers for the nonce")]
    Random(#[source] std::io::Error),
    /// The system's clock is wrong.
    #[error("the system's clock stands before 1970")]
    Clock,
    /// A header came out in a form that cannot be sent.
    #[error("the signature cannot be a header")]
    Header(#[from] InvalidHeaderValue),
}

impl Signer {
    /// A signer whose signatures hold for 60 s.
    ///
    /// # Errors
    ///
    /// The key is a public one.
    pub fn new(key: Key) -> Result<Self, KeyError> {
        Ok(Self { key: key.can_sign()?, lifetime: Duration::from_mins(1) })
    }

    /// The same signer, whose signatures hold this long, in whole seconds and at least one.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Signs a request of `execution` with this `body`, as it is sent.
    ///
    /// Sets `content-digest`, `x-execution-id`, `signature-input` and `signature`, in place of any that are there.
    /// Whatever else is to be in the request has to be there already: changing method, URI or `content-type`
    /// afterwards breaks the signature.
    ///
    /// # Errors
    ///
    /// The request names no authority, or a part of it or `execution` is not ASCII text.
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

    /// What is covered and how, as a structured field's inner list. No value needs escaping: see [`Key::new`].
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
