//! Finds the pages that a guest has written to, with the ioctl(2) request `PAGEMAP_SCAN` (Linux 6.7 and later).

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl, opcode};

use tracing::warn;

use super::memory_image::PAGE_BYTES;
use super::reservation::Reservation;

/// The most ranges that one call returns. A scan makes as many calls as it needs.
const RANGES_PER_CALL: usize = 128;

// From <linux/fs.h>, for 64-bit machines.
pub(crate) const PAGEMAP_SCAN: Opcode = opcode::read_write::<Scan>(b'f', 16);
const PAGE_IS_FILE: u64 = 1 << 2;
const PAGE_IS_PRESENT: u64 = 1 << 3;
const PAGE_IS_SWAPPED: u64 = 1 << 4;
const PAGE_IS_PFNZERO: u64 = 1 << 5;

/// The page map of the process that opened it. After a fork, the child's copy still describes the parent's pages.
pub(super) struct PageMap {
    file: File,
    process: u32,
}

/// `struct pm_scan_arg`.
#[repr(C)]
#[derive(Default)]
struct Scan {
    size: u64,
    flags: u64,
    start: usize,
    end: usize,
    walk_end: usize,
    vec: usize,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// `struct page_region`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Found {
    start: usize,
    end: usize,
    categories: u64,
}

impl PageMap {
    /// Returns the page map of this process, or `None` if the kernel has no usable `PAGEMAP_SCAN`.
    ///
    /// The first call opens it. Make that call before the process is hardened: a hardened process cannot open it.
    pub(super) fn of_process() -> Option<Arc<Self>> {
        static OPENED: OnceLock<Option<Arc<PageMap>>> = OnceLock::new();
        OPENED.get_or_init(|| Self::open().map(Arc::new)).clone()
    }

    fn open() -> Option<Self> {
        let map = Self { file: File::open("/proc/self/pagemap").ok()?, process: std::process::id() };
        match map.finds_written_pages() {
            Ok(true) => Some(map),
            Ok(false) => {
                warn!(
                    "PAGEMAP_SCAN of this kernel does not report which pages were written to; resets take longer"
                );
                None
            }
            Err(_) => None,
        }
    }

    pub(super) fn is_of_this_process(&self) -> bool {
        self.process == std::process::id()
    }

    /// Tests the kernel's `PAGEMAP_SCAN`: returns whether it finds the pages that were written to, and no others.
    ///
    /// The test reads one page, writes to one and leaves one alone, in anonymous memory and in a mapped file.
    fn finds_written_pages(&self) -> io::Result<bool> {
        let page_bytes = rustix::param::page_size().max(PAGE_BYTES);
        let file = File::from(memfd_create("pages", MemfdFlags::CLOEXEC)?);
        file.set_len(3 * page_bytes as u64)?;
        let pages = Reservation::reserve(6 * page_bytes)?;
        pages.allow(0..3 * page_bytes)?;
        pages.put(&(3 * page_bytes..6 * page_bytes), &file, 0)?;
        pages.forbid_huge_pages(0..6 * page_bytes)?;
        let page = |n: usize| pages.at(n * page_bytes);
        for n in [0, 3] {
            // SAFETY: both pages are in this mapping, which can be read and written.
            unsafe {
                page(n).write_volatile(1);
                page(n + 1).read_volatile();
            }
        }
        let mut written = Vec::new();
        let range = page(0).addr()..page(0).addr() + 6 * page_bytes;
        self.private_pages(range, page(3).addr(), |found| written.push(found))?;
        let expected = [0, 3].map(|n| page(n).addr()..page(n).addr() + page_bytes);
        Ok(written == expected)
    }

    /// Calls `found` with each range of addresses in `range` whose pages are private. Swapped pages are included.
    ///
    /// A page is private if it is no longer the page of a mapped file. Before `zeros_end`, the kernel's shared page of
    /// zeros does not count as private: it stands for memory that was never written to. From `zeros_end` on, it does:
    /// KSM may have put it in place of a written page that holds zeros.
    ///
    /// # Errors
    ///
    /// Fails if the kernel refuses the request. `found` may have been called for some ranges by then.
    pub(super) fn private_pages(
        &self,
        range: Range<usize>,
        zeros_end: usize,
        mut found: impl FnMut(Range<usize>),
    ) -> io::Result<()> {
        let mut ranges = [Found::default(); RANGES_PER_CALL];
        let mut scan = Scan {
            size: size_of::<Scan>() as u64,
            start: range.start,
            end: range.end,
            vec: ranges.as_mut_ptr().expose_provenance(),
            vec_len: RANGES_PER_CALL as u64,
            category_inverted: PAGE_IS_FILE,
            category_mask: PAGE_IS_FILE,
            category_anyof_mask: PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
            return_mask: PAGE_IS_PFNZERO,
            ..Scan::default()
        };
        while scan.start < range.end {
            // SAFETY: the request takes this argument, and `vec` has `vec_len` entries.
            let count = unsafe { ioctl(&self.file, Request(&mut scan)) }?;
            for Found { start, end, categories } in &ranges[..count] {
                let start = if categories & PAGE_IS_PFNZERO == 0 { *start } else { zeros_end.max(*start) };
                if start < *end {
                    found(start..*end);
                }
            }
            scan.start = scan.walk_end;
        }
        Ok(())
    }
}

/// The ioctl request. It returns the number of ranges found.
struct Request<'a>(&'a mut Scan);

// SAFETY: the opcode is that of `PAGEMAP_SCAN`, which reads and writes a `struct pm_scan_arg` and returns a number.
unsafe impl Ioctl for Request<'_> {
    type Output = usize;

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        PAGEMAP_SCAN
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::from_mut(self.0).cast()
    }

    unsafe fn output_from_ptr(output: IoctlOutput, _: *mut c_void) -> rustix::io::Result<usize> {
        usize::try_from(output).map_err(|_| rustix::io::Errno::INVAL)
    }
}
