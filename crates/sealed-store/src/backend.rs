//! The database's storage: one file of fixed size. A process that may not create, rename or enlarge files can use it.
//!
//! The file begins with a header that says how long the storage is within it; the rest of the file is storage or unused.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

use redb::StorageBackend;

/// How the file begins.
const MAGIC: &[u8; 16] = b"sealed-store 001";

/// The header's place, a block of most devices.
pub(crate) const HEADER_BYTES: u64 = 4096;

/// Zeros that are written at once.
static ZEROS: [u8; 256 << 10] = [0; 256 << 10];

/// A locked file of fixed size as storage.
#[derive(Debug)]
pub(crate) struct FixedFile {
    file: File,
    file_bytes: u64,
    lengths: Mutex<Lengths>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Lengths {
    now: u64,
    /// The most that it has been: behind it, the file is zeros.
    most: u64,
}

impl FixedFile {
    /// Storage in `file`, which has `file_bytes` bytes: what it holds, or nothing if it is all zeros.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`] for a file of something else, and the device's.
    pub(crate) fn new(file: File, file_bytes: u64) -> io::Result<Self> {
        let mut header = [0; 32];
        file.read_exact_at(&mut header, 0)?;
        let number = |at: usize| header[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let lengths = match &header {
            [0, ..] if header == [0; 32] => Lengths::default(),
            _ if header.starts_with(MAGIC) => Lengths { now: number(16), most: number(24) },
            _ => return Err(not_a_store()),
        };
        if lengths.now > lengths.most || lengths.most > file_bytes.saturating_sub(HEADER_BYTES) {
            return Err(not_a_store());
        }
        Ok(Self { file, file_bytes, lengths: Mutex::new(lengths) })
    }

    fn write_header(&self, lengths: Lengths) -> io::Result<()> {
        let header = [&MAGIC[..], &lengths.now.to_le_bytes(), &lengths.most.to_le_bytes()].concat();
        self.file.write_all_at(&header, 0)?;
        self.file.sync_data()
    }

    fn lengths(&self) -> Lengths {
        *self.lengths.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn not_a_store() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the file is not a store, or is damaged")
}

impl StorageBackend for FixedFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lengths().now)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if offset.saturating_add(out.len() as u64) > self.lengths().now {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.file.read_exact_at(out, HEADER_BYTES + offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if len > self.file_bytes - HEADER_BYTES {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut lengths = self.lengths.lock().unwrap_or_else(PoisonError::into_inner);
        // What was given up may hold anything.
        let mut at = lengths.now;
        while at < len.min(lengths.most) {
            let bytes = (len.min(lengths.most) - at).min(ZEROS.len() as u64);
            self.file
                .write_all_at(&ZEROS[..usize::try_from(bytes).unwrap_or(ZEROS.len())], HEADER_BYTES + at)?;
            at += bytes;
        }
        let new = Lengths { now: len, most: len.max(lengths.most) };
        self.write_header(new)?;
        *lengths = new;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if offset.saturating_add(data.len() as u64) > self.lengths().now {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.file.write_all_at(data, HEADER_BYTES + offset)
    }
}
