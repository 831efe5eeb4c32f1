//! Why the host could not run an execution, by whose fault it is.
//!
//! What a *program* does wrong is never an error here: it is data in the [`Report`](crate::Report).

use crate::execution::Finding;

/// The host's failures.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller's fault: the program is not one that can be run. There is at least one finding.
    #[error("{}", .0.first().map_or("rejected", |finding| finding.message.as_str()))]
    Rejected(Vec<Finding>),

    /// The caller's fault: a context entry cannot become a variable.
    #[error("Context key '{key}' {why}")]
    Context {
        /// The entry's key, its beginning if it is long.
        key: String,
        /// What is wrong with it, as the end of a sentence.
        why: String,
    },

    /// The caller's fault: it grants a tool that does not exist.
    #[error("There is no tool '{name}', and no module of tools by this name")]
    UnknownTool {
        /// The name, as given.
        name: String,
    },

    /// The caller's fault: the memory limit is smaller than the interpreter itself.
    #[error("Memory limit of {asked_bytes} bytes is below the interpreter's own {image_bytes} bytes")]
    MemoryBelowImage {
        /// The limit asked for.
        asked_bytes: u64,
        /// What an execution needs before it has run anything.
        image_bytes: u64,
    },

    /// Too many executions are waiting already; try again later.
    #[error("All execution slots are taken and {queued} executions are waiting")]
    Busy {
        /// How many are waiting.
        queued: usize,
    },

    /// The sandbox is shutting down and takes no more executions.
    #[error("The sandbox is shutting down")]
    ShuttingDown,

    /// The configuration cannot work.
    #[error("{0}")]
    Config(String),

    /// The host's fault: the interpreter image could not be made or mapped.
    #[error("interpreter image: {0}")]
    Image(String),

    /// The host's fault: our bug or the machine's trouble while running a guest.
    #[error("sandbox: {0}")]
    Internal(String),
}
