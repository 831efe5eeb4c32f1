//! What executions leave for others to use.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// More than these are not kept: a stack takes 64 KiB, a slot a fraction of a megabyte, 8 MiB at most.
const IDLE_MAX: usize = 64;

/// Things that are ready for use. The one used last is used next: it is in the processor's caches.
pub(super) struct Idle<T>(Mutex<Vec<T>>);

impl<T> Default for Idle<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Idle<T> {
    /// `None`: make a new one.
    pub(super) fn take(&self) -> Option<T> {
        self.lock().pop()
    }

    pub(super) fn put(&self, thing: T) {
        let mut things = self.lock();
        if things.len() < IDLE_MAX {
            things.push(thing);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        // A thing is in the list or not: a panic in between leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
