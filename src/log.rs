//! Where the log goes: to standard error. While the service runs, a thread of its own writes it, so that a reader who does not
//! read keeps nobody waiting.

use std::io::{self, Stderr};
use std::sync::OnceLock;

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::writer::EitherWriter;

/// Lines that wait for the thread; what comes then is lost.
const LINES_MAX: usize = 4096;

static DETACHED: OnceLock<NonBlocking> = OnceLock::new();

/// Standard error, written to by the thread of [`detach`] once there is one.
pub(crate) struct StandardError;

impl MakeWriter<'_> for StandardError {
    type Writer = EitherWriter<NonBlocking, Stderr>;

    fn make_writer(&self) -> Self::Writer {
        DETACHED.get().map_or_else(|| EitherWriter::B(io::stderr()), |thread| EitherWriter::A(thread.clone()))
    }
}

/// Starts the thread. What is left to write when the result is dropped gets a second.
pub(crate) fn detach() -> WorkerGuard {
    let builder = NonBlockingBuilder::default().thread_name("log").buffered_lines_limit(LINES_MAX);
    let (thread, guard) = builder.finish(io::stderr());
    // Nobody else detaches it.
    let _ = DETACHED.set(thread);
    guard
}
