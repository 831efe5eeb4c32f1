//! What the command line says of itself: completions, the manual page, the version.

use std::process::ExitCode;

use ai_code_executor::{PYTHON_VERSION, WASMTIME_VERSION};
use clap::Command;
use clap_complete::Shell;

use super::Done;
use super::output::print;

/// `1.0.0 (CPython …, wasmtime …)`.
pub(crate) fn version() -> String {
    format!("{} (CPython {PYTHON_VERSION}, wasmtime {WASMTIME_VERSION})", env!("CARGO_PKG_VERSION"))
}

/// A script for `shell` that completes this command line.
pub(crate) fn completions(mut command: Command, shell: Shell) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, env!("CARGO_PKG_NAME"), &mut script);
    show(&script)
}

/// The manual page, for `man`.
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
