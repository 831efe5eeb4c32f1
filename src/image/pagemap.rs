//! Which pages a guest has written to, asked of Linux: `PAGEMAP_SCAN` of ioctl(2), since Linux 6.7.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl, opcode};

/// Ranges that one call finds at most; a scan makes as many calls as it needs.
const RANGES_PER_CALL: usize = 128;

// Of <linux/fs.h>, for machines of 64 bits.
pub(crate) const PAGEMAP_SCAN: Opcode = opcode::read_write::<Scan>(b'f', 16);
const PAGE_IS_FILE: u64 = 1 << 2;
const PAGE_IS_PRESENT: u64 = 1 << 3;
const PAGE_IS_SWAPPED: u64 = 1 << 4;
const PAGE_IS_PFNZERO: u64 = 1 << 5;

/// This process's page map.
pub(super) struct PageMap(File);

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
    /// the kernel cannot scan.
    pub(super) fn of_process() -> Option<Arc<Self>> {
        static OPENED: OnceLock<Option<Arc<PageMap>>> = OnceLock::new();
        OPENED.get_or_init(|| Self::open().map(Arc::new)).clone()
    }

    fn open() -> Option<Self> {
        let map = Self(File::open("/proc/self/pagemap").ok()?);
        let page_bytes = rustix::param::page_size();
        let page = std::ptr::from_ref(&map).addr() & !(page_bytes - 1);
        map.private_pages(page..page + page_bytes, |_| ()).ok()?;
        Some(map)
    }

    /// Calls `found` with each range of addresses in `range` that has pages of its own: no longer those of a mapped file,
    /// nor the page of zeros that stands for what was never written to. Swapped pages are among them.
    ///
    /// # Errors
    ///
    /// Some ranges may have been told already.
    pub(super) fn private_pages(
        &self,
        range: Range<usize>,
        mut found: impl FnMut(Range<usize>),
    ) -> io::Result<()> {
        let mut ranges = [Found::default(); RANGES_PER_CALL];
        let mut scan = Scan {
            size: size_of::<Scan>() as u64,
            start: range.start,
            end: range.end,
            vec: ranges.as_mut_ptr().expose_provenance(),
            vec_len: RANGES_PER_CALL as u64,
            category_inverted: PAGE_IS_FILE | PAGE_IS_PFNZERO,
            category_mask: PAGE_IS_FILE | PAGE_IS_PFNZERO,
            category_anyof_mask: PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
            ..Scan::default()
        };
        while scan.start < range.end {
            // SAFETY: the argument is the one that this request takes, and `vec` is as long as it says.
            let count = unsafe { ioctl(&self.0, Request(&mut scan)) }?;
            ranges[..count].iter().for_each(|range| found(range.start..range.end));
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
