//! Decides which executions run, which wait, and which are refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use crate::error::Error;
use crate::metrics::{Metrics, Present};

/// A number of slots, and a bounded queue for them: first come, first served.
pub(super) struct Admission {
    slots: Arc<Semaphore>,
    waiting: AtomicUsize,
    waiting_max: usize,
}

impl Admission {
    pub(super) fn new(slots: u32, waiting_max: usize) -> Self {
        Self { slots: Arc::new(Semaphore::new(slots as usize)), waiting: AtomicUsize::new(0), waiting_max }
    }

    /// Waits for a slot and returns its permit. Dropping the future gives up the place in the queue.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] if the queue is full, [`Error::ShuttingDown`] after [`Admission::close`].
    pub(super) async fn admit(&self, metrics: &Metrics) -> Result<OwnedSemaphorePermit, Error> {
        match self.slots.clone().try_acquire_owned() {
            Ok(permit) => Ok(permit),
            Err(TryAcquireError::Closed) => Err(Error::ShuttingDown),
            Err(TryAcquireError::NoPermits) => {
                let _place = self.queue_up(metrics)?;
                let permit = self.slots.clone().acquire_owned().await;
                permit.map_err(|_| Error::ShuttingDown)
            }
        }
    }

    /// Refuses all further executions, including those that wait.
    pub(super) fn close(&self) {
        self.slots.close();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.slots.is_closed()
    }

    fn queue_up(&self, metrics: &Metrics) -> Result<Place<'_>, Error> {
        let queued = self.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Place { waiting: &self.waiting, _counted: metrics.queued() };
        if queued >= self.waiting_max {
            return Err(Error::Busy { queued });
        }
        Ok(place)
    }
}

/// A place in the queue, given back when dropped.
struct Place<'a> {
    waiting: &'a AtomicUsize,
    _counted: Present,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
