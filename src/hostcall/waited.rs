//! The time that a guest waits in the host for its calls, which does not count as used.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A handle: clones share the time.
#[derive(Clone, Default)]
pub(crate) struct Waited(Arc<Mutex<Span>>);

#[derive(Default)]
struct Span {
    before: Duration,
    since: Option<Instant>,
}

impl Waited {
    /// Returns the time until `now`.
    pub(crate) fn until(&self, now: Instant) -> Duration {
        let span = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        span.before + span.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// Counts until the guard is dropped.
    pub(super) fn begin(&self) -> Waits {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).since = Some(Instant::now());
        Waits(self.clone())
    }
}

/// A wait, which ends when this is dropped.
pub(super) struct Waits(Waited);

impl Drop for Waits {
    fn drop(&mut self) {
        let mut span = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(since) = span.since.take() {
            span.before += since.elapsed();
        }
    }
}
