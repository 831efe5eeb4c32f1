//! A thread that ends guests by force. A guest normally yields every millisecond or so and can be ended there, but
//! one that has overwritten its own memory can be in a loop that does not yield. If it is overdue, the thread makes
//! its polling page inaccessible, and the loop traps.
//!
//! The thread sleeps until the next guest may be overdue, so a guest that yields in time costs only two acquisitions
//! of a lock.

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

/// Maximum interval between checks of a running guest. Cancellation does not wake the thread, so it has to poll.
const INTERVAL: Duration = Duration::from_millis(50);

/// Interval at which the thread wakes while no guest runs. As long as it does, a new guest need not wake it.
const LINGER_INTERVAL: Duration = Duration::from_millis(3);

/// How long the thread continues to wake after the last guest.
const LINGER: Duration = Duration::from_millis(100);

/// Minimum interval between two reads of a thread's CPU clock.
const CPU_INTERVAL_MIN: Duration = Duration::from_micros(200);

thread_local! {
    static THREAD_CLOCK: ClockId = thread_clock();
}

/// The limits of a guest until it yields.
pub(super) struct Bounds {
    pub(super) page: Arc<PollingPage>,
    pub(super) deadline: Instant,
    /// The CPU time that this thread has used before.
    pub(super) cpu_time_before: Duration,
    /// The rest of the guest's CPU budget.
    pub(super) cpu_time: Duration,
    /// The CPU time that the guest may use in its caller's thread, if it runs there.
    pub(super) slice: Option<Duration>,
    pub(super) cancel: Cancel,
}

/// The limit that a guest has exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    WallTime,
    CpuTime,
    Slice,
    Cancelled,
}

/// The watchdog. Dropping it ends its thread.
pub(super) struct Watchdog {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// The kernel refuses another thread.
    pub(super) fn start() -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let watching = shared.clone();
        let thread = std::thread::Builder::new().name("watchdog".into()).spawn(move || watching.watch())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Watches the guest that the current thread is about to run, until the returned `Watch` is ended or dropped.
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
            // The thread ends at once and does not panic. Ignore a panic: nothing could handle it here.
            let _ = thread.join();
        }
    }
}

/// The registration of a watched guest. Dropping it removes the guest.
pub(super) struct Watch<'a> {
    shared: &'a Shared,
    place: usize,
}

impl Watch<'_> {
    /// Stops watching, because the guest has yielded or ended. Returns the limit that the guest has exceeded, if any.
    /// The watchdog does not change its polling page any more.
    pub(super) fn end(self) -> Option<Overdue> {
        let guest = self.shared.lock().guests[self.place].take();
        // The guest is already removed, which is all that `drop` does.
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
    /// When the thread wakes next; `None` if it sleeps until it is woken.
    wakes_at: Option<Instant>,
    is_stopped: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Ignore poisoning: every single change leaves the state consistent.
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

/// A watched guest.
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

    /// Ends the guest by force if it is overdue. Returns when to check it again.
    fn look(&mut self, now: Instant) -> Instant {
        if self.overdue.is_none() && now >= self.look_at {
            self.overdue = self.is_overdue(now);
            self.look_at = self.cpu_look_at.min(self.bounds.deadline).min(now + INTERVAL);
            if self.overdue.is_some()
                && let Err(error) = self.bounds.page.close()
            {
                error!(%error, "cannot end an overdue guest by force");
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
    /// Returns the smaller of the two limits on CPU time, in a range that clocks can express.
    fn cpu_time_min(&self) -> Duration {
        self.slice.unwrap_or(TIME_MAX).min(self.cpu_time)
    }
}

/// Returns the clock of this thread's CPU time, which other threads can read. It is the kernel's
/// `MAKE_THREAD_CPUCLOCK`, as in `pthread_getcpuclockid(3)`.
fn thread_clock() -> ClockId {
    const PER_THREAD: i32 = 4;
    const SCHEDULED: i32 = 2;
    ClockId::from_raw(!gettid().as_raw_nonzero().get() << 3 | PER_THREAD | SCHEDULED)
}

/// Reads a thread's CPU time. Returns `None` if the thread has ended.
fn cpu_time(clock: ClockId) -> Option<Duration> {
    clock_gettime(clock).ok().map(Duration::from)
}
