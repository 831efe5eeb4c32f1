//! Reasons to refuse a request.

use http::HeaderName;

use super::base::ComponentError;

/// The requirement that a request does not meet. Meant for the service's log: do not send it to the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A signature header or `content-digest` is missing.
    #[error("the request has no header `{0}`")]
    NoHeader(HeaderName),
    /// A header is larger than 8 KiB.
    #[error("header `{header}` has {bytes} bytes, more than 8 KiB")]
    HeaderSize {
        /// The header.
        header: HeaderName,
        /// Its size in bytes, all lines together.
        bytes: usize,
    },
    /// A header violates its RFC.
    #[error("header `{header}` is malformed: {why}")]
    Malformed {
        /// The header.
        header: HeaderName,
        /// The problem.
        why: String,
    },
    /// No signature names a key that the verifier has.
    #[error("no signature was made with a known key; the request names {}", list(.0))]
    UnknownKey(Vec<String>),
    /// A signature parameter is missing, or has the wrong type or size.
    #[error("the signature parameter `{0}` is missing or invalid")]
    Parameter(&'static str),
    /// The name of a component is not a string.
    #[error("the signature covers a component whose name is not a string")]
    Unnamed,
    /// A component has a parameter such as `;sf` or `;req`.
    #[error("the signature covers `{0}` with a component parameter, which is not supported")]
    Flagged(String),
    /// A component is covered twice.
    #[error("the signature covers `{0}` twice")]
    Repeated(String),
    /// A required component is not covered.
    #[error("the signature does not cover `{0}`")]
    Uncovered(&'static str),
    /// The value of a covered component cannot be determined.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// The signature's `alg` differs from the algorithm of its key.
    #[error("the signature's `alg` is not {0}, the algorithm of its key")]
    Algorithm(&'static str),
    /// The creation time is in the future by more than the allowed clock skew.
    #[error("the signature was created {ahead_s} s in the future; compare the clocks")]
    Future {
        /// How far in the future, in seconds.
        ahead_s: u64,
    },
    /// The signature has expired.
    #[error("the signature has expired")]
    Expired,
    /// The signature's lifetime is too long or negative.
    #[error("the signature's lifetime is not within {max_s} s")]
    Lifetime {
        /// The longest accepted lifetime, in seconds.
        max_s: u64,
    },
    /// The signature does not match the request and the key.
    #[error("the signature does not match this request and key '{0}'")]
    Signature(String),
    /// The request is signed, but its `x-execution-id` is empty.
    #[error("`x-execution-id` is empty")]
    NoExecution,
    /// `content-digest` has no digest of a supported algorithm.
    #[error("`content-digest` has neither sha-256 nor sha-512")]
    NoDigest,
    /// The body does not match `content-digest`.
    #[error("the body does not match `content-digest`")]
    Digest,
    /// A request with this signature has already been accepted.
    #[error("a signature with this nonce was accepted before")]
    Replayed,
    /// The nonce cache is full of signatures that have not expired. Not the caller's fault.
    #[error(
        "the nonce cache holds {capacity} signatures that have not expired; \
         raise its capacity or shorten the lifetime of signatures"
    )]
    ReplaysFull {
        /// The capacity of the nonce cache.
        capacity: usize,
    },
}

fn list(ids: &[String]) -> String {
    if ids.is_empty() { "none".to_owned() } else { format!("'{}'", ids.join("', '")) }
}
