//! Messages of servers, before the library sees them.

use rmcp::model::{
    CallToolResult, ClientJsonRpcMessage, ErrorCode, ErrorData, GetExtensions, RequestId,
    ServerJsonRpcMessage, ServerResult,
};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::failure::Failure;
use super::slot::Slot;
use crate::json::depth_of;
use crate::tools::{plain, text};

/// Nesting of a message: that of a reply, and of what is around it.
const DEPTH_MAX: usize = 210;

/// A key that `serde_json` takes for its own: its value is parsed as JSON again, with another allowance of depth.
const PRIVATE_KEY: &str = "$serde_json::private";

const ERROR_CHARS_MAX: usize = 2000;

/// The parts of a message that say where it belongs.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<&'a RawValue>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// A message of a server.
pub(super) enum Message<'a> {
    /// The answer to a request. Without an id, the server could not read the request.
    Answer { id: Option<RequestId>, result: Result<&'a RawValue, &'a RawValue> },
    /// A request of its own.
    Request,
    /// A notification: its method.
    Notification(&'a str),
}

/// A request that waits for its answer.
pub(super) struct Expected {
    pub(super) id: RequestId,
    pub(super) slot: Option<Slot>,
}

impl Expected {
    /// Returns what answers `message`, if it is a request.
    pub(super) fn of(message: &ClientJsonRpcMessage) -> Option<Self> {
        let ClientJsonRpcMessage::Request(request) = message else { return None };
        Some(Self { id: request.id.clone(), slot: request.request.extensions().get::<Slot>().cloned() })
    }

    /// Returns whether an answer with this `id` is the one.
    pub(super) fn is(&self, id: &RequestId) -> bool {
        // Some servers send numbers back as strings.
        self.id == *id || self.id.to_string() == id.to_string()
    }

    /// Puts an answer into its slot and returns the message for the library.
    ///
    /// # Errors
    ///
    /// If the library must parse the answer and it is unreadable.
    pub(super) fn answer(
        &self,
        text: &str,
        result: Result<&RawValue, &RawValue>,
    ) -> Result<ServerJsonRpcMessage, Failure> {
        let Some(slot) = &self.slot else { return self.beginning(text) };
        match result {
            Ok(result) => {
                slot.put(Ok(result.get().to_owned()));
                let shown = slot.is_shown().then(|| typed(text)).and_then(Result::ok);
                let empty = ServerResult::CallToolResult(CallToolResult::default());
                Ok(shown.unwrap_or_else(|| ServerJsonRpcMessage::response(empty, self.id.clone())))
            }
            Err(error) => {
                let failure = failure_of(error);
                slot.put(Err(failure.clone()));
                Ok(self.failed(&failure))
            }
        }
    }

    /// Reads the answer to a request that begins a connection. Some servers of the earlier protocol answer requests that
    /// they do not know, such as the probe for the newer one, with an empty result.
    fn beginning(&self, text: &str) -> Result<ServerJsonRpcMessage, Failure> {
        let message = typed(text)?;
        let ServerJsonRpcMessage::Response(response) = &message else { return Ok(message) };
        if matches!(response.result, ServerResult::DiscoverResult(_) | ServerResult::InitializeResult(_)) {
            return Ok(message);
        }
        let error =
            ErrorData::new(ErrorCode::METHOD_NOT_FOUND, "the answer is not one of the protocol", None);
        Ok(ServerJsonRpcMessage::error(error, Some(self.id.clone())))
    }

    /// Returns the message that tells the library about a failure.
    pub(super) fn failed(&self, failure: &Failure) -> ServerJsonRpcMessage {
        if let Some(slot) = &self.slot {
            slot.put(Err(failure.clone()));
        }
        let error = ErrorData::new(ErrorCode::INTERNAL_ERROR, failure.why(), None);
        ServerJsonRpcMessage::error(error, Some(self.id.clone()))
    }
}

/// Reads a message as far as its place needs.
///
/// # Errors
///
/// If it is not a message.
pub(super) fn read(text: &str) -> Result<Message<'_>, Failure> {
    let not_json = Failure::Unreadable("the answer is not a JSON-RPC message");
    // An array would be taken for the members in their order.
    if !text.trim_start().starts_with('{') {
        return Err(not_json);
    }
    let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|_| not_json.clone())?;
    if depth_of(text.as_bytes()) > DEPTH_MAX {
        return Err(Failure::Unreadable("the answer is nested too deeply"));
    }
    let id = match envelope.id.map(|id| serde_json::from_str::<RequestId>(id.get())) {
        Some(Err(_)) => return Err(not_json),
        Some(Ok(id)) => Some(id),
        None => None,
    };
    match envelope {
        Envelope { method: Some(_), id: Some(_), .. } => Ok(Message::Request),
        Envelope { method: Some(method), .. } => Ok(Message::Notification(method.get().trim_matches('"'))),
        Envelope { result: Some(result), .. } => Ok(Message::Answer { id, result: Ok(result) }),
        Envelope { error: Some(error), .. } => Ok(Message::Answer { id, result: Err(error) }),
        _ => Err(not_json),
    }
}

