//! Reads a directory of pure Python packages, which become a part of the image.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Error;
use crate::execution::File;

/// Bounds of what becomes a part of every interpreter's memory.
const BYTES_MAX: usize = 64 << 20;
const FILES_MAX: usize = 20_000;
const DEPTH_MAX: usize = 32;

/// Endings of files with machine code, which cannot run in the sandbox.
const NATIVE: [&str; 4] = ["so", "pyd", "dylib", "dll"];

/// Packages that programs can import, read from a directory.
///
/// ```no_run
/// use ai_code_executor::{Packages, Sandbox};
///
/// # fn example() -> Result<(), ai_code_executor::Error> {
/// // Made with: pip install --target packages --only-binary :all: python-dateutil
/// let sandbox = Sandbox::builder().packages(Packages::read("packages")?).build()?;
/// # drop(sandbox);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Packages {
    files: Arc<[File]>,
    modules: BTreeSet<String>,
    distributions: Vec<Distribution>,
}

/// A distribution among [`Packages`], as it names itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Distribution {
    /// Its name, such as `python-dateutil`.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Packages {
    /// Reads a directory as `pip install --target` makes it.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the directory cannot be read, contains machine code (the message names the file),
    /// or is larger than 64 MiB or 20,000 files.
    pub fn read(dir: impl AsRef<Path>) -> Result<Self, Error> {
        let dir = dir.as_ref();
        let fault = |why: String| Error::config(format!("packages in {}: {why}", dir.display()));
        let mut paths = Vec::new();
        list(dir, 0, &mut paths).map_err(fault)?;
        paths.sort();
        if paths.len() > FILES_MAX {
            return Err(fault(format!("{} files; at most {FILES_MAX} are possible", paths.len())));
        }
        let native =
            paths.iter().filter(|path| is_native(path)).filter_map(|path| path.strip_prefix(dir).ok());
        let native: Vec<_> = native.map(|path| path.display().to_string()).collect();
        if let Some((first, others)) = native.split_first() {
            let more = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
            return Err(fault(format!(
                "{first}{more} is machine code, which cannot run in the sandbox; delete it if its package works \
                 without, or install a pure Python version"
            )));
        }
        let mut files = Vec::with_capacity(paths.len());
        let mut bytes = 0;
        for path in paths {
            let name =
                name_in(dir, &path).ok_or_else(|| fault(format!("{} has no usable name", path.display())))?;
            let content = fs::read(&path).map_err(|error| fault(format!("{}: {error}", path.display())))?;
            bytes += content.len();
            if bytes > BYTES_MAX {
                return Err(fault(format!("more than {} MiB", BYTES_MAX >> 20)));
            }
            files.push(File::new(name, content));
        }
        let modules = files.iter().filter_map(|file| module_of(&file.path)).map(str::to_owned).collect();
        let distributions = files.iter().filter_map(distribution).collect();
        Ok(Self { files: files.into(), modules, distributions })
    }

    /// Returns the top-level modules that programs can import.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        self.modules.iter().map(String::as_str)
    }

    /// Returns the distributions, sorted by the names of their metadata's directories.
    #[must_use]
    pub fn distributions(&self) -> &[Distribution] {
        &self.distributions
    }

    /// Appends the files in the format that `guest/files/module.c` reads.
    pub(super) fn append_to(&self, archive: &mut Vec<u8>) {
        archive.reserve_exact(self.files.iter().map(|file| 8 + file.path.len() + file.content.len()).sum());
        for File { path, content, .. } in self.files.iter() {
            for length in [path.len(), content.len()] {
                // They are bounded above.
                archive.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
            }
            archive.extend(path.as_bytes());
            archive.extend(content);
        }
    }
}

/// Adds the regular files below `dir` to `paths`. Symbolic links are left out.
fn list(dir: &Path, depth: usize, paths: &mut Vec<PathBuf>) -> Result<(), String> {
    let unreadable = |error: std::io::Error| format!("{}: {error}", dir.display());
    if depth > DEPTH_MAX {
        return Err(format!("{} is nested too deeply", dir.display()));
    }
    for entry in fs::read_dir(dir).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let (path, kind, name) = (entry.path(), entry.file_type().map_err(unreadable)?, entry.file_name());
        // What `pip install --target` writes that no program needs: bytecode of another interpreter, and scripts.
        let is_needless = name == "__pycache__" || (depth == 0 && name == "bin");
        if kind.is_dir() && !is_needless {
            list(&path, depth + 1, paths)?;
        } else if kind.is_file() {
            paths.push(path);
        }
        if paths.len() > FILES_MAX {
            return Ok(());
        }
    }
    Ok(())
}

fn is_native(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    // Also `libx.so.3`.
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    ending.is_some_and(|ending| NATIVE.contains(&ending)) || name.contains(".so.")
}

fn name_in(dir: &Path, path: &Path) -> Option<String> {
    let name = path.strip_prefix(dir).ok()?.to_str()?;
    File::fault_of_path(name).is_none().then(|| name.to_owned())
}

/// Returns the public top-level module that a file is, or is a part of.
fn module_of(path: &str) -> Option<&str> {
    let module = match path.split_once('/') {
        Some((package, file)) if file.strip_suffix(".py").is_some() => package,
        Some(_) => return None,
        None => path.strip_suffix(".py")?,
    };
    let is_identifier = module.chars().all(|each| each.is_alphanumeric() || each == '_');
    (is_identifier && module.starts_with(char::is_alphabetic)).then_some(module)
}

/// Reads a distribution's metadata (<https://packaging.python.org/en/latest/specifications/core-metadata/>).
fn distribution(file: &File) -> Option<Distribution> {
    let (directory, "METADATA") = file.path.split_once('/')? else { return None };
    directory.strip_suffix(".dist-info")?;
    let text = str::from_utf8(&file.content).ok()?;
    let headers =
        || text.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(": "));
    let header = |wanted: &str| {
        let value = headers().find(|(name, _)| name.eq_ignore_ascii_case(wanted))?.1.trim();
        (!value.contains(char::is_control)).then(|| value.to_owned())
    };
    Some(Distribution { name: header("Name")?, version: header("Version")? })
}
