//! The polling page, which loops read in each iteration ([`crate::meter`]). To stop a guest that does not end by
//! itself, the host makes the page inaccessible: the next read traps.
//!
//! Only WebAssembly code reads the page. Host functions, `memory.copy` and `memory.fill` run native code, where a fault
//! would end the process. They compare addresses with the size of memory first, and memory never grows up to the page.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::reservation::Reservation;

/// The most pages that stay open while their guests wait. An open page takes two of the mappings that the kernel allows
/// a process (`vm.max_map_count`, 65,530 on many machines).
const OPEN_WAITING_MAX: usize = 4096;

/// The polling page of one slot. It is inaccessible at first.
pub(crate) struct PollingPage {
    reservation: Arc<Reservation>,
    range: Range<usize>,
    is_open: AtomicBool,
    open_pages: Arc<AtomicUsize>,
}

impl PollingPage {
    /// Makes the page readable, so that the guest can run. No other thread may close the page at the same time.
    ///
    /// # Errors
    ///
    /// Fails if the kernel cannot change the protection of the page.
    pub(crate) fn open(&self) -> io::Result<()> {
        if !self.is_open.load(Ordering::Relaxed) {
            self.reservation.allow_reading(self.range.clone())?;
            self.is_open.store(true, Ordering::Relaxed);
            self.open_pages.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Makes the page inaccessible: the guest's next read of it traps. Other threads may be running the guest.
    ///
    /// # Errors
    ///
    /// As [`PollingPage::open`].
    pub(crate) fn close(&self) -> io::Result<()> {
        self.reservation.deny(self.range.clone())?;
        if self.is_open.swap(false, Ordering::Relaxed) {
            self.open_pages.fetch_sub(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Closes the page of a guest that waits, or that will run in another thread, if too many pages are open.
    ///
    /// # Errors
    ///
    /// As [`PollingPage::open`].
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

/// The polling pages of all slots, by the address of the slot's linear memory. An instance knows only this address.
#[derive(Clone, Default)]
pub(crate) struct PollingPages {
    pages: Arc<Mutex<HashMap<usize, Arc<PollingPage>>>>,
    open_pages: Arc<AtomicUsize>,
}

impl PollingPages {
    /// Returns the page of the slot whose linear memory starts at `memory`.
    pub(crate) fn of(&self, memory: *mut u8) -> Option<Arc<PollingPage>> {
        self.lock().get(&memory.addr()).cloned()
    }

    /// Registers and returns a new page, which is at `range` of `reservation`.
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
        // Inserting and removing are single steps: a panic cannot leave the map inconsistent.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
