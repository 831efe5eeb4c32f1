//! Decides which executions run, which wait, and which are refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, TryAcquireError};

use crate::error::Error;
use crate::metrics::{Metrics, Present};

/// A number of slots, and a bounded queue for them: first come, first served.
pub(super) struct Admission {
    slots: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// Executions that had a slot before.
    returning: AtomicUsize,
    waiting_max: usize,
    /// Told when one more waits.
    queued: Notify,
}

impl Admission {
    pub(super) fn new(slots: u32, waiting_max: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(slots as usize)),
            waiting: AtomicUsize::new(0),
            returning: AtomicUsize::new(0),
            waiting_max,
            queued: Notify::new(),
        }
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

    /// Waits for a slot for an execution that was written down, however many others wait.
    ///
    /// # Errors
    ///
    /// [`Error::ShuttingDown`] after [`Admission::close`].
    pub(super) async fn admit_again(&self, metrics: &Metrics) -> Result<OwnedSemaphorePermit, Error> {
        if let Ok(permit) = self.slots.clone().try_acquire_owned() {
            return Ok(permit);
        }
        // They do not take the places of others in the queue.
        let _place = Place::new(&self.returning, &self.queued, metrics);
        self.slots.clone().acquire_owned().await.map_err(|_| Error::ShuttingDown)
    }

    /// Returns whether an execution that was written down would have to wait in a queue that is full.
    pub(super) fn is_full(&self) -> bool {
        self.slots.available_permits() == 0 && self.waiting.load(Ordering::Relaxed) >= self.waiting_max
    }

    /// Returns how many executions wait for a slot.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Completes when an execution waits for a slot.
    pub(super) async fn wanted(&self) {
        loop {
            let next = self.queued.notified();
            if self.waiting.load(Ordering::Relaxed) + self.returning.load(Ordering::Relaxed) > 0 {
                return;
            }
            next.await;
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
        let place = Place::new(&self.waiting, &self.queued, metrics);
        if place.behind >= self.waiting_max {
            return Err(Error::Busy { queued: place.behind });
        }
        Ok(place)
    }
}

/// A place in the queue, given back when dropped.
struct Place<'a> {
    waiting: &'a AtomicUsize,
    /// How many others waited before.
    behind: usize,
    _counted: Present,
}

impl<'a> Place<'a> {
    fn new(waiting: &'a AtomicUsize, queued: &Notify, metrics: &Metrics) -> Self {
        let behind = waiting.fetch_add(1, Ordering::Relaxed);
        queued.notify_waiters();
        Self { waiting, behind, _counted: metrics.queued() }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
