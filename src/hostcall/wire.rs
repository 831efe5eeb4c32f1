//! The messages between host and guest, which `guest/README.md` defines. Messages from the guest are untrusted: their
//! size is bounded before they get here, and they are parsed strictly.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::pause::Pauses;
use crate::execution::{Execution, File, GuestError};
use crate::json::depth_of;
use crate::tools::{CallerTools, Grants, Registry, Reply as ToolReply};

/// Maximum nesting of a result's value, because clients' parsers may recurse for each level.
const VALUE_DEPTH_MAX: usize = 100;

/// The largest limit that the guest can handle: it counts to one more than the limit, up to `sys.maxsize`.
const GUEST_SIZE_MAX: usize = i32::MAX as usize - 1;

/// A pause, which the guest passes to `finish` instead of a result: it has given its stack back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pause {
    /// Nanoseconds until a timer wakes the guest.
    waiting: Option<u64>,
}

impl Pause {
    /// Returns the time until a timer wakes the guest, if there is one.
    pub(crate) fn wakes_after(&self) -> Option<Duration> {
        self.waiting.map(Duration::from_nanos)
    }
}

/// The beginning of a pause, where a result has `value`.
const PAUSE_HEAD: &[u8] = br#"{"waiting":"#;

/// Size of a completion's header: id and length of the reply.
const COMPLETION_HEADER_BYTES: usize = 8;

#[derive(Serialize)]
struct Request<'a> {
    code: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    context: &'a BTreeMap<String, Box<RawValue>>,
    result_bytes_max: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller_tools: Option<serde_json::Value>,
    /// The sandbox's tools, for an interpreter that knows others.
    #[serde(skip_serializing_if = "Option::is_none")]
    all_tools: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keeps: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parks: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<RequestFile<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    return_files: &'a [String],
}

#[derive(Serialize)]
struct RequestFile<'a> {
    path: &'a str,
    #[serde(flatten)]
    content: Content<'a>,
}

/// The content of a file: text, if it is UTF-8.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Content<'a> {
    Text(&'a str),
    Base64(String),
}

impl<'a> From<&'a File> for RequestFile<'a> {
    fn from(file: &'a File) -> Self {
        let content = match std::str::from_utf8(&file.content) {
            Ok(text) => Content::Text(text),
            Err(_) => Content::Base64(BASE64.encode(&file.content)),
        };
        Self { path: &file.path, content }
    }
}

/// Encodes the request, which the guest reads from its standard input.
#[expect(clippy::expect_used, reason = "the request has only strings, numbers and valid JSON")]
pub(crate) fn encode_request(
    code: &str,
    execution: &Execution,
    caller_tools: Option<&CallerTools>,
    all_tools: Option<&Registry>,
    pauses: Pauses,
) -> Vec<u8> {
    let request = Request {
        code,
        context: &execution.context,
        result_bytes_max: execution.limits.result_bytes_max.min(GUEST_SIZE_MAX),
        tools: execution.tools.as_deref(),
        caller_tools: caller_tools.map(CallerTools::definitions),
        all_tools: all_tools.map(Registry::definitions_with_digests),
        keeps: execution.state.map(|_| true),
        parks: (pauses != Pauses::Never).then_some(true),
        files: execution.files.iter().map(RequestFile::from).collect(),
        return_files: &execution.return_files,
    };
    serde_json::to_vec(&request).expect("strings, numbers and JSON are JSON")
}

/// Encodes the request that tells a paused guest, before it goes on, that the sandbox has other tools.
pub(super) fn encode_tools(grants: &Grants) -> Vec<u8> {
    serde_json::json!({ "all_tools": grants.definitions() }).to_string().into_bytes()
}

/// The result, which the guest passes to `finish`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GuestResult {
    pub(crate) value: Option<Box<RawValue>>,
    pub(crate) value_is_repr: bool,
    pub(crate) error: Option<ResultError>,
    #[serde(default)]
    files: Vec<ResultFile>,
    #[serde(default)]
    left_out: Vec<String>,
}

