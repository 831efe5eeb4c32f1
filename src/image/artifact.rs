//! The image on disk: compiled code, and the memory that executions start from. This process will run what they say, so a
//! file is used only when it is provably the one that was written: its name carries its BLAKE3 digest, it belongs to this
//! user, and nobody else can write it. Each start digests all of it: SHA-256 would take twice as long.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use blake3::Hasher;
use uuid::Uuid;

/// What an artifact is, and how its file's name ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Machine code of the interpreter.
    Code,
    /// Linear memory of an interpreter that has started.
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

/// Of artifacts that are being written, each locked by its writer: the kernel unlocks what a killed one leaves behind.
const UNFINISHED: &str = "tmp";

/// Artifacts of one kind that stay beside a new one, of other versions and tool lists; each is some 15 megabytes.
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
    #[error("{0} is not what was written: its digest differs")]
    Corrupt(PathBuf),
}

/// The file of this kind that is cached under `key`, or `None` where there is none. Its bytes are those that [`store`]
/// wrote, by the digest in its name; its owner is this user and nobody else may write it or its directory, so they stay
/// so; and it is this handle that was checked, not a path.
pub(super) fn load(dir: &Path, key: &str, kind: Kind) -> Result<Option<File>, ArtifactError> {
    let Some((path, digest)) = find(dir, key, kind)? else {
        return Ok(None);
    };
    check_private(dir, &fs::metadata(dir).map_err(io_at(dir))?)?;
    let file = open(&path)?;
    if digest_of(&file, &path)? != digest {
        return Err(ArtifactError::Corrupt(path));
    }
    Ok(Some(file))
}

/// Writes `artifact` under `key` so that it is there whole or not at all, and removes what it replaces.
pub(super) fn store(dir: &Path, key: &str, kind: Kind, artifact: &[u8]) -> Result<(), ArtifactError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700).create(dir).map_err(io_at(dir))?;
    check_private(dir, &fs::metadata(dir).map_err(io_at(dir))?)?;
    let digest = blake3::hash(artifact).to_hex();
    let path = dir.join(format!("{key}-{digest}.{}", kind.extension()));
    // Nobody else has this name: others may be making the same image.
    let temporary = dir.join(format!("{}.{UNFINISHED}", Uuid::new_v4()));
    let written = write(&temporary, artifact).and_then(|_locked| fs::rename(&temporary, &path));
    if let Err(error) = written {
        // Best effort: the error that matters is the one above.
        let _ = fs::remove_file(&temporary);
        return Err(ArtifactError::Io(path, error));
    }
    prune(dir, key, kind, &path);
    Ok(())
}

/// The artifact of `key` and the digest in its name.
fn find(dir: &Path, key: &str, kind: Kind) -> Result<Option<(PathBuf, String)>, ArtifactError> {
    let found = list(dir, kind.extension())?.into_iter().find_map(|(_, path)| {
        let digest = path.file_stem()?.to_str()?.strip_prefix(key)?.strip_prefix('-')?.to_owned();
        Some((path, digest))
    });
    Ok(found)
}

/// The files of one kind with their times, the newest first.
fn list(dir: &Path, extension: &str) -> Result<Vec<(SystemTime, PathBuf)>, ArtifactError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(ArtifactError::Io(dir.into(), error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(io_at(dir))?.path();
        // A file that another process has just removed has no time any more.
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

/// The file is locked until it is closed.
fn write(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    // A file system without locks has none that can be taken: what is left behind then stays.
    let _ = file.try_lock();
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(file)
}

/// Removes what `kept` replaces, the oldest of many, and what killed processes left behind. Best effort: the new artifact
/// is in its place already.
fn prune(dir: &Path, key: &str, kind: Kind, kept: &Path) {
    let artifacts =
        list(dir, kind.extension()).unwrap_or_default().into_iter().filter(|(_, path)| path != kept);
    for (age, (_, path)) in artifacts.enumerate() {
        let same_key = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(key));
        if same_key || age + 1 >= ARTIFACTS_KEPT {
            let _ = fs::remove_file(&path);
        }
    }
    for (_, path) in list(dir, UNFINISHED).unwrap_or_default() {
        if open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = fs::remove_file(&path);
        }
    }
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> ArtifactError {
    let path = path.to_owned();
    move |error| ArtifactError::Io(path, error)
}
