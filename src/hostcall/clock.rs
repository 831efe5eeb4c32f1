//! The clocks that a guest sees.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId as SystemClock, clock_gettime};

/// Coarse enough to take the fine timer from side channels, fine enough for programs that time themselves.
pub(super) const CLOCK_RESOLUTION: Duration = Duration::from_micros(10);

/// The moment at which stopped clocks stand: plausible for programs that look at the year.
const STOPPED_AT: Duration = Duration::from_hours(482_136);

/// Which clock; numbered as in WASI. Those of CPU time are not for guests.
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
    /// The host's clocks, rounded down to [`CLOCK_RESOLUTION`]; the monotonic one starts at zero.
    Running { since: Instant },
    /// Clocks that stand still, for making images.
    Stopped,
}

impl Clock {
    pub(super) fn now(&self, id: ClockId) -> Duration {
        match (self, id) {
            // A clock set before 1970 reads as 1970.
            (Self::Running { .. }, ClockId::Realtime) => {
                coarse(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
            }
            (Self::Running { since }, ClockId::Monotonic) => coarse(since.elapsed()),
            (Self::Stopped, ClockId::Realtime) => STOPPED_AT,
            (Self::Stopped, ClockId::Monotonic) => Duration::ZERO,
        }
    }
}

/// What this thread has spent so far.
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
