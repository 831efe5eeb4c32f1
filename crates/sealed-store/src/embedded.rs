//! A store in one file of this machine, for one process at a time.
//!
//! One thread makes all changes: what is asked of it while the device writes goes into the next transaction together.

use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use redb::{Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition, WriteTransaction};
use rustix::fs::{FallocateFlags, OFlags, fallocate};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

use crate::backend::{FixedFile, HEADER_BYTES};
use crate::index::{Change, Index, Row, Staged};
use crate::{Entry, Error, Listed, Pending, Revision, Share, Store};

/// The smallest file that a store works in.
pub(crate) const FILE_BYTES_MIN: u64 = 16 << 20;

/// Pages of the database that it keeps in memory.
const CACHE_BYTES: usize = 8 << 20;

/// Entries are kept in pieces: the database needs up to twice the room of a large value, in one place.
const PIECE_BYTES: usize = 60 << 10;

/// Changes in one transaction, and the bytes in them.
const BATCH_CHANGES_MAX: usize = 256;
const BATCH_BYTES_MAX: usize = 4 << 20;

/// Changes that wait for their transaction.
const WAITING_MAX: usize = 1024;

/// Revision, bytes, whether it has half a share, when it expires, when it wakes (the last number: never).
const ROWS: TableDefinition<'_, &str, (u64, u64, bool, u64, u64)> = TableDefinition::new("rows");
/// By revision and number.
const PIECES: TableDefinition<'_, (u64, u32), &[u8]> = TableDefinition::new("pieces");
/// The revision that comes next.
const NEXT: TableDefinition<'_, (), u64> = TableDefinition::new("next");

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it open.
    #[error("{} is in use by another process: a store belongs to one process at a time", .0.display())]
    InUse(PathBuf),
    /// The size asked for is less than a store works in.
    #[error("a store needs at least {} MiB", FILE_BYTES_MIN >> 20)]
    TooSmall,
    /// The file is not a store, or is damaged beyond repair.
    #[error("{} is not a store, or is damaged: {why}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The file or its folder cannot be used.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
}

/// A store in one file.
///
/// All methods of [`Store`] need a Tokio runtime. Dropping it waits for the changes that were asked for.
#[derive(Debug)]
pub struct Embedded {
    shared: Arc<Shared>,
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<std::thread::JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    database: Database,
    index: Mutex<Index>,
    bytes_max: u64,
}

#[derive(Debug)]
struct Job {
    name: String,
    change: Change,
    done: oneshot::Sender<Result<Revision, Error>>,
}

impl Embedded {
    /// Opens the store in `dir`, or makes one: a file of `file_bytes` bytes, for the user alone, whose size never changes while
    /// the store is open. A larger one is kept as it is. **Blocks**, some seconds after a crash.
    ///
    /// The file holds names, sizes and times in plain sight: seal what must not be seen.
    ///
    /// # Errors
    ///
    /// Each [`OpenError`] names the file.
    pub fn open(dir: &Path, file_bytes: u64) -> Result<Self, OpenError> {
        if file_bytes < FILE_BYTES_MIN {
            return Err(OpenError::TooSmall);
        }
        let path = dir.join("store");
        let failed = |source| OpenError::Io { path: path.clone(), source };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|source| OpenError::Io { path: dir.to_owned(), source })?;
        let file = locked(&path)?;
        let file_bytes = file_bytes.max(file.metadata().map_err(failed)?.len());
        fallocate(&file, FallocateFlags::empty(), 0, file_bytes).map_err(|errno| failed(errno.into()))?;
        let backend = FixedFile::new(file, file_bytes).map_err(|error| damaged(&path, &error))?;
        Self::start(backend, file_bytes - HEADER_BYTES).map_err(|error| damaged(&path, &error))
    }

    fn start(backend: impl StorageBackend, storage_bytes: u64) -> Result<Self, redb::Error> {
        let mut builder = Database::builder();
        // A damaged file is an error when it is opened, and no panic later.
        builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
        let database = builder.create_with_backend(backend)?;
        let (index, next) = read_index(&database)?;
        let shared = Shared { database, index: Mutex::new(index), bytes_max: room_of(storage_bytes) };
        let shared = Arc::new(shared);
        let (jobs, received) = mpsc::channel(WAITING_MAX);
        let writer = Writer { shared: shared.clone(), jobs: received, next };
        let writer = std::thread::Builder::new().name("store".into()).spawn(move || writer.run())?;
        Ok(Self { shared, jobs: Some(jobs), writer: Some(writer) })
    }

    /// How many bytes of entries it has room for.
    #[must_use]
    pub fn bytes_max(&self) -> u64 {
        self.shared.bytes_max
    }

    async fn change(&self, name: &str, change: Change) -> Result<Revision, Error> {
        change.check(name)?;
        let stopped = || Error::Failed("its thread has ended".into());
        let (done, answer) = oneshot::channel();
        let job = Job { name: name.to_owned(), change, done };
        self.jobs.as_ref().ok_or_else(stopped)?.send(job).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.jobs.take();
        if let Some(writer) = self.writer.take() {
            // It has nothing to tell that nobody was told.
            let _ = writer.join();
        }
    }
}

