//! Reasons why a request to an MCP server has no result, worded so that they reveal nothing about host or server.

use crate::tools::http::Failure as Connection;
use crate::tools::{ToolError, text};

/// How much of a server's own words about an error is shown.
const SAID_CHARS_MAX: usize = 2000;

/// Why a request has no result.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// No answer by HTTP.
    Connection(Connection),
    /// The connection ended before the answer did.
    Closed,
    /// The server does not know the session any more, so it has not looked at the request.
    Expired,
    /// An HTTP status other than success, and what the server said.
    Status(u16, String),
    /// The server's error, as JSON-RPC has it.
    Rpc { code: i64, message: String },
    /// The answer is larger than this many bytes.
    TooLong(usize),
    /// The execution's budget for replies is exhausted.
    NoRoom(ToolError),
    /// The answer breaks the protocol.
    Unreadable(&'static str),
    /// No answer in time.
    Late,
}

impl Failure {
    /// Returns whether the failure says that the server does not work, as opposed to one call.
    pub(super) fn is_of_server(&self) -> bool {
        match self {
            Self::Connection(Connection::Unsigned)
            | Self::Rpc { .. }
            | Self::TooLong(_)
            | Self::NoRoom(_) => false,
            Self::Status(status, _) => *status >= 500,
            Self::Connection(_) | Self::Closed | Self::Expired | Self::Unreadable(_) | Self::Late => true,
        }
    }

    /// Returns whether the server may have done what the request asks for, though there is no answer.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Connection(Connection::Closed) | Self::Closed | Self::Late)
    }

    /// Returns the reason in words.
    pub(super) fn why(&self) -> String {
        match self {
            Self::Connection(failure) => failure.why().to_owned(),
            Self::Closed => "closed before the answer".into(),
            Self::Expired => "the server has ended the session".into(),
            Self::Status(status, said) if said.is_empty() => format!("HTTP status {status}"),
            Self::Status(status, said) => format!("HTTP status {status} - {said}"),
            Self::Rpc { code, message } => format!("{code} - {message}"),
            Self::TooLong(bytes_max) => format!("the answer is larger than {bytes_max} bytes"),
            Self::NoRoom(error) => error.message.clone(),
            Self::Unreadable(why) => (*why).to_owned(),
            Self::Late => "timed out".into(),
        }
    }

    /// Returns the exception for a call of `tool`.
    pub(super) fn error(&self, tool: &str) -> ToolError {
        let why = text::clean(&self.why(), SAID_CHARS_MAX);
        match self {
            Self::Connection(Connection::ConnectTimeout) | Self::Late => {
                ToolError::timeout(format!("MCP tool '{tool}' connection failed: {why}"))
            }
            Self::Connection(_) | Self::Closed | Self::Expired => {
                ToolError::failed(format!("MCP tool '{tool}' connection failed: {why}"))
            }
            Self::TooLong(bytes_max) => {
                ToolError::failed(format!("Tool reply is larger than its limit of {bytes_max} bytes"))
            }
            Self::NoRoom(error) => error.clone(),
            Self::Status(..) | Self::Rpc { .. } | Self::Unreadable(_) => {
                ToolError::failed(format!("MCP tool '{tool}' failed: {why}"))
            }
        }
    }
}
