//! The page that loops read in each round ([`crate::meter`]). Making it inaccessible ends a guest that does not end by
//! itself, in whatever loop it is: the next read traps.
//!
//! Only WebAssembly code reads it. Host functions, `memory.copy` and `memory.fill` run native code, where a fault would end
//! the process; they compare addresses with the size of memory first, which never comes up to the page.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::reservation::Reservation;

/// Pages that are open while their guests wait, at most. An open one takes two of the mappings that the kernel lets a process
/// have (`vm.max_map_count`), which are 65,530 on many machines.
const OPEN_WAITING_MAX: usize = 4096;

/// The polling page of one slot, inaccessible at first.
pub(crate) struct PollingPage {
    reservation: Arc<Reservation>,
    range: Range<usize>,
    is_open: AtomicBool,
    open_pages: Arc<AtomicUsize>,
}

impl PollingPage {
    /// Lets the guest run. No other thread closes the page at the same time.
    ///
    /// # Errors
    ///
    /// The kernel's, here and below.
    pub(crate) fn open(&self) -> io::Result<()> {
        if !self.is_open.load(Ordering::Relaxed) {
            self.reservation.allow_reading(self.range.clone())?;
            self.is_open.store(true, Ordering::Relaxed);
            self.open_pages.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The guest's next read of it traps. Other threads may be running the guest.
    pub(crate) fn close(&self) -> io::Result<()> {
        self.reservation.deny(self.range.clone())?;
        if self.is_open.swap(false, Ordering::Relaxed) {
            self.open_pages.fetch_sub(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The guest waits, or runs soon in another thread.
    pub(crate) fn rest(&self) -> io::Result<()> {
        if self.open_pages.load(Ordering::Relaxed) > OPEN_WAITING_MAX { self.close() } else { Ok(()) }
    }
}

impl Drop for PollingPage {
    fn drop(&mut self) {
        if *self.is_open.get_mut() {
            self.open_pages.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// The polling page of each slot, by where its linear memory begins: what an instance knows of its slot.
#[derive(Clone, Default)]
pub(crate) struct PollingPages {
    pages: Arc<Mutex<HashMap<usize, Arc<PollingPage>>>>,
    open_pages: Arc<AtomicUsize>,
}

impl PollingPages {
    /// The page of the slot whose memory begins there.
    pub(crate) fn of(&self, memory: *mut u8) -> Option<Arc<PollingPage>> {
        self.lock().get(&memory.addr()).cloned()
    }

    /// A new one, at a range of `reservation`.
    pub(super) fn add(
        &self,
        memory: *mut u8,
        reservation: Arc<Reservation>,
        range: Range<usize>,
    ) -> Arc<PollingPage> {
        let open_pages = self.open_pages.clone();
        let page = Arc::new(PollingPage { reservation, range, is_open: AtomicBool::new(false), open_pages });
        self.lock().insert(memory.addr(), page.clone());
        page
    }

    pub(super) fn remove(&self, memory: *mut u8) {
        self.lock().remove(&memory.addr());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<usize, Arc<PollingPage>>> {
        // A page is in the map or not: a panic in between leaves nothing half done.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
