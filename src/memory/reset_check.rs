//! Checks that a reset has restored the image.
//!
//! Resets rely on what the kernel reports about pages. The check does not: it compares each page with the image. It
//! runs in a thread of its own, on at most one memory a second.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tracing::{error, warn};

use super::pool::Pool;
use super::slot::Slot;

const INTERVAL: Duration = Duration::from_secs(1);

/// Called with the result of each check: whether the memory was equal to the image.
pub(crate) type OnResetCheck = Box<dyn Fn(bool) + Send>;

/// Sends memories to the thread that checks them.
pub(super) struct ResetChecker {
    slots: SyncSender<Slot>,
    /// When the next check is due.
    pub(super) next_at: Mutex<Instant>,
}

impl ResetChecker {
    /// Starts the thread. It returns slots to `pool`, and ends when the last reference to the checker is dropped.
    ///
    /// # Errors
    ///
    /// Fails if the kernel cannot start another thread.
    pub(super) fn start(pool: Weak<Pool<Slot>>, on_check: OnResetCheck) -> io::Result<Arc<Self>> {
        let (slots, received) = sync_channel(1);
        std::thread::Builder::new()
            .name("reset-check".into())
            .spawn(move || audit(&received, &pool, &on_check))?;
        Ok(Arc::new(Self { slots, next_at: Mutex::new(Instant::now()) }))
    }

    /// Takes a slot that was just reset if a check is due, and returns `None`. Otherwise returns the slot.
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
            // The thread is still busy with the previous slot.
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
                "a reset left a difference from the image; the memory is discarded, and the service is not ready"
            );
            continue;
        }
        // The check has read, and so mapped, every page. Unmap them, so that the next execution starts with few.
        if let Err(error) = slot.forget() {
            warn!(%error, "cannot unmap the pages of a checked memory; it is discarded");
            continue;
        }
        if let Some(pool) = pool.upgrade() {
            pool.give_last(slot);
        }
    }
}
