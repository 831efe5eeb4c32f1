//! Files on the terminal: from the file system into the program's, and back.

use std::fs;
use std::path::{Component, Path, PathBuf};

use ai_code_executor::{Execution, Report};

use crate::commands::output::complain;

/// Files for the program, and files that it returns.
#[derive(clap::Args)]
pub(crate) struct FileArgs {
    /// A file for the program, which opens it by the same relative path, or by its name if the path is not plain; can be
    /// given several times
    #[arg(long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Files of the program to write into the directory of `--files-to`, such as 'out/*.csv'; can be given several times
    #[arg(long, value_name = "PATTERN")]
    return_files: Vec<String>,
    /// Where to write files that the program returns [default with `--return-files`: the current directory]
    #[arg(long, value_name = "DIRECTORY")]
    files_to: Option<PathBuf>,
}

impl FileArgs {
    /// Adds the files to an execution. Complains and returns `None` if one cannot be read.
    pub(super) fn add_to(&self, mut execution: Execution) -> Option<Execution> {
        for path in &self.files {
            let Ok(content) = fs::read(path).inspect_err(|error| {
                complain(&format!("ai-code-executor: {}: {error}", path.display()));
            }) else {
                return None;
            };
            execution = execution.file(path_in_program(path), content);
        }
        Some(execution.return_files(&self.return_files))
    }

    /// Writes the files of a report. Returns why one cannot be written.
    pub(super) fn write(&self, report: &Report) -> Result<(), String> {
        for path in &report.files_left_out {
            complain(&format!("ai-code-executor: {path}: left out, it does not fit (MAX_RESULT_BYTES)"));
        }
        let current = (!self.return_files.is_empty()).then(|| Path::new("."));
        let Some(directory) = self.files_to.as_deref().or(current) else {
            for file in &report.files {
                complain(&format!("ai-code-executor: {}: not written; --files-to says where to", file.path));
            }
            return Ok(());
        };
        for file in &report.files {
            let path = directory.join(&file.path);
            let made = path.parent().map_or(Ok(()), fs::create_dir_all);
            let written = made.and_then(|()| fs::write(&path, &file.content));
            written.map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(())
    }
}

/// Returns the path by which the program opens a file.
fn path_in_program(path: &Path) -> String {
    let is_plain = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let names = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    });
    let names: Vec<_> = names.collect();
    if is_plain { names.join("/") } else { names.last().cloned().unwrap_or_default() }
}
