//! A body → a message for the protocol's library, and the arguments of a call as text. The library parses everything
//! that it gets; values of programs stay text, which takes less memory and keeps all digits.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use super::arguments::Arguments;

/// Bound for a message without the arguments of a call.
const REST_BYTES_MAX: usize = 64 << 10;

const ID_BYTES_MAX: usize = 256;

/// JSON-RPC 2.0, 5.1.
const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;
pub(super) const METHOD_NOT_FOUND: i32 = -32601;
const INVALID_PARAMS: i32 = -32602;

/// The method that revisions without a handshake do not have.
const HANDSHAKE: &str = "initialize";

const CALL: &str = "tools/call";

/// Why a body is not a message that can be handled.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) id: Value,
    pub(super) code: i32,
    pub(super) why: String,
}

impl Fault {
    pub(super) fn no_message(why: impl Into<String>) -> Self {
        Self { id: Value::Null, code: INVALID_REQUEST, why: why.into() }
    }
}

/// A message of JSON-RPC 2.0.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: Option<String>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    result: Option<IgnoredAny>,
    error: Option<IgnoredAny>,
}

/// Checks that `body` is one message. Returns it without the arguments of a call, and these, if they are wanted
/// `apart`.
pub(super) fn read(
    body: Vec<u8>,
    is_stateless: bool,
    apart: bool,
) -> Result<(Vec<u8>, Option<Arguments>), Fault> {
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(Fault::no_message("Batches are not supported: send one message"));
    }
    let message: Message<'_> = serde_json::from_slice(&body).map_err(|error| {
        if error.is_data() {
            return Fault::no_message(format!("This is not a message: {error}"));
        }
        Fault { id: Value::Null, code: PARSE_ERROR, why: format!("This is not JSON: {error}") }
    })?;
    let id = message.id.filter(|id| is_id(id.get()));
    let fault = |code, why: &str| {
        let id = id.and_then(|id| serde_json::from_str(id.get()).ok()).unwrap_or_default();
        Fault { id, code, why: why.into() }
    };
    let is_message = message.method.is_some() || message.result.is_some() || message.error.is_some();
    if message.jsonrpc.is_none_or(|version| version.get() != r#""2.0""#) || !is_message {
        return Err(fault(INVALID_REQUEST, "This is not a message of JSON-RPC 2.0"));
    }
    if message.params.is_some_and(|params| !params.get().starts_with('{')) {
        return Err(fault(INVALID_PARAMS, "params must be an object"));
    }
    let method = message.method.as_deref().unwrap_or_default();
    if is_stateless && method == HANDSHAKE {
        return Err(fault(METHOD_NOT_FOUND, HANDSHAKE));
    }
    let call = match (method, message.params, id) {
        (CALL, Some(params), Some(id)) if apart => without_arguments(params, id),
        _ => None,
    };
    let (rest, arguments) = match call {
        Some((rest, arguments)) => (rest, Some(arguments)),
        None => (Vec::new(), None),
    };
    let rest_bytes = if arguments.is_some() { rest.len() } else { body.len() };
    if rest_bytes > REST_BYTES_MAX {
        let why =
            format!("The message is over the limit of {REST_BYTES_MAX} bytes beside the arguments of a call");
        return Err(fault(INVALID_REQUEST, &why));
    }
    Ok(if arguments.is_some() { (rest, arguments) } else { (body, None) })
}

fn is_id(text: &str) -> bool {
    text.len() <= ID_BYTES_MAX
        && text.starts_with(|first: char| first == '"' || first == '-' || first.is_ascii_digit())
}

/// Returns a call without its arguments, and these; `None` if it has none that are an object.
fn without_arguments(params: &RawValue, id: &RawValue) -> Option<(Vec<u8>, Arguments)> {
    let mut params: BTreeMap<String, &RawValue> = serde_json::from_str(params.get()).ok()?;
    let arguments = Arguments::parse(params.remove("arguments")?.get())?;
    let message = BTreeMap::from([
        ("jsonrpc", serde_json::value::to_raw_value("2.0").ok()?),
        ("id", id.to_owned()),
        ("method", serde_json::value::to_raw_value(CALL).ok()?),
        ("params", serde_json::value::to_raw_value(&params).ok()?),
    ]);
    Some((serde_json::to_vec(&message).ok()?, arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_of_calls_stay_text() {
        let body = br#" {"id": "a", "method": "tools/call", "jsonrpc": "2.0", "params": {"name": "n",
            "arguments": {"context": {"x": 123456789012345678901234567890}}, "_meta": {"m": [1]}}}"#;
        let (rest, arguments) = read(body.to_vec(), true, true).unwrap();
        let rest: Value = serde_json::from_slice(&rest).unwrap();
        let params = serde_json::json!({"name": "n", "_meta": {"m": [1]}});
        assert_eq!(
            rest,
            serde_json::json!({"jsonrpc": "2.0", "id": "a", "method": "tools/call", "params": params})
        );
        let context: BTreeMap<String, Box<RawValue>> = arguments.unwrap().take("context").unwrap().unwrap();
        assert_eq!(context["x"].get(), "123456789012345678901234567890");
    }

    #[test]
    fn what_has_no_arguments_is_left_as_it_is() {
        for body in [
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"n"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"n","arguments":[1]}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        ] {
            let (rest, arguments) = read(body.as_bytes().to_vec(), false, true).unwrap();
            assert_eq!((rest.as_slice(), arguments.is_none()), (body.as_bytes(), true));
        }
    }

    #[test]
    fn only_arguments_may_be_large() {
        let large = "x".repeat(REST_BYTES_MAX);
        let call = |params: Value| {
            let message =
                serde_json::json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params});
            read(message.to_string().into_bytes(), false, true)
        };
        assert!(call(serde_json::json!({"name": "n", "arguments": {"code": large}})).is_ok());
        for params in [
            serde_json::json!({"name": large, "arguments": {"code": "1"}}),
            serde_json::json!({"name": "n", "arguments": {}, "inputResponses": {"1": large}}),
            serde_json::json!({"name": "n", "arguments": [large]}),
        ] {
            let fault = call(params).err().unwrap();
            assert_eq!((fault.code, fault.id), (INVALID_REQUEST, 7.into()));
        }
    }
}
