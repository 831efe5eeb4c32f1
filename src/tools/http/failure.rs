//! Reasons why a service did not answer, worded so that they reveal nothing about host or service.

use std::error::Error;
use std::io::{self, ErrorKind};

use hyper_util::client::legacy;

use super::resolver::Unresolved;
use crate::tools::ToolError;

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tools) enum Failure {
    NameNotFound,
    AddressNotAllowed,
    Refused,
    Unreachable,
    ConnectTimeout,
    Certificate,
    Tls,
    Closed,
    NotHttp,
    Unsigned,
}

impl Failure {
    /// Returns whether a retry may help: a new connection may succeed, and the service cannot have answered on this
    /// one.
    pub(in crate::tools) fn is_worth_a_retry(self) -> bool {
        match self {
            Self::Refused | Self::Unreachable | Self::Closed => true,
            Self::NameNotFound
            | Self::AddressNotAllowed
            | Self::ConnectTimeout
            | Self::Certificate
            | Self::Tls
            | Self::NotHttp
            | Self::Unsigned => false,
        }
    }

    /// Returns the reason in words.
    pub(in crate::tools) fn why(self) -> &'static str {
        match self {
            Self::NameNotFound => "name not found",
            Self::AddressNotAllowed => "address not allowed",
            Self::Refused => "connection refused",
            Self::Unreachable => "network unreachable",
            Self::ConnectTimeout => "timed out",
            Self::Certificate => "certificate not accepted",
            Self::Tls => "TLS handshake failed",
            Self::Closed => "closed before the answer",
            Self::NotHttp => "the answer's head is not HTTP, or too large",
            Self::Unsigned => "the request could not be signed",
        }
    }

    pub(in crate::tools) fn error(self, tool: &str) -> ToolError {
        let why = self.why();
        let message = format!("MCP tool '{tool}' connection failed: {why}");
        match self {
            Self::ConnectTimeout => ToolError::timeout(message),
            _ => ToolError::failed(message),
        }
    }
}

impl From<&legacy::Error> for Failure {
    fn from(error: &legacy::Error) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = error.source();
        let mut failure = Self::Closed;
        while let Some(error) = cause {
            if let Some(found) = of_one(error) {
                failure = found;
            }
            cause = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
                Some(inner) => Some(inner),
                None => error.source(),
            };
        }
        failure
    }
}

/// Classifies one error of the chain, ignoring its cause.
fn of_one(error: &(dyn Error + 'static)) -> Option<Failure> {
    if let Some(error) = error.downcast_ref::<Unresolved>() {
        return Some(match error {
            Unresolved::NotFound => Failure::NameNotFound,
            Unresolved::NotAllowed => Failure::AddressNotAllowed,
        });
    }
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        let is_certificate = matches!(error, rustls::Error::InvalidCertificate(_));
        return Some(if is_certificate { Failure::Certificate } else { Failure::Tls });
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return error.is_parse().then_some(Failure::NotHttp);
    }
    match error.downcast_ref::<io::Error>()?.kind() {
        ErrorKind::ConnectionRefused => Some(Failure::Refused),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Some(Failure::Unreachable),
        ErrorKind::TimedOut => Some(Failure::ConnectTimeout),
        _ => None,
    }
}
