//! Output of commands. A reader that closes the pipe early, as in `… | head -1`, is not an error.

use std::io::{self, ErrorKind, Write};

/// Prints `text` to standard output, unless it is empty.
pub(crate) fn print(text: &str) -> Result<(), String> {
    let written = if text.is_empty() { Ok(()) } else { writeln!(io::stdout(), "{text}") };
    let written = written.and_then(|()| flush());
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(format!("writing the output: {error}")),
        _ => Ok(()),
    }
}

/// Prints a line for the user to standard error. `eprintln!` would panic if nobody reads it.
pub(crate) fn complain(text: &str) {
    // There is no other place to report an error.
    let _ = writeln!(io::stderr(), "{text}");
}

pub(super) fn flush() -> io::Result<()> {
    io::stdout().flush()
}
