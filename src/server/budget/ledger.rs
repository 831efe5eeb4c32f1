//! Who holds how much, and whose turn it is: one entry for each connection.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::OWN_BYTES;

/// Who holds how much.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) entries: HashMap<u64, Entry>,
    opened: u64,
    /// Out of the budget.
    pub(super) bytes: usize,
    pub(super) strangers_bytes: usize,
    /// The largest load since freed memory was last given back.
    pub(super) peak_bytes: usize,
}

pub(super) struct Entry {
    pub(super) held_bytes: usize,
    pub(super) has_token: bool,
    /// Requests that have not been answered.
    pub(super) requests: usize,
    /// When that was none for the last time.
    pub(super) idle_since: Instant,
    /// Bodies and answers whose next step is the peer's.
    pub(super) awaited: usize,
    /// When the peer is too slow, while it is awaited.
    pub(super) due: Instant,
    pub(super) close: CancellationToken,
}

impl Ledger {
    pub(super) fn open(&mut self, close: CancellationToken) -> u64 {
        self.opened += 1;
        let now = Instant::now();
        let entry = Entry {
            held_bytes: 0,
            has_token: false,
            requests: 0,
            idle_since: now,
            awaited: 0,
            due: now,
            close,
        };
        self.entries.insert(self.opened, entry);
        self.peak_bytes = self.peak_bytes.max(self.load());
        self.opened
    }

    pub(super) fn set(&mut self, id: u64, held_bytes: usize) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let (before, after) = (beyond_own(entry.held_bytes), beyond_own(held_bytes));
        entry.held_bytes = held_bytes;
        self.bytes = self.bytes + after - before;
        if !entry.has_token {
            self.strangers_bytes = self.strangers_bytes + after - before;
        }
        self.peak_bytes = self.peak_bytes.max(self.load());
    }

    /// The connection that others can best do without: the one that has been idle longest, else the one whose peer is most
    /// overdue. None while one is about to be closed.
    pub(super) fn most_dispensable(&self, now: Instant) -> Option<&Entry> {
        let entries = || self.entries.values();
        if entries().any(|entry| entry.close.is_cancelled()) {
            return None;
        }
        let idle = entries().filter(|entry| entry.is_idle()).min_by_key(|entry| entry.idle_since);
        let overdue = || entries().filter(|entry| entry.is_overdue(now, Duration::ZERO));
        idle.or_else(|| overdue().min_by_key(|entry| entry.due))
    }

    pub(super) fn load(&self) -> usize {
        self.bytes + self.entries.len() * OWN_BYTES
    }
}

impl Entry {
    pub(super) fn is_overdue(&self, now: Instant, tolerance: Duration) -> bool {
        self.awaited > 0 && now > self.due + tolerance && !self.close.is_cancelled()
    }

    /// Neither a request nor an answer is on its way.
    fn is_idle(&self) -> bool {
        self.requests == 0 && self.awaited == 0 && !self.close.is_cancelled()
    }
}

pub(super) fn beyond_own(held_bytes: usize) -> usize {
    held_bytes.saturating_sub(OWN_BYTES)
}
