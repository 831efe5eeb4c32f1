//! Why the host could not run an execution, by whose fault it is.
//!
//! What a *program* does wrong is never an error here: it is data in the [`Report`](crate::Report).

use std::error::Error as StdError;

use crate::execution::Finding;

/// An error of any kind, as it is kept behind another.
pub(crate) type Source = Box<dyn StdError + Send + Sync>;

/// Why the host could not run an execution, or make a sandbox. Sorted by who can do something about it.
///
/// The message leaves out that of its [`source`](StdError::source); [`Error::chain`] has both.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller's fault: the program is not one that can be run. There is at least one finding.
    #[error("{}", .0.first().map_or("rejected", |finding| finding.message.as_str()))]
    Rejected(Vec<Finding>),

    /// The caller's fault: a context entry cannot become a variable.
    #[error("Context key '{key}' {why}")]
    #[non_exhaustive]
    Context {
        /// The entry's key, its beginning if it is long.
        key: String,
        /// What is wrong with it, as the end of a sentence.
        why: String,
    },

    /// The caller's fault: it grants a tool that does not exist.
    #[error("There is no tool '{name}', and no module of tools by this name")]
    #[non_exhaustive]
    UnknownTool {
        /// The name, as given.
        name: String,
    },

    /// The caller's fault: the memory limit is smaller than the interpreter itself.
    #[error("Memory limit of {asked_bytes} bytes is below the interpreter's own {image_bytes} bytes")]
    #[non_exhaustive]
    MemoryBelowImage {
        /// The limit asked for.
        asked_bytes: u64,
        /// What an execution needs before it has run anything.
        image_bytes: u64,
    },

    /// Too many executions are waiting already; try again later.
    #[error("All execution slots are taken and {queued} executions are waiting")]
    #[non_exhaustive]
    Busy {
        /// How many are waiting.
        queued: usize,
    },

    /// The sandbox is shutting down and takes no more executions.
    #[error("The sandbox is shutting down")]
    ShuttingDown,

    /// The embedding program's fault, or the operator's: the configuration cannot work.
    #[error("{message}")]
    #[non_exhaustive]
    Config {
        /// What cannot work, in a sentence.
        message: String,
        /// The error behind it, if there is one.
        source: Option<Source>,
    },

    /// The host's fault: the interpreter image could not be made or mapped.
    #[error("interpreter image: {message}")]
    #[non_exhaustive]
    Image {
        /// What failed.
        message: String,
        /// The error behind it, if there is one.
        source: Option<Source>,
    },

    /// The host's fault: a bug of this crate, or the machine's trouble while a guest ran.
    #[error("sandbox: {message}")]
    #[non_exhaustive]
    Internal {
        /// What failed.
        message: String,
        /// The error behind it, if there is one.
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

    /// The same with the error behind it. Only for the three that can have one.
    pub(crate) fn caused_by(mut self, cause: impl Into<Source>) -> Self {
        if let Self::Config { source, .. } | Self::Image { source, .. } | Self::Internal { source, .. } =
            &mut self
        {
            *source = Some(cause.into());
        }
        self
    }

    /// The message and those of all sources, joined by `: `, in one text for a log.
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

/// The messages of `error` and of all its sources.
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> String {
    let errors = std::iter::successors(Some(error), |&error| error.source());
    errors.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_sources_and_the_chain_tells_all_of_them() {
        let inner = std::io::Error::other("no space");
        let error = Error::image("mapping the memory image").caused_by(inner);
        assert_eq!(error.to_string(), "interpreter image: mapping the memory image");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("no space"));
        assert_eq!(error.chain(), "interpreter image: mapping the memory image: no space");
    }
}
