//! Where executions live: linear memories that begin as the image, and stacks, each used by one execution after another.
//!
//! Knows nothing of Python, requests or callers. Nearly all of the library's `unsafe` is here.

#![allow(unsafe_code)]

mod delta;
mod memory_image;
mod pagemap;
mod polling;
mod pool;
mod reservation;
mod reset_check;
mod slot;
mod stack;

use std::cell::Cell;
use std::io;
use std::sync::Arc;

use wasmtime::{LinearMemory, MemoryCreator, MemoryType, Result};

pub(crate) use delta::{Base, Delta};
pub(crate) use memory_image::{BLOCK_BYTES, MemoryImage, file_of};
#[cfg(feature = "server")]
pub(crate) use pagemap::PAGEMAP_SCAN;
use pagemap::PageMap;
pub(crate) use polling::{PollingPage, PollingPages};
use pool::{Lent, Pool, Reusable};
pub(crate) use reset_check::OnResetCheck;
use reset_check::ResetChecker;
use slot::Slot;
pub(crate) use slot::SlotLayout;
pub(crate) use stack::Stacks;

/// All that 32 bits can address, so that compiled code need not check whether an address is inside.
pub(crate) const LAYOUT: SlotLayout = SlotLayout { memory_bytes: 4 << 30, guard_bytes: 32 << 20 };

/// The size up to which linear memory can grow.
pub(crate) const MEMORY_BYTES_MAX: usize = LAYOUT.bytes_max();

/// Opens and asks for, before a process is hardened, what it cannot later: the map of pages that guests have written to, and
/// the size of a page, which rustix remembers (before Linux 6.4 it has to read it from a file in /proc).
#[cfg(feature = "server")]
pub(crate) fn open_before_hardening() {
    PageMap::of_process();
    rustix::param::page_size();
}

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
pub(crate) struct Memories {
    /// Zeros without one.
    base: Option<Base>,
    polling_pages: PollingPages,
    pool: Arc<Pool<Slot>>,
    checker: Option<Arc<ResetChecker>>,
}

impl Memories {
    /// # Errors
    ///
    /// The kernel's: there is no room for a thread.
    pub(crate) fn new(base: Base, on_check: OnResetCheck) -> io::Result<Self> {
        let blank = Self::blank();
        let checker = ResetChecker::start(Arc::downgrade(&blank.pool), on_check)?;
        Ok(Self { base: Some(base), checker: Some(checker), ..blank })
    }

    /// Memories of zeros, for making an image.
    pub(crate) fn blank() -> Self {
        Self {
            base: None,
            polling_pages: PollingPages::default(),
            pool: Arc::default(),
            checker: None,
        }
    }

    pub(crate) fn polling_pages(&self) -> &PollingPages {
        &self.polling_pages
    }

    fn slot(&self, bytes_min: usize, layout: SlotLayout) -> io::Result<Slot> {
        let Base { image, page_map } = match &self.base {
            Some(base) => base.clone(),
            None => Base { image: Arc::new(MemoryImage::zeros(bytes_min)?), page_map: None },
        };
        Slot::new(image, page_map, self.polling_pages.clone(), layout, self.checker.clone())
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
        let layout = SlotLayout { memory_bytes, guard_bytes };
        let slot = self
            .pool
            .lend(|| self.slot(bytes_min, layout))
            .map_err(|error| format!("no address space for another execution: {error}"))?;
        if slot.bytes() < bytes_min || slot.layout() != layout {
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
        match self.checker() {
            Some(checker) => checker.take(self),
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
        self.layout().bytes_max()
    }

    fn grow_to(&mut self, bytes: usize) -> Result<()> {
        Ok(self.grow(bytes)?)
    }

    fn as_ptr(&self) -> *mut u8 {
        self.address()
    }
}