impl Store for Embedded {
    fn create<'a>(&'a self, name: &'a str, entry: Entry) -> Pending<'a, Revision> {
        Box::pin(self.change(name, Change::Create(entry)))
    }

    fn get<'a>(&'a self, name: &'a str) -> Pending<'a, Option<(Revision, Entry)>> {
        let (shared, name) = (self.shared.clone(), name.to_owned());
        Box::pin(async move {
            let read = spawn_blocking(move || read_entry(&shared.database, &name)).await;
            read.map_err(|error| Error::Failed(error.to_string()))?.map_err(|error| failed(&error))
        })
    }

    fn swap<'a>(&'a self, name: &'a str, from: Revision, entry: Entry) -> Pending<'a, Revision> {
        Box::pin(self.change(name, Change::Swap(from, entry)))
    }

    fn remove<'a>(&'a self, name: &'a str, from: Option<Revision>) -> Pending<'a, bool> {
        Box::pin(async move { Ok(self.change(name, Change::Remove(from)).await? != 0) })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> Pending<'a, Vec<Listed>> {
        Box::pin(std::future::ready(Ok(self.shared.index().list(prefix))))
    }

    fn room(&self, share: Share) -> Pending<'_, u64> {
        Box::pin(std::future::ready(Ok(self.shared.index().room(share, self.shared.bytes_max))))
    }

    fn due(&self, until: SystemTime, count_max: usize) -> Pending<'_, Vec<Listed>> {
        Box::pin(std::future::ready(Ok(self.shared.index().due(until, count_max))))
    }
}

impl Shared {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread that makes changes.
struct Writer {
    shared: Arc<Shared>,
    jobs: mpsc::Receiver<Job>,
    next: Revision,
}

impl Writer {
    fn run(mut self) {
        while let Some(first) = self.jobs.blocking_recv() {
            let mut bytes = first.change.bytes();
            let mut batch = vec![first];
            while batch.len() < BATCH_CHANGES_MAX && bytes < BATCH_BYTES_MAX {
                let Ok(job) = self.jobs.try_recv() else { break };
                bytes += job.change.bytes();
                batch.push(job);
            }
            self.commit(batch);
        }
    }

    /// Makes the changes of a batch in one transaction, each if it can be made after those before it.
    fn commit(&mut self, batch: Vec<Job>) {
        let shared = self.shared.clone();
        let (answers, changes) = {
            let index = shared.index();
            let mut staged = Staged::new(&index);
            let bytes_max = shared.bytes_max;
            let answers: Vec<_> = batch
                .iter()
                .map(|job| staged.make(&job.name, &job.change, &mut self.next, bytes_max))
                .collect();
            (answers, staged.changes())
        };
        let written = self.write(&batch, &answers, &changes).map_err(|error| failed(&error));
        if let Err(error) = &written {
            tracing::error!(%error, "changes of the store are not made");
        } else {
            let mut index = shared.index();
            for (name, row) in changes {
                index.set(&name, row);
            }
        }
        for (job, answer) in batch.into_iter().zip(answers) {
            // Whoever asked may have gone.
            let _ = job.done.send(written.clone().and(answer));
        }
    }

