//! What commands write. A reader who has gone, as in `… | head -1`, is no failure.

use std::io::{self, ErrorKind, Write};

/// On standard output, unless there is nothing to say.
pub(crate) fn print(text: &str) -> Result<(), String> {
    let written = if text.is_empty() { Ok(()) } else { writeln!(io::stdout(), "{text}") };
    let written = written.and_then(|()| flush());
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(format!("writing the output: {error}")),
        _ => Ok(()),
    }
}

/// A line for the user on standard error. `eprintln!` would panic without a reader.
pub(crate) fn complain(text: &str) {
    // There is nowhere else to say it.
    let _ = writeln!(io::stderr(), "{text}");
}

pub(super) fn flush() -> io::Result<()> {
    io::stdout().flush()
}
