//! The result of a call → the value that programs see.

use serde::de::Deserializer;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::json::depth_of;
use crate::tools::{Reply, ToolError, text};

/// The guest's JSON decoder is recursive.
const DEPTH_MAX: usize = 200;

const ERROR_CHARS_MAX: usize = 2000;

/// A result, its parts unread.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CallResult<'a> {
    #[serde(default)]
    result_type: Option<String>,
    #[serde(borrow, default)]
    content: Option<Vec<&'a RawValue>>,
    /// `null` is a value.
    #[serde(borrow, default, deserialize_with = "present")]
    structured_content: Option<&'a RawValue>,
    #[serde(default)]
    is_error: Option<bool>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// One block of content. Unknown members are left out; unknown kinds are kept as they are.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Text {
        text: String,
    },
    #[serde(rename_all = "camelCase")]
    Image {
        data: String,
        mime_type: String,
    },
    #[serde(rename_all = "camelCase")]
    Audio {
        data: String,
        mime_type: String,
    },
    Resource {
        resource: Resource,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    uri: String,
    mime_type: Option<String>,
    text: Option<String>,
    blob: Option<String>,
}

/// What programs see of an image, a sound or a resource.
#[derive(Serialize)]
struct Media {
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
    mime_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// Of the decoded data, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
    /// In base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
}

impl Media {
    fn new(mime_type: Option<String>, data: Option<String>) -> Self {
        let size = data.as_deref().map(decoded_bytes);
        Self { uri: None, mime_type, text: None, size, data }
    }
}

/// Returns the value of a call of `tool`, from the result that its server sent.
///
/// `structuredContent` is the value. Without it, one text that is a JSON object or array is parsed, and any other single
/// text is a string. Several blocks are a list. Blocks that are no text come after the structured value, in a list.
///
/// # Errors
///
/// The server's own error, or why the result is unusable.
pub(super) fn reply(tool: &str, result: &str) -> Reply {
    let failed = |what: &str| ToolError::failed(format!("MCP tool '{tool}' failed: {what}"));
    let not_one = || failed("the answer is not a result of the protocol");
    // An array would be taken for the members in their order.
    if !result.trim_start().starts_with('{') {
        return Err(not_one());
    }
    let result: CallResult<'_> = serde_json::from_str(result).map_err(|_| not_one())?;
    if result.result_type.as_deref().is_some_and(|kind| kind != "complete") {
        return Err(failed("it asks for input in the middle of the call, which programs cannot give"));
    }
    let blocks = result.content.unwrap_or_default();
    if result.is_error.unwrap_or_default() {
        return Err(failed(&error_text(&blocks, result.structured_content)));
    }
    let value = match result.structured_content {
        Some(structured) => beside(structured, &blocks),
        None => value_of(&blocks),
    };
    let value = value.map_err(|_| failed("the answer is not JSON"))?;
    if depth_of(value.get().as_bytes()) > DEPTH_MAX {
        return Err(failed(&format!("the answer is nested more than {DEPTH_MAX} deep")));
    }
    Ok(value)
}

/// Returns the structured value, in a list with the blocks that are no text: texts only repeat it.
fn beside(structured: &RawValue, blocks: &[&RawValue]) -> serde_json::Result<Box<RawValue>> {
    let others = blocks.iter().filter(|block| !is_text(block)).map(|block| one(block, false));
    let others = others.collect::<Result<Vec<_>, _>>()?;
    if others.is_empty() {
        Ok(structured.to_owned())
    } else {
        list([structured.to_owned()].into_iter().chain(others))
    }
}

fn value_of(blocks: &[&RawValue]) -> serde_json::Result<Box<RawValue>> {
    match blocks {
        [] => Ok(RawValue::NULL.to_owned()),
        [block] => one(block, true),
        blocks => list(blocks.iter().map(|block| one(block, false)).collect::<Result<Vec<_>, _>>()?),
    }
}

fn list(values: impl IntoIterator<Item = Box<RawValue>>) -> serde_json::Result<Box<RawValue>> {
    to_raw_value(&values.into_iter().collect::<Vec<_>>())
}

fn is_text(block: &RawValue) -> bool {
    matches!(serde_json::from_str(block.get()), Ok(Block::Text { .. }))
}

/// Returns the value of one block. With `parses`, a text that is a JSON object or array is parsed.
fn one(block: &RawValue, parses: bool) -> serde_json::Result<Box<RawValue>> {
    let Ok(known) = serde_json::from_str(block.get()) else { return Ok(block.to_owned()) };
    match known {
        Block::Text { text } => {
            let is_compound = parses && text.trim_start().starts_with(['{', '[']);
            let compound = is_compound.then(|| RawValue::from_string(text.clone()).ok()).flatten();
            compound.map_or_else(|| to_raw_value(&text), Ok)
        }
        Block::Image { data, mime_type } | Block::Audio { data, mime_type } => {
            to_raw_value(&Media::new(Some(mime_type), Some(data)))
        }
        Block::Resource { resource: Resource { uri, mime_type, text, blob } } => {
            to_raw_value(&Media { uri: Some(uri), text, ..Media::new(mime_type, blob) })
        }
    }
}

