//! The stable names of the reasons why requests are refused.

use axum::http::StatusCode;

use crate::execution::Rule;

/// One row for each reason: its name in the code, on the wire, and its status.
macro_rules! codes {
    ($($reason:ident $name:literal $status:ident;)*) => {
        /// Why a request is refused; as an extension of a response, why this one was.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(in crate::server) enum Code {
            $($reason,)*
            /// The program breaks a rule of the validator.
            Rule(Rule),
        }

        impl Code {
            const ALL_BUT_RULES: &[Self] = &[$(Self::$reason,)*];

            /// Its stable name in answers, metrics and logs.
            pub(in crate::server) fn name(self) -> &'static str {
                match self {
                    $(Self::$reason => $name,)*
                    Self::Rule(rule) => rule.code(),
                }
            }

            pub(in crate::server) fn status(self) -> StatusCode {
                match self {
                    $(Self::$reason => StatusCode::$status,)*
                    Self::Rule(_) => StatusCode::BAD_REQUEST,
                }
            }
        }
    };
}

codes! {
    BadHost "bad_host" BAD_REQUEST;
    BodyTimeout "body_timeout" REQUEST_TIMEOUT;
    BodyTooLarge "body_too_large" PAYLOAD_TOO_LARGE;
    Busy "busy" TOO_MANY_REQUESTS;
    Context "context" BAD_REQUEST;
    ForeignOrigin "foreign_origin" FORBIDDEN;
    Internal "internal" INTERNAL_SERVER_ERROR;
    InvalidRequest "invalid_request" UNPROCESSABLE_ENTITY;
    MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED;
    MisdirectedHost "misdirected_host" MISDIRECTED_REQUEST;
    NoToken "no_token" SERVICE_UNAVAILABLE;
    NotFound "not_found" NOT_FOUND;
    // Answered by hyper, or not at all: it is in no answer of ours.
    NotHttp "not_http" BAD_REQUEST;
    NotJson "not_json" UNSUPPORTED_MEDIA_TYPE;
    NotReady "not_ready" SERVICE_UNAVAILABLE;
    Overloaded "overloaded" SERVICE_UNAVAILABLE;
    ShuttingDown "shutting_down" SERVICE_UNAVAILABLE;
    Unauthorized "unauthorized" UNAUTHORIZED;
    UnknownTool "unknown_tool" BAD_REQUEST;
    UnreadableBody "unreadable_body" BAD_REQUEST;
    Unsound "unsound" SERVICE_UNAVAILABLE;
}

impl Code {
    /// All codes, those of the validator's rules last.
    pub(in crate::server) fn all() -> impl Iterator<Item = Self> {
        Self::ALL_BUT_RULES.iter().copied().chain(Rule::ALL.map(Self::Rule))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_codes_have_one_name() {
        let names: Vec<_> = Code::all().map(Code::name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
        assert!(Code::all().all(|code| !code.status().is_success()));
    }
}
