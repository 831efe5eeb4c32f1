//! Stacks for wasmtime, on which guests run.

#![allow(unsafe_code)]

use std::io;
use std::ops::Range;
use std::slice;
use std::sync::Arc;

use wasmtime::{Result, StackCreator, StackMemory, bail};

use super::pool::{Lent, Pool, Reusable};
use super::reservation::Reservation;

/// The size of the inaccessible memory below a stack. It is larger than the frame of any function.
const GUARD_BYTES: usize = 64 << 10;

/// The part of a stack that stays in memory between executions. Most executions need no more.
const KEPT_BYTES: usize = 64 << 10;

/// Creates stacks for wasmtime, all of one size, and reuses them.
#[derive(Default)]
pub(crate) struct Stacks(Arc<Pool<Stack>>);

// SAFETY: a stack is page-aligned, has the requested size and a guard below it, and is zero when it is handed out.
unsafe impl StackCreator for Stacks {
    fn new_stack(&self, bytes: usize, _: bool) -> Result<Box<dyn StackMemory>> {
        let stack = self.0.lend(|_| true, || Stack::new(bytes))?;
        if stack.bytes != bytes {
            bail!("a stack of {bytes} bytes was requested; all stacks have {} bytes", stack.bytes);
        }
        Ok(Box::new(stack))
    }
}

// SAFETY: the ranges are those of a stack that this value owns exclusively.
unsafe impl StackMemory for Lent<Stack> {
    fn top(&self) -> *mut u8 {
        self.at(self.bytes)
    }

    fn range(&self) -> Range<usize> {
        self.at(0).addr()..self.top().addr()
    }

    fn guard_range(&self) -> Range<*mut u8> {
        self.reservation.at(0)..self.at(0)
    }
}

/// A stack and the guard below it.
struct Stack {
    reservation: Reservation,
    bytes: usize,
}

impl Stack {
    fn new(bytes: usize) -> io::Result<Self> {
        let reservation = Reservation::reserve(GUARD_BYTES + bytes)?;
        reservation.allow(GUARD_BYTES..GUARD_BYTES + bytes)?;
        Ok(Self { reservation, bytes })
    }

    fn at(&self, offset: usize) -> *mut u8 {
        self.reservation.at(GUARD_BYTES + offset)
    }
}

impl Reusable for Stack {
    /// Fills the stack with zeros.
    fn renew(&mut self) -> io::Result<()> {
        let kept = KEPT_BYTES.min(self.bytes);
        let given_back = self.bytes - kept;
        // SAFETY: this part is readable and writable, and nothing runs on the stack any more.
        unsafe { slice::from_raw_parts_mut(self.at(given_back), kept) }.fill(0);
        self.reservation.forget(GUARD_BYTES..GUARD_BYTES + given_back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_used_stack_is_zeroed() {
        let (stacks, bytes) = (Stacks::default(), 4 << 20);
        for _ in 0..3 {
            let stack = stacks.new_stack(bytes, true).unwrap();
            let first = stack.top().wrapping_sub(bytes);
            assert_eq!(first.addr(), stack.range().start);
            // SAFETY: the whole stack is readable and writable, and nothing runs on it.
            let contents = unsafe { slice::from_raw_parts_mut(first, bytes) };
            assert!(contents.iter().all(|byte| *byte == 0));
            contents.fill(0xa5);
        }
        assert_eq!(stacks.0.count(), 1, "the same stack was reused");
    }
}
