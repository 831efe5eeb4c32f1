//! A circuit breaker: calls to a service that does not answer fail immediately until it answers again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const FAILURES_MAX: u32 = 5;
const OPEN_TIME: Duration = Duration::from_secs(10);

/// The state of one service. A call without an answer is a failure; any answer is a success.
#[derive(Debug, Default)]
pub(in crate::tools) struct Breaker {
    state: Mutex<State>,
    /// Whether the state is another than closed.
    is_failing: Arc<AtomicBool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Calls are made; the last `failures` of them failed.
    Closed { failures: u32 },
    /// No calls are made.
    Open { until: Instant },
    /// One call is made to see whether the service answers.
    Probing,
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

/// A call in progress. If it is dropped before it ended, it counts as failed only if its deadline has passed: a
/// cancelled execution says nothing about the service.
#[derive(Debug)]
pub(in crate::tools) struct Attempt {
    breaker: Arc<Breaker>,
    deadline: Instant,
    is_probe: bool,
    ended: bool,
}

impl Breaker {
    /// Starts a call.
    ///
    /// # Errors
    ///
    /// If no call may be made now: the time until the next attempt.
    pub(in crate::tools) fn start(
        self: &Arc<Self>,
        now: Instant,
        deadline: Instant,
    ) -> Result<Attempt, Duration> {
        let mut state = self.state();
        let is_probe = match *state {
            State::Closed { .. } => false,
            State::Open { until } if until <= now => true,
            State::Open { until } => return Err(until - now),
            State::Probing => return Err(Duration::from_secs(1)),
        };
        if is_probe {
            *state = State::Probing;
        }
        Ok(Attempt { breaker: self.clone(), deadline, is_probe, ended: false })
    }

    /// Whether calls fail at once, but for those that probe: always the latest.
    pub(in crate::tools) fn is_failing(&self) -> Arc<AtomicBool> {
        self.is_failing.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment, so a panic cannot leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt {
    /// Records a success.
    pub(in crate::tools) fn answered(mut self) {
        self.ended = true;
        let mut state = self.breaker.state();
        *state = State::default();
        self.breaker.is_failing.store(false, Ordering::Relaxed);
    }

    /// Records a failure; returns whether it opened the breaker.
    pub(in crate::tools) fn failed(mut self, now: Instant) -> bool {
        self.ended = true;
        self.fail(now)
    }

    fn fail(&self, now: Instant) -> bool {
        let mut state = self.breaker.state();
        *state = match *state {
            State::Closed { failures } if failures + 1 < FAILURES_MAX => {
                State::Closed { failures: failures + 1 }
            }
            State::Probing if !self.is_probe => State::Probing,
            State::Open { until } => State::Open { until },
            State::Closed { .. } | State::Probing => {
                *state = State::Open { until: now + OPEN_TIME };
                self.breaker.is_failing.store(true, Ordering::Relaxed);
                return true;
            }
        };
        false
    }

    /// Implements [`Drop`] for a given time.
    fn abandon(&self, now: Instant) {
        if now >= self.deadline {
            self.fail(now);
        } else if self.is_probe {
            let mut state = self.breaker.state();
            if *state == State::Probing {
                // The next call becomes the probe.
                *state = State::Open { until: now };
            }
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.ended {
            self.abandon(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    /// Returns a breaker that has just opened.
    fn open(now: Instant) -> Arc<Breaker> {
        let breaker = Arc::new(Breaker::default());
        for number in 1..=FAILURES_MAX {
            assert_eq!(breaker.start(now, now).unwrap().failed(now), number == FAILURES_MAX);
        }
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_an_answer_closes_it() {
        let now = Instant::now();
        let breaker = open(now);
        let is_failing = || breaker.is_failing().load(Ordering::Relaxed);
        assert!(is_failing() && !Breaker::default().is_failing().load(Ordering::Relaxed));
        assert_eq!(breaker.start(after(now, 4), now).unwrap_err(), Duration::from_secs(6));
        let probe = breaker.start(after(now, 10), now).unwrap();
        assert_eq!(
            breaker.start(after(now, 10), now).unwrap_err(),
            Duration::from_secs(1),
            "one probe at a time"
        );
        assert!(probe.failed(after(now, 11)));
        assert_eq!(breaker.start(after(now, 20), now).unwrap_err(), Duration::from_secs(1));
        let probe = breaker.start(after(now, 21), now).unwrap();
        assert!(is_failing());
        probe.answered();
        assert!(!is_failing());
        for _ in 1..FAILURES_MAX {
            assert!(!breaker.start(now, now).unwrap().failed(now));
        }
        breaker.start(now, now).unwrap().answered();
        assert!(!breaker.start(now, now).unwrap().failed(now), "not in a row");
    }

    #[test]
    fn late_failures_change_nothing() {
        let now = Instant::now();
        let breaker = Arc::new(Breaker::default());
        let late: Vec<_> = (0..8).map(|_| breaker.start(now, now).unwrap()).collect();
        let opened: Vec<_> = late.into_iter().map(|attempt| attempt.failed(now)).collect();
        assert_eq!(opened.iter().filter(|opened| **opened).count(), 1);
        assert_eq!(breaker.start(after(now, 9), now).unwrap_err(), Duration::from_secs(1));
        let early = Attempt { breaker: breaker.clone(), deadline: now, is_probe: false, ended: false };
        let probe = breaker.start(after(now, 10), now).unwrap();
        assert!(!early.failed(after(now, 10)));
        probe.answered();
        assert_eq!(*breaker.state(), State::default());
    }

    #[test]
    fn a_dropped_call_has_failed_only_if_its_time_was_over() {
        let now = Instant::now();
        let breaker = Arc::new(Breaker::default());
        for _ in 0..2 * FAILURES_MAX {
            drop(breaker.start(now, after(now, 60)).unwrap());
        }
        assert_eq!(*breaker.state(), State::default(), "cancelled executions");
        for _ in 0..FAILURES_MAX {
            drop(breaker.start(now, now).unwrap());
        }
        assert!(breaker.start(now, now).is_err(), "calls that took too long");
        let opened = open(now);
        drop(opened.start(after(now, 10), after(now, 60)).unwrap());
        assert!(
            opened.start(after(now, 10), now).unwrap().is_probe,
            "a cancelled probe leaves room for another"
        );
    }

    #[test]
    fn a_probe_that_is_dropped_leaves_a_closed_breaker_alone() {
        let now = Instant::now();
        let breaker = Arc::new(Breaker::default());
        let late = breaker.start(now, after(now, 60)).unwrap();
        for _ in 0..FAILURES_MAX {
            breaker.start(now, now).unwrap().failed(now);
        }
        let probe = breaker.start(after(now, 10), after(now, 60)).unwrap();
        late.answered();
        probe.abandon(after(now, 11));
        assert_eq!(*breaker.state(), State::default());
    }
}
