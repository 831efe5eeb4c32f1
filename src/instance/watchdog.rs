//! A thread that ends guests by force. A guest yields by itself every millisecond or so, and is ended there; but one that has
//! overwritten its own memory can be in a loop that does not yield. When it is overdue, its polling page becomes
//! inaccessible, and its loop traps.
//!
//! The thread sleeps until the next guest may be overdue, so that one which yields in time costs two turns of a lock.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use rustix::thread::gettid;
use tracing::error;

use super::cancel::Cancel;
use crate::limits::TIME_MAX;
use crate::memory::PollingPage;

/// Between two looks at a guest that runs: nothing tells when one is cancelled.
const INTERVAL: Duration = Duration::from_millis(50);

/// Between two looks while none runs, so that the next one need not wake the thread.
const LINGER_INTERVAL: Duration = Duration::from_millis(3);

/// How long these go on.
const LINGER: Duration = Duration::from_millis(100);

/// A clock of CPU time is not read again sooner.
const CPU_INTERVAL_MIN: Duration = Duration::from_micros(200);

thread_local! {
    static THREAD_CLOCK: ClockId = thread_clock();
}

/// What a guest may use until it yields.
pub(super) struct Bounds {
    pub(super) page: Arc<PollingPage>,
    pub(super) deadline: Instant,
    /// What this thread has used before.
    pub(super) cpu_time_before: Duration,
    pub(super) cpu_time: Duration,
    /// CPU time in a thread that is not for guests.
    pub(super) slice: Option<Duration>,
    pub(super) cancel: Cancel,
}

/// Which of them is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    WallTime,
    CpuTime,
    Slice,
    Cancelled,
}

/// Dropping it ends the thread.
pub(super) struct Watchdog {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// # Errors
    ///
    /// The kernel's: there is no room for another thread.
    pub(super) fn start() -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let watching = shared.clone();
        let thread = std::thread::Builder::new().name("watchdog".into()).spawn(move || watching.watch())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Watches the guest that this thread runs from now on, until the result is ended or dropped.
    pub(super) fn watch(&self, bounds: Bounds) -> Watch<'_> {
        let guest = Guest::new(bounds);
        let mut state = self.shared.lock();
        let look_at = guest.look_at;
        let place = state.guests.iter().position(Option::is_none).unwrap_or_else(|| {
            state.guests.push(None);
            state.guests.len() - 1
        });
        state.guests[place] = Some(guest);
        if state.wakes_at.is_none_or(|wakes_at| look_at < wakes_at) {
            state.wakes_at = Some(look_at);
            self.shared.changed.notify_one();
        }
        Watch { shared: &self.shared, place }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.lock().is_stopped = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // It does not panic, and ends at once. Were it to, there is nobody to tell.
            let _ = thread.join();
        }
    }
}

/// A guest is being watched.
pub(super) struct Watch<'a> {
    shared: &'a Shared,
    place: usize,
}

impl Watch<'_> {
    /// The guest has yielded or ended. Its polling page stays as it is now.
    pub(super) fn end(self) -> Option<Overdue> {
        let guest = self.shared.lock().guests[self.place].take();
        // There is nothing left to drop.
        std::mem::forget(self);
        guest.and_then(|guest| guest.overdue)
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.shared.lock().guests[self.place] = None;
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    guests: Vec<Option<Guest>>,
    /// When the thread looks next; `None` while it waits to be woken.
    wakes_at: Option<Instant>,
    is_stopped: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is complete in itself: a panic leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self) {
        let mut busy_at = Instant::now();
        let mut state = self.lock();
        while !state.is_stopped {
            let now = Instant::now();
            let next = state.guests.iter_mut().flatten().map(|guest| guest.look(now)).min();
            if next.is_some() {
                busy_at = now;
            }
            state.wakes_at = next.or_else(|| (now < busy_at + LINGER).then(|| now + LINGER_INTERVAL));
            let wait =
                state.wakes_at.map_or(Duration::MAX, |wakes_at| wakes_at.saturating_duration_since(now));
            let waited = self.changed.wait_timeout(state, wait);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A guest that a thread runs.
struct Guest {
    bounds: Bounds,
    clock: ClockId,
    look_at: Instant,
    cpu_look_at: Instant,
    overdue: Option<Overdue>,
}

impl Guest {
    fn new(bounds: Bounds) -> Self {
        let (now, clock) = (Instant::now(), THREAD_CLOCK.with(|clock| *clock));
        let cpu_look_at = now + bounds.cpu_time_min();
        Self {
            look_at: cpu_look_at.min(bounds.deadline).min(now + INTERVAL),
            cpu_look_at,
            bounds,
            clock,
            overdue: None,
        }
    }

    /// Ends it if it is overdue. Returns when to look again.
    fn look(&mut self, now: Instant) -> Instant {
        if self.overdue.is_none() && now >= self.look_at {
            self.overdue = self.is_overdue(now);
            self.look_at = self.cpu_look_at.min(self.bounds.deadline).min(now + INTERVAL);
            if self.overdue.is_some()
                && let Err(error) = self.bounds.page.close()
            {
                error!(%error, "a guest that is overdue cannot be ended by force");
            }
        }
        if self.overdue.is_some() { now + INTERVAL } else { self.look_at }
    }

    fn is_overdue(&mut self, now: Instant) -> Option<Overdue> {
        if now >= self.bounds.deadline {
            return Some(Overdue::WallTime);
        }
        if self.bounds.cancel.is_cancelled() {
            return Some(Overdue::Cancelled);
        }
        if now < self.cpu_look_at {
            return None;
        }
        let spent = cpu_time(self.clock)?.saturating_sub(self.bounds.cpu_time_before);
        if spent >= self.bounds.cpu_time {
            return Some(Overdue::CpuTime);
        }
        if self.bounds.slice.is_some_and(|slice| spent >= slice) {
            return Some(Overdue::Slice);
        }
        self.cpu_look_at = now + self.bounds.cpu_time_min().saturating_sub(spent).max(CPU_INTERVAL_MIN);
        None
    }
}

impl Bounds {
    /// The first of them that is over, if no one yields: not longer than clocks can express.
    fn cpu_time_min(&self) -> Duration {
        self.slice.unwrap_or(TIME_MAX).min(self.cpu_time)
    }
}

/// The clock of this thread's CPU time, for other threads: `MAKE_THREAD_CPUCLOCK` of the kernel, which is what
/// `pthread_getcpuclockid(3)` makes.
fn thread_clock() -> ClockId {
    const PER_THREAD: i32 = 4;
    const SCHEDULED: i32 = 2;
    ClockId::from_raw(!gettid().as_raw_nonzero().get() << 3 | PER_THREAD | SCHEDULED)
}

/// `None` if the thread has ended.
fn cpu_time(clock: ClockId) -> Option<Duration> {
    clock_gettime(clock).ok().map(Duration::from)
}
