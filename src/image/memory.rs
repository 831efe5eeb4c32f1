//! Linear memories that begin as the image, for wasmtime.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::sync::Arc;

use wasmtime::{LinearMemory, MemoryCreator, MemoryType, Result};

use super::idle::Idle;
use super::pagemap::PageMap;
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
pub(super) struct Memories(Arc<Shared>);

struct Shared {
    pristine: Arc<Pristine>,
    page_map: Option<PageMap>,
    idle: Idle<Slot>,
}

impl Memories {
    pub(super) fn new(pristine: Pristine) -> Self {
        let (page_map, idle) = (PageMap::open(), Idle::default());
        Self(Arc::new(Shared { pristine: Arc::new(pristine), page_map, idle }))
    }
}

// SAFETY: a slot has the address space that is asked for, with inaccessible memory before and behind it, and never moves.
// It is not zero, as wasmtime expects of a memory that it then fills from the module's data segments: the module has none,
// and the image is what they would have made.
unsafe impl MemoryCreator for Memories {
    fn new_memory(
        &self,
        _: MemoryType,
        bytes_min: usize,
        _: Option<usize>,
        reserved_bytes: Option<usize>,
        guard_bytes: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        let memory_bytes_max = reserved_bytes.ok_or("memories that move are not made here")?;
        let slot = match self.0.idle.take() {
            Some(slot) => slot,
            None => Slot::new(self.0.pristine.clone(), Reservation { memory_bytes_max, guard_bytes })
                .map_err(|error| format!("no address space for another execution: {error}"))?,
        };
        if slot.bytes() < bytes_min || slot.bytes_max() != memory_bytes_max {
            return Err("the image does not fit the module".into());
        }
        Ok(Box::new(Memory { slot: Some(slot), home: self.0.clone() }))
    }
}

/// The memory of one execution.
struct Memory {
    /// `Some` until it is dropped.
    slot: Option<Slot>,
    home: Arc<Shared>,
}

impl Memory {
    fn slot(&self) -> &Slot {
        self.slot.as_ref().unwrap_or_else(|| unreachable!("a memory in use has a slot"))
    }
}

// SAFETY: size and address are those of a slot that belongs to this value alone.
unsafe impl LinearMemory for Memory {
    fn byte_size(&self) -> usize {
        self.slot().bytes()
    }

    fn byte_capacity(&self) -> usize {
        self.slot().bytes_max()
    }

    fn grow_to(&mut self, bytes: usize) -> Result<()> {
        let grown = self.slot.as_mut().map_or(Ok(()), |slot| slot.grow(bytes));
        Ok(grown?)
    }

    fn as_ptr(&self) -> *mut u8 {
        self.slot().address()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // A slot that cannot be reset is unmapped.
        if let Some(mut slot) = self.slot.take()
            && slot.reset(FAULTED.get(), self.home.page_map.as_ref()).is_ok()
        {
            self.home.idle.put(slot);
        }
    }
}
