//! Bounds the memory that peers can make the service hold.
//!
//! Each connection may hold [`OWN_BYTES`] of its own; the number of connections bounds their sum. Everything beyond
//! that (requests, bodies, queued programs, answers until they are sent) is taken from one budget for all
//! connections. Connections that have not shown the token share a small part of the budget. If the budget is spent,
//! the slow connection that holds the most is closed.

mod ledger;

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use tracing::debug;

use super::metrics::ServerMetrics;
use ledger::{Entry, Ledger, beyond_own};

/// Memory that a connection may hold outside of the budget. It suffices for a small request and its answer, so these
/// are never refused for lack of memory.
pub(super) const OWN_BYTES: usize = 32 << 10;

/// The budget divided by this is the share of all connections without the token together.
const STRANGERS_PART: usize = 6;

/// Minimum rate at which an awaited peer must take or send bytes. While the budget is spent, slower peers may be
/// closed.
const BYTES_PER_SECOND_MIN: u32 = 64 << 10;

/// How far a peer may fall behind that rate.
const SLACK: Duration = Duration::from_millis(500);

/// How often a request that waits for memory looks for a connection to close.
const RECHECK: Duration = Duration::from_millis(50);

/// Maximum number of requests that wait for memory. Each keeps its connection, and the service cannot see whether its
/// peer has disconnected.
const WAITING_MAX: usize = 64;

/// Smallest peak load after which freed memory is worth returning to the kernel.
const RELIEF_BYTES_MIN: usize = 8 << 20;

/// Purpose of a reservation. It decides how much of the budget may be in use.
#[derive(Clone, Copy)]
pub(super) enum Share {
    /// A body that is being read. The memory to parse one always stays free.
    Body,
    /// A request and its body. Queued programs keep this memory while they wait.
    Request,
    /// An answer. One third of the budget is for answers alone, so that programs that run can always deliver theirs.
    Answer,
}

impl Share {
    fn of(self, bytes_max: usize) -> usize {
        match self {
            Self::Body => bytes_max / 3,
            Self::Request => bytes_max / 3 * 2,
            Self::Answer => bytes_max,
        }
    }

    /// Returns how long to wait for memory. Answers wait longer: the program has run, and without its answer the
    /// caller does not learn what it did.
    fn patience(self) -> Duration {
        Duration::from_secs(match self {
            Self::Body | Self::Request => 5,
            Self::Answer => 30,
        })
    }
}

#[derive(Clone)]
pub(super) struct Budget(Arc<Inner>);

struct Inner {
    bytes_max: usize,
    metrics: ServerMetrics,
    ledger: Mutex<Ledger>,
    freed: Notify,
    relieved: Notify,
    /// Number of requests that wait for memory.
    waiting: AtomicUsize,
    /// Held by the one request that waits for memory to parse its body.
    parsing: Semaphore,
}

impl Budget {
    pub(super) fn new(bytes_max: usize, metrics: ServerMetrics) -> Self {
        let (freed, relieved) = (Notify::new(), Notify::new());
        let (waiting, parsing) = (AtomicUsize::new(0), Semaphore::new(1));
        Self(Arc::new(Inner {
            bytes_max,
            metrics,
            ledger: Mutex::default(),
            freed,
            relieved,
            waiting,
            parsing,
        }))
    }

    /// Opens an account for a new connection. Dropping the account releases `place`.
    pub(super) fn open(&self, place: Option<OwnedSemaphorePermit>) -> Arc<Account> {
        let close = CancellationToken::new();
        let id = self.0.ledger().open(place, close.clone());
        Arc::new(Account { budget: self.0.clone(), id, close })
    }

    /// Closes connections that have been idle for `time`, and those whose peers have been too slow for `time`.
    pub(super) fn close_stalled(&self, time: Duration) {
        let now = Instant::now();
        let has_been_idle = |entry: &Entry| entry.is_idle() && now > entry.idle_since + time;
        for entry in self.0.ledger().entries.values() {
            if has_been_idle(entry) || entry.is_overdue(now, time) {
                entry.close.cancel();
            }
        }
    }

    /// Closes the least needed connection and returns its place; `None` if all are needed.
    pub(super) fn take_place(&self) -> Option<OwnedSemaphorePermit> {
        self.0.ledger().take_place(Instant::now())
    }

