//! Verifies incoming requests.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::request::Parts;

use super::base::{signature_base, value};
use super::covered;
use super::digest::check_digest;
use super::error::VerifyError;
use super::fields::{Claim, Entry, entries};
use super::key::Key;
use super::replay::{Once, Replays};

/// Verifies signed requests: the accepted keys, the time limits and the cache of used nonces.
pub struct Verifier {
    keys: HashMap<String, Key>,
    clock_skew: Duration,
    max_age: Duration,
    replays: Replays,
}

/// Who signed a request, and for which execution.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// The key's id.
    pub key_id: String,
    /// The value of `x-execution-id`.
    pub execution: String,
}

/// A request whose signature is valid. The body is still to be checked and the nonces to be recorded.
pub(super) struct Signed {
    verified: Verified,
    nonces: Vec<Once>,
}

impl Default for Verifier {
    fn default() -> Self {
        Self::new()
    }
}

impl Verifier {
    /// Returns a verifier without keys, which refuses every request. Add keys with [`key`](Self::key).
    #[must_use]
    pub fn new() -> Self {
        Self {
            keys: HashMap::new(),
            clock_skew: Duration::from_mins(1),
            max_age: Duration::from_mins(5),
            replays: Replays::new(100_000),
        }
    }

    /// Adds a key. Add two to rotate keys; a key of the same id is replaced.
    #[must_use]
    pub fn key(mut self, key: Key) -> Self {
        self.keys.insert(key.id().to_owned(), key);
        self
    }

    /// Sets how far a signer's clock may be ahead; 60 s by default. A clock that is behind only shortens the lifetime
    /// of its signatures.
    #[must_use]
    pub fn clock_skew(mut self, skew: Duration) -> Self {
        self.clock_skew = skew;
        self
    }

    /// Sets the longest accepted lifetime of a signature, from `created` to `expires`; 5 minutes by default.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Sets how many nonces are remembered; 100,000 by default, which take about 10 MB. Requests are refused while all
    /// of them are unexpired, so allow for the requests of one lifetime.
    #[must_use]
    pub fn replay_capacity(mut self, nonces: usize) -> Self {
        self.replays = Replays::new(nonces);
        self
    }

    /// Verifies a request with its whole body. Accepts each request only once.
    ///
    /// `head` must be as it was sent: method, host, path and query as the outermost router sees them.
    ///
    /// # Errors
    ///
    /// The requirement that is not met. Only [`VerifyError::ReplaysFull`] is not the caller's fault.
    pub fn verify(&self, head: &Parts, body: &[u8]) -> Result<Verified, VerifyError> {
        let signed = self.check_head(SystemTime::now(), head)?;
        self.check_body(SystemTime::now(), head, signed, body)
    }

    /// Verifies the signature, before any of the body is read.
    pub(super) fn check_head(&self, now: SystemTime, head: &Parts) -> Result<Signed, VerifyError> {
        let now = seconds(now);
        let entries = entries(&head.headers)?;
        let (mut key_id, mut nonces, mut bad) = (None, Vec::new(), None);
        for entry in &entries {
            let Some(key) = entry.key_id().and_then(|id| self.keys.get(id)) else { continue };
            match self.check(now, head, entry, key) {
                Ok(once) => {
                    key_id = key_id.or(Some(key.id()));
                    // Each valid signature would admit the request, so the nonces of all are used up.
                    nonces.push(once);
                }
                Err(error) => bad = bad.or(Some(error)),
            }
        }
        let Some(key_id) = key_id else {
            return Err(bad.unwrap_or_else(|| VerifyError::UnknownKey(key_ids(&entries))));
        };
        let execution = value(head, "x-execution-id")?.into_owned();
        if execution.is_empty() {
            return Err(VerifyError::NoExecution);
        }
        Ok(Signed { verified: Verified { key_id: key_id.to_owned(), execution }, nonces })
    }

