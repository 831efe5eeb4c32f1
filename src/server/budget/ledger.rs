//! Who holds how much, and whose turn it is: one entry for each connection.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::OWN_BYTES;

/// What a client may take between two requests, however much others need its connection.
const PAUSE: Duration = Duration::from_millis(100);

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
    /// Until another connection has it.
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

    /// Closes the connection that others can best do without, for its place.
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

    /// Neither a request nor an answer is on its way.
    pub(super) fn is_idle(&self) -> bool {
        self.requests == 0 && self.awaited == 0
    }

    /// How little it is needed, the least first; `None` if it must stay.
    fn use_now(&self, id: u64, now: Instant) -> Option<Use> {
        if self.close.is_cancelled() {
            return Some(Use::None);
        }
        // Between two requests of one client there is a moment, too.
        if self.is_idle() && now > self.idle_since + PAUSE {
            return Some(Use::IdleSince(self.idle_since));
        }
        if self.is_overdue(now, Duration::ZERO) {
            return Some(Use::LateSince(self.due));
        }
        (self.is_idle() && !self.has_token).then_some(Use::Strangers(id))
    }
}

/// What a connection is needed for: those that are needed less come first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    /// It is about to be closed.
    None,
    IdleSince(Instant),
    /// Its peer is too slow.
    LateSince(Instant),
    /// Between two requests of a peer without a token; those who came first have had the most of it.
    Strangers(u64),
}

pub(super) fn beyond_own(held_bytes: usize) -> usize {
    held_bytes.saturating_sub(OWN_BYTES)
}