impl GuestResult {
    /// Takes the files, and the paths of those that were left out. Files whose names could do harm in a terminal or in
    /// another file system are not among them. Returns `None` if a content is malformed, which an honest guest never
    /// sends.
    pub(crate) fn take_files(&mut self) -> Option<(Vec<File>, Vec<String>)> {
        let files = std::mem::take(&mut self.files).into_iter().map(ResultFile::into_file);
        let mut files = files.collect::<Option<Vec<_>>>()?;
        files.retain(|file| File::fault_of_path(&file.path).is_none());
        let mut left_out = std::mem::take(&mut self.left_out);
        left_out.retain(|path| File::fault_of_path(path).is_none());
        Some((files, left_out))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResultFile {
    path: String,
    text: Option<String>,
    base64: Option<String>,
}

impl ResultFile {
    fn into_file(self) -> Option<File> {
        let content = match (self.text, self.base64) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(base64)) => BASE64.decode(base64).ok()?,
            _ => return None,
        };
        Some(File::new(self.path, content))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResultError {
    #[serde(rename = "type")]
    kind: String,
    message: String,
    line: Option<u32>,
    column: Option<u32>,
    hint: Option<String>,
    traceback: String,
    compiled: bool,
}

impl From<ResultError> for GuestError {
    fn from(error: ResultError) -> Self {
        Self {
            kind: error.kind,
            message: error.message,
            line: error.line,
            column: error.column,
            hint: error.hint,
            traceback: error.traceback,
            before_start: !error.compiled,
        }
    }
}

/// Returns the pause that the guest passes to `finish` instead of a result, if it does.
pub(super) fn decode_pause(bytes: &[u8]) -> Option<Pause> {
    bytes.starts_with(PAUSE_HEAD).then(|| serde_json::from_slice(bytes).ok()).flatten()
}

/// Decodes a result. Returns `None` if it is malformed or its value exceeds a limit, which an honest guest never sends.
pub(crate) fn decode_result(bytes: &[u8], value_bytes_max: usize) -> Option<GuestResult> {
    let result: GuestResult = serde_json::from_slice(bytes).ok()?;
    let value = result.value.as_ref().map_or("", |value| value.get());
    let within = value.len() <= value_bytes_max && depth_of(value.as_bytes()) <= VALUE_DEPTH_MAX;
    within.then_some(result)
}

/// A message, which the guest passes to `call`.
pub(super) enum Message<'a> {
    Call {
        tool: String,
        arguments: &'a RawValue,
        /// The line of the program that makes the call.
        line: Option<u32>,
    },
    /// A call whose arguments the guest could not bind to the tool's parameters, and the reason.
    Refused { tool: String, why: String },
    /// A cancellation: the guest no longer waits for this call.
    Cancel { id: u32 },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageFields<'a> {
    tool: Option<String>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    refused: Option<String>,
    cancel: Option<u32>,
    line: Option<u32>,
}

pub(super) fn decode_message(bytes: &[u8]) -> Result<Message<'_>, String> {
    let fields: MessageFields<'_> = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    match fields {
        MessageFields { tool: Some(tool), arguments: Some(arguments), refused: None, cancel: None, line } => {
            Ok(Message::Call { tool, arguments, line })
        }
        MessageFields { tool: Some(tool), arguments: None, refused: Some(why), cancel: None, line: None } => {
            Ok(Message::Refused { tool, why })
        }
        MessageFields { tool: None, arguments: None, refused: None, cancel: Some(id), line: None } => {
            Ok(Message::Cancel { id })
        }
        _ => Err("it does not have the fields of a message".into()),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Reply<'a> {
    Ok(&'a RawValue),
    Error { kind: &'static str, message: &'a str },
}

#[expect(clippy::expect_used, reason = "there is nothing in it that JSON cannot hold")]
pub(super) fn encode_reply(reply: &ToolReply) -> Vec<u8> {
    let reply = match reply {
        Ok(value) => Reply::Ok(value),
        Err(error) => Reply::Error { kind: error.kind.name(), message: &error.message },
    };
    serde_json::to_vec(&reply).expect("strings and JSON are JSON")
}

pub(super) fn completion_len(reply: &[u8]) -> usize {
    COMPLETION_HEADER_BYTES + reply.len()
}

/// Appends a completion to `buffer`. `reply` is a few megabytes at most: [`Limits`](crate::Limits) bound it.
pub(super) fn encode_completion(id: u32, reply: &[u8], buffer: &mut Vec<u8>) {
    let len = u32::try_from(reply.len()).unwrap_or(u32::MAX);
    buffer.extend_from_slice(&id.to_le_bytes());
    buffer.extend_from_slice(&len.to_le_bytes());
    buffer.extend_from_slice(reply);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_that_an_honest_guest_never_sends_are_refused() {
        let result = |value: &str| format!(r#"{{"value":{value},"value_is_repr":false,"error":null}}"#);
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        let decoded = |value: &str| decode_result(result(value).as_bytes(), 1000).is_some();
        assert!(decoded("null") && decoded(&deep(100)) && decoded(r#""x""#));
        assert!(
            !decoded(&deep(101)) && !decoded(&deep(400)) && !decoded(&"1".repeat(1001)) && !decoded("[1,]")
        );
        assert!(decode_result(br#"{"value":1}"#, 1000).is_none());
    }

    #[test]
    fn files_with_harmful_names_are_left_out_and_malformed_ones_refused() {
        let taken = |files: &str| {
            let head =
                r#"{"value":null,"value_is_repr":false,"error":null,"left_out":["d","/e","f\ng"],"files":"#;
            decode_result(format!("{head}{files}}}").as_bytes(), 1000)
                .and_then(|mut result| result.take_files())
        };
        let (files, left_out) = taken(
            r#"[{"path":"a/b","base64":"AP8="},{"path":"../c","text":"x"},{"path":"/c","text":"x"},{"path":"c\u0000","text":"x"}]"#,
        )
        .unwrap();
        assert_eq!((files, left_out), (vec![File::new("a/b", [0, 255])], vec!["d".to_owned()]));
        for file in
            [r#"{"path":"a"}"#, r#"{"path":"a","text":"","base64":""}"#, r#"{"path":"a","base64":"A"}"#]
        {
            assert!(taken(&format!("[{file}]")).is_none(), "{file}");
        }
    }
}
