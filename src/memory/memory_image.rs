//! The image's memory as a file. Linear memories map it copy-on-write. One more mapping, read only, serves to compare
//! memories with the image and to restore them from it.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// The unit in which memory is compared and copied. It is the page size of most machines, and a fraction of it on arm64
/// with pages of 16 or 64 KiB.
pub(super) const PAGE_BYTES: usize = 4096;

/// The unit that every supported machine can map: a WebAssembly page, and the largest page of arm64. See
/// [`MemoryImage::map`].
pub(crate) const BLOCK_BYTES: usize = 64 << 10;

/// The content of pages that nobody has written to and that the file does not hold.
pub(super) static ZEROS: [u8; PAGE_BYTES] = [0; PAGE_BYTES];

/// A digest of what a memory only makes sense with: the code that runs in it. It is all zeros if that is not known.
pub(crate) type Origin = [u8; 32];

/// Where the first block holds the origin.
const ORIGIN_AT: usize = 8;

/// The image's memory, in a file that is mapped.
///
/// The first block of the file holds the offset in linear memory at which the other blocks belong, and the image's
/// [`Origin`]. Memory before that offset is zero.
pub(crate) struct MemoryImage {
    file: Arc<File>,
    address: *mut u8,
    file_bytes: usize,
    /// The offset in linear memory at which the file's second block belongs.
    start: usize,
}

// SAFETY: the mapping is read only, and lives as long as this value.
unsafe impl Send for MemoryImage {}
// SAFETY: as above.
unsafe impl Sync for MemoryImage {}

/// Anonymous files for images that are made later: a hardened process can make no file. They are empty at first, and are
/// used again when their images are dropped.
pub(crate) struct SpareFiles(Mutex<Vec<Arc<File>>>);

impl SpareFiles {
    /// Makes `count` files.
    ///
    /// # Errors
    ///
    /// Fails if the kernel refuses.
    pub(crate) fn make(count: usize) -> io::Result<Self> {
        let files = (0..count).map(|_| anonymous().map(Arc::new)).collect::<io::Result<_>>()?;
        Ok(Self(Mutex::new(files)))
    }

    /// Returns a file that no image has.
    fn take(&self) -> Option<Arc<File>> {
        let files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Of those, only this list has a reference, so nobody else can make another one.
        files.iter().find(|file| Arc::strong_count(file) == 1).cloned()
    }
}

fn anonymous() -> io::Result<File> {
    Ok(File::from(memfd_create("image", MemfdFlags::CLOEXEC)?))
}

/// Returns the content of the file for `memory`, as [`MemoryImage::map`] expects it.
pub(crate) fn file_of(memory: &[u8], origin: &Origin) -> Vec<u8> {
    let (mut file, blocks) = parts_of(memory, origin);
    file.extend_from_slice(blocks);
    file
}

/// Returns the first block of the file for `memory`, and the others.
fn parts_of<'a>(memory: &'a [u8], origin: &Origin) -> (Vec<u8>, &'a [u8]) {
    let is_zero = |block: &&[u8]| block.chunks_exact(PAGE_BYTES).all(|page| *page == ZEROS);
    let start = memory.chunks_exact(BLOCK_BYTES).take_while(is_zero).count() * BLOCK_BYTES;
    let mut first = vec![0; BLOCK_BYTES];
    first[..ORIGIN_AT].copy_from_slice(&(start as u64).to_le_bytes());
    first[ORIGIN_AT..ORIGIN_AT + origin.len()].copy_from_slice(origin);
    (first, &memory[start..])
}

/// Returns the origin that a file from [`file_of`] names.
///
/// # Errors
///
/// Fails if the file cannot be read.
pub(crate) fn origin_of(file: &File) -> io::Result<Origin> {
    let mut origin = Origin::default();
    file.read_exact_at(&mut origin, ORIGIN_AT as u64)?;
    Ok(origin)
}

