//! The artifacts of an image on disk: compiled code, and the initial memory of executions.
//!
//! This process runs what is in these files. It therefore uses a file only if it belongs to this user, nobody else can
//! write it, and its content has the BLAKE3 digest in its name. Each start computes the digest of the whole file;
//! SHA-256 would take twice as long.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use blake3::Hasher;
use uuid::Uuid;

/// The kind of an artifact. It determines the extension of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Machine code of the interpreter.
    Code,
    /// Linear memory of a started interpreter.
    Memory,
}

impl Kind {
    fn extension(self) -> &'static str {
        match self {
            Self::Code => "cwasm",
            Self::Memory => "memory",
        }
    }
}

/// The extension of files that are being written. The writer holds a lock on the file. If it is killed, the kernel
/// releases the lock, so that others can recognise the file as abandoned.
const UNFINISHED: &str = "tmp";

/// The artifacts of one kind that are kept, a new one included. The others belong to other versions or tool lists; each
/// takes some 15 megabytes. More are kept while processes use them: those hold locks on them.
const ARTIFACTS_KEPT: usize = 8;

/// Why an artifact was not loaded or not stored.
#[derive(Debug, thiserror::Error)]
pub(super) enum ArtifactError {
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
    #[error("{0} belongs to another user")]
    Foreign(PathBuf),
    #[error("{0} can be written by others (mode {1:o})")]
    Writable(PathBuf, u32),
    #[error("{0} is damaged: its digest differs")]
    Corrupt(PathBuf),
}

/// An artifact in the cache. It stays there as long as this value exists.
pub(super) struct Artifact {
    path: PathBuf,
    pub(super) digest: String,
    pub(super) file: File,
}

impl Artifact {
    /// Opens the file of this name.
    fn open(dir: &Path, path: PathBuf, digest: String) -> Result<Self, ArtifactError> {
        check_private(dir, &fs::metadata(dir).map_err(io_at(dir))?)?;
        let file = open(&path)?;
        // Keeps other processes from removing it. Some file systems have no locks.
        let _ = file.try_lock_shared();
        Ok(Self { path, digest, file })
    }

    /// Checks that the content has the digest in its name, which proves that it is what [`store`] wrote. It stays so,
    /// because this user owns the file and nobody else may write it or its directory.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or if the digest differs.
    pub(super) fn check(&self) -> Result<(), ArtifactError> {
        let path = &self.path;
        (&self.file).rewind().map_err(io_at(path))?;
        if digest_of(&self.file, path)? == self.digest {
            Ok(())
        } else {
            Err(ArtifactError::Corrupt(path.clone()))
        }
    }
}

/// Returns the artifact of this kind that is cached under `key`, or `None` if there is none. Its content is checked. All
/// checks apply to the returned file, not to a path.
///
/// # Errors
///
/// Fails if the file or its directory cannot be read, belongs to another user or is writable by others, or if the
/// digest differs.
pub(super) fn load(dir: &Path, key: &str, kind: Kind) -> Result<Option<Artifact>, ArtifactError> {
    let Some((path, digest)) = find(dir, kind, |found, _| found == key)? else { return Ok(None) };
    let artifact = Artifact::open(dir, path, digest)?;
    artifact.check()?;
    Ok(Some(artifact))
}

/// Returns the artifact of this kind and digest, or `None` if there is none. Its content is not checked.
///
/// # Errors
///
/// As for [`load`].
pub(super) fn unchecked(dir: &Path, digest: &str, kind: Kind) -> Result<Option<Artifact>, ArtifactError> {
    let found = find(dir, kind, |_, found| found == digest)?;
    found.map(|(path, digest)| Artifact::open(dir, path, digest)).transpose()
}

