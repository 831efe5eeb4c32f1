//! Writes the log to standard error. While the service runs, a separate thread writes it, so that a reader who does not
//! read blocks no other thread.

use std::io::{self, Stderr};
use std::sync::OnceLock;

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::writer::EitherWriter;

/// Maximum number of lines that wait for the thread. Further lines are lost.
const LINES_MAX: usize = 4096;

static DETACHED: OnceLock<NonBlocking> = OnceLock::new();

/// Standard error. After [`detach`], its thread does the writing.
pub(crate) struct StandardError;

impl MakeWriter<'_> for StandardError {
    type Writer = EitherWriter<NonBlocking, Stderr>;

    fn make_writer(&self) -> Self::Writer {
        DETACHED.get().map_or_else(|| EitherWriter::B(io::stderr()), |thread| EitherWriter::A(thread.clone()))
    }
}

/// Starts the thread. When the returned guard is dropped, the thread has one second to write the remaining lines.
pub(crate) fn detach() -> WorkerGuard {
    let builder = NonBlockingBuilder::default().thread_name("log").buffered_lines_limit(LINES_MAX);
    let (thread, guard) = builder.finish(io::stderr());
    // Cannot fail: this is the only caller.
    let _ = DETACHED.set(thread);
    guard
}