/// Parses a message into the library's types.
///
/// # Errors
///
/// If it is not a message, or hostile.
pub(super) fn typed(text: &str) -> Result<ServerJsonRpcMessage, Failure> {
    let not_typed = || Failure::Unreadable("the answer is not a message of the protocol");
    let (value, _) = plain::value(text).map_err(|_| not_typed())?;
    if has_private_key(&value) {
        return Err(not_typed());
    }
    serde_json::from_str(text).map_err(|_| not_typed())
}

fn has_private_key(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_private_key),
        Value::Object(members) => {
            members.iter().any(|(key, value)| key.starts_with(PRIVATE_KEY) || has_private_key(value))
        }
        _ => false,
    }
}

fn failure_of(error: &RawValue) -> Failure {
    #[derive(Deserialize)]
    struct Said {
        code: i64,
        message: String,
    }
    match serde_json::from_str::<Said>(error.get()) {
        Ok(Said { code, message }) => Failure::Rpc { code, message: text::clean(&message, ERROR_CHARS_MAX) },
        Err(_) => Failure::Unreadable("the answer is an error without code and message"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> String {
        match read(text) {
            Ok(Message::Answer { id, result }) => {
                let id = id.map(|id| id.to_string()).unwrap_or_default();
                format!("{id} {}", result.map_or_else(|error| format!("error {error}"), ToString::to_string))
            }
            Ok(Message::Request) => "request".into(),
            Ok(Message::Notification(method)) => method.into(),
            Err(failure) => failure.why(),
        }
    }

    #[test]
    fn messages_are_told_apart() {
        let deep = format!("{{\"id\":1,\"result\":{}1{}}}", "[".repeat(210), "]".repeat(210));
        let endless = "[".repeat(100_000);
        for (text, expected) in [
            (r#"{"jsonrpc":"2.0","id":1,"result":{"a":1e400}}"#, r#"1 {"a":1e400}"#),
            (r#"{"result":{},"id":"7"}"#, "7 {}"),
            (r#"{"id":1,"error":{"code":-1}}"#, r#"1 error {"code":-1}"#),
            (r#"{"error":{}}"#, " error {}"),
            (r#"{"id":1,"method":"ping"}"#, "request"),
            (r#"{"method":"notifications/x"}"#, "notifications/x"),
            (r#"{"id":1}"#, "the answer is not a JSON-RPC message"),
            (r#"{"id":{},"result":1}"#, "the answer is not a JSON-RPC message"),
            (r#"{"id":1,"id":2,"result":1}"#, "the answer is not a JSON-RPC message"),
            ("[1, null, {}]", "the answer is not a JSON-RPC message"),
            ("", "the answer is not a JSON-RPC message"),
            (&endless, "the answer is not a JSON-RPC message"),
            (&deep, "the answer is nested too deeply"),
        ] {
            assert_eq!(kind(text), expected, "{}", &text[..text.len().min(60)]);
        }
    }

    #[test]
    fn connections_begin_with_certain_answers_only() {
        let expected = Expected { id: RequestId::Number(1), slot: None };
        let discovered = r#"{"supportedVersions":["2026-07-28"],"capabilities":{},"ttlMs":0,"cacheScope":"private","resultType":"complete"}"#;
        let initialized =
            r#"{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"x","version":"1"}}"#;
        for (result, is_one) in
            [(discovered, true), (initialized, true), ("{}", false), (r#"{"tools":[]}"#, false)]
        {
            let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
            let Ok(Message::Answer { result, .. }) = read(&text) else { panic!("{text}") };
            let answer = expected.answer(&text, result).unwrap();
            assert_eq!(matches!(answer, ServerJsonRpcMessage::Response(_)), is_one, "{answer:?}");
        }
    }

    #[test]
    fn what_the_library_parses_is_bounded() {
        let hidden = r#"{"jsonrpc":"2.0","id":1,"result":{"$serde_json::private::RawValue":"[[[]]]"}}"#;
        let deep =
            format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"a":{}{}}}}}"#, "[".repeat(120), "]".repeat(120));
        let escaped = hidden.replace("$serde", "\\u0024serd\\u0065");
        for text in [hidden, &escaped, &deep, "{}", "1"] {
            assert!(typed(text).is_err(), "{text}");
        }
        assert!(typed(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).is_ok());
    }
}
