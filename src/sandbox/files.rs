//! Checks the files of an execution.

use std::collections::BTreeSet;

use crate::error::Error;
use crate::execution::{Execution, File};
use crate::validator::Policy;

/// Maximum number of files, and of patterns.
const COUNT_MAX: usize = 256;

/// A path can be long; error messages show only this many characters of it.
const PATH_CHARS_SHOWN: usize = 64;

/// Checks paths, patterns, and the size of all files together with the context.
///
/// # Errors
///
/// [`Error::File`]. It names the largest file if they are too large, otherwise the first unusable one.
pub(super) fn check(execution: &Execution, policy: &Policy) -> Result<(), Error> {
    let (files, patterns) = (&execution.files, &execution.return_files);
    let paths = files.iter().map(|file| &file.path).chain(patterns);
    if let Some((path, why)) = paths.clone().find_map(|path| Some((path, File::fault_of_path(path)?))) {
        return Err(fault(path, why));
    }
    for (count, last) in
        [(files.len(), files.last().map(|file| &file.path)), (patterns.len(), patterns.last())]
    {
        if let Some(last) = last.filter(|_| count > COUNT_MAX) {
            return Err(fault(last, format!("is one of {count}; limit is {COUNT_MAX}")));
        }
    }
    check_names(files)?;
    let context = execution.context.iter().map(|(key, value)| key.len() + value.get().len()).sum::<usize>();
    let bytes = context + files.iter().map(|file| file.path.len() + file.content.len()).sum::<usize>();
    let limit = policy.context_bytes_max;
    match files.iter().max_by_key(|file| file.content.len()) {
        Some(largest) if bytes > limit => {
            let size = largest.content.len();
            let why = format!("has {size} bytes of {bytes} in files and context; limit is {limit} bytes");
            Err(fault(&largest.path, why))
        }
        _ => Ok(()),
    }
}

/// Checks that no path is that of another file, or of a directory of another file.
fn check_names(files: &[File]) -> Result<(), Error> {
    let mut paths = BTreeSet::new();
    if let Some(twice) = files.iter().find(|file| !paths.insert(file.path.as_str())) {
        return Err(fault(&twice.path, "is there twice"));
    }
    for file in files {
        let ends = file.path.match_indices('/').map(|(end, _)| end);
        if let Some(end) = ends.map(|end| &file.path[..end]).find(|directory| paths.contains(directory)) {
            return Err(fault(end, format!("is also the directory of '{}'", shown(&file.path))));
        }
    }
    Ok(())
}

fn fault(path: &str, why: impl Into<String>) -> Error {
    Error::File { path: shown(path), why: why.into() }
}

fn shown(path: &str) -> String {
    path.chars().take(PATH_CHARS_SHOWN).collect()
}
