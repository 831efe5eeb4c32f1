//! Which pages a guest has written to, asked of Linux: `PAGEMAP_SCAN` of ioctl(2), since Linux 6.7.

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

/// Ranges that one call finds at most; a scan makes as many calls as it needs.
const RANGES_PER_CALL: usize = 128;

// Of <linux/fs.h>, for machines of 64 bits.
pub(crate) const PAGEMAP_SCAN: Opcode = opcode::read_write::<Scan>(b'f', 16);
const PAGE_IS_FILE: u64 = 1 << 2;
const PAGE_IS_PRESENT: u64 = 1 << 3;
const PAGE_IS_SWAPPED: u64 = 1 << 4;
const PAGE_IS_PFNZERO: u64 = 1 << 5;

/// The page map of one process: also after a fork, a child's copy of it tells of its parent's pages.
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
    /// The one of this process, opened at the first call: a process that is hardened cannot open it any more. `None` where
    /// the kernel cannot scan, or means something else by it.
    pub(super) fn of_process() -> Option<Arc<Self>> {
        static OPENED: OnceLock<Option<Arc<PageMap>>> = OnceLock::new();
        OPENED.get_or_init(|| Self::open().map(Arc::new)).clone()
    }

    fn open() -> Option<Self> {
        let map = Self { file: File::open("/proc/self/pagemap").ok()?, process: std::process::id() };
        match map.tells_what_is_expected() {
            Ok(true) => Some(map),
            Ok(false) => {
                warn!(
                    "PAGEMAP_SCAN of this kernel does not tell which pages were written to: resets take longer"
                );
                None
            }
            Err(_) => None,
        }
    }

    pub(super) fn is_of_this_process(&self) -> bool {
        self.process == std::process::id()
    }

    /// Of pages that were read, written to and left alone, in memory of zeros and in a file's: does it find those that were
    /// written to, and no others?
    fn tells_what_is_expected(&self) -> io::Result<bool> {
        let page_bytes = rustix::param::page_size().max(PAGE_BYTES);
        let file = File::from(memfd_create("pages", MemfdFlags::CLOEXEC)?);
        file.set_len(3 * page_bytes as u64)?;
        let pages = Reservation::reserve(6 * page_bytes)?;
        pages.allow(0..3 * page_bytes)?;
        pages.put(&(3 * page_bytes..6 * page_bytes), &file, 0)?;
        pages.forbid_huge_pages(0..6 * page_bytes)?;
        let page = |n: usize| pages.at(n * page_bytes);
        for n in [0, 3] {
            // SAFETY: pages of this mapping, which can be read and written.
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

    /// Calls `found` with each range of addresses in `range` that has pages of its own: no longer those of a mapped file,
    /// nor, before `zeros_end`, the page of zeros that stands for what was never written to. (Behind it, a page of zeros has
    /// been written to: KSM may put that page in the place of others that hold zeros.) Swapped pages are among them.
    ///
    /// # Errors
    ///
    /// Some ranges may have been told already.
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
            // SAFETY: the argument is the one that this request takes, and `vec` is as long as it says.
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

/// The call, which answers with the number of ranges found.
struct Request<'a>(&'a mut Scan);

// SAFETY: the opcode is that of `PAGEMAP_SCAN`, which reads and writes a `struct pm_scan_arg`, and answers with a number.
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
