//! Writes the stubs as files.
//!
//! The directory may be in `/tmp`, where other users can create files. It must therefore belong to this user and be
//! writable by nobody else: then no other user can change its content or plant a link in it.
//!
//! The new tree is written beside the old one and then renamed. A reader never sees half a tree, and if two services
//! share a directory, the tree of one of them remains complete.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use uuid::Uuid;

use super::{ToolCard, stubs};

const TREE: &str = "servers";

const FOLDER_MODE: u32 = 0o755;
const FILE_MODE: u32 = 0o644;

/// How often a rename is retried because another service has renamed its own tree into place at the same moment.
const ATTEMPTS_MAX: usize = 100;

pub(super) fn write(tools: &[ToolCard], dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(dir).map_err(at(dir))?;
    check_private(dir)?;
    let tree = dir.join(TREE);
    match check_stubs_only(&tree) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let fresh = dir.join(unique_name());
    let written = write_new(tools, &fresh).and_then(|()| replace(&tree, &fresh));
    if written.is_err() {
        // Best effort: the caller needs the first error.
        let _ = fs::remove_dir_all(&fresh);
    }
    written
}

fn check_private(dir: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(dir).map_err(at(dir))?;
    let problem = if !metadata.is_dir() {
        "is not a directory"
    } else if metadata.uid() != rustix::process::geteuid().as_raw() {
        "belongs to another user"
    } else if metadata.mode() & 0o022 != 0 {
        "can be written by other users"
    } else {
        return Ok(());
    };
    Err(refused(dir, problem))
}

/// Fails if `folder` holds anything but stubs, which replacing it would delete.
fn check_stubs_only(folder: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(folder).map_err(at(folder))?.is_dir() {
        return Err(refused(folder, "is not a directory"));
    }
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let entry = entry.map_err(at(folder))?;
        let path = entry.path();
        if entry.file_type().map_err(at(&path))?.is_dir() {
            check_stubs_only(&path)?;
        } else if path.extension().is_none_or(|extension| extension != "pyi") {
            return Err(refused(&path, "is not a stub and would be deleted"));
        }
    }
    Ok(())
}

fn write_new(tools: &[ToolCard], fresh: &Path) -> io::Result<()> {
    create_folder(fresh)?;
    for tools in tools.chunk_by(|a, b| a.module == b.module) {
        let Some(ToolCard { module, .. }) = tools.first() else { continue };
        let folder = fresh.join(module);
        create_folder(&folder)?;
        create_file(&folder.join("__init__.pyi"), &stubs::module_file(module, tools))?;
        for tool in tools {
            create_file(&folder.join(format!("{}.pyi", tool.name)), &stubs::tool_file(tool))?;
        }
    }
    Ok(())
}

/// Renames `fresh` to `tree`. `rename` cannot replace a directory that is not empty, so the old one is moved aside
/// first.
fn replace(tree: &Path, fresh: &Path) -> io::Result<()> {
    for _ in 0..ATTEMPTS_MAX {
        let old = tree.with_file_name(unique_name());
        let is_aside = match fs::rename(tree, &old) {
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            renamed => renamed.map(|()| true).map_err(at(tree))?,
        };
        let renamed = fs::rename(fresh, tree);
        if is_aside {
            // Best effort: a leftover directory does no harm.
            let _ = fs::remove_dir_all(&old);
        }
        match renamed {
            // Another service has put its tree in place in between; try again.
            Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => {
            }
            renamed => return renamed.map_err(at(tree)),
        }
    }
    Err(refused(tree, "is being replaced by other processes"))
}

fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(FOLDER_MODE).create(path).map_err(at(path))
}

fn create_file(path: &Path, text: &str) -> io::Result<()> {
    let created = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path);
    created.and_then(|mut file| file.write_all(text.as_bytes())).map_err(at(path))
}

fn unique_name() -> String {
    format!(".{TREE}-{}", Uuid::new_v4())
}

fn refused(path: &Path, problem: &str) -> io::Error {
    let path = path.display();
    io::Error::other(format!(
        "{path} {problem}: set MCP_WORKSPACE_DIR to a directory that only this service uses"
    ))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    let path = path.display().to_string();
    move |error| io::Error::new(error.kind(), format!("{path}: {error}"))
}
