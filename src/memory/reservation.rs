//! A range of the address space. It is reserved and released as a whole; parts of it can be made accessible.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::ptr;

use rustix::mm::{
    Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap, mmap_anonymous, mprotect, munmap,
};

/// Reserved addresses. An access traps, and there is no memory behind them, until a range is made accessible.
///
/// Ranges are offsets in bytes from the first address. Methods that take a range panic if it is outside the
/// reservation.
pub(super) struct Reservation {
    first: *mut u8,
    bytes: usize,
}

// SAFETY: this value alone owns the mapping, and the mapping does not depend on the thread.
unsafe impl Send for Reservation {}
// SAFETY: shared references only give out addresses. Whoever dereferences one needs `unsafe` of its own.
unsafe impl Sync for Reservation {}

impl Reservation {
    /// Reserves `bytes` of the address space.
    ///
    /// # Errors
    ///
    /// This and the other methods fail if the kernel refuses the mapping, the protection or the advice.
    pub(super) fn reserve(bytes: usize) -> io::Result<Self> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: this is a new mapping; it replaces no other.
        let first = unsafe { mmap_anonymous(ptr::null_mut(), bytes, ProtFlags::empty(), flags) }?;
        Ok(Self { first: first.cast(), bytes })
    }

    pub(super) fn at(&self, offset: usize) -> *mut u8 {
        self.first.wrapping_add(offset)
    }

    /// Makes a range readable and writable. It holds zeros, unless a file was mapped there.
    pub(super) fn allow(&self, range: Range<usize>) -> io::Result<()> {
        self.protect(range, MprotectFlags::READ | MprotectFlags::WRITE)
    }

    /// Makes a range readable.
    pub(super) fn allow_reading(&self, range: Range<usize>) -> io::Result<()> {
        self.protect(range, MprotectFlags::READ)
    }

    /// Makes a range inaccessible again.
    pub(super) fn deny(&self, range: Range<usize>) -> io::Result<()> {
        self.protect(range, MprotectFlags::empty())
    }

    /// Maps the bytes of `file` from `offset` on at a range, readable and writable. Writes do not change the file.
    pub(super) fn put(&self, range: &Range<usize>, file: &File, offset: u64) -> io::Result<()> {
        self.check(range);
        if range.is_empty() {
            return Ok(());
        }
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | MapFlags::FIXED);
        // SAFETY: `check` ensures that this replaces a part of this mapping only.
        unsafe { mmap(self.at(range.start).cast(), range.len(), protection, flags, file, offset) }?;
        Ok(())
    }

    /// Discards what was written to a range and returns its memory to the kernel. The range then holds the bytes of the
    /// file that is mapped there, or zeros.
    pub(super) fn forget(&self, range: Range<usize>) -> io::Result<()> {
        self.advise(range, Advice::LinuxDontNeed)
    }

    pub(super) fn advise(&self, range: Range<usize>, advice: Advice) -> io::Result<()> {
        self.check(&range);
        if !range.is_empty() {
            // SAFETY: `check` ensures that the range is a part of this mapping.
            unsafe { madvise(self.at(range.start).cast(), range.len(), advice) }?;
        }
        Ok(())
    }

    /// Keeps the kernel from using huge pages for the range.
    ///
    /// A kernel without huge pages answers `EINVAL`, see madvise(2); that counts as success.
    pub(super) fn forbid_huge_pages(&self, range: Range<usize>) -> io::Result<()> {
        match self.advise(range, Advice::LinuxNoHugepage) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
            advised => advised,
        }
    }

    fn protect(&self, range: Range<usize>, flags: MprotectFlags) -> io::Result<()> {
        self.check(&range);
        if !range.is_empty() {
            // SAFETY: `check` ensures that the range is a part of this mapping.
            unsafe { mprotect(self.at(range.start).cast(), range.len(), flags) }?;
        }
        Ok(())
    }

    fn check(&self, range: &Range<usize>) {
        assert!(
            range.start <= range.end && range.end <= self.bytes,
            "{range:?} is outside of 0..{}",
            self.bytes
        );
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: this value owns the mapping. An error is ignored: there is no way to handle it.
        let _ = unsafe { munmap(self.first.cast(), self.bytes) };
    }
}
