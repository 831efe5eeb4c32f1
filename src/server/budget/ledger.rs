//! The state of each connection: the memory that it holds, and whether its peer is awaited.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::OWN_BYTES;

/// Time between two requests in which a connection does not count as idle, even if others need its place.
const PAUSE: Duration = Duration::from_millis(100);

/// All open connections and the sums of their memory.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) entries: HashMap<u64, Entry>,
    opened: u64,
    /// Bytes in use of the budget.
    pub(super) bytes: usize,
    pub(super) strangers_bytes: usize,
    /// Peak load since freed memory was last returned to the kernel.
    pub(super) peak_bytes: usize,
}

pub(super) struct Entry {
    pub(super) held_bytes: usize,
    pub(super) has_token: bool,
    /// Number of requests that are not answered yet.
    pub(super) requests: usize,
    /// When `requests` last became 0.
    pub(super) idle_since: Instant,
    /// Number of bodies and answers whose next step is the peer's.
    pub(super) awaited: usize,
    /// Time from which the peer is too slow, while it is awaited.
    pub(super) due: Instant,
    pub(super) close: CancellationToken,
    /// `None` once another connection has taken it.
    place: Option<OwnedSemaphorePermit>,
}

impl Ledger {
    pub(super) fn open(&mut self, place: Option<OwnedSemaphorePermit>, close: CancellationToken) -> u64 {
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
            place,
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

    /// Closes the least needed connection and returns its place.
    pub(super) fn take_place(&mut self, now: Instant) -> Option<OwnedSemaphorePermit> {
        let entries = self.entries.iter_mut().filter(|(_, entry)| entry.place.is_some());
        let entries = entries.filter_map(|(id, entry)| Some((entry.use_now(*id, now)?, entry)));
        let (_, entry) = entries.min_by_key(|(usefulness, _)| *usefulness)?;
        entry.close.cancel();
        entry.place.take()
    }

    pub(super) fn load(&self) -> usize {
        self.bytes + self.entries.len() * OWN_BYTES
    }
}

impl Entry {
    pub(super) fn is_overdue(&self, now: Instant, tolerance: Duration) -> bool {
        self.awaited > 0 && now > self.due + tolerance && !self.close.is_cancelled()
    }

    /// Returns whether neither a request nor an answer is in progress.
    pub(super) fn is_idle(&self) -> bool {
        self.requests == 0 && self.awaited == 0
    }

    /// Returns how much the connection is needed, the least needed first; `None` if it must stay open.
    fn use_now(&self, id: u64, now: Instant) -> Option<Use> {
        if self.close.is_cancelled() {
            return Some(Use::None);
        }
        // A client that is in use also pauses between two requests.
        if self.is_idle() && now > self.idle_since + PAUSE {
            return Some(Use::IdleSince(self.idle_since));
        }
        if self.is_overdue(now, Duration::ZERO) {
            return Some(Use::LateSince(self.due));
        }
        (self.is_idle() && !self.has_token).then_some(Use::Strangers(id))
    }
}

/// How much a connection is needed. Variants are in ascending order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    /// About to be closed.
    None,
    IdleSince(Instant),
    /// The peer is too slow.
    LateSince(Instant),
    /// Between two requests of a peer without the token. The oldest connection is closed first: it was served
    /// longest.
    Strangers(u64),
}

pub(super) fn beyond_own(held_bytes: usize) -> usize {
    held_bytes.saturating_sub(OWN_BYTES)
}
