//! Host errors, grouped by who is at fault.
//!
//! A failure of a running *program* is not an error: it is data in the [`Report`].

use std::error::Error as StdError;

use crate::execution::{ExecutionId, Finding, Report, StateHandle};

/// The cause of another error.
pub(crate) type Source = Box<dyn StdError + Send + Sync>;

/// Why the host could not run an execution or build a sandbox. The variants are grouped by who can fix the problem.
///
/// The message does not include that of its [`source`](StdError::source). [`Error::chain`] returns both.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Caller's fault: the program was rejected before it ran. There is at least one finding.
    #[error("{}", .0.first().map_or("rejected", |finding| finding.message.as_str()))]
    Rejected(Vec<Finding>),

    /// Caller's fault: a context entry cannot become a variable, or the context is too large.
    #[error("Context key '{key}' {why}")]
    #[non_exhaustive]
    Context {
        /// The entry's key; of a long key, only the beginning.
        key: String,
        /// What is wrong with the entry, as the end of a sentence.
        why: String,
    },

    /// Caller's fault: a file cannot be put into the program's file system, a pattern of files is unusable, or files and
    /// context are too large.
    #[error("File '{path}' {why}")]
    #[non_exhaustive]
    File {
        /// The file's path or the pattern; of a long one, only the beginning.
        path: String,
        /// What is wrong, as the end of a sentence.
        why: String,
    },

    /// Caller's fault: the execution grants a tool that does not exist.
    #[error("There is no tool '{name}', and no module of tools by this name")]
    #[non_exhaustive]
    UnknownTool {
        /// The tool's name, as given.
        name: String,
    },

    /// Caller's fault: a tool that it wants to answer itself cannot be used.
    #[error("caller_tools: {}{why}", if name.is_empty() { String::new() } else { format!("'{name}': ") })]
    #[non_exhaustive]
    CallerTool {
        /// The tool's name; empty if the fault is that of the whole list.
        name: String,
        /// What is wrong, as the end of a sentence.
        why: String,
    },

    /// Caller's fault: the memory limit is below the size of the interpreter itself.
    #[error("Memory limit of {asked_bytes} bytes is below the interpreter's own {image_bytes} bytes")]
    #[non_exhaustive]
    MemoryBelowImage {
        /// The requested limit, in bytes.
        asked_bytes: u64,
        /// Linear memory that an execution needs before its program starts, in bytes.
        image_bytes: u64,
    },

    /// Caller's fault: there is no state with this handle. It may have expired.
    #[error("There is no state '{handle}'")]
    #[non_exhaustive]
    UnknownState {
        /// The handle.
        handle: StateHandle,
    },

    /// Caller's fault: there is no execution with this id that waits, runs or has ended lately.
    #[error("There is no execution '{id}'; it may have ended some time ago")]
    #[non_exhaustive]
    UnknownExecution {
        /// The id.
        id: ExecutionId,
    },

    /// Caller's fault: somebody has answered this epoch already, or the execution does not wait.
    #[error("The execution does not wait in this epoch any more")]
    #[non_exhaustive]
    StaleEpoch {
        /// What is known of the execution now; `None` while it runs.
        current: Option<Box<Report>>,
    },

    /// Nobody has answered the execution in time, so it was cancelled.
    #[error("Nobody answered in time; the execution was cancelled")]
    Expired,

    /// Caller's fault: the answer to a call cannot be taken. The call goes on waiting.
    #[error("Call {call} {why}")]
    #[non_exhaustive]
    Answer {
        /// The number of the call.
        call: u32,
        /// What is wrong with the answer, as the end of a sentence.
        why: String,
    },

    /// Caller's fault: it asks for two things that exclude each other.
    #[error("{why}")]
    #[non_exhaustive]
    Contradiction {
        /// Which things, and what to do instead.
        why: String,
    },

    /// Caller's fault: it has as many of something as it may have.
    #[error("There are {limit} {what} already; {way_out}")]
    #[non_exhaustive]
    CallerLimit {
        /// What there is too much of.
        what: &'static str,
        /// How many there may be.
        limit: usize,
        /// What to do.
        way_out: &'static str,
    },

    /// The image that the interpreter of this state or execution began as is not there any more: it is not in the cache,
    /// or it is one of another version of the executor or with other guards.
    #[error("The interpreter image that this was made with is gone")]
    ImageGone,

    /// A state or execution in the store is damaged, or belongs to somebody else. It is not used.
    #[error("The stored interpreter is damaged, or is another one")]
    StateDamaged,

    /// The store has no room for another state.
    #[error("The store is full; delete states that are not needed, or wait until some expire")]
    StoreFull,

    /// The sandbox keeps nothing: [`SandboxBuilder::no_store`](crate::SandboxBuilder::no_store).
    #[error("The executor has no store for states and executions that wait; its log says why")]
    NoStore,

    /// Too many executions are waiting for a slot, or too many large programs for their check; try again later.
    #[error("The queue is full: {queued} programs are waiting")]
    #[non_exhaustive]
    Busy {
        /// Number of executions, or of large programs, that are waiting in the same queue.
        queued: usize,
    },

    /// The sandbox is shutting down and accepts no more executions.
    #[error("The sandbox is shutting down")]
    ShuttingDown,

    /// Fault of the embedding program or the operator: the configuration is invalid.
    #[error("{message}")]
    #[non_exhaustive]
    Config {
        /// What is invalid, in one sentence.
        message: String,
        /// The cause, if there is one.
        source: Option<Source>,
    },

    /// Host's fault: the interpreter image could not be built or mapped.
    #[error("interpreter image: {message}")]
    #[non_exhaustive]
    Image {
        /// What failed.
        message: String,
        /// The cause, if there is one.
        source: Option<Source>,
    },

    /// Host's fault: a bug in this crate, or a failure of the machine while a guest ran.
    #[error("sandbox: {message}")]
    #[non_exhaustive]
    Internal {
        /// What failed.
        message: String,
        /// The cause, if there is one.
        source: Option<Source>,
    },
}

