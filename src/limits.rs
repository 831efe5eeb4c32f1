//! What one execution may use, and the operator's ceilings over it.

use std::time::Duration;

/// Fuel that a second of CPU time may burn before the deterministic backstop ends the run.
///
/// The fastest guest code measured burns 20 G/s (big integers), so this never ends an execution before its CPU-time budget
/// does, and it always ends one whose clock has gone wrong.
const FUEL_PER_CPU_SECOND: u64 = 60_000_000_000;

/// What an embedding program may mean by "no limit": a deadline that the clock can still express.
pub(crate) const TIME_MAX: Duration = Duration::from_hours(24 * 365);

/// Bounds of one execution.
///
/// [`Limits::default`] is what the service uses when nothing is configured. The same type serves as the operator's
/// ceilings: see [`Limits::clamped_to`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Wall-clock time from the start of the sandbox to the answer, waiting for tools included.
    pub wall_time: Duration,
    /// CPU time of the guest.
    pub cpu_time: Duration,
    /// Linear memory, the interpreter's own part included.
    pub memory_bytes_max: u64,
    /// Standard output and standard error each; what goes beyond is dropped and flagged.
    pub output_bytes_max: usize,
    /// The return value as JSON.
    pub result_bytes_max: usize,
    /// One tool call, from its start to its reply.
    pub tool_time: Duration,
    /// Tool calls in total.
    pub tool_calls_max: u32,
    /// Tool calls at the same time; further ones wait.
    pub tool_calls_in_flight_max: usize,
    /// One tool's reply as JSON.
    pub tool_reply_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let wall_time = Duration::from_secs(30);
        Self {
            wall_time,
            cpu_time: cpu_time_of(wall_time, 50.0),
            memory_bytes_max: 128 << 20,
            output_bytes_max: 1 << 20,
            result_bytes_max: 1 << 20,
            tool_time: Duration::from_secs(10),
            tool_calls_max: 1000,
            tool_calls_in_flight_max: 32,
            tool_reply_bytes_max: 8 << 20,
        }
    }
}

impl Limits {
    /// No bounds but the ceilings that they are lowered to.
    pub const UNLIMITED: Self = Self {
        wall_time: Duration::MAX,
        cpu_time: Duration::MAX,
        memory_bytes_max: u64::MAX,
        output_bytes_max: usize::MAX,
        result_bytes_max: usize::MAX,
        tool_time: Duration::MAX,
        tool_calls_max: u32::MAX,
        tool_calls_in_flight_max: usize::MAX,
        tool_reply_bytes_max: usize::MAX,
    };

    /// Each bound lowered to the ceiling's where it lies above it.
    #[must_use]
    pub fn clamped_to(self, ceiling: &Self) -> Self {
        Self {
            wall_time: self.wall_time.min(ceiling.wall_time),
            cpu_time: self.cpu_time.min(ceiling.cpu_time),
            memory_bytes_max: self.memory_bytes_max.min(ceiling.memory_bytes_max),
            output_bytes_max: self.output_bytes_max.min(ceiling.output_bytes_max),
            result_bytes_max: self.result_bytes_max.min(ceiling.result_bytes_max),
            tool_time: self.tool_time.min(ceiling.tool_time),
            tool_calls_max: self.tool_calls_max.min(ceiling.tool_calls_max),
            tool_calls_in_flight_max: self.tool_calls_in_flight_max.min(ceiling.tool_calls_in_flight_max),
            tool_reply_bytes_max: self.tool_reply_bytes_max.min(ceiling.tool_reply_bytes_max),
        }
    }

    /// The fuel budget: a generous multiple of the CPU-time budget, in units of [`Usage::fuel`](crate::Usage::fuel).
    pub(crate) fn fuel(&self) -> u64 {
        let millis = u64::try_from(self.cpu_time.as_millis()).unwrap_or(u64::MAX);
        millis.saturating_add(1).saturating_mul(FUEL_PER_CPU_SECOND / 1000)
    }
}

/// The CPU-time budget that goes with a wall-clock limit: `percent` of it (kept within 10 to 100), at least one second.
#[must_use]
pub fn cpu_time_of(wall_time: Duration, percent: f64) -> Duration {
    let seconds = wall_time.as_secs_f64() * percent.clamp(10.0, 100.0) / 100.0;
    // A number of seconds is less exact than a duration, and may be none.
    let share = Duration::try_from_secs_f64(seconds).unwrap_or(wall_time).min(wall_time);
    share.max(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_follows_the_percentage_within_its_bounds() {
        let cases = [(30, 50.0, 15_000), (30, 1.0, 3_000), (30, 500.0, 30_000), (1, 50.0, 1_000)];
        for (wall, percent, millis) in cases {
            let cpu = cpu_time_of(Duration::from_secs(wall), percent);
            assert_eq!(cpu, Duration::from_millis(millis), "{wall} s at {percent} %");
        }
    }

    #[test]
    fn a_request_can_only_lower_a_ceiling() {
        let ceiling = Limits::default();
        let asked = Limits { wall_time: Duration::from_hours(1), memory_bytes_max: 64 << 20, ..ceiling };
        let granted = asked.clamped_to(&ceiling);
        assert_eq!(granted.wall_time, ceiling.wall_time);
        assert_eq!(granted.memory_bytes_max, 64 << 20);
    }
}
