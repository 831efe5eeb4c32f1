//! The page that loops read in each round ([`super::meter`]). Making it inaccessible ends a guest that does not end by
//! itself, in whatever loop it is: the next read traps.
//!
//! Only WebAssembly code reads it. Host functions, `memory.copy` and `memory.fill` run native code, where a fault would end
//! the process; they compare addresses with the size of memory first, which never comes up to the page.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::addresses::Addresses;

/// The polling page of one slot.
pub(crate) struct PollingPage {
    addresses: Arc<Addresses>,
    range: Range<usize>,
    closed: AtomicBool,
}

impl PollingPage {
    /// # Errors
    ///
    /// The kernel's, here and below.
    pub(super) fn new(addresses: Arc<Addresses>, range: Range<usize>) -> io::Result<Self> {
        let page = Self { addresses, range, closed: AtomicBool::new(true) };
        page.open().map(|()| page)
    }

    /// The guest's next read of it traps. Other threads may be running the guest.
    pub(crate) fn close(&self) -> io::Result<()> {
        // First: a page that could not be closed is opened once more, which does no harm.
        self.closed.store(true, Ordering::Relaxed);
        self.addresses.deny(self.range.clone())
    }

    /// Lets the guest go on. No other thread closes the page at the same time.
    pub(crate) fn open(&self) -> io::Result<()> {
        if self.closed.load(Ordering::Relaxed) {
            self.addresses.allow_reading(self.range.clone())?;
            self.closed.store(false, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// The polling page of each slot, by where its linear memory begins: what an instance knows of its slot.
#[derive(Clone, Default)]
pub(crate) struct PollingPages(Arc<Mutex<HashMap<usize, Arc<PollingPage>>>>);

impl PollingPages {
    /// The page of the slot whose memory begins there.
    pub(crate) fn of(&self, memory: *mut u8) -> Option<Arc<PollingPage>> {
        self.lock().get(&memory.addr()).cloned()
    }

    pub(super) fn insert(&self, memory: *mut u8, page: Arc<PollingPage>) {
        self.lock().insert(memory.addr(), page);
    }

    pub(super) fn remove(&self, memory: *mut u8) {
        self.lock().remove(&memory.addr());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<usize, Arc<PollingPage>>> {
        // A page is in the map or not: a panic in between leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
