//! What a linear memory holds that the image does not: the pages that differ, compressed.
//!
//! The page map names pages that may differ, and each is compared. A page is written as it is, or as its difference from the
//! image's, whichever has more zeros: an object that was only counted differs in a few bytes, one that is new in all.

use std::io::{self, BufRead, Read, Write};
use std::ops::Range;
use std::sync::Arc;

use super::memory_image::{MemoryImage, PAGE_BYTES, ZEROS};
use super::pagemap::PageMap;

/// Higher ones take several times as long for a few percent.
const COMPRESSION_LEVEL: i32 = 1;

/// In a page's number: it is written as its difference from the image's.
const IS_DIFFERENCE: u32 = 1 << 31;

type Page = [u8; PAGE_BYTES];

/// What memories begin as, and deltas are relative to.
#[derive(Clone)]
pub(crate) struct Base {
    pub(super) image: Arc<MemoryImage>,
    /// What tells which pages were written to.
    pub(super) page_map: Option<Arc<PageMap>>,
}

/// The pages of one linear memory that differ from the image's, as bytes that can be kept anywhere: the size of the memory
/// (8 bytes, little-endian), and compressed, for each page its number (4 bytes, little-endian) and contents.
#[derive(Clone, Debug)]
pub(crate) struct Delta(Vec<u8>);

impl Delta {
    /// The size of the memory that it is of, if this is a delta at all.
    pub(crate) fn memory_bytes(&self) -> io::Result<usize> {
        let size = self.0.first_chunk().ok_or_else(damaged)?;
        usize::try_from(u64::from_le_bytes(*size)).map_err(|_| damaged())
    }

    /// What it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.0.len()
    }
}

impl Base {
    pub(crate) fn new(image: MemoryImage) -> Self {
        Self { image: Arc::new(image), page_map: PageMap::of_process() }
    }

    /// What `memory` holds that the image does not; its compressed form grows as pages are found, and no other copy is made.
    /// `memory` is linear memory of a slot, in which no guest runs.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::FileTooLarge`] for more than `bytes_max`, and the kernel's.
    pub(crate) fn delta(&self, memory: &[u8], bytes_max: usize) -> io::Result<Delta> {
        let mut bytes = Bounded { bytes: Vec::new(), bytes_max };
        bytes.write_all(&(memory.len() as u64).to_le_bytes())?;
        let mut encoder = zstd::Encoder::new(bytes, COMPRESSION_LEVEL)?;
        let (pages, _) = memory.as_chunks();
        for number in self.candidates(memory)?.into_iter().flatten() {
            let (page, image): (&Page, _) = (&pages[number], self.page(number));
            if page != image {
                write_page(&mut encoder, number, page, image)?;
            }
        }
        Ok(Delta(encoder.finish()?.bytes))
    }

    /// Makes `memory`, which is the image, with zeros behind it, what `delta` was taken of.
    ///
    /// # Errors
    ///
    /// For bytes that are no delta of a memory of this size. Then `memory` is not to be used.
    pub(crate) fn apply(&self, delta: &Delta, memory: &mut [u8]) -> io::Result<()> {
        if delta.memory_bytes()? != memory.len() {
            return Err(damaged());
        }
        let (pages, _) = memory.as_chunks_mut::<PAGE_BYTES>();
        let compressed = delta.0.get(size_of::<u64>()..).unwrap_or_default();
        let mut decoder = io::BufReader::new(zstd::Decoder::with_buffer(compressed)?);
        while !decoder.fill_buf()?.is_empty() {
            let mut number = [0; 4];
            decoder.read_exact(&mut number)?;
            let number = u32::from_le_bytes(number);
            let (number, is_difference) = ((number & !IS_DIFFERENCE) as usize, number & IS_DIFFERENCE != 0);
            let page = pages.get_mut(number).ok_or_else(damaged)?;
            decoder.read_exact(page)?;
            if is_difference {
                *page = difference(page, self.page(number));
            }
        }
        Ok(())
    }

