//! Stable codes for the reasons to refuse a request.

use axum::http::StatusCode;

use crate::execution::Rule;

/// Each row: the variant, its name on the wire, its status.
macro_rules! codes {
    ($($reason:ident $name:literal $status:ident;)*) => {
        /// Reason to refuse a request. Also an extension of the response, for the log and the metrics.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(in crate::server) enum Code {
            $($reason,)*
            /// The program breaks a rule of the validator.
            Rule(Rule),
        }

        impl Code {
            const ALL_BUT_RULES: &[Self] = &[$(Self::$reason,)*];

            /// Returns the stable name for answers, metrics and logs.
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
    CallerLimit "caller_limit" TOO_MANY_REQUESTS;
    Context "context" BAD_REQUEST;
    Expired "expired" GONE;
    File "file" BAD_REQUEST;
    Forbidden "forbidden" FORBIDDEN;
    ForeignOrigin "foreign_origin" FORBIDDEN;
    ImageGone "image_gone" GONE;
    Internal "internal" INTERNAL_SERVER_ERROR;
    InvalidRequest "invalid_request" UNPROCESSABLE_ENTITY;
    MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED;
    MisdirectedHost "misdirected_host" MISDIRECTED_REQUEST;
    NoStore "no_store" SERVICE_UNAVAILABLE;
    NoToken "no_token" SERVICE_UNAVAILABLE;
    NotFound "not_found" NOT_FOUND;
    // Hyper answers these requests, or closes the connection. None of this service's answers has this code.
    NotHttp "not_http" BAD_REQUEST;
    NotJson "not_json" UNSUPPORTED_MEDIA_TYPE;
    NotReady "not_ready" SERVICE_UNAVAILABLE;
    Overloaded "overloaded" SERVICE_UNAVAILABLE;
    ShuttingDown "shutting_down" SERVICE_UNAVAILABLE;
    StaleEpoch "stale_epoch" CONFLICT;
    StateDamaged "state_damaged" GONE;
    StoreFull "store_full" INSUFFICIENT_STORAGE;
    Unauthorized "unauthorized" UNAUTHORIZED;
    UnknownExecution "unknown_execution" NOT_FOUND;
    UnknownState "unknown_state" NOT_FOUND;
    UnknownTool "unknown_tool" BAD_REQUEST;
    UnreadableBody "unreadable_body" BAD_REQUEST;
    Unsound "unsound" SERVICE_UNAVAILABLE;
}

impl Code {
    /// Returns all codes. Those of the validator's rules come last.
    pub(in crate::server) fn all() -> impl Iterator<Item = Self> {
        Self::ALL_BUT_RULES.iter().copied().chain(Rule::ALL.map(Self::Rule))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_of_codes_are_unique() {
        let names: Vec<_> = Code::all().map(Code::name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
        assert!(Code::all().all(|code| !code.status().is_success()));
    }
}