/// Returns the size of what base64 stands for.
fn decoded_bytes(base64: &str) -> usize {
    base64.trim_end_matches('=').len() * 3 / 4
}

fn error_text(blocks: &[&RawValue], structured: Option<&RawValue>) -> String {
    let texts = blocks.iter().filter_map(|block| match serde_json::from_str(block.get()) {
        Ok(Block::Text { text }) => Some(text.trim().to_owned()),
        _ => None,
    });
    let mut said = texts.collect::<Vec<_>>().join("\n");
    if said.trim().is_empty() {
        said = structured.map(|structured| structured.get().to_owned()).unwrap_or_default();
    }
    let said = text::clean(&said, ERROR_CHARS_MAX);
    if said.is_empty() { "the server gives no reason".into() } else { said }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_become_values_and_nothing_is_lost() {
        let deep = format!("{{\"structuredContent\":{}{}}}", "[".repeat(201), "]".repeat(201));
        let large = r#"{"structuredContent":{"n":123456789012345678901234567890,"x":1.10}}"#;
        let error = r#"{"isError":true,"content":[{"type":"text","text":"no such\u0007 file\n"},{"type":"text","text":"try b"}]}"#;
        let cases = [
            (r#"{"content":[]}"#, Ok("null")),
            ("{}", Ok("null")),
            (r#"{"content":[{"type":"text","text":"plain"}],"structuredContent":{"a":1}}"#, Ok(r#"{"a":1}"#)),
            (r#"{"content":[],"structuredContent":null}"#, Ok("null")),
            (large, Ok(r#"{"n":123456789012345678901234567890,"x":1.10}"#)),
            (r#"{"content":[{"type":"text","text":"plain"}]}"#, Ok(r#""plain""#)),
            (r#"{"content":[{"type":"text","text":"12"}]}"#, Ok(r#""12""#)),
            (r#"{"content":[{"type":"text","text":" {\"a\": [1]} "}]}"#, Ok(r#"{"a": [1]}"#)),
            (r#"{"content":[{"type":"text","text":"{no json"}]}"#, Ok(r#""{no json""#)),
            (
                r#"{"content":[{"type":"text","text":"[1]"},{"type":"text","text":"b"}]}"#,
                Ok(r#"["[1]","b"]"#),
            ),
            (
                r#"{"content":[{"type":"image","data":"aGk=","mimeType":"image/png","annotations":{}}]}"#,
                Ok(r#"{"mime_type":"image/png","size":2,"data":"aGk="}"#),
            ),
            (
                r#"{"content":[{"type":"audio","data":"aGk=","mimeType":"audio/wav"}],"structuredContent":1}"#,
                Ok(r#"[1,{"mime_type":"audio/wav","size":2,"data":"aGk="}]"#),
            ),
            (
                r#"{"content":[{"type":"resource","resource":{"uri":"a:b","text":"t"}}]}"#,
                Ok(r#"{"uri":"a:b","mime_type":null,"text":"t"}"#),
            ),
            (
                r#"{"content":[{"type":"resource","resource":{"uri":"a:b","mimeType":"x/y","blob":"aGk="}}]}"#,
                Ok(r#"{"uri":"a:b","mime_type":"x/y","size":2,"data":"aGk="}"#),
            ),
            (
                r#"{"content":[{"type":"resource_link","uri":"a:b","name":"n"}]}"#,
                Ok(r#"{"type":"resource_link","uri":"a:b","name":"n"}"#),
            ),
            (r#"{"content":[{"type":"new","a":1}]}"#, Ok(r#"{"type":"new","a":1}"#)),
            (r#"{"content":[7]}"#, Ok("7")),
            (error, Err("no such  file\ntry b")),
            (r#"{"isError":true,"structuredContent":{"why":"x"}}"#, Err(r#"{"why":"x"}"#)),
            (r#"{"isError":true}"#, Err("the server gives no reason")),
            (r#"{"resultType":"input_required"}"#, Err("it asks for input")),
            (r#"{"content":7}"#, Err("the answer is not a result")),
            ("[]", Err("the answer is not a result")),
            (&deep, Err("nested more than 200 deep")),
        ];
        for (result, expected) in cases {
            match (reply("t", result), expected) {
                (Ok(value), Ok(expected)) => assert_eq!(value.get().trim(), expected, "{result}"),
                (Err(error), Err(words)) => {
                    assert!(error.message.starts_with("MCP tool 't' failed: "), "{result}: {error}");
                    assert!(error.message.contains(words), "{result}: {error}");
                }
                (found, _) => panic!("{result}: {found:?}"),
            }
        }
    }
}
