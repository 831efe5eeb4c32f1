//! Limits of one execution, and the operator's ceilings for them.

use std::time::Duration;

/// Fuel budget per second of the CPU-time budget: a deterministic backstop.
///
/// The fastest guest code measured burns 20 G/s (big integers). So the CPU-time budget always ends an execution first,
/// unless its clock is wrong; then the fuel budget ends it.
const FUEL_PER_CPU_SECOND: u64 = 60_000_000_000;

/// Replaces longer durations, such as those that mean "no limit", so that a deadline can be represented.
pub(crate) const TIME_MAX: Duration = Duration::from_hours(24 * 365);

/// Limits of one execution.
///
/// [`Limits::default`] has the service's default settings. [`Limits::UNLIMITED`] is the starting point for an execution
/// that only the sandbox's ceilings should limit. The ceilings themselves have this type too: see
/// [`SandboxBuilder::ceilings`](crate::SandboxBuilder::ceilings).
///
/// Each field has a setter with the same name:
///
/// ```
/// use std::time::Duration;
///
/// use ai_code_executor::Limits;
///
/// let limits = Limits::default().wall_time(Duration::from_secs(2)).memory_bytes_max(64 << 20);
/// assert_eq!(limits.tool_calls_max, 1000);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Wall-clock time, from when the execution has a slot until its report. Time spent waiting for tools counts. When
    /// it is used up, the outcome is [`Outcome::Timeout`](crate::Outcome::Timeout). Default: 30 s.
    pub wall_time: Duration,
    /// CPU time of the guest, including that for validating the arguments of its tool calls. When it is used up, the
    /// outcome is [`Outcome::CpuLimit`](crate::Outcome::CpuLimit). Default: 15 s.
    pub cpu_time: Duration,
    /// Linear memory in bytes, including the interpreter's own (about 20 MiB). A program that needs more gets a
    /// `MemoryError`. If that ends the program, the outcome is [`Outcome::MemoryLimit`](crate::Outcome::MemoryLimit).
    /// Default: 128 MiB.
    pub memory_bytes_max: u64,
    /// Bytes of standard output, and separately of standard error. Further output is dropped, and
    /// [`Output::truncated`](crate::Output::truncated) is set. Default: 1 MiB.
    pub output_bytes_max: usize,
    /// Bytes of the program's value as JSON. If the value is larger, the program fails. Default: 1 MiB.
    pub result_bytes_max: usize,
    /// Wall-clock time of one tool call, from its start to its reply. A call that takes longer raises `ToolTimeout` in
    /// the program. Default: 10 s.
    pub tool_time: Duration,
    /// Number of tool calls in total. Further calls raise `ToolDenied` in the program. Default: 1,000.
    pub tool_calls_max: u32,
    /// Number of concurrent tool calls. Further calls wait. 0 means 1. Default: 32.
    pub tool_calls_in_flight_max: usize,
    /// Bytes of one tool's reply as JSON. A larger reply raises `ToolError` in the program. Default: 8 MiB.
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
    /// No limits. A sandbox lowers each to its ceiling.
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

    /// Sets [`Limits::wall_time`](field@Limits::wall_time).
    #[must_use]
    pub const fn wall_time(mut self, wall_time: Duration) -> Self {
        self.wall_time = wall_time;
        self
    }

    /// Sets [`Limits::cpu_time`](field@Limits::cpu_time).
    #[must_use]
    pub const fn cpu_time(mut self, cpu_time: Duration) -> Self {
        self.cpu_time = cpu_time;
        self
    }

    /// Sets [`Limits::memory_bytes_max`](field@Limits::memory_bytes_max).
    #[must_use]
    pub const fn memory_bytes_max(mut self, memory_bytes_max: u64) -> Self {
        self.memory_bytes_max = memory_bytes_max;
        self
    }

    /// Sets [`Limits::output_bytes_max`](field@Limits::output_bytes_max).
    #[must_use]
    pub const fn output_bytes_max(mut self, output_bytes_max: usize) -> Self {
        self.output_bytes_max = output_bytes_max;
        self
    }

    /// Sets [`Limits::result_bytes_max`](field@Limits::result_bytes_max).
    #[must_use]
    pub const fn result_bytes_max(mut self, result_bytes_max: usize) -> Self {
        self.result_bytes_max = result_bytes_max;
        self
    }

    /// Sets [`Limits::tool_time`](field@Limits::tool_time).
    #[must_use]
    pub const fn tool_time(mut self, tool_time: Duration) -> Self {
        self.tool_time = tool_time;
        self
    }

    /// Sets [`Limits::tool_calls_max`](field@Limits::tool_calls_max).
    #[must_use]
    pub const fn tool_calls_max(mut self, tool_calls_max: u32) -> Self {
        self.tool_calls_max = tool_calls_max;
        self
    }

    /// Sets [`Limits::tool_calls_in_flight_max`](field@Limits::tool_calls_in_flight_max).
    #[must_use]
    pub const fn tool_calls_in_flight_max(mut self, tool_calls_in_flight_max: usize) -> Self {
        self.tool_calls_in_flight_max = tool_calls_in_flight_max;
        self
    }

    /// Sets [`Limits::tool_reply_bytes_max`](field@Limits::tool_reply_bytes_max).
    #[must_use]
    pub const fn tool_reply_bytes_max(mut self, tool_reply_bytes_max: usize) -> Self {
        self.tool_reply_bytes_max = tool_reply_bytes_max;
        self
    }

    /// Returns these limits, with each that is above `ceiling`'s lowered to it.
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

    /// Returns the fuel budget: a generous multiple of the CPU-time budget, in units of
    /// [`Usage::fuel`](crate::Usage::fuel).
    pub(crate) fn fuel(&self) -> u64 {
        let millis = u64::try_from(self.cpu_time.as_millis()).unwrap_or(u64::MAX);
        millis.saturating_add(1).saturating_mul(FUEL_PER_CPU_SECOND / 1000)
    }
}

/// Returns the CPU-time budget for a wall-clock limit: `percent` of it, at least one second. `percent` is clamped to 10
/// to 100.
#[must_use]
pub fn cpu_time_of(wall_time: Duration, percent: f64) -> Duration {
    let seconds = wall_time.as_secs_f64() * percent.clamp(10.0, 100.0) / 100.0;
    // Seconds as `f64` are less exact than a `Duration`, and may be NaN or too large for one.
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
    fn a_request_can_lower_its_limits_but_not_exceed_the_ceiling() {
        let ceiling = Limits::default();
        let asked = Limits { wall_time: Duration::from_hours(1), memory_bytes_max: 64 << 20, ..ceiling };
        let granted = asked.clamped_to(&ceiling);
        assert_eq!(granted.wall_time, ceiling.wall_time);
        assert_eq!(granted.memory_bytes_max, 64 << 20);
    }
}
