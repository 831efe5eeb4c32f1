//! The memory of executions: linear memories that start as copies of the image, and stacks. Both are reused.
//!
//! This module does not know Python, requests or callers. It has nearly all of the library's `unsafe` code.

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

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};

use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

pub(crate) use delta::{Base, Delta};
pub(crate) use memory_image::{BLOCK_BYTES, MemoryImage, Origin, SpareFiles, file_of, origin_of};
#[cfg(feature = "server")]
pub(crate) use pagemap::PAGEMAP_SCAN;
#[cfg(feature = "server")]
use pagemap::PageMap;
pub(crate) use polling::{PollingPage, PollingPages};
use pool::{Lent, Pool, Reusable};
pub(crate) use reset_check::OnResetCheck;
use reset_check::ResetChecker;
use slot::Slot;
pub(crate) use slot::SlotLayout;
pub(crate) use stack::Stacks;

/// The unit in which modules give the size of linear memory, and in which it grows.
pub(crate) const WASM_PAGE_BYTES: usize = 64 << 10;

/// All that 32 bits can address, so that compiled code needs no bounds checks.
pub(crate) const LAYOUT: SlotLayout = SlotLayout { memory_bytes: 4 << 30, guard_bytes: 32 << 20 };

/// The size in bytes up to which a linear memory can grow.
pub(crate) const MEMORY_BYTES_MAX: usize = LAYOUT.bytes_max();

/// Opens what a hardened process can no longer open. Call it before hardening.
///
/// It opens the page map of the process. It also asks for the page size, which rustix caches: before Linux 6.4, rustix
/// reads it from a file in /proc.
#[cfg(feature = "server")]
pub(crate) fn open_before_hardening() {
    PageMap::of_process();
    rustix::param::page_size();
}

thread_local! {
    static FAULTED: Cell<bool> = const { Cell::new(true) };
}

/// Drops a store whose execution has caused no page fault in any thread.
///
/// Without a page fault, no page of its memory has become private since the last reset. The reset therefore skips the
/// search for private pages.
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

thread_local! {
    /// What the next memory that is created in this thread begins as.
    static NEXT_BASE: RefCell<Option<Base>> = const { RefCell::new(None) };
}

/// Does what `instantiating` does, which creates one memory. It begins as `base`, and is not used again afterwards.
///
/// # Errors
///
/// As `instantiating`. Also fails if it has created no memory.
pub(crate) async fn begin_as<T, E: From<io::Error>>(
    base: &Base,
    instantiating: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    struct Restore;
    impl Drop for Restore {
        fn drop(&mut self) {
            NEXT_BASE.take();
        }
    }
    let (mut instantiating, mut is_taken) = (pin!(instantiating), false);
    let instance = poll_fn(|context| {
        let _restore = Restore;
        NEXT_BASE.set(Some(base.clone()));
        let polled = instantiating.as_mut().poll(context);
        is_taken |= NEXT_BASE.take().is_none();
        polled
    });
    let instance = instance.await?;
    if is_taken { Ok(instance) } else { Err(io::Error::other("the instance has no memory").into()) }
}

/// Creates linear memories for wasmtime. Those that begin as the current base are reused. A handle.
#[derive(Clone)]
pub(crate) struct Memories {
    /// The initial content of most memories; `None` means zeros.
    current: Arc<RwLock<Option<Base>>>,
    polling_pages: PollingPages,
    pool: Arc<Pool<Slot>>,
    checker: Option<Arc<ResetChecker>>,
}

impl Memories {
    /// Returns memories that start as copies of the image of `base`, and starts the thread that checks resets.
    ///
    /// # Errors
    ///
    /// Fails if the kernel cannot start another thread.
    pub(crate) fn new(base: Base, on_check: OnResetCheck) -> io::Result<Self> {
        let blank = Self::blank();
        let checker = ResetChecker::start(Arc::downgrade(&blank.pool), on_check)?;
        Ok(Self { current: Arc::new(RwLock::new(Some(base))), checker: Some(checker), ..blank })
    }

    /// Returns memories of zeros, for making an image.
    pub(crate) fn blank() -> Self {
        Self {
            current: Arc::default(),
            polling_pages: PollingPages::default(),
            pool: Arc::default(),
            checker: None,
        }
    }

    /// Makes `base` the current one: from now on, memories that begin as it are reused instead of others.
    pub(crate) fn make_current(&self, base: Base) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(base);
        self.clear();
    }

    /// Drops the memories that are ready for reuse.
    pub(crate) fn clear(&self) {
        self.pool.clear();
    }

    pub(crate) fn polling_pages(&self) -> &PollingPages {
        &self.polling_pages
    }

    /// Returns a slot that begins as `base`.
    fn slot(&self, base: &Base, layout: SlotLayout) -> io::Result<Lent<Slot>> {
        let make = |checker| Slot::new(base.clone(), self.polling_pages.clone(), layout, checker);
        if self.is_current(base) {
            return self.pool.lend(|slot| slot.begins_as(base), || make(self.checker.clone()));
        }
        let slot = make(None).or_else(|_| {
            // Idle slots may have the addresses that it needs.
            self.pool.clear();
            make(None)
        });
        slot.map(Lent::once)
    }

    fn current(&self) -> Option<Base> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_current(&self, base: &Base) -> bool {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().is_some_and(|current| current.is(base))
    }
}

// SAFETY: a slot has the requested address space, with inaccessible memory before and after it, and never moves. It
// departs from the contract of `MemoryCreator` in two points.
// 1. Memory should be zero, but it is the image. wasmtime relies on zeros only where it initialises memory: from data
//    segments and in a start function. The module has neither (`Interpreter::unpack` removes the data segments and
//    refuses a start function). So the guest's own code, which expects the image, is the first to read memory.
// 2. Accesses beyond the end of memory should trap, but reads of the polling page return zeros. Writes to it trap. Host
//    functions never reach it, because they compare addresses with the size of memory.
unsafe impl MemoryCreator for Memories {
    fn new_memory(
        &self,
        _: MemoryType,
        bytes_min: usize,
        _: Option<usize>,
        reserved_bytes: Option<usize>,
        guard_bytes: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        let memory_bytes = reserved_bytes.ok_or("movable memories are not supported")?;
        let layout = SlotLayout { memory_bytes, guard_bytes };
        let base = NEXT_BASE.take().or_else(|| self.current()).map_or_else(|| Base::zeros(bytes_min), Ok);
        let slot = base
            .and_then(|base| self.slot(&base, layout))
            .map_err(|error| format!("cannot reserve address space for another execution: {error}"))?;
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

// SAFETY: size and address are those of a slot that this value owns exclusively.
unsafe impl LinearMemory for Lent<Slot> {
    fn byte_size(&self) -> usize {
        self.bytes()
    }

    fn byte_capacity(&self) -> usize {
        self.layout().bytes_max()
    }

    fn grow_to(&mut self, bytes: usize) -> wasmtime::Result<()> {
        Ok(self.grow(bytes)?)
    }

    fn as_ptr(&self) -> *mut u8 {
        self.address()
    }
}
