//! Where the log goes: to standard error. While the service runs, a thread of its own writes it, so that a reader who does not
//! read keeps nobody waiting.

use std::io::{self, Write};
use std::sync::OnceLock;

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait for the thread; what comes then is lost.
const LINES_MAX: usize = 4096;

static DETACHED: OnceLock<NonBlocking> = OnceLock::new();

/// Standard error, written to by the thread of [`detach`] once there is one.
pub(crate) struct StandardError;

impl MakeWriter<'_> for StandardError {
    type Writer = Box<dyn Write>;

    fn make_writer(&self) -> Self::Writer {
        match DETACHED.get() {
            Some(thread) => Box::new(thread.clone()),
            None => Box::new(io::stderr()),
        }
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
