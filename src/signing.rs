//! Signed requests: RFC 9421 HTTP Message Signatures, with RFC 9530 digests of their bodies.
//!
//! A service that checks them can refuse every caller that is not this executor, and knows which execution a request
//! comes from. [`Signer`] signs what goes out; [`Verifier`], also as the tower layer [`VerifierLayer`], checks what
//! comes in.
//!
//! ```
//! use ai_code_executor::signing::{Key, Signer, Verifier};
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let secret = "a secret that both sides know, of 32 bytes or more";
//! let (mut head, body) = http::Request::get("http://data-api:8006/devices?limit=5").body("")?.into_parts();
//! Signer::new(Key::new("executor-1", secret)?)?.sign(&mut head, body.as_bytes(), "execution-7")?;
//!
//! let verified = Verifier::new().key(Key::new("executor-1", secret)?).verify(&head, body.as_bytes())?;
//! assert_eq!(verified.execution, "execution-7");
//! # Ok(())
//! # }
//! # example().unwrap();
//! ```
//!
//! Nothing here knows of the rest of the crate.

mod base;
mod digest;
mod error;
mod fields;
mod key;
mod layer;
mod replay;
mod signer;
#[cfg(test)]
mod vectors;
mod verifier;

pub use base::ComponentError;
pub use error::VerifyError;
pub use key::{Key, KeyError};
pub use layer::{VerifierLayer, VerifierService};
pub use signer::{Signer, SigningError};
pub use verifier::{Verified, Verifier};

use http::HeaderName;

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
const EXECUTION_ID: HeaderName = HeaderName::from_static("x-execution-id");
pub(crate) const SIGNATURE: HeaderName = HeaderName::from_static("signature");
pub(crate) const SIGNATURE_INPUT: HeaderName = HeaderName::from_static("signature-input");

const CONTENT_TYPE: &str = "content-type";

/// What every signature covers, in the order in which it is signed. A request without a content type has a signature
/// without `content-type`.
const COVERED: [&str; 7] =
    ["@method", "@authority", "@path", "@query", CONTENT_TYPE, "content-digest", "x-execution-id"];

/// What a signature of this request has to cover.
fn covered(head: &http::request::Parts) -> impl Iterator<Item = &'static str> {
    let has_content_type = head.headers.contains_key(CONTENT_TYPE);
    COVERED.into_iter().filter(move |component| has_content_type || *component != CONTENT_TYPE)
}

/// The page's Rust compiles.
#[cfg(doctest)]
#[doc = include_str!("../docs/signing.md")]
struct Page;