    /// Checks the body and records the nonces.
    pub(super) fn check_body(
        &self,
        now: SystemTime,
        head: &Parts,
        signed: Signed,
        body: &[u8],
    ) -> Result<Verified, VerifyError> {
        check_digest(&head.headers, body)?;
        self.replays.record(seconds(now), &signed.nonces)?;
        Ok(signed.verified)
    }

    fn check(&self, now: u64, head: &Parts, entry: &Entry, key: &Key) -> Result<Once, VerifyError> {
        let claim = entry.claim()?;
        if let Some(missing) = covered(head).find(|component| !claim.components.contains(component)) {
            return Err(VerifyError::Uncovered(missing));
        }
        if claim.algorithm.is_some_and(|algorithm| algorithm != key.algorithm()) {
            return Err(VerifyError::Algorithm(key.algorithm()));
        }
        self.check_time(now, &claim)?;
        let base = signature_base(head, claim.components.iter().copied(), &entry.params())?;
        if !key.verifies(base.as_bytes(), &entry.signature) {
            return Err(VerifyError::Signature(key.id().to_owned()));
        }
        Ok(Once::new(key.id(), claim.nonce, claim.expires))
    }

    fn check_time(&self, now: u64, claim: &Claim) -> Result<(), VerifyError> {
        let max_s = self.max_age.as_secs();
        if claim.created > now.saturating_add(self.clock_skew.as_secs()) {
            return Err(VerifyError::Future { ahead_s: claim.created - now });
        }
        if claim.expires < now {
            return Err(VerifyError::Expired);
        }
        match claim.expires.checked_sub(claim.created) {
            Some(lifetime) if lifetime <= max_s => Ok(()),
            _ => Err(VerifyError::Lifetime { max_s }),
        }
    }
}

/// Returns seconds since 1970. A clock before 1970 counts as 0, so every signature is in the future.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn key_ids(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| entry.key_id().unwrap_or("none").chars().take(64).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Signer;

    const SECRET: &str = "a secret of thirty-two bytes or more";

    fn at(second: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(second)
    }

    /// Returns a request signed at second 1000 for 60 s.
    fn signed() -> Parts {
        let mut head = http::Request::get("http://a/").body(()).unwrap().into_parts().0;
        let signer = Signer::new(Key::new("k", SECRET).unwrap()).unwrap();
        signer.sign_at(at(1000), "nonce", &mut head, b"", "execution").unwrap();
        head
    }

    #[test]
    fn time_is_exact_to_the_second() {
        let lifetime = Duration::from_mins(1);
        let cases = [
            (0, lifetime, Some(VerifyError::Future { ahead_s: 1000 })),
            (969, lifetime, Some(VerifyError::Future { ahead_s: 31 })),
            (970, lifetime, None),
            (1060, lifetime, None),
            (1061, lifetime, Some(VerifyError::Expired)),
            (1000, Duration::from_secs(59), Some(VerifyError::Lifetime { max_s: 59 })),
        ];
        for (now, max_age, error) in cases {
            let verifier = Verifier::new().key(Key::new("k", SECRET).unwrap());
            let verifier = verifier.clock_skew(Duration::from_secs(30)).max_age(max_age);
            assert_eq!(verifier.check_head(at(now), &signed()).err(), error, "at {now}");
        }
    }

    #[test]
    fn a_signature_that_expires_while_the_body_comes_is_refused() {
        let verifier = Verifier::new().key(Key::new("k", SECRET).unwrap());
        let head = signed();
        let checked = || verifier.check_head(at(1060), &head).unwrap();
        assert_eq!(verifier.check_body(at(1061), &head, checked(), b""), Err(VerifyError::Expired));
        assert!(verifier.check_body(at(1060), &head, checked(), b"").is_ok());
        assert_eq!(verifier.check_body(at(1060), &head, checked(), b""), Err(VerifyError::Replayed));
    }
}
