//! Stacks that guests run on, used by one execution after the other, for wasmtime.

#![allow(unsafe_code)]

use std::io;
use std::ops::Range;
use std::ptr;
use std::slice;
use std::sync::Arc;

use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap_anonymous, mprotect, munmap};
use wasmtime::{Result, StackCreator, StackMemory};

use super::idle::Idle;

/// Inaccessible memory below a stack: more than any function's frame takes.
const GUARD_BYTES: usize = 64 << 10;

/// The end of a stack that most executions need; it stays in memory.
const KEPT_BYTES: usize = 64 << 10;

/// Hands out stacks.
#[derive(Default)]
pub(super) struct Stacks(Arc<Idle<Mapping>>);

// SAFETY: a stack is page-aligned, has the size that is asked for, a guard below it, and is zero when it is handed out.
unsafe impl StackCreator for Stacks {
    fn new_stack(&self, bytes: usize, _: bool) -> Result<Box<dyn StackMemory>> {
        let mapping = match self.0.take() {
            Some(mapping) if mapping.bytes == bytes => mapping,
            _ => Mapping::new(bytes)?,
        };
        Ok(Box::new(Stack { mapping: Some(mapping), home: self.0.clone() }))
    }
}

/// The stack of one execution.
struct Stack {
    /// `Some` until it is dropped.
    mapping: Option<Mapping>,
    home: Arc<Idle<Mapping>>,
}

impl Stack {
    fn mapping(&self) -> &Mapping {
        self.mapping.as_ref().unwrap_or_else(|| unreachable!("a stack in use has its mapping"))
    }
}

// SAFETY: the ranges are those of a mapping that belongs to this value alone.
unsafe impl StackMemory for Stack {
    fn top(&self) -> *mut u8 {
        self.mapping().at(self.mapping().bytes)
    }

    fn range(&self) -> Range<usize> {
        self.mapping().at(0).addr()..self.top().addr()
    }

    fn guard_range(&self) -> Range<*mut u8> {
        self.mapping().address..self.mapping().at(0)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // What cannot be cleared is unmapped.
        if let Some(mapping) = self.mapping.take()
            && mapping.clear().is_ok()
        {
            self.home.put(mapping);
        }
    }
}

/// A guard, and the stack above it.
struct Mapping {
    address: *mut u8,
    bytes: usize,
}

// SAFETY: the mapping belongs to this value alone; nothing of it depends on the thread.
unsafe impl Send for Mapping {}
// SAFETY: shared references give out addresses only.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(bytes: usize) -> io::Result<Self> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping, which replaces none.
        let address =
            unsafe { mmap_anonymous(ptr::null_mut(), GUARD_BYTES + bytes, ProtFlags::empty(), flags) }?;
        let mapping = Self { address: address.cast(), bytes };
        // SAFETY: a part of the new mapping.
        unsafe { mprotect(mapping.at(0).cast(), bytes, MprotectFlags::READ | MprotectFlags::WRITE) }?;
        Ok(mapping)
    }

    /// Makes it zero again. Nothing runs on it any more.
    fn clear(&self) -> io::Result<()> {
        let kept = KEPT_BYTES.min(self.bytes);
        let given_back = self.bytes - kept;
        // SAFETY: both parts are inside of this mapping, and nothing runs on it.
        unsafe {
            slice::from_raw_parts_mut(self.at(given_back), kept).fill(0);
            madvise(self.at(0).cast(), given_back, Advice::LinuxDontNeed)?;
        }
        Ok(())
    }

    fn at(&self, offset: usize) -> *mut u8 {
        self.address.wrapping_add(GUARD_BYTES + offset)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own. Nothing can be done about an error.
        let _ = unsafe { munmap(self.address.cast(), GUARD_BYTES + self.bytes) };
    }
}
