//! Failures of commands.

use ai_code_executor::Error;

use super::{HOST_FAILURE, USAGE};

/// Why a command failed.
pub(crate) struct Failure {
    /// One line for the user.
    pub(crate) message: String,
    /// The exit status.
    pub(crate) status: u8,
}

/// A failure of the executor or of the machine.
impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self { message, status: HOST_FAILURE }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match error {
            Error::Config { .. }
            | Error::Context { .. }
            | Error::File { .. }
            | Error::MemoryBelowImage { .. } => USAGE,
            _ => HOST_FAILURE,
        };
        Self { message: error.chain(), status }
    }
}
