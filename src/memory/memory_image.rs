//! The image's memory as a file: what each linear memory starts from, mapped once to compare with and copy from.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::ptr;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// What memory is compared and copied by: a page of most machines, a part of one on arm64 with pages of 16 or 64 KiB.
pub(super) const PAGE_BYTES: usize = 4096;

/// What can be mapped on every machine: a page of WebAssembly, and the largest one of arm64. See [`MemoryImage::map`].
pub(crate) const BLOCK_BYTES: usize = 64 << 10;

/// A page that nobody has written to, before the image's first byte and behind its last.
pub(super) static ZEROS: [u8; PAGE_BYTES] = [0; PAGE_BYTES];

/// A file with one block that says where in linear memory the rest of it belongs. Before that, memory is zero.
pub(crate) struct MemoryImage {
    file: File,
    address: *mut u8,
    file_bytes: usize,
    /// Where in linear memory the file's second block belongs.
    start: usize,
}

// SAFETY: the mapping is read only, and lives as long as this does.
unsafe impl Send for MemoryImage {}
// SAFETY: as above.
unsafe impl Sync for MemoryImage {}

/// The file's bytes for a memory: what [`MemoryImage::map`] takes.
pub(crate) fn file_of(memory: &[u8]) -> Vec<u8> {
    let is_zero = |block: &&[u8]| block.chunks_exact(PAGE_BYTES).all(|page| *page == ZEROS);
    let start = memory.chunks_exact(BLOCK_BYTES).take_while(is_zero).count() * BLOCK_BYTES;
    let mut file = vec![0; BLOCK_BYTES];
    file[..8].copy_from_slice(&(start as u64).to_le_bytes());
    file.extend_from_slice(&memory[start..]);
    file
}

impl MemoryImage {
    /// Maps a file that [`file_of`] has made.
    ///
    /// # Errors
    ///
    /// For a machine with larger pages among others.
    pub(crate) fn map(file: File) -> io::Result<Self> {
        if !(PAGE_BYTES..=BLOCK_BYTES).contains(&rustix::param::page_size()) {
            return Err(io::Error::other("this machine's pages of memory are larger than 64 KiB"));
        }
        let file_bytes = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        let mut start = [0; 8];
        file.read_exact_at(&mut start, 0)?;
        let start = usize::try_from(u64::from_le_bytes(start)).map_err(io::Error::other)?;
        // SAFETY: a new mapping, which replaces none.
        let address =
            unsafe { mmap(ptr::null_mut(), file_bytes, ProtFlags::READ, MapFlags::PRIVATE, &file, 0) }?;
        Ok(Self { file, address: address.cast(), file_bytes, start })
    }

    /// A memory of so many zeros.
    ///
    /// # Errors
    ///
    /// As [`MemoryImage::map`].
    pub(crate) fn zeros(memory_bytes: usize) -> io::Result<Self> {
        let mut header = vec![0; BLOCK_BYTES];
        header[..8].copy_from_slice(&(memory_bytes as u64).to_le_bytes());
        Self::map_bytes(&header)
    }

    /// Maps it from a file that exists in this process only.
    ///
    /// # Errors
    ///
    /// As [`MemoryImage::map`].
    pub(crate) fn map_bytes(bytes: &[u8]) -> io::Result<Self> {
        let file = File::from(memfd_create("image", MemfdFlags::CLOEXEC)?);
        file.write_all_at(bytes, 0)?;
        Self::map(file)
    }

    /// Linear memory of an instance that has just begun.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.start + self.file_bytes - BLOCK_BYTES
    }

    /// The part of linear memory that is not zero, the file that has it, and where in that file.
    pub(crate) fn mapped(&self) -> (Range<usize>, &File, u64) {
        (self.start..self.memory_bytes(), &self.file, BLOCK_BYTES as u64)
    }

    /// What linear memory holds at the beginning, in the page that begins at `offset`.
    pub(crate) fn page(&self, offset: usize) -> &[u8; PAGE_BYTES] {
        if offset < self.start {
            return &ZEROS;
        }
        assert!(offset.is_multiple_of(PAGE_BYTES) && offset < self.memory_bytes());
        // SAFETY: inside of the mapping, by the assertion.
        unsafe { &*self.address.add(offset - self.start + BLOCK_BYTES).cast() }
    }
}

impl Drop for MemoryImage {
    fn drop(&mut self) {
        // SAFETY: this mapping is nobody else's. Nothing can be done about an error.
        let _ = unsafe { munmap(self.address.cast(), self.file_bytes) };
    }
}
