//! Measures a running guest's CPU time and page faults, and enforces its limits.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use wasmtime::Trap;

use super::timer::Timer;
use super::watchdog::{Bounds, Overdue, Watchdog};
use super::{Cancel, End};
use crate::hostcall::thread_cpu_time;
use crate::memory::PollingPage;

/// A future that measures the thread's CPU time around each poll of the guest. A poll ends after a portion of fuel,
/// which is about a millisecond, or when the watchdog ends the guest. If the guest reaches both time limits at once,
/// the deadline counts.
pub(super) struct Metered<'a, F> {
    pub(super) guest: Pin<&'a mut F>,
    /// The thread's CPU time and page faults before the guest was instantiated. The first poll is in the same thread.
    pub(super) before: Option<(Duration, u64)>,
    pub(super) watchdog: &'a Watchdog,
    pub(super) page: Arc<PollingPage>,
    pub(super) cpu_time: &'a mut Duration,
    pub(super) faults: &'a mut u64,
    /// CPU time, in nanoseconds, that other threads have spent for the guest and that `cpu_time` does not include yet.
    pub(super) elsewhere: &'a AtomicU64,
    pub(super) cpu_time_max: Duration,
    pub(super) slice: Option<Duration>,
    pub(super) timer: &'a Timer,
    pub(super) cancel: &'a Cancel,
}

impl<F: Future<Output = End>> Future for Metered<'_, F> {
    type Output = End;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End> {
        let (cpu_time, faults) = self.before.take().unwrap_or_else(|| (thread_cpu_time(), thread_faults()));
        if let Err(error) = self.page.open() {
            return Poll::Ready(End::Crashed(format!("cannot open its polling page: {error}")));
        }
        let deadline = self.timer.deadline(Instant::now());
        let watch = self.watchdog.watch(Bounds {
            page: self.page.clone(),
            deadline,
            cpu_time_before: cpu_time,
            cpu_time: self.cpu_time_max.saturating_sub(*self.cpu_time),
            slice: self.slice.take(),
            cancel: self.cancel.clone(),
        });
        let polled = self.guest.as_mut().poll(cx);
        let overdue = watch.end();
        let elsewhere = Duration::from_nanos(self.elsewhere.swap(0, Ordering::Relaxed));
        *self.cpu_time += thread_cpu_time().saturating_sub(cpu_time) + elsewhere;
        *self.faults += thread_faults() - faults;
        match (polled, overdue) {
            (Poll::Ready(End::Trapped(Trap::MemoryOutOfBounds)), Some(overdue)) => {
                Poll::Ready(overdue.into())
            }
            (Poll::Ready(end), _) => Poll::Ready(end),
            (Poll::Pending, _) if self.timer.left(Instant::now()).is_zero() => Poll::Ready(End::WallTime),
            (Poll::Pending, _) if *self.cpu_time > self.cpu_time_max => Poll::Ready(End::CpuTime),
            // The guest has yielded, so it can continue even if its slice is over.
            (Poll::Pending, None | Some(Overdue::Slice)) => match self.page.rest() {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(End::Crashed(format!("cannot close its polling page: {error}"))),
            },
            (Poll::Pending, Some(overdue)) => Poll::Ready(overdue.into()),
        }
    }
}

/// Returns the page faults of this thread so far.
pub(super) fn thread_faults() -> u64 {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_THREAD) else {
        unreachable!("getrusage(RUSAGE_THREAD) cannot fail on Linux");
    };
    (usage.minor_page_faults() + usage.major_page_faults()).cast_unsigned()
}