    /// Completes when a large part of the held memory is free again.
    pub(super) async fn relieved(&self) {
        self.0.relieved.notified().await;
    }
}

impl Inner {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // A panic cannot leave it inconsistent.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_hold(&self, id: u64, bytes: usize, share: Share) -> bool {
        let limit = share.of(self.bytes_max);
        let mut ledger = self.ledger();
        let Some(entry) = ledger.entries.get(&id) else { return false };
        let more = beyond_own(entry.held_bytes + bytes) - beyond_own(entry.held_bytes);
        let is_within = ledger.bytes + more <= limit
            && (entry.has_token || ledger.strangers_bytes + more <= self.bytes_max / STRANGERS_PART);
        if more == 0 || is_within {
            let held_bytes = entry.held_bytes + bytes;
            ledger.set(id, held_bytes);
            return true;
        }
        false
    }

    fn release(&self, id: u64, bytes: usize) {
        let mut ledger = self.ledger();
        let Some(entry) = ledger.entries.get(&id) else { return };
        let (before, held_bytes) = (ledger.bytes, entry.held_bytes - bytes);
        ledger.set(id, held_bytes);
        if ledger.bytes < before {
            self.freed.notify_waiters();
            self.relieve(&mut ledger);
        }
    }

    /// Counts a request that waits for memory; `None` if too many wait already.
    fn wait(&self, share: Share) -> Option<Waiting<'_>> {
        let waiting = Waiting(&self.waiting);
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let has_room = match share {
            Share::Body | Share::Request => before < WAITING_MAX,
            Share::Answer => true,
        };
        has_room.then_some(waiting)
    }

    fn close_account(&self, id: u64) {
        let mut ledger = self.ledger();
        // Each [`Held`] keeps its account alive, so everything has been released before.
        ledger.entries.remove(&id);
        self.relieve(&mut ledger);
    }

    fn relieve(&self, ledger: &mut Ledger) {
        let load = ledger.load();
        if ledger.peak_bytes >= RELIEF_BYTES_MIN && load <= ledger.peak_bytes / 2 {
            ledger.peak_bytes = load;
            self.relieved.notify_one();
        }
    }

    /// Closes the connection that holds the most among those whose peers are too slow. If a connection without the
    /// token wants the memory, only connections without the token are closed.
    fn close_largest(&self, for_stranger: bool) {
        let now = Instant::now();
        let ledger = self.ledger();
        let holders = || {
            let entries = ledger.entries.values().filter(|entry| beyond_own(entry.held_bytes) > 0);
            entries.filter(|entry| !for_stranger || !entry.has_token)
        };
        if holders().any(|entry| entry.close.is_cancelled()) {
            // Its memory will be free soon.
            return;
        }
        let slow = holders().filter(|entry| entry.is_overdue(now, Duration::ZERO));
        if let Some(largest) = slow.max_by_key(|entry| entry.held_bytes) {
            debug!(bytes = largest.held_bytes, "slow connection closed: its memory is needed");
            self.metrics.connection_closed_for_memory();
            largest.close.cancel();
        }
    }
}

/// Memory that one connection holds, for all of its requests together.
pub(super) struct Account {
    budget: Arc<Inner>,
    id: u64,
    close: CancellationToken,
}

