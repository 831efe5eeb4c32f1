//! Checking what comes in.

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

/// Which keys, times and how much memory a service accepts signatures with.
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

/// A good signature. What is left to do: compare the body, and take note of the nonces.
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
    /// Accepts nobody until it has a [`key`](Self::key).
    #[must_use]
    pub fn new() -> Self {
        Self {
            keys: HashMap::new(),
            clock_skew: Duration::from_mins(1),
            max_age: Duration::from_mins(5),
            replays: Replays::new(100_000),
        }
    }

    /// Accepts this key too: two while keys are changed. One of the same id is replaced.
    #[must_use]
    pub fn key(mut self, key: Key) -> Self {
        self.keys.insert(key.id().to_owned(), key);
        self
    }

    /// How far a signer's clock may be ahead, 60 s by default. One that lags has its signatures' lifetime.
    #[must_use]
    pub fn clock_skew(mut self, skew: Duration) -> Self {
        self.clock_skew = skew;
        self
    }

    /// How long a signature may hold, from `created` to `expires`; 5 minutes by default.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// How many nonces are remembered, 100,000 by default, in about 10 MB. What comes when there are as many that have
    /// not expired is refused: allow for the requests of one lifetime.
    #[must_use]
    pub fn replay_capacity(mut self, nonces: usize) -> Self {
        self.replays = Replays::new(nonces);
        self
    }

    /// Checks a request with its whole body; the second time, the same request is refused.
    ///
    /// `head` has to be as it was sent: method, host, path and query of the outermost router.
    ///
    /// # Errors
    ///
    /// A requirement is not met. Only [`VerifyError::ReplaysFull`] is not the caller's fault.
    pub fn verify(&self, head: &Parts, body: &[u8]) -> Result<Verified, VerifyError> {
        let signed = self.check_head(SystemTime::now(), head)?;
        self.check_body(SystemTime::now(), head, signed, body)
    }

    /// The signature holds; so a body that comes after it is worth reading.
    pub(super) fn check_head(&self, now: SystemTime, head: &Parts) -> Result<Signed, VerifyError> {
        let now = seconds(now);
        let entries = entries(&head.headers)?;
        let (mut key_id, mut nonces, mut bad) = (None, Vec::new(), None);
        for entry in &entries {
            let Some(key) = entry.key_id().and_then(|id| self.keys.get(id)) else { continue };
            match self.check(now, head, entry, key) {
                Ok(once) => {
                    key_id = key_id.or(Some(key.id()));
                    // Each would let the request in by itself, so all are used up.
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

    /// The rest, when the body is there.
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

/// A clock before 1970 finds everything in the future.
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

    /// A request signed at second 1000 for 60 s.
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
