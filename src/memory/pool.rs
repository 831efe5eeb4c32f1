//! What executions use one after the other.

use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// More than these are not kept: a stack takes 64 KiB, a slot a fraction of a megabyte, 8 MiB at most.
const IDLE_MAX: usize = 64;

pub(super) trait Reusable {
    /// Makes it as it was when it was new.
    ///
    /// # Errors
    ///
    /// Then it is not used again.
    fn renew(&mut self) -> io::Result<()>;

    /// It has been renewed; whether it is ready for the next use, now.
    fn ready(self) -> Option<Self>
    where
        Self: Sized,
    {
        Some(self)
    }
}

/// Things that are ready for use. The one used last is used next: it is in the processor's caches.
pub(super) struct Pool<T>(Mutex<Vec<T>>);

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Reusable> Pool<T> {
    /// One that is ready, or a new one.
    ///
    /// # Errors
    ///
    /// Those of `make`.
    pub(super) fn lend(self: &Arc<Self>, make: impl FnOnce() -> io::Result<T>) -> io::Result<Lent<T>> {
        let ready = self.lock().pop();
        let thing = match ready {
            Some(thing) => thing,
            None => make()?,
        };
        Ok(Lent { thing: Some(thing), home: self.clone() })
    }
}

impl<T> Pool<T> {
    /// Something that is ready, to be used after all others.
    pub(super) fn give_last(&self, thing: T) {
        let mut things = self.lock();
        if things.len() < IDLE_MAX {
            things.insert(0, thing);
        }
    }

    /// How many are ready.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        // A thing is in the list or not: a panic in between leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// In use, until this is dropped.
pub(super) struct Lent<T: Reusable> {
    /// `Some` until then.
    thing: Option<T>,
    home: Arc<Pool<T>>,
}

impl<T: Reusable> Deref for Lent<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.thing.as_ref().unwrap_or_else(|| unreachable!("it is lent"))
    }
}

impl<T: Reusable> DerefMut for Lent<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.thing.as_mut().unwrap_or_else(|| unreachable!("it is lent"))
    }
}

impl<T: Reusable> Drop for Lent<T> {
    fn drop(&mut self) {
        if let Some(mut thing) = self.thing.take()
            && thing.renew().is_ok()
            && let Some(thing) = thing.ready()
        {
            let mut things = self.home.lock();
            if things.len() < IDLE_MAX {
                things.push(thing);
            }
        }
    }
}