impl Error {
    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self::Config { message: message.into(), source: None }
    }

    pub(crate) fn image(message: impl Into<String>) -> Self {
        Self::Image { message: message.into(), source: None }
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::Internal { message: message.into(), source: None }
    }

    /// Returns the error with a cause. Has no effect on variants other than `Config`, `Image` and `Internal`.
    pub(crate) fn caused_by(mut self, cause: impl Into<Source>) -> Self {
        if let Self::Config { source, .. } | Self::Image { source, .. } | Self::Internal { source, .. } =
            &mut self
        {
            *source = Some(cause.into());
        }
        self
    }

    /// Returns the message and those of all sources, joined by `: `, for a log.
    ///
    /// ```
    /// let error = ai_code_executor::Sandbox::builder().concurrency(0).build().err();
    /// let chain = error.map(|error| error.chain());
    /// assert_eq!(chain.as_deref(), Some("a sandbox needs at least one slot"));
    /// ```
    #[must_use]
    pub fn chain(&self) -> String {
        chain(self)
    }
}

/// Returns the messages of `error` and of all its sources, joined by `: `.
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> String {
    let errors = std::iter::successors(Some(error), |&error| error.source());
    errors.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_sources_and_the_chain_contains_all_of_them() {
        let inner = std::io::Error::other("no space");
        let error = Error::image("mapping the memory image").caused_by(inner);
        assert_eq!(error.to_string(), "interpreter image: mapping the memory image");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("no space"));
        assert_eq!(error.chain(), "interpreter image: mapping the memory image: no space");
    }

    /// The queue may be the one for slots or the one for checks of large programs, and it may have no places at all.
    #[test]
    fn the_message_of_a_full_queue_names_no_slots() {
        let messages = [0, 64].map(|queued| Error::Busy { queued }.to_string());
        assert_eq!(
            messages,
            ["The queue is full: 0 programs are waiting", "The queue is full: 64 programs are waiting"]
        );
    }
}