impl Account {
    /// Completes when the connection must be closed.
    pub(super) fn closed(&self) -> WaitForCancellationFuture<'_> {
        self.close.cancelled()
    }

    /// Records that the peer has shown the token.
    pub(super) fn has_token(&self) {
        let mut ledger = self.budget.ledger();
        let Some(entry) = ledger.entries.get_mut(&self.id) else { return };
        if !std::mem::replace(&mut entry.has_token, true) {
            let bytes = beyond_own(entry.held_bytes);
            ledger.strangers_bytes -= bytes;
        }
    }

    /// Records that the peer has taken or sent `bytes`.
    pub(super) fn moved(&self, bytes: usize) {
        let worth = SLACK.min(Duration::from_secs(bytes as u64) / BYTES_PER_SECOND_MIN);
        let latest = Instant::now() + SLACK;
        self.update(|entry| entry.due = latest.min(entry.due + worth));
    }

    /// Counts a request as in progress until the result is dropped; `None` if the connection is about to be closed.
    pub(super) fn begin_request(self: &Arc<Self>) -> Option<InProgress> {
        let mut ledger = self.budget.ledger();
        let entry = ledger.entries.get_mut(&self.id)?;
        if entry.close.is_cancelled() {
            return None;
        }
        entry.requests += 1;
        Some(InProgress(self.clone()))
    }

    /// Counts the peer as awaited until the result is dropped.
    pub(super) fn await_peer(self: &Arc<Self>) -> Awaited {
        let due = Instant::now() + SLACK;
        self.update(|entry| {
            if entry.awaited == 0 {
                entry.due = due;
            }
            entry.awaited += 1;
        });
        Awaited(self.clone())
    }

    /// Reserves `bytes` if they are available now, otherwise returns `None`.
    pub(super) fn try_hold(self: &Arc<Self>, bytes: usize, share: Share) -> Option<Held> {
        let mut held = self.hold_nothing();
        held.try_grow(bytes, share).then_some(held)
    }

    /// Waits for `bytes` and reserves them; `None` if it takes too long.
    pub(super) async fn hold(self: &Arc<Self>, bytes: usize, share: Share) -> Option<Held> {
        let mut held = self.hold_nothing();
        held.grow_to(bytes, share).await.map(|()| held)
    }

    pub(super) fn hold_nothing(self: &Arc<Self>) -> Held {
        Held { account: self.clone(), bytes: 0 }
    }

    /// Returns whether it uses nothing of the budget.
    pub(super) fn is_light(&self) -> bool {
        let ledger = self.budget.ledger();
        ledger.entries.get(&self.id).is_some_and(|entry| beyond_own(entry.held_bytes) == 0)
    }

    /// Returns whether the peer has shown the token.
    pub(super) fn knows_token(&self) -> bool {
        self.budget.ledger().entries.get(&self.id).is_some_and(|entry| entry.has_token)
    }

    fn update(&self, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.budget.ledger().entries.get_mut(&self.id) {
            change(entry);
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.budget.close_account(self.id);
    }
}

/// A request in progress, until it is answered or its client has disconnected.
pub(super) struct InProgress(Arc<Account>);

impl Drop for InProgress {
    fn drop(&mut self) {
        let now = Instant::now();
        self.0.update(|entry| {
            entry.requests -= 1;
            entry.idle_since = now;
        });
    }
}

/// A peer whose next step the service waits for.
pub(super) struct Awaited(Arc<Account>);

impl Drop for Awaited {
    fn drop(&mut self) {
        self.0.update(|entry| entry.awaited -= 1);
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Reserved memory, released on drop.
pub(super) struct Held {
    account: Arc<Account>,
    bytes: usize,
}

impl Held {
    fn try_grow(&mut self, bytes: usize, share: Share) -> bool {
        let grown = self.account.budget.try_hold(self.account.id, bytes, share);
        if grown {
            self.bytes += bytes;
        }
        grown
    }

    /// Waits until it can hold at least `bytes`, and reserves them; `None` if it takes too long.
    pub(super) async fn grow_to(&mut self, bytes: usize, share: Share) -> Option<()> {
        let bytes = bytes.saturating_sub(self.bytes);
        if self.try_grow(bytes, share) {
            return Some(());
        }
        let budget = self.account.budget.clone();
        let _waiting = budget.wait(share)?;
        let mut over = pin!(sleep(share.patience()));
        loop {
            let mut freed = pin!(budget.freed.notified());
            freed.as_mut().enable();
            if self.try_grow(bytes, share) {
                return Some(());
            }
            budget.close_largest(!self.account.knows_token());
            tokio::select! {
                () = freed => {}
                () = sleep(RECHECK) => {}
                () = &mut over => return None,
            }
        }
    }

    /// Like [`Held::grow_to`], for a body that is about to be parsed. Only one request waits at a time, because the
    /// others hold their bodies meanwhile.
    pub(super) async fn grow_for_parsing(&mut self, bytes: usize) -> Option<()> {
        if self.try_grow(bytes.saturating_sub(self.bytes), Share::Request) {
            return Some(());
        }
        let budget = self.account.budget.clone();
        let _turn = timeout(Share::Request.patience(), budget.parsing.acquire()).await.ok()?;
        self.grow_to(bytes, Share::Request).await
    }

    /// Releases everything beyond `bytes`.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        self.account.budget.release(self.account.id, less);
        self.bytes -= less;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}
