//! Remembers accepted signatures until they expire, so that none is accepted twice.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::error::VerifyError;

/// A used nonce, stored as a digest so that each has the same size.
type Use = [u8; 32];

/// A bounded cache of used nonces.
pub(super) struct Replays {
    capacity: usize,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    uses: HashSet<Use>,
    by_expiry: BinaryHeap<Reverse<(u64, Use)>>,
    /// The latest expiry among the entries that were removed.
    forgotten: u64,
}

/// A nonce that may be used once, until its signature expires.
pub(super) struct Once {
    of: Use,
    expires: u64,
}

impl Once {
    /// The zero byte separates key id and nonce: key ids have none.
    pub(super) fn new(key_id: &str, nonce: &str, expires: u64) -> Self {
        let of = Sha256::new().chain_update(key_id).chain_update([0]).chain_update(nonce).finalize();
        Self { of: of.into(), expires }
    }
}

impl Replays {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, memory: Mutex::default() }
    }

    /// Records all nonces, or fails and records none. Times are seconds since 1970.
    pub(super) fn record(&self, now: u64, all: &[Once]) -> Result<(), VerifyError> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.forget(now);
        // If the clock was set back, entries that were already removed could be accepted again.
        if all.iter().any(|once| once.expires < now || once.expires <= memory.forgotten) {
            return Err(VerifyError::Expired);
        }
        if all.iter().any(|once| memory.uses.contains(&once.of)) {
            return Err(VerifyError::Replayed);
        }
        if memory.uses.len() + all.len() > self.capacity {
            return Err(VerifyError::ReplaysFull { capacity: self.capacity });
        }
        for once in all {
            memory.uses.insert(once.of);
            memory.by_expiry.push(Reverse((once.expires, once.of)));
        }
        Ok(())
    }
}

impl Memory {
    fn forget(&mut self, now: u64) {
        while let Some(&Reverse((expires, of))) = self.by_expiry.peek()
            && expires < now
        {
            self.by_expiry.pop();
            self.uses.remove(&of);
            self.forgotten = expires;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records `(now, nonce, expires)` one after the other and returns the outcomes.
    fn outcomes(capacity: usize, steps: &[(u64, &str, u64)]) -> Vec<&'static str> {
        let replays = Replays::new(capacity);
        let record = |&(now, nonce, expires): &(u64, &str, u64)| match replays
            .record(now, &[Once::new("key", nonce, expires)])
        {
            Ok(()) => "taken",
            Err(VerifyError::Replayed) => "replayed",
            Err(VerifyError::Expired) => "expired",
            Err(VerifyError::ReplaysFull { .. }) => "full",
            Err(other) => panic!("{other}"),
        };
        steps.iter().map(record).collect()
    }

    #[test]
    fn a_nonce_is_taken_once_while_its_signature_lives() {
        let steps = [(10, "a", 20), (20, "a", 20), (20, "a", 90), (20, "b", 20), (21, "a", 20)];
        assert_eq!(outcomes(9, &steps), ["taken", "replayed", "replayed", "taken", "expired"]);
    }

    #[test]
    fn a_full_memory_refuses_until_something_expires() {
        let steps =
            [(10, "a", 20), (10, "b", 30), (20, "c", 40), (21, "c", 40), (21, "b", 30), (21, "d", 40)];
        assert_eq!(outcomes(2, &steps), ["taken", "taken", "full", "taken", "replayed", "full"]);
        assert_eq!(outcomes(0, &[(10, "a", 20)]), ["full"]);
    }

    #[test]
    fn a_clock_set_back_does_not_allow_replays() {
        let steps = [(10, "a", 20), (25, "b", 30), (15, "a", 20), (15, "c", 21), (15, "b", 30)];
        assert_eq!(outcomes(9, &steps), ["taken", "taken", "expired", "taken", "replayed"]);
    }

    #[test]
    fn several_nonces_are_recorded_all_or_none() {
        let replays = Replays::new(2);
        let once = |key, nonce| Once::new(key, nonce, 20);
        assert!(replays.record(10, &[once("new", "a")]).is_ok());
        assert!(matches!(
            replays.record(10, &[once("old", "b"), once("new", "a")]),
            Err(VerifyError::Replayed)
        ));
        assert!(replays.record(10, &[once("old", "b")]).is_ok(), "the failed call recorded nothing");
        assert!(matches!(
            replays.record(10, &[once("old", "c")]),
            Err(VerifyError::ReplaysFull { capacity: 2 })
        ));
    }

    #[test]
    fn key_and_nonce_are_separated() {
        let replays = Replays::new(9);
        for (key, nonce) in [("a", "bc"), ("ab", "c"), ("abc", "")] {
            assert!(replays.record(10, &[Once::new(key, nonce, 20)]).is_ok(), "{key} {nonce}");
        }
    }

    #[test]
    fn expired_nonces_are_removed() {
        let replays = Replays::new(1000);
        for second in 0..10_000_u64 {
            let once = Once::new("key", &second.to_string(), second + 5);
            assert!(replays.record(second, &[once]).is_ok(), "{second}");
        }
        let memory = replays.memory.lock().unwrap();
        assert_eq!((memory.uses.len(), memory.by_expiry.len()), (6, 6));
    }
}