    /// Numbers of pages that may differ.
    fn candidates(&self, memory: &[u8]) -> io::Result<Vec<Range<usize>>> {
        let all = 0..memory.len() / PAGE_BYTES;
        let Some(page_map) = self.page_map.as_ref().filter(|map| map.is_of_this_process()) else {
            return Ok(vec![all]);
        };
        let base = memory.as_ptr().addr();
        let zeros_end = base + self.image.mapped().0.start;
        let mut ranges = Vec::new();
        page_map.private_pages(base..base + memory.len(), zeros_end, |found| {
            ranges.push((found.start - base) / PAGE_BYTES..(found.end - base) / PAGE_BYTES);
        })?;
        Ok(ranges)
    }

    /// What a memory holds in a page that nobody has written to.
    fn page(&self, number: usize) -> &Page {
        let offset = number * PAGE_BYTES;
        if offset < self.image.memory_bytes() { self.image.page(offset) } else { &ZEROS }
    }
}

fn write_page(to: &mut impl Write, number: usize, page: &Page, image: &Page) -> io::Result<()> {
    let zeros = |page: &Page| page.iter().filter(|byte| **byte == 0).count();
    let number = u32::try_from(number).map_err(io::Error::other)?;
    let difference = difference(page, image);
    let (number, contents) =
        if zeros(&difference) > zeros(page) { (number | IS_DIFFERENCE, &difference) } else { (number, page) };
    to.write_all(&number.to_le_bytes())?;
    to.write_all(contents)
}

fn difference(page: &Page, other: &Page) -> Page {
    std::array::from_fn(|at| page[at] ^ other[at])
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "what is kept of a memory is damaged")
}

/// Takes so many bytes and no more.
struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.bytes_max.saturating_sub(self.bytes.len()) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::memory_image::{BLOCK_BYTES, file_of};
    use super::*;

    /// Of an image with a block of zeros, one of bytes, and one with both.
    fn base() -> (Base, Vec<u8>) {
        let mut memory = vec![0; 3 * BLOCK_BYTES];
        for (at, byte) in memory[BLOCK_BYTES..2 * BLOCK_BYTES + 5000].iter_mut().enumerate() {
            *byte = u8::try_from(at % 251).unwrap();
        }
        let image = MemoryImage::map_bytes(&file_of(&memory)).unwrap();
        (Base { image: Arc::new(image), page_map: None }, memory)
    }

    proptest! {
        #[test]
        fn a_memory_comes_back(
            writes in prop::collection::vec((0..5 * BLOCK_BYTES, prop::collection::vec(any::<u8>(), 1..3000)), 0..40),
            grown in 0..3_usize,
        ) {
            let (base, image) = base();
            let mut memory = image.clone();
            memory.resize(image.len() + grown * BLOCK_BYTES, 0);
            for (at, bytes) in &writes {
                if let Some(place) = memory.get_mut(*at..*at + bytes.len()) {
                    place.copy_from_slice(bytes);
                }
            }
            let delta = base.delta(&memory, usize::MAX).unwrap();
            let mut again = image;
            again.resize(delta.memory_bytes().unwrap(), 0);
            base.apply(&delta, &mut again).unwrap();
            prop_assert!(again == memory);
        }

        #[test]
        fn damage_is_an_error_or_another_memory(at in 0..600_usize, byte in any::<u8>(), cut in 0..600_usize) {
            let (base, image) = base();
            let mut memory = image.clone();
            memory[BLOCK_BYTES - 10..BLOCK_BYTES + 700].fill(7);
            let mut delta = base.delta(&memory, usize::MAX).unwrap();
            delta.0.truncate(cut);
            if let Some(place) = delta.0.get_mut(at) {
                *place = byte;
            }
            let mut again = image;
            // Never a panic, nor a write elsewhere.
            let _ = base.apply(&delta, &mut again);
        }
    }

    #[test]
    fn what_did_not_change_takes_nothing_and_too_much_is_refused() {
        let (base, mut memory) = base();
        assert!(base.delta(&memory, 32).unwrap().bytes() < 32);
        let mut random = 1_u64;
        for byte in &mut memory {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = random.to_be_bytes()[0];
        }
        let refused = base.delta(&memory, BLOCK_BYTES).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
        let delta = base.delta(&memory, usize::MAX).unwrap();
        memory.pop();
        assert!(base.apply(&delta, &mut memory).is_err(), "of another size");
    }
}
