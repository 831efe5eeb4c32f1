//! Signed requests: RFC 9421 HTTP Message Signatures, with RFC 9530 digests of their bodies.
//!
//! A service that verifies its requests refuses every caller without a key, and knows the execution for which a request
//! was made. [`Signer`] signs outgoing requests. [`Verifier`] checks incoming ones; `VerifierLayer` does so in front
//! of a tower service.
//!
//! ```
//! use http_signing::{Key, Signer, Verifier};
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
//! # Features
//!
//! `tower` (default): `VerifierLayer`. Its traits, those of tower 0.5, are the only ones here of a crate before 1.0.

mod base;
mod digest;
mod error;
mod fields;
mod key;
#[cfg(feature = "tower")]
mod layer;
mod replay;
mod signer;
#[cfg(test)]
mod vectors;
mod verifier;

pub use base::ComponentError;
pub use error::VerifyError;
pub use key::{Key, KeyError};
#[cfg(feature = "tower")]
pub use layer::{VerifierLayer, VerifierService};
pub use signer::{Signer, SigningError};
pub use verifier::{Verified, Verifier};

use http::HeaderName;

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
const EXECUTION_ID: HeaderName = HeaderName::from_static("x-execution-id");
/// The header with the signatures of a request, in base64.
pub const SIGNATURE: HeaderName = HeaderName::from_static("signature");
/// The header with the components, key and lifetime of each signature.
pub const SIGNATURE_INPUT: HeaderName = HeaderName::from_static("signature-input");

const CONTENT_TYPE: &str = "content-type";

/// The components that every signature covers, in order. `content-type` is left out if the request has none.
const COVERED: [&str; 7] =
    ["@method", "@authority", "@path", "@query", CONTENT_TYPE, "content-digest", "x-execution-id"];

/// Returns the components that a signature of this request must cover.
fn covered(head: &http::request::Parts) -> impl Iterator<Item = &'static str> {
    let has_content_type = head.headers.contains_key(CONTENT_TYPE);
    COVERED.into_iter().filter(move |component| has_content_type || *component != CONTENT_TYPE)
}

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
