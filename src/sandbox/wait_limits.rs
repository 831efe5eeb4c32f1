//! Bounds for executions that wait and for interpreters that are kept.

use std::time::Duration;

use crate::limits::TIME_MAX;

/// How long executions wait, how long their ends and their interpreters are kept, and how many of them there may be.
///
/// ```
/// use std::time::Duration;
///
/// use ai_code_executor::WaitLimits;
///
/// let limits = WaitLimits::default().park_after(Duration::from_millis(500)).states_max(50);
/// assert_eq!(limits.state_bytes_max, 16 << 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WaitLimits {
    /// How long an execution that waits keeps its instance and its slot, unless another one needs the slot. After that
    /// it is written down. Default: 2 s.
    pub park_after: Duration,
    /// How long an execution waits for somebody outside before it is cancelled. Default: a day.
    pub wait_max: Duration,
    /// How long the report of an execution that has waited is kept. Default: an hour.
    pub result_ttl: Duration,
    /// How long a state is kept after its last use. Default: a day.
    pub state_ttl: Duration,
    /// Bytes of one state or of one execution that waits, compressed. Default: 16 MiB.
    pub state_bytes_max: usize,
    /// States that there may be. Default: 1,000.
    pub states_max: usize,
    /// Executions that may wait or run without a connection. Default: 1,000.
    pub waiting_max: usize,
    /// How often one execution may be written down. Default: 10,000.
    pub parks_max: u32,
}

impl Default for WaitLimits {
    fn default() -> Self {
        Self {
            park_after: Duration::from_secs(2),
            wait_max: Duration::from_hours(24),
            result_ttl: Duration::from_hours(1),
            state_ttl: Duration::from_hours(24),
            state_bytes_max: 16 << 20,
            states_max: 1000,
            waiting_max: 1000,
            parks_max: 10_000,
        }
    }
}

impl WaitLimits {
    /// Returns the limits with times that a clock can express.
    pub(super) fn clamped(self) -> Self {
        Self {
            park_after: self.park_after.min(TIME_MAX),
            wait_max: self.wait_max.min(TIME_MAX),
            result_ttl: self.result_ttl.min(TIME_MAX),
            state_ttl: self.state_ttl.min(TIME_MAX),
            ..self
        }
    }

    /// Sets [`WaitLimits::park_after`](field@WaitLimits::park_after).
    #[must_use]
    pub const fn park_after(mut self, time: Duration) -> Self {
        self.park_after = time;
        self
    }

    /// Sets [`WaitLimits::wait_max`](field@WaitLimits::wait_max).
    #[must_use]
    pub const fn wait_max(mut self, time: Duration) -> Self {
        self.wait_max = time;
        self
    }

    /// Sets [`WaitLimits::result_ttl`](field@WaitLimits::result_ttl).
    #[must_use]
    pub const fn result_ttl(mut self, time: Duration) -> Self {
        self.result_ttl = time;
        self
    }

    /// Sets [`WaitLimits::state_ttl`](field@WaitLimits::state_ttl).
    #[must_use]
    pub const fn state_ttl(mut self, time: Duration) -> Self {
        self.state_ttl = time;
        self
    }

    /// Sets [`WaitLimits::state_bytes_max`](field@WaitLimits::state_bytes_max).
    #[must_use]
    pub const fn state_bytes_max(mut self, bytes: usize) -> Self {
        self.state_bytes_max = bytes;
        self
    }

    /// Sets [`WaitLimits::states_max`](field@WaitLimits::states_max).
    #[must_use]
    pub const fn states_max(mut self, states: usize) -> Self {
        self.states_max = states;
        self
    }

    /// Sets [`WaitLimits::waiting_max`](field@WaitLimits::waiting_max).
    #[must_use]
    pub const fn waiting_max(mut self, executions: usize) -> Self {
        self.waiting_max = executions;
        self
    }

    /// Sets [`WaitLimits::parks_max`](field@WaitLimits::parks_max).
    #[must_use]
    pub const fn parks_max(mut self, parks: u32) -> Self {
        self.parks_max = parks;
        self
    }
}
