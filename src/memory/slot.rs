//! A place in the address space for one linear memory, used by one execution after the other.
//!
//! Between two of them it becomes the image again. Pages that programs write to stay in memory and are copied back, because
//! that takes a fraction of the time of giving a page to the kernel and faulting it in again. From time to time, those that
//! an execution did not change are given back, so that one large program does not slow down those after it.

#![allow(unsafe_code)]

use std::io;
use std::ops::Range;
use std::ptr;
use std::sync::Arc;

use rustix::mm::Advice;

use super::memory_image::{MemoryImage, PAGE_BYTES};
use super::pagemap::PageMap;
use super::polling::{PollingPage, PollingPages};
use super::reservation::Reservation;
use super::reset_check::ResetChecker;
use crate::meter::POLLED_BYTES;

/// Executions between two looks at which pages are still in use.
const SWEEP_INTERVAL: u32 = 64;

/// So few of them are not given back: most are written again, with what they hold already, and each costs a fault then.
const PAGES_SPARED_MAX: usize = 16;

/// Pages that stay in memory between executions, at most: copying more takes longer than it saves.
const PAGES_KEPT_MAX: usize = 2048;

/// What a memory needs: the addresses that compiled code may reach without looking, at the end of them the polling page, and
/// those that trap behind them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlotLayout {
    pub(crate) memory_bytes: usize,
    pub(crate) guard_bytes: usize,
}

impl SlotLayout {
    /// All of it: there are guards on both sides.
    pub(crate) fn bytes(self) -> usize {
        self.guard_bytes + self.memory_bytes + self.guard_bytes
    }

    /// What a memory can grow to.
    pub(crate) const fn bytes_max(self) -> usize {
        self.memory_bytes - POLLED_BYTES
    }

    fn polling_page(self) -> Range<usize> {
        let memory_end = self.guard_bytes + self.memory_bytes;
        memory_end - POLLED_BYTES..memory_end
    }

    /// Whether there is room for `slots` at once.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub(crate) fn probe(self, slots: usize) -> io::Result<()> {
        Reservation::reserve(self.bytes().saturating_mul(slots)).map(drop)
    }
}

/// Linear memory: the image at first, later what a guest makes of it.
pub(super) struct Slot {
    image: Arc<MemoryImage>,
    page_map: Option<Arc<PageMap>>,
    layout: SlotLayout,
    reservation: Arc<Reservation>,
    polling_page: Arc<PollingPage>,
    polling_pages: PollingPages,
    checker: Option<Arc<ResetChecker>>,
    /// What the guest can reach now.
    bytes: usize,
    /// Pages of the image that are this slot's own: a guest has written to them, now or earlier.
    own: Vec<Range<usize>>,
    executions: u32,
}

impl Slot {
    /// # Errors
    ///
    /// The kernel's: no address space, or too many mappings.
    pub(super) fn new(
        image: Arc<MemoryImage>,
        page_map: Option<Arc<PageMap>>,
        polling_pages: PollingPages,
        layout: SlotLayout,
        checker: Option<Arc<ResetChecker>>,
    ) -> io::Result<Self> {
        let bytes = image.memory_bytes();
        assert!(bytes <= layout.bytes_max(), "the image is larger than a memory can be");
        let reservation = Arc::new(Reservation::reserve(layout.bytes())?);
        let memory = reservation.at(layout.guard_bytes);
        let polling_page = polling_pages.add(memory, reservation.clone(), layout.polling_page());
        let own = Vec::new();
        let slot = Self {
            image,
            page_map,
            layout,
            reservation,
            polling_page,
            polling_pages,
            checker,
            bytes,
            own,
            executions: 0,
        };
        // The interpreter is started without anybody who watches it.
        slot.polling_page.open()?;
        let (image, file, offset) = slot.image.mapped();
        slot.reservation.allow(slot.range(0..image.start))?;
        slot.reservation.put(&slot.range(image.clone()), file, offset)?;
        // Else each fault maps the pages around it too, and looking for the changed ones takes longer.
        slot.reservation.advise(slot.range(image), Advice::Random)?;
        // A huge page would make pages its own that nobody has written to, without a fault.
        slot.reservation.forbid_huge_pages(slot.range(0..bytes))?;
        Ok(slot)
    }

    /// Where linear memory begins.
    pub(super) fn address(&self) -> *mut u8 {
        self.at(0)
    }

