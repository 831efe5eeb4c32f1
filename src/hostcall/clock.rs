//! The clocks of a guest, and the CPU time of a thread.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId as SystemClock, clock_gettime};

/// The resolution of a guest's clocks: too coarse for timing side channels, fine enough for programs that measure
/// their own run time.
pub(super) const CLOCK_RESOLUTION: Duration = Duration::from_micros(10);

/// The time of a stopped clock since 1970: a plausible date for code that reads the year.
const STOPPED_AT: Duration = Duration::from_hours(482_136);

/// A clock, with its number in WASI. Guests do not get the clocks of CPU time.
pub(super) enum ClockId {
    Realtime,
    Monotonic,
}

impl TryFrom<u32> for ClockId {
    type Error = ();

    fn try_from(id: u32) -> Result<Self, ()> {
        match id {
            0 => Ok(Self::Realtime),
            1 => Ok(Self::Monotonic),
            _ => Err(()),
        }
    }
}

pub(super) enum Clock {
    /// The host's clocks, rounded down to [`CLOCK_RESOLUTION`]. The monotonic clock read `before` when it was `since`.
    Running { before: Duration, since: Instant },
    /// Stopped clocks, for making images.
    Stopped,
}

impl Clock {
    pub(super) fn now(&self, id: ClockId) -> Duration {
        match (self, id) {
            // A host clock that is set before 1970 reads as 1970.
            (Self::Running { .. }, ClockId::Realtime) => {
                coarse(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
            }
            (Self::Running { before, since }, ClockId::Monotonic) => coarse(*before + since.elapsed()),
            (Self::Stopped, ClockId::Realtime) => STOPPED_AT,
            (Self::Stopped, ClockId::Monotonic) => Duration::ZERO,
        }
    }
}

/// Returns the CPU time that this thread has used so far.
#[expect(clippy::expect_used, reason = "the kernel's clocks of CPU time count up from 0")]
pub(crate) fn thread_cpu_time() -> Duration {
    let time = clock_gettime(SystemClock::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).expect("no time is negative"),
        u32::try_from(time.tv_nsec).expect("nanoseconds are below a second"),
    )
}

fn coarse(time: Duration) -> Duration {
    let step = nanos(CLOCK_RESOLUTION);
    Duration::from_nanos(nanos(time) / step * step)
}

pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
