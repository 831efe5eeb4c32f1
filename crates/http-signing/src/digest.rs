//! Digests of bodies, RFC 9530.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use sha2::{Digest, Sha256, Sha512};

use super::CONTENT_DIGEST;
use super::error::VerifyError;
use super::fields::{bytes, dictionary};

/// Returns the value of `content-digest` for a body.
pub(super) fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(body)))
}

/// Checks `content-digest`: it must have at least one digest of a supported algorithm, and all of these must match the
/// body.
pub(super) fn check_digest(headers: &HeaderMap, body: &[u8]) -> Result<(), VerifyError> {
    let mut known = false;
    for (algorithm, value) in dictionary(headers, &CONTENT_DIGEST)? {
        let right = match algorithm.as_str() {
            "sha-256" => bytes(&value) == Some(Sha256::digest(body).as_slice()),
            "sha-512" => bytes(&value) == Some(Sha512::digest(body).as_slice()),
            _ => continue,
        };
        if !right {
            return Err(VerifyError::Digest);
        }
        known = true;
    }
    if known { Ok(()) } else { Err(VerifyError::NoDigest) }
}