impl MemoryImage {
    /// Maps a file whose content comes from [`file_of`].
    ///
    /// # Errors
    ///
    /// Fails if the machine's pages are larger than 64 KiB, or if the file cannot be read or mapped.
    pub(crate) fn map(file: File) -> io::Result<Self> {
        if !(PAGE_BYTES..=BLOCK_BYTES).contains(&rustix::param::page_size()) {
            return Err(io::Error::other(
                "this machine's memory pages are larger than 64 KiB, which is not supported",
            ));
        }
        let file_bytes = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        Self::map_beginning(Arc::new(file), file_bytes)
    }

    /// Maps the first `file_bytes` of a file.
    fn map_beginning(file: Arc<File>, file_bytes: usize) -> io::Result<Self> {
        let mut start = [0; 8];
        file.read_exact_at(&mut start, 0)?;
        let start = usize::try_from(u64::from_le_bytes(start)).map_err(io::Error::other)?;
        // SAFETY: this is a new mapping; it replaces no other.
        let address =
            unsafe { mmap(ptr::null_mut(), file_bytes, ProtFlags::READ, MapFlags::PRIVATE, &*file, 0) }?;
        Ok(Self { file, address: address.cast(), file_bytes, start })
    }

    /// Writes the content of the file for `memory` into one of `spares` and maps it. Returns its BLAKE3 digest too.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] if all spare files are in use, or the kernel's error.
    pub(crate) fn map_memory(
        memory: &[u8],
        origin: &Origin,
        spares: &SpareFiles,
    ) -> io::Result<(Self, blake3::Hash)> {
        let (first, others) = parts_of(memory, origin);
        let digest = blake3::Hasher::new().update(&first).update(others).finalize();
        let file = spares.take().ok_or(io::ErrorKind::WouldBlock)?;
        file.write_all_at(&first, 0)?;
        file.write_all_at(others, first.len() as u64)?;
        Ok((Self::map_beginning(file, first.len() + others.len())?, digest))
    }

    /// Returns an image of `memory_bytes` zeros.
    ///
    /// # Errors
    ///
    /// As [`MemoryImage::map`].
    pub(crate) fn zeros(memory_bytes: usize) -> io::Result<Self> {
        let mut header = vec![0; BLOCK_BYTES];
        header[..ORIGIN_AT].copy_from_slice(&(memory_bytes as u64).to_le_bytes());
        Self::map_bytes(&header)
    }

    /// Maps the content of a file, through an anonymous file that only this process has.
    ///
    /// # Errors
    ///
    /// As [`MemoryImage::map`].
    pub(crate) fn map_bytes(bytes: &[u8]) -> io::Result<Self> {
        let file = anonymous()?;
        file.write_all_at(bytes, 0)?;
        Self::map(file)
    }

    /// Returns the size in bytes of linear memory at the start of an execution.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.start + self.file_bytes - BLOCK_BYTES
    }

    /// Returns the part of linear memory that the file holds, the file, and the offset of that part in the file.
    pub(crate) fn mapped(&self) -> (Range<usize>, &File, u64) {
        (self.start..self.memory_bytes(), &self.file, BLOCK_BYTES as u64)
    }

    /// Returns the initial content of the page at `offset` in linear memory.
    ///
    /// # Panics
    ///
    /// Panics if `offset` is in the part that the file holds and not a multiple of the page size, or beyond the image.
    pub(crate) fn page(&self, offset: usize) -> &[u8; PAGE_BYTES] {
        if offset < self.start {
            return &ZEROS;
        }
        assert!(offset.is_multiple_of(PAGE_BYTES) && offset < self.memory_bytes());
        // SAFETY: the assertion above ensures that the page is inside the mapping.
        unsafe { &*self.address.add(offset - self.start + BLOCK_BYTES).cast() }
    }
}

impl Drop for MemoryImage {
    fn drop(&mut self) {
        // SAFETY: this value owns the mapping. An error is ignored: there is no way to handle it.
        let _ = unsafe { munmap(self.address.cast(), self.file_bytes) };
    }
}
