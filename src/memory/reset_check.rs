//! Looks at a memory that was reset: is it the image? Resets rely on what the kernel says of pages; this relies on nothing
//! but comparing. One memory a second at most, in a thread of its own.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tracing::{error, warn};

use super::pool::Pool;
use super::slot::Slot;

const INTERVAL: Duration = Duration::from_secs(1);

/// Told what came of each look: whether the memory was the image.
pub(crate) type OnResetCheck = Box<dyn Fn(bool) + Send>;

/// Takes memories for a look.
pub(super) struct ResetChecker {
    slots: SyncSender<Slot>,
    /// Not sooner.
    pub(super) next_at: Mutex<Instant>,
}

impl ResetChecker {
    /// Its thread gives slots back to `pool`, and ends when nobody can send any more.
    ///
    /// # Errors
    ///
    /// The kernel's: there is no room for another thread.
    pub(super) fn start(pool: Weak<Pool<Slot>>, on_check: OnResetCheck) -> io::Result<Arc<Self>> {
        let (slots, received) = sync_channel(1);
        std::thread::Builder::new()
            .name("reset-check".into())
            .spawn(move || audit(&received, &pool, &on_check))?;
        Ok(Arc::new(Self { slots, next_at: Mutex::new(Instant::now()) }))
    }

    /// Takes a slot that was just reset, if it is time to look at one; else gives it back.
    pub(super) fn take(&self, slot: Slot) -> Option<Slot> {
        let mut next_at = self.next_at.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now < *next_at {
            return Some(slot);
        }
        *next_at = now + INTERVAL;
        drop(next_at);
        match self.slots.try_send(slot) {
            Ok(()) => None,
            // It still looks at the one before.
            Err(TrySendError::Full(slot) | TrySendError::Disconnected(slot)) => Some(slot),
        }
    }
}

fn audit(slots: &Receiver<Slot>, pool: &Weak<Pool<Slot>>, on_check: &OnResetCheck) {
    for mut slot in slots {
        let different = slot.first_difference();
        on_check(different.is_none());
        if let Some(offset) = different {
            error!(
                offset,
                "a memory that was reset is not the image: it is not used again, and the service is not ready"
            );
            continue;
        }
        // Each page of it has been looked at and is mapped now: the next execution begins with few.
        if let Err(error) = slot.forget() {
            warn!(%error, "a memory is not used again");
            continue;
        }
        if let Some(pool) = pool.upgrade() {
            pool.give_last(slot);
        }
    }
}
