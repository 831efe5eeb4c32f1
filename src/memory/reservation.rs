//! A part of the address space: reserved as a whole, reachable where it is made so, given back as a whole.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::ptr;

use rustix::mm::{
    Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap, mmap_anonymous, mprotect, munmap,
};

/// Reservation that trap, with no memory behind them, until something is put there. Ranges are in bytes from the first.
pub(super) struct Reservation {
    first: *mut u8,
    bytes: usize,
}

// SAFETY: the mapping belongs to this value alone; nothing of it depends on the thread.
unsafe impl Send for Reservation {}
// SAFETY: shared references give out addresses; what is done with those is up to the `unsafe` that does it.
unsafe impl Sync for Reservation {}

impl Reservation {
    /// # Errors
    ///
    /// The kernel's, here and below.
    pub(super) fn reserve(bytes: usize) -> io::Result<Self> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping, which replaces none.
        let first = unsafe { mmap_anonymous(ptr::null_mut(), bytes, ProtFlags::empty(), flags) }?;
        Ok(Self { first: first.cast(), bytes })
    }

    pub(super) fn at(&self, offset: usize) -> *mut u8 {
        self.first.wrapping_add(offset)
    }

    /// Lets a range be read and written: zeros where nothing was put.
    pub(super) fn allow(&self, range: Range<usize>) -> io::Result<()> {
        self.protect(range, MprotectFlags::READ | MprotectFlags::WRITE)
    }

    /// Lets a range be read.
    pub(super) fn allow_reading(&self, range: Range<usize>) -> io::Result<()> {
        self.protect(range, MprotectFlags::READ)
    }

    /// Lets a range trap again.
    pub(super) fn deny(&self, range: Range<usize>) -> io::Result<()> {
        self.protect(range, MprotectFlags::empty())
    }

    /// Puts a file's bytes from `offset` on where the range is, to be read, and written to without changing the file.
    pub(super) fn put(&self, range: &Range<usize>, file: &File, offset: u64) -> io::Result<()> {
        self.check(range);
        if range.is_empty() {
            return Ok(());
        }
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | MapFlags::FIXED);
        // SAFETY: replaces a part of this mapping.
        unsafe { mmap(self.at(range.start).cast(), range.len(), protection, flags, file, offset) }?;
        Ok(())
    }

    /// Gives what was written to a range back to the kernel: it is as it was put there, or zero.
    pub(super) fn forget(&self, range: Range<usize>) -> io::Result<()> {
        self.advise(range, Advice::LinuxDontNeed)
    }

    pub(super) fn advise(&self, range: Range<usize>, advice: Advice) -> io::Result<()> {
        self.check(&range);
        if !range.is_empty() {
            // SAFETY: a part of this mapping.
            unsafe { madvise(self.at(range.start).cast(), range.len(), advice) }?;
        }
        Ok(())
    }

    /// No page of the range becomes part of a huge one. A kernel without huge pages does not know the advice: madvise(2).
    pub(super) fn forbid_huge_pages(&self, range: Range<usize>) -> io::Result<()> {
        match self.advise(range, Advice::LinuxNoHugepage) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
            advised => advised,
        }
    }

    fn protect(&self, range: Range<usize>, flags: MprotectFlags) -> io::Result<()> {
        self.check(&range);
        if !range.is_empty() {
            // SAFETY: a part of this mapping.
            unsafe { mprotect(self.at(range.start).cast(), range.len(), flags) }?;
        }
        Ok(())
    }

    fn check(&self, range: &Range<usize>) {
        assert!(range.start <= range.end && range.end <= self.bytes, "{range:?} is not in {}", self.bytes);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own. Nothing can be done about an error.
        let _ = unsafe { munmap(self.first.cast(), self.bytes) };
    }
}
