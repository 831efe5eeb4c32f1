//! Linear memories that begin as the image, for wasmtime.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::io;
use std::sync::Arc;

use wasmtime::{LinearMemory, MemoryCreator, MemoryType, Result};

use super::audit::{Auditor, OnAudit};
use super::idle::{Idle, Lent, Reusable};
use super::pagemap::PageMap;
use super::polling::PollingPages;
use super::pristine::Pristine;
use super::slot::{Reservation, Slot};

thread_local! {
    static FAULTED: Cell<bool> = const { Cell::new(true) };
}

/// Drops a store whose execution has caused no page fault, in any thread: then its memory has no pages of its own that are
/// not known already, and need not be searched for them.
pub(crate) fn drop_without_fault<T>(store: T) {
    struct Restore;
    impl Drop for Restore {
        fn drop(&mut self) {
            FAULTED.set(true);
        }
    }
    let _restore = Restore;
    FAULTED.set(false);
    drop(store);
}

/// Hands out memories.
#[derive(Clone)]
pub(super) struct Memories {
    /// What they begin as; zeros without one.
    pristine: Option<Arc<Pristine>>,
    page_map: Option<Arc<PageMap>>,
    polling_pages: PollingPages,
    idle: Arc<Idle<Slot>>,
    auditor: Option<Arc<Auditor>>,
}

impl Memories {
    /// # Errors
    ///
    /// The kernel's: there is no room for a thread.
    pub(super) fn new(pristine: Pristine, on_audit: OnAudit) -> io::Result<Self> {
        let blank = Self::blank();
        let auditor = Auditor::start(Arc::downgrade(&blank.idle), on_audit)?;
        let (pristine, page_map) = (Some(Arc::new(pristine)), PageMap::of_process());
        Ok(Self { pristine, page_map, auditor: Some(auditor), ..blank })
    }

    /// Memories of zeros, for making an image.
    pub(super) fn blank() -> Self {
        Self {
            pristine: None,
            page_map: None,
            polling_pages: PollingPages::default(),
            idle: Arc::default(),
            auditor: None,
        }
    }

    pub(super) fn polling_pages(&self) -> &PollingPages {
        &self.polling_pages
    }

    fn slot(&self, bytes_min: usize, reservation: Reservation) -> io::Result<Slot> {
        let pristine = match &self.pristine {
            Some(pristine) => pristine.clone(),
            None => Arc::new(Pristine::zeros(bytes_min)?),
        };
        let (page_map, polling_pages) = (self.page_map.clone(), self.polling_pages.clone());
        Slot::new(pristine, page_map, polling_pages, reservation, self.auditor.clone())
    }
}

// SAFETY: a slot has the address space that is asked for, with inaccessible memory before and behind it, and never moves.
// Two things are not as `MemoryCreator` has them. Memory should be zero: it is the image. wasmtime relies on zeros where it
// initialises memory, from data segments and by a start function; the module has neither (`Interpreter::unpack` takes the
// first out and refuses the second), so nobody looks at memory before the guest's own code, which expects the image. And
// accesses behind the end of memory should trap: reads of the polling page, which is zeros, do not. Writes to it do, and
// host functions, which compare with the size of memory, never come there.
unsafe impl MemoryCreator for Memories {
    fn new_memory(
        &self,
        _: MemoryType,
        bytes_min: usize,
        _: Option<usize>,
        reserved_bytes: Option<usize>,
        guard_bytes: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        let memory_bytes = reserved_bytes.ok_or("memories that move are not made here")?;
        let reservation = Reservation { memory_bytes, guard_bytes };
        let slot = self
            .idle
            .lend(|| self.slot(bytes_min, reservation))
            .map_err(|error| format!("no address space for another execution: {error}"))?;
        if slot.bytes() < bytes_min || slot.reservation() != reservation {
            return Err("the image does not fit the module".into());
        }
        Ok(Box::new(slot))
    }
}

impl Reusable for Slot {
    fn renew(&mut self) -> io::Result<()> {
        self.reset(FAULTED.get())
    }

    fn ready(self) -> Option<Self> {
        match self.auditor() {
            Some(auditor) => auditor.take(self),
            None => Some(self),
        }
    }
}

// SAFETY: size and address are those of a slot that belongs to this value alone.
unsafe impl LinearMemory for Lent<Slot> {
    fn byte_size(&self) -> usize {
        self.bytes()
    }

    fn byte_capacity(&self) -> usize {
        self.reservation().bytes_max()
    }

    fn grow_to(&mut self, bytes: usize) -> Result<()> {
        Ok(self.grow(bytes)?)
    }

    fn as_ptr(&self) -> *mut u8 {
        self.address()
    }
}