    /// The size of linear memory.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn checker(&self) -> Option<Arc<ResetChecker>> {
        self.checker.clone()
    }

    pub(super) fn layout(&self) -> SlotLayout {
        self.layout
    }

    /// Lets the guest reach `bytes` from the beginning; new memory is zero.
    ///
    /// # Errors
    ///
    /// For more than [`SlotLayout::bytes_max`], and the kernel's.
    pub(super) fn grow(&mut self, bytes: usize) -> io::Result<()> {
        if bytes > self.layout.bytes_max() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        if bytes > self.bytes {
            self.reservation
                .allow(self.range(self.bytes..bytes.next_multiple_of(rustix::param::page_size())))?;
            self.bytes = bytes;
        }
        Ok(())
    }

    /// Makes it the image again. No guest runs in it any more. Without a page fault since the last time (`faulted`), the
    /// pages that are its own are those that were.
    ///
    /// # Errors
    ///
    /// The kernel's: then it must not be used again.
    pub(super) fn reset(&mut self, faulted: bool) -> io::Result<()> {
        self.polling_page.open()?;
        let image_bytes = self.image.memory_bytes();
        if self.bytes > image_bytes {
            let grown = self.range(image_bytes..self.bytes.next_multiple_of(rustix::param::page_size()));
            self.reservation.forget(grown.clone())?;
            self.reservation.deny(grown)?;
            self.bytes = image_bytes;
        }
        let Some(page_map) = &self.page_map else {
            return self.forget();
        };
        if faulted {
            if !page_map.is_of_this_process() {
                return self.forget();
            }
            let (base, zeros_end) = (self.address().addr(), self.image.mapped().0.start);
            self.own.clear();
            page_map.private_pages(base..base + image_bytes, base + zeros_end, |found| {
                self.own.push(found.start - base..found.end - base);
            })?;
        }
        if bytes(&self.own) > PAGES_KEPT_MAX * PAGE_BYTES {
            return self.forget();
        }
        self.executions += 1;
        if self.executions.is_multiple_of(SWEEP_INTERVAL) {
            self.sweep()?;
        }
        for offset in self.own.iter().flat_map(|range| range.clone().step_by(PAGE_BYTES)) {
            // SAFETY: `own` has pages of the image's part of this memory, which can be written to; no guest runs in it.
            unsafe { ptr::copy_nonoverlapping(self.image.page(offset), self.at(offset).cast(), 1) };
        }
        Ok(())
    }

    /// Gives back all pages.
    ///
    /// # Errors
    ///
    /// As those of [`Slot::reset`].
    pub(super) fn forget(&mut self) -> io::Result<()> {
        self.own.clear();
        self.reservation.forget(self.range(0..self.image.memory_bytes()))
    }

    /// Where it is not the image, although it was reset.
    pub(super) fn first_difference(&self) -> Option<usize> {
        (0..self.image.memory_bytes()).step_by(PAGE_BYTES).find(|offset| {
            // SAFETY: pages of the image's part of this memory can be read; no guest runs in it.
            let page: &[u8; PAGE_BYTES] = unsafe { &*self.at(*offset).cast() };
            page != self.image.page(*offset)
        })
    }

    /// Gives back the pages that are as in the image, if there are many.
    fn sweep(&mut self) -> io::Result<()> {
        let (mut kept, mut given_back) = (Vec::new(), Vec::new());
        // A page of the machine's, which is one of ours or more, is given back whole.
        let page_bytes = rustix::param::page_size();
        for first in self.own.iter().flat_map(|range| range.clone().step_by(page_bytes)) {
            let is_image = (first..first + page_bytes).step_by(PAGE_BYTES).all(|offset| {
                // SAFETY: as in `reset`.
                let page: &[u8; PAGE_BYTES] = unsafe { &*self.at(offset).cast() };
                page == self.image.page(offset)
            });
            extend(if is_image { &mut given_back } else { &mut kept }, first..first + page_bytes);
        }
        if bytes(&given_back) <= PAGES_SPARED_MAX * PAGE_BYTES {
            return Ok(());
        }
        self.own = kept;
        // Each call interrupts the other cores.
        given_back.into_iter().try_for_each(|range| self.reservation.forget(self.range(range)))
    }

    fn at(&self, offset: usize) -> *mut u8 {
        self.reservation.at(self.layout.guard_bytes + offset)
    }

    /// Where a range of linear memory is in the reservation.
    fn range(&self, range: Range<usize>) -> Range<usize> {
        let guard = self.layout.guard_bytes;
        guard + range.start..guard + range.end
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.polling_pages.remove(self.address());
    }
}

/// Adds a range to those that it follows.
fn extend(ranges: &mut Vec<Range<usize>>, next: Range<usize>) {
    match ranges.last_mut() {
        Some(last) if last.end == next.start => last.end = next.end,
        _ => ranges.push(next),
    }
}

fn bytes(ranges: &[Range<usize>]) -> usize {
    ranges.iter().map(ExactSizeIterator::len).sum()
}

#[cfg(test)]
mod tests;
