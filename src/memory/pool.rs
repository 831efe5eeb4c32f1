//! A pool of resources that executions reuse.

use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most unused resources that a pool keeps. A stack takes 64 KiB, and a slot a fraction of a megabyte, at most 8 MiB.
const IDLE_MAX: usize = 64;

/// A resource that can be used again.
pub(super) trait Reusable {
    /// Restores the state of a new resource.
    ///
    /// # Errors
    ///
    /// Fails if the state cannot be restored. The resource must not be used again.
    fn renew(&mut self) -> io::Result<()>;

    /// Returns a renewed resource if it can go back to the pool now, and `None` if it has gone elsewhere.
    fn ready(self) -> Option<Self>
    where
        Self: Sized,
    {
        Some(self)
    }
}

/// Resources that are ready for use. The last one used is lent next, because it is still in the processor's caches.
pub(super) struct Pool<T>(Mutex<Vec<T>>);

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Reusable> Pool<T> {
    /// Lends a resource that is ready and `fits`, or makes a new one. Drops those that do not fit.
    ///
    /// # Errors
    ///
    /// Fails if `make` does.
    pub(super) fn lend(
        self: &Arc<Self>,
        fits: impl Fn(&T) -> bool,
        make: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<Lent<T>> {
        loop {
            let ready = self.lock().pop();
            let thing = match ready {
                Some(thing) if !fits(&thing) => continue,
                Some(thing) => thing,
                None => make()?,
            };
            return Ok(Lent { thing: Some(thing), home: Some(self.clone()) });
        }
    }
}

impl<T> Pool<T> {
    /// Takes back a resource that is ready, to be lent after all others.
    pub(super) fn give_last(&self, thing: T) {
        let mut things = self.lock();
        if things.len() < IDLE_MAX {
            things.insert(0, thing);
        }
    }

    /// Drops the resources that are ready.
    pub(super) fn clear(&self) {
        drop(std::mem::take(&mut *self.lock()));
    }

    /// Returns how many resources are ready.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        // Adding and removing are single steps: a panic cannot leave the list inconsistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A resource in use. Dropping it renews the resource and returns it to the pool.
pub(super) struct Lent<T: Reusable> {
    /// `Some` until this is dropped.
    thing: Option<T>,
    /// `None` if the resource is used only once.
    home: Option<Arc<Pool<T>>>,
}

impl<T: Reusable> Lent<T> {
    /// Returns a resource that is dropped after its use.
    pub(super) fn once(thing: T) -> Self {
        Self { thing: Some(thing), home: None }
    }
}

#[expect(clippy::expect_used, reason = "only `drop` takes the resource")]
impl<T: Reusable> Deref for Lent<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.thing.as_ref().expect("it is in use")
    }
}

#[expect(clippy::expect_used, reason = "only `drop` takes the resource")]
impl<T: Reusable> DerefMut for Lent<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.thing.as_mut().expect("it is in use")
    }
}

impl<T: Reusable> Drop for Lent<T> {
    fn drop(&mut self) {
        if let (Some(mut thing), Some(home)) = (self.thing.take(), &self.home)
            && thing.renew().is_ok()
            && let Some(thing) = thing.ready()
        {
            let mut things = home.lock();
            if things.len() < IDLE_MAX {
                things.push(thing);
            }
        }
    }
}