/// Writes `artifact` under `key` atomically, and removes the artifacts that it replaces.
///
/// # Errors
///
/// Fails if the directory belongs to another user or is writable by others, or if writing fails.
pub(super) fn store(dir: &Path, key: &str, kind: Kind, artifact: &[u8]) -> Result<(), ArtifactError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700).create(dir).map_err(io_at(dir))?;
    check_private(dir, &fs::metadata(dir).map_err(io_at(dir))?)?;
    let digest = blake3::hash(artifact).to_hex();
    let path = dir.join(format!("{key}-{digest}.{}", kind.extension()));
    // A unique name, because other processes may be making the same image.
    let temporary = dir.join(format!("{}.{UNFINISHED}", Uuid::new_v4()));
    let written = write(&temporary, artifact).and_then(|_locked| fs::rename(&temporary, &path));
    if let Err(error) = written {
        // Best effort: the error to report is the one above.
        let _ = fs::remove_file(&temporary);
        return Err(ArtifactError::Io(path, error));
    }
    prune(dir, key, kind, &path);
    Ok(())
}

/// Returns the path of the newest artifact with a key and a digest that are `wanted`, and the digest.
fn find(
    dir: &Path,
    kind: Kind,
    wanted: impl Fn(&str, &str) -> bool,
) -> Result<Option<(PathBuf, String)>, ArtifactError> {
    let found = list(dir, kind.extension())?.into_iter().find_map(|(_, path)| {
        let (key, digest) = path.file_stem()?.to_str()?.split_once('-')?;
        let digest = wanted(key, digest).then(|| digest.to_owned())?;
        Some((path, digest))
    });
    Ok(found)
}

/// Lists the files with an extension and their modification times, newest first.
fn list(dir: &Path, extension: &str) -> Result<Vec<(SystemTime, PathBuf)>, ArtifactError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(ArtifactError::Io(dir.into(), error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(io_at(dir))?.path();
        // Skip a file that another process has just removed: it has no modification time.
        let modified = fs::symlink_metadata(&path).and_then(|metadata| metadata.modified());
        if let (true, Ok(modified)) = (path.extension().is_some_and(|found| found == extension), modified) {
            files.push((modified, path));
        }
    }
    files.sort();
    files.reverse();
    Ok(files)
}

fn open(path: &Path) -> Result<File, ArtifactError> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
        .map_err(io_at(path))?;
    check_private(path, &file.metadata().map_err(io_at(path))?)?;
    Ok(file)
}

fn check_private(path: &Path, metadata: &fs::Metadata) -> Result<(), ArtifactError> {
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(ArtifactError::Foreign(path.into()));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(ArtifactError::Writable(path.into(), metadata.mode() & 0o7777));
    }
    Ok(())
}

fn digest_of(file: &File, path: &Path) -> Result<String, ArtifactError> {
    let mut hasher = Hasher::new();
    hasher.update_reader(file).map_err(io_at(path))?;
    Ok(hasher.finalize().to_hex().as_str().to_owned())
}

/// Writes a file. The returned handle holds a lock on it until it is closed.
fn write(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    // Some file systems have no locks. There, abandoned files cannot be locked either, and so are never removed.
    let _ = file.try_lock();
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(file)
}

/// Removes the artifacts that `kept` replaces, the oldest of too many, and files that killed processes left behind, but
/// none that a process uses. Best effort: the new artifact is in place already.
fn prune(dir: &Path, key: &str, kind: Kind, kept: &Path) {
    let artifacts =
        list(dir, kind.extension()).unwrap_or_default().into_iter().filter(|(_, path)| path != kept);
    for (age, (_, path)) in artifacts.enumerate() {
        let same_key = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(key));
        if (same_key || age + 1 >= ARTIFACTS_KEPT) && !is_in_use(&path) {
            let _ = fs::remove_file(&path);
        }
    }
    for (_, path) in list(dir, UNFINISHED).unwrap_or_default() {
        if open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = fs::remove_file(&path);
        }
    }
}

fn is_in_use(path: &Path) -> bool {
    open(path).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> ArtifactError {
    let path = path.to_owned();
    move |error| ArtifactError::Io(path, error)
}
