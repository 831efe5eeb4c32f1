//! The limit of an execution's time.

use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use crate::hostcall::Waited;
use crate::limits::TIME_MAX;

/// Counts either all time since the execution began, or the time that it used.
pub(super) struct Timer {
    limit: Duration,
    used_before: Duration,
    since: Instant,
    /// The time since then that does not count.
    waited: Option<Waited>,
}

impl Timer {
    /// Returns a timer that runs since `started`.
    pub(super) fn of_wall_time(limit: Duration, started: Instant) -> Self {
        Self { limit: limit.min(TIME_MAX), used_before: Duration::ZERO, since: started, waited: None }
    }

    /// Returns a timer that goes on at `now` after `used_before`. What is in `waited` does not count.
    pub(super) fn of_used_time(limit: Duration, used_before: Duration, now: Instant, waited: Waited) -> Self {
        // Another part of the same execution may have waited before.
        let used_before = used_before + waited.until(now);
        Self { limit: limit.min(TIME_MAX), used_before, since: now, waited: Some(waited) }
    }

    /// Returns the time that counts, until `now`.
    pub(super) fn used(&self, now: Instant) -> Duration {
        let waited = self.waited.as_ref().map_or(Duration::ZERO, |waited| waited.until(now));
        (self.used_before + now.saturating_duration_since(self.since)).saturating_sub(waited)
    }

    pub(super) fn left(&self, now: Instant) -> Duration {
        self.limit.saturating_sub(self.used(now))
    }

    /// Returns when the time is over if the execution does not wait before.
    pub(super) fn deadline(&self, now: Instant) -> Instant {
        now + self.left(now)
    }

    /// Completes when the time is over.
    pub(super) async fn is_over(&self) {
        loop {
            let now = Instant::now();
            let left = self.left(now);
            if left.is_zero() {
                return;
            }
            sleep_until((now + left).into()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_does_not_count_as_used() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let wall = Timer::of_wall_time(3 * second, now);
        assert_eq!((wall.used(now + second), wall.left(now + 4 * second)), (second, Duration::ZERO));
        let used = Timer::of_used_time(3 * second, second, now, Waited::default());
        assert_eq!(used.deadline(now), now + 2 * second);
        assert_eq!(used.used(now + second), 2 * second);
    }
}
