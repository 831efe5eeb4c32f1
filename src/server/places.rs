//! Places for connections: so many. Peers that keep one without using it get less time for that when places run out, so that
//! a crowd of them keeps nobody out.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

/// What a peer has for everything that is up to it, while no place is free.
const CROWDED_TIME: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(super) struct Places(Arc<Semaphore>);

impl Places {
    pub(super) fn new(connections_max: usize) -> Self {
        Self(Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS))))
    }

    /// A place, once there is one; given back when dropped.
    pub(super) async fn take(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        self.0.clone().acquire_owned().await.ok()
    }

    /// What a peer may keep the service waiting beyond what it has by itself: `time`, or less if no place is free.
    pub(super) fn tolerance(&self, time: Duration) -> Duration {
        if self.0.available_permits() == 0 { CROWDED_TIME } else { time }
    }

    /// Completes after `time`, or earlier if no place is free; says after how long. The next connection's place counts as
    /// taken.
    pub(super) async fn patience(&self, time: Duration) -> Duration {
        let begun = Instant::now();
        let mut waited = Duration::ZERO;
        loop {
            waited = time.min(waited + CROWDED_TIME);
            sleep_until(begun + waited).await;
            if waited == time || self.0.available_permits() == 0 {
                return waited;
            }
        }
    }
}
