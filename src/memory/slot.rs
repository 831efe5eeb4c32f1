//! A slot: reserved address space with one linear memory, reused by one execution after another.
//!
//! Between executions, a reset turns the memory back into the image. Pages that a program wrote to stay in memory and
//! are overwritten from the image, which takes a fraction of the time of returning a page to the kernel and faulting it
//! in again. From time to time, a sweep returns the pages that the last execution did not change, so that one large
//! program does not slow down later ones.

#![allow(unsafe_code)]

use std::io;
use std::ops::Range;
use std::ptr;
use std::sync::Arc;

use rustix::mm::Advice;

use super::delta::Base;
use super::memory_image::{MemoryImage, PAGE_BYTES};
use super::pagemap::PageMap;
use super::polling::{PollingPage, PollingPages};
use super::reservation::Reservation;
use super::reset_check::ResetChecker;
use crate::meter::POLLED_BYTES;

/// The number of executions between two sweeps.
const SWEEP_INTERVAL: u32 = 64;

/// A sweep that finds at most this many unchanged pages keeps them. Programs write to most of them again, with the
/// value that is there already, and each would then cost a page fault.
const PAGES_SPARED_MAX: usize = 16;

/// The most private pages that are kept between executions. Copying more takes longer than faulting them in again.
const PAGES_KEPT_MAX: usize = 2048;

/// The address space of a slot, in bytes: a guard, the addresses that compiled code reaches without bounds checks, with
/// the polling page at their end, and another guard.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlotLayout {
    pub(crate) memory_bytes: usize,
    pub(crate) guard_bytes: usize,
}

impl SlotLayout {
    /// Returns the size of the whole slot in bytes, with the guards on both sides.
    pub(crate) fn bytes(self) -> usize {
        self.guard_bytes + self.memory_bytes + self.guard_bytes
    }

    /// Returns the size in bytes to which a memory can grow.
    pub(crate) const fn bytes_max(self) -> usize {
        self.memory_bytes - POLLED_BYTES
    }

    fn polling_page(self) -> Range<usize> {
        let memory_end = self.guard_bytes + self.memory_bytes;
        memory_end - POLLED_BYTES..memory_end
    }

    /// Checks that the process has address space for `slots` slots at once.
    ///
    /// # Errors
    ///
    /// Fails if the kernel refuses the reservation.
    pub(crate) fn probe(self, slots: usize) -> io::Result<()> {
        Reservation::reserve(self.bytes().saturating_mul(slots)).map(drop)
    }
}

/// A slot with its linear memory, which is equal to the image when an execution starts.
pub(super) struct Slot {
    page_map: Option<Arc<PageMap>>,
    layout: SlotLayout,
    reservation: Arc<Reservation>,
    polling_page: Arc<PollingPage>,
    polling_pages: PollingPages,
    checker: Option<Arc<ResetChecker>>,
    /// The current size of linear memory.
    bytes: usize,
    /// The private pages in the image's part of memory: a guest has written to them, in this execution or earlier.
    own: Vec<Range<usize>>,
    executions: u32,
    /// Dropped last: another image may get its file then.
    image: Arc<MemoryImage>,
}

impl Slot {
    /// Reserves a slot and maps the image into it.
    ///
    /// # Errors
    ///
    /// Fails if the kernel has no address space left for the process, or allows it no more mappings.
    ///
    /// # Panics
    ///
    /// Panics if the image is larger than a memory can be.
    pub(super) fn new(
        base: Base,
        polling_pages: PollingPages,
        layout: SlotLayout,
        checker: Option<Arc<ResetChecker>>,
    ) -> io::Result<Self> {
        let Base { image, page_map, .. } = base;
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
        // An interpreter that is started to make an image has no watchdog, and nothing else would open the page.
        slot.polling_page.open()?;
        let (image, file, offset) = slot.image.mapped();
        slot.reservation.allow(slot.range(0..image.start))?;
        slot.reservation.put(&slot.range(image.clone()), file, offset)?;
        // Without this advice, each fault also maps the surrounding pages, and the scan for private pages takes longer.
        slot.reservation.advise(slot.range(image), Advice::Random)?;
        // A huge page would make pages private that nobody has written to, and without a page fault.
        slot.reservation.forbid_huge_pages(slot.range(0..bytes))?;
        Ok(slot)
    }

    pub(super) fn begins_as(&self, base: &Base) -> bool {
        Arc::ptr_eq(&self.image, &base.image)
    }

    /// Returns the address of linear memory.
    pub(super) fn address(&self) -> *mut u8 {
        self.at(0)
    }

    /// Returns the size of linear memory in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn checker(&self) -> Option<Arc<ResetChecker>> {
        self.checker.clone()
    }

    pub(super) fn layout(&self) -> SlotLayout {
        self.layout
    }

    /// Grows linear memory to `bytes`; new memory is zero. Does nothing if memory is larger already.
    ///
    /// # Errors
    ///
    /// Fails if `bytes` exceeds [`SlotLayout::bytes_max`], or if the kernel refuses.
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

    /// Turns linear memory back into the image. No guest may be running in it.
    ///
    /// If there was no page fault since the last reset (`faulted` is false), no further page has become private, and
    /// the kernel is not asked.
    ///
    /// # Errors
    ///
    /// Fails if the kernel does. The slot must not be used again.
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
            // SAFETY: `own` lists pages in the image's part of this memory, which is writable; no guest runs in it.
            unsafe { ptr::copy_nonoverlapping(self.image.page(offset), self.at(offset).cast(), 1) };
        }
        Ok(())
    }

    /// Returns all private pages to the kernel.
    ///
    /// # Errors
    ///
    /// As [`Slot::reset`].
    pub(super) fn forget(&mut self) -> io::Result<()> {
        self.own.clear();
        self.reservation.forget(self.range(0..self.image.memory_bytes()))
    }

    /// Returns the offset of the first page that differs from the image. `None` is expected after a reset.
    pub(super) fn first_difference(&self) -> Option<usize> {
        (0..self.image.memory_bytes()).step_by(PAGE_BYTES).find(|offset| {
            // SAFETY: the image's part of this memory is readable; no guest runs in it.
            let page: &[u8; PAGE_BYTES] = unsafe { &*self.at(*offset).cast() };
            page != self.image.page(*offset)
        })
    }

    /// Returns private pages that are equal to the image to the kernel, if there are many of them.
    fn sweep(&mut self) -> io::Result<()> {
        let (mut kept, mut given_back) = (Vec::new(), Vec::new());
        // The kernel takes back whole pages of the machine, each of which is one of our pages or several.
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
        // Ranges are merged first, because each call interrupts the other cores.
        given_back.into_iter().try_for_each(|range| self.reservation.forget(self.range(range)))
    }

    fn at(&self, offset: usize) -> *mut u8 {
        self.reservation.at(self.layout.guard_bytes + offset)
    }

    /// Converts a range of linear memory into a range of the reservation.
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

/// Appends `next`, or extends the last range if `next` directly follows it.
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