    fn write(
        &self,
        batch: &[Job],
        answers: &[Result<Revision, Error>],
        changes: &HashMap<String, Option<Row>>,
    ) -> Result<(), redb::Error> {
        if changes.is_empty() {
            return Ok(());
        }
        let transaction = self.shared.database.begin_write()?;
        for (name, row) in changes {
            write_row(&transaction, name, row.as_ref())?;
        }
        for (job, answer) in batch.iter().zip(answers) {
            let current = changes.get(&job.name).copied().flatten();
            if let (Change::Create(entry) | Change::Swap(_, entry), Ok(revision)) = (&job.change, answer)
                && current.is_some_and(|row| row.revision == *revision)
            {
                write_pieces(&transaction, *revision, &entry.bytes)?;
            }
        }
        transaction.open_table(NEXT)?.insert((), self.next)?;
        transaction.commit()?;
        Ok(())
    }
}

/// Opens a file for the user alone and locks it.
fn locked(path: &Path) -> Result<File, OpenError> {
    let failed = |source| OpenError::Io { path: path.to_owned(), source };
    let links_refused = OFlags::NOFOLLOW.bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(links_refused)
        .open(path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Entries that a storage of so many bytes has room for. The database doubles its part of it at a time, and an entry that is
/// replaced takes its room until the next transaction.
fn room_of(storage_bytes: u64) -> u64 {
    storage_bytes / 3
}

fn read_index(database: &Database) -> Result<(Index, Revision), redb::Error> {
    let transaction = database.begin_write()?;
    let mut index = Index::default();
    let next = {
        transaction.open_table(PIECES)?;
        for row in transaction.open_table(ROWS)?.iter()? {
            let (name, row) = row?;
            index.set(name.value(), Some(row_of(row.value())));
        }
        // The first one is 1: nothing has revision 0.
        transaction.open_table(NEXT)?.get(())?.map_or(1, |next| next.value())
    };
    transaction.commit()?;
    Ok((index, next))
}

fn row_of((revision, bytes, is_half, expires_at, wakes_at): (u64, u64, bool, u64, u64)) -> Row {
    let share = if is_half { Share::Half } else { Share::Whole };
    Row { revision, bytes, share, expires_at, wakes_at: (wakes_at != u64::MAX).then_some(wakes_at) }
}

/// Sets or removes one row, and removes the pieces of the entry that was there.
fn write_row(transaction: &WriteTransaction, name: &str, row: Option<&Row>) -> Result<(), redb::Error> {
    let mut rows = transaction.open_table(ROWS)?;
    let old = match row {
        Some(row) => {
            let is_half = row.share == Share::Half;
            let wakes_at = row.wakes_at.unwrap_or(u64::MAX);
            rows.insert(name, (row.revision, row.bytes, is_half, row.expires_at, wakes_at))?
        }
        None => rows.remove(name)?,
    };
    if let Some(old) = old {
        let (revision, ..) = old.value();
        let mut pieces = transaction.open_table(PIECES)?;
        pieces.retain_in((revision, 0)..=(revision, u32::MAX), |_, _| false)?;
    }
    Ok(())
}

fn write_pieces(transaction: &WriteTransaction, revision: Revision, bytes: &[u8]) -> Result<(), redb::Error> {
    let mut pieces = transaction.open_table(PIECES)?;
    for (number, piece) in (0..).zip(bytes.chunks(PIECE_BYTES)) {
        pieces.insert((revision, number), piece)?;
    }
    Ok(())
}

fn read_entry(database: &Database, name: &str) -> Result<Option<(Revision, Entry)>, redb::Error> {
    let transaction = database.begin_read()?;
    let Some(row) = transaction.open_table(ROWS)?.get(name)?.map(|row| row_of(row.value())) else {
        return Ok(None);
    };
    let mut bytes = Vec::with_capacity(usize::try_from(row.bytes).unwrap_or_default());
    let pieces = transaction.open_table(PIECES)?;
    for piece in pieces.range((row.revision, 0)..=(row.revision, u32::MAX))? {
        bytes.extend_from_slice(piece?.1.value());
    }
    Ok(Some((row.revision, row.entry(bytes))))
}

fn damaged(path: &Path, error: &dyn std::fmt::Display) -> OpenError {
    OpenError::Damaged { path: path.to_owned(), why: error.to_string() }
}

fn failed(error: &redb::Error) -> Error {
    Error::Failed(error.to_string())
}
