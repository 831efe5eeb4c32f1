//! Why a request is not accepted.

use http::HeaderName;

use super::base::ComponentError;

/// Which requirement a request does not meet: for the service's log. A caller should not learn it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A header of signatures or the digest is not there.
    #[error("the request has no header `{0}`")]
    NoHeader(HeaderName),
    /// A header has more than 8 KiB.
    #[error("header `{header}` has {bytes} bytes, more than 8 KiB")]
    HeaderSize {
        /// Which one.
        header: HeaderName,
        /// Its size, all its lines together.
        bytes: usize,
    },
    /// A header is not what its RFC says.
    #[error("header `{header}` is malformed: {why}")]
    Malformed {
        /// Which one.
        header: HeaderName,
        /// What is wrong with it.
        why: String,
    },
    /// No signature names a key that is known here.
    #[error("no signature is by a known key; the request names {}", list(.0))]
    UnknownKey(Vec<String>),
    /// A parameter is missing or has a value of another type or size.
    #[error("the signature needs a proper parameter `{0}`")]
    Parameter(&'static str),
    /// A component's name is not a string.
    #[error("the signature covers something that is not a name")]
    Unnamed,
    /// A component has a flag like `;sf` or `;req`.
    #[error("the signature covers `{0}` with a flag")]
    Flagged(String),
    /// A component stands twice.
    #[error("the signature covers `{0}` twice")]
    Repeated(String),
    /// A component that must be covered is not.
    #[error("the signature does not cover `{0}`")]
    Uncovered(&'static str),
    /// A covered component cannot be had from this request.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// The signature says that it is by another algorithm than its key's.
    #[error("the signature says it is by another algorithm than {0}, which its key is for")]
    Algorithm(&'static str),
    /// It was made later than now, by more than clocks may differ.
    #[error("the signature was created {ahead_s} s in the future; compare the clocks")]
    Future {
        /// By how many seconds.
        ahead_s: u64,
    },
    /// It has expired.
    #[error("the signature has expired")]
    Expired,
    /// It holds for longer than is accepted here, or ends before it begins.
    #[error("the signature's lifetime is not within {max_s} s")]
    Lifetime {
        /// The longest accepted, in seconds.
        max_s: u64,
    },
    /// It is not the key's signature of this request.
    #[error("the signature is not one of this request by key '{0}'")]
    Signature(String),
    /// It is signed, but for no execution.
    #[error("`x-execution-id` is empty")]
    NoExecution,
    /// The header `content-digest` has no algorithm that is known here.
    #[error("`content-digest` has neither sha-256 nor sha-512")]
    NoDigest,
    /// The body is not the one that was signed.
    #[error("the body does not have the digest in `content-digest`")]
    Digest,
    /// The request was accepted before.
    #[error("a signature with this nonce was accepted before")]
    Replayed,
    /// Not the caller's fault: too many accepted signatures have not expired yet.
    #[error(
        "all {capacity} places for nonces are taken by signatures that have not expired; \
         raise the capacity or shorten the lifetime of signatures"
    )]
    ReplaysFull {
        /// The number of places.
        capacity: usize,
    },
}

fn list(ids: &[String]) -> String {
    if ids.is_empty() { "none".to_owned() } else { format!("'{}'", ids.join("', '")) }
}
