//! Deltas: the pages of a linear memory that differ from the image, compressed.
//!
//! The page map lists the pages that may differ, and each of them is compared with the image. A page is stored either
//! as it is or as its XOR with the image's page, whichever has more zeros. If only reference counts changed, a page
//! differs from the image in a few bytes; a page of new objects differs everywhere.

use std::io::{self, BufRead, Read, Write};
use std::ops::Range;
use std::sync::Arc;

use super::memory_image::{MemoryImage, PAGE_BYTES, ZEROS};
use super::pagemap::PageMap;

/// The level of zstd. Higher levels take several times as long and save only a few percent.
const COMPRESSION_LEVEL: i32 = 1;

/// A bit in a page's number: the page is stored as its difference from the image's page.
const IS_DIFFERENCE: u32 = 1 << 31;

type Page = [u8; PAGE_BYTES];

/// The initial contents of memories. Deltas are relative to it.
#[derive(Clone)]
pub(crate) struct Base {
    /// Names the image: deltas of one image cannot be applied to another.
    pub(super) id: Arc<str>,
    pub(super) image: Arc<MemoryImage>,
    /// Finds the pages that were written to. `None` if the kernel cannot.
    pub(super) page_map: Option<Arc<PageMap>>,
}

/// The pages of one linear memory that differ from the image, in a serialized form. It consists of the size of the
/// memory (8 bytes, little-endian), followed by compressed data: for each page its number (4 bytes, little-endian)
/// and its contents.
#[derive(Clone, Debug)]
pub(crate) struct Delta(Vec<u8>);

impl Delta {
    /// Returns the serialized form.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Takes the serialized form of a delta. Whether it is one shows when it is applied.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Returns the size of the linear memory in bytes.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`] if this is not a delta.
    pub(crate) fn memory_bytes(&self) -> io::Result<usize> {
        let size = self.0.first_chunk().ok_or_else(damaged)?;
        usize::try_from(u64::from_le_bytes(*size)).map_err(|_| damaged())
    }
}

impl Base {
    pub(crate) fn new(image: MemoryImage, id: &str) -> Self {
        Self { id: id.into(), image: Arc::new(image), page_map: PageMap::of_process() }
    }

    /// Returns whether both are the same mapping of the same image.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.image, &other.image)
    }

    /// Returns memories' initial contents of `memory_bytes` zeros.
    ///
    /// # Errors
    ///
    /// Fails if the kernel cannot map them.
    pub(crate) fn zeros(memory_bytes: usize) -> io::Result<Self> {
        Ok(Self { id: "".into(), image: Arc::new(MemoryImage::zeros(memory_bytes)?), page_map: None })
    }

    pub(crate) fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// Returns the size of a memory at its beginning.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.image.memory_bytes()
    }

    /// Returns the delta of `memory`, which must be the linear memory of a slot in which no guest runs.
    ///
    /// Pages are compressed as they are found, so the delta is the only copy.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::FileTooLarge`] if the delta exceeds `bytes_max`, or the kernel's error.
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

    /// Applies `delta` to `memory`, which must hold the image followed by zeros.
    ///
    /// # Errors
    ///
    /// The delta is damaged, or of a memory of another size. `memory` must not be used then.
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

    /// Returns ranges of the numbers of pages that may differ.
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

    /// Returns the initial contents of a page: the image's, or zeros behind it.
    fn page(&self, number: usize) -> &Page {
        let offset = number * PAGE_BYTES;
        if offset < self.image.memory_bytes() { self.image.page(offset) } else { &ZEROS }
    }
}

fn write_page(to: &mut impl Write, number: usize, page: &Page, image: &Page) -> io::Result<()> {
    #[expect(clippy::naive_bytecount, reason = "the compiler vectorises it")]
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
    io::Error::new(io::ErrorKind::InvalidData, "the delta of a linear memory is damaged")
}

/// A buffer that refuses to grow beyond `bytes_max`.
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

    /// Returns the base of an image with three blocks, of zeros, of other bytes, and of both, and the image's bytes.
    fn base() -> (Base, Vec<u8>) {
        let mut memory = vec![0; 3 * BLOCK_BYTES];
        for (at, byte) in memory[BLOCK_BYTES..2 * BLOCK_BYTES + 5000].iter_mut().enumerate() {
            *byte = u8::try_from(at % 251).unwrap();
        }
        let image = MemoryImage::map_bytes(&file_of(&memory, &Default::default())).unwrap();
        (Base { id: "".into(), image: Arc::new(image), page_map: None }, memory)
    }

    proptest! {
        #[test]
        fn applying_a_delta_restores_the_memory(
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
        fn a_damaged_delta_fails_or_gives_another_memory(at in 0..600_usize, byte in any::<u8>(), cut in 0..600_usize) {
            let (base, image) = base();
            let mut memory = image.clone();
            memory[BLOCK_BYTES - 10..BLOCK_BYTES + 700].fill(7);
            let mut delta = base.delta(&memory, usize::MAX).unwrap();
            delta.0.truncate(cut);
            if let Some(place) = delta.0.get_mut(at) {
                *place = byte;
            }
            let mut again = image;
            // Must not panic or write outside of the memory.
            let _ = base.apply(&delta, &mut again);
        }
    }

    #[test]
    fn unchanged_memory_has_an_empty_delta_and_size_is_limited() {
        let (base, mut memory) = base();
        assert!(base.delta(&memory, 32).unwrap().0.len() < 32);
        let mut random = 1_u64;
        for byte in &mut memory {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = random.to_be_bytes()[0];
        }
        let refused = base.delta(&memory, BLOCK_BYTES).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
        let delta = base.delta(&memory, usize::MAX).unwrap();
        memory.pop();
        assert!(base.apply(&delta, &mut memory).is_err(), "the memory has another size");
    }
}
