//! Completions, the manual page and the version.

use std::process::ExitCode;

use ai_code_executor::{PYTHON_VERSION, WASMTIME_VERSION};
use clap::Command;
use clap_complete::Shell;

use super::Done;
use super::output::print;

/// Returns the version, as in `1.0.0 (CPython …, wasmtime …)`.
pub(crate) fn version() -> String {
    format!("{} (CPython {PYTHON_VERSION}, wasmtime {WASMTIME_VERSION})", env!("CARGO_PKG_VERSION"))
}

/// Prints a completion script for `shell`.
pub(crate) fn completions(mut command: Command, shell: Shell) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, env!("CARGO_PKG_NAME"), &mut script);
    show(&script)
}

/// Prints the manual page, for `man`.
pub(crate) fn manual(command: Command) -> Done {
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(command).render(&mut page);
    rendered.map_err(|error| format!("the manual page: {error}"))?;
    show(&page)
}

fn show(text: &[u8]) -> Done {
    print(String::from_utf8_lossy(text).trim_end())?;
    Ok(ExitCode::SUCCESS)
}
