//! Converts the answers of services to JSON or an error for the guest.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::value::RawValue;
use tokio::time::timeout;

use super::secrets::Secrets;
use crate::json::depth_of;
use crate::tools::reply_budget::ReplyShare;
use crate::tools::{Reply, ToolCall, ToolError, text};

/// Bounds for reading the body of an error answer.
const FAILURE_BYTES_MAX: usize = 2 << 10;
const FAILURE_TIME_MAX: Duration = Duration::from_secs(1);

const FAILURE_CHARS_MAX: usize = 500;

/// The guest's JSON decoder is recursive.
const DEPTH_MAX: usize = 200;

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Reads the answer to a call of `tool`, within the call's limit and the execution's budget. `secrets` are removed from
/// the text of an error answer.
pub(super) async fn read<B>(tool: &str, answer: Response<B>, secrets: &Secrets, call: &ToolCall) -> Reply
where
    B: BodyExt<Data = Bytes> + Unpin,
{
    let (status, bytes_max) = (answer.status(), call.reply_bytes_max);
    let failed =
        |what: &str| ToolError::failed(format!("MCP tool '{tool}' failed: {} - {what}", status.as_u16()));
    // 304 is in the range of redirects, but is none.
    if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
        return Err(failed("redirects are not followed"));
    }
    let is_plain = answer.headers().get(CONTENT_ENCODING).is_none_or(|encoding| encoding == "identity");
    let mut body = answer.into_body();
    if !status.is_success() {
        let said = failure(&mut body, call.deadline).await;
        let said = secrets.hidden_in(&String::from_utf8_lossy(if is_plain { &said } else { &[] }));
        let said = text::clean(&said, FAILURE_CHARS_MAX);
        let reason = status.canonical_reason().unwrap_or("no reason given");
        return Err(failed(if said.is_empty() { reason } else { &said }));
    }
    if !is_plain {
        return Err(failed("the answer is compressed"));
    }
    let is_announced = body.size_hint().lower() > bytes_max as u64;
    let mut bytes = Vec::new();
    let end = if is_announced {
        End::TooLong
    } else {
        read_body(&mut body, &mut bytes, bytes_max, Some(&call.share)).await
    };
    match end {
        End::Whole => {}
        End::Cut => {
            let message = format!("MCP tool '{tool}' connection failed: closed in the middle of the answer");
            return Err(ToolError::failed(message));
        }
        End::NoRoom(error) => return Err(error),
        End::TooLong => {
            return Err(ToolError::failed(format!(
                "Tool reply is larger than its limit of {bytes_max} bytes"
            )));
        }
    }
    if bytes.is_empty() {
        bytes.extend_from_slice(b"null");
    }
    let mut text = String::from_utf8(bytes).map_err(|_| failed("the answer is not UTF-8"))?;
    // Some services write a byte order mark, which JSON does not allow.
    if text.starts_with(BYTE_ORDER_MARK) {
        text.drain(..BYTE_ORDER_MARK.len());
    }
    let json =
        RawValue::from_string(text).map_err(|error| failed(&format!("the answer is not JSON: {error}")))?;
    if depth_of(json.get().as_bytes()) > DEPTH_MAX {
        return Err(failed(&format!("the answer is nested more than {DEPTH_MAX} deep")));
    }
    Ok(json)
}

/// Reads the body of an error answer, or the part that arrives in time. A body that does not end must not use up the
/// call's time, since the status alone is already a useful error.
async fn failure<B>(body: &mut B, deadline: Instant) -> Vec<u8>
where
    B: BodyExt<Data = Bytes> + Unpin,
{
    let mut said = Vec::new();
    let left = deadline.saturating_duration_since(Instant::now());
    let time_max = FAILURE_TIME_MAX.min(left / 2);
    // On a timeout, keep the part that has arrived.
    let _ = timeout(time_max, read_body(body, &mut said, FAILURE_BYTES_MAX, None)).await;
    said
}

/// How reading a body ended.
enum End {
    Whole,
    /// The connection broke.
    Cut,
    /// The body is longer than allowed.
    TooLong,
    /// The execution's budget for replies is exhausted.
    NoRoom(ToolError),
}

/// Reads at most `bytes_max` bytes of the body into `bytes`, and accounts for them in `share`.
async fn read_body<B>(body: &mut B, bytes: &mut Vec<u8>, bytes_max: usize, share: Option<&ReplyShare>) -> End
where
    B: BodyExt<Data = Bytes> + Unpin,
{
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return End::Cut };
        let Ok(data) = frame.into_data() else { continue };
        let room = bytes_max - bytes.len();
        bytes.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            return End::TooLong;
        }
        if let Some(Err(error)) = share.map(|share| share.hold(bytes.len())) {
            return End::NoRoom(error);
        }
    }
    End::Whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::EndSignal;
    use crate::execution::ExecutionId;
    use crate::tools::ReplyBudget;
    use http_body_util::Full;

    /// Status, encoding and body of an answer, and the expected reply.
    type Case<'a> = (u16, &'static str, &'a [u8], Result<&'a str, &'a str>);

    async fn reply(status: u16, encoding: &'static str, body: &[u8]) -> Result<String, String> {
        let answer = Response::builder().status(status).header(CONTENT_ENCODING, encoding);
        let answer = answer.body(Full::new(Bytes::copy_from_slice(body))).unwrap();
        let (end, _ends) = EndSignal::new();
        let call = ToolCall {
            happens_once: false,
            execution: ExecutionId::random(),
            request_id: None,
            number: 0,
            call_end: end.clone(),
            execution_end: end,
            arguments: serde_json::Map::new(),
            deadline: Instant::now() + Duration::from_secs(9),
            reply_bytes_max: 1000,
            share: ReplyBudget::new(0).share(),
        };
        let reply = read("t", answer, &Secrets::default(), &call).await;
        reply.map(|json| json.get().to_owned()).map_err(|error| error.message)
    }

    #[tokio::test]
    async fn answers_are_json_or_failures() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let (allowed, deep, deeper) = (nested(200), nested(201), nested(500));
        let too_deep = "MCP tool 't' failed: 200 - the answer is nested more than 200 deep";
        let escapes = b"\x1b[31mno\x07 way\xe2\x80\xae";
        let cases: [Case<'_>; 22] = [
            (200, "identity", br#"{"a": 1.50}"#, Ok(r#"{"a": 1.50}"#)),
            (201, "identity", b" [1]\n", Ok("[1]")),
            (200, "identity", b"\xef\xbb\xbf[1]", Ok("[1]")),
            (204, "identity", b"", Ok("null")),
            (200, "identity", b"", Ok("null")),
            (200, "identity", br#""[[\"[[""#, Ok(r#""[[\"[[""#)),
            (200, "identity", allowed.as_bytes(), Ok(&allowed)),
            (200, "identity", deep.as_bytes(), Err(too_deep)),
            (200, "identity", deeper.as_bytes(), Err(too_deep)),
            (200, "identity", b"\xff", Err("MCP tool 't' failed: 200 - the answer is not UTF-8")),
            (
                200,
                "identity",
                b"<html>",
                Err("MCP tool 't' failed: 200 - the answer is not JSON: expected value at line 1 column 1"),
            ),
            (
                200,
                "identity",
                b"NaN",
                Err("MCP tool 't' failed: 200 - the answer is not JSON: expected value at line 1 column 1"),
            ),
            (
                200,
                "identity",
                b"{} {}",
                Err(
                    "MCP tool 't' failed: 200 - the answer is not JSON: trailing characters at line 1 column 4",
                ),
            ),
            (200, "gzip", b"{}", Err("MCP tool 't' failed: 200 - the answer is compressed")),
            (302, "identity", b"/elsewhere", Err("MCP tool 't' failed: 302 - redirects are not followed")),
            (304, "identity", b"", Err("MCP tool 't' failed: 304 - Not Modified")),
            (
                404,
                "identity",
                b" {\"detail\": \"no such entity\"}\n",
                Err("MCP tool 't' failed: 404 - {\"detail\": \"no such entity\"}"),
            ),
            (500, "identity", b"", Err("MCP tool 't' failed: 500 - Internal Server Error")),
            (599, "identity", b"", Err("MCP tool 't' failed: 599 - no reason given")),
            (500, "gzip", b"\x1f\x8b", Err("MCP tool 't' failed: 500 - Internal Server Error")),
            (500, "identity", escapes, Err("MCP tool 't' failed: 500 -  [31mno  way")),
            (422, "identity", b"\xff\xfe", Err("MCP tool 't' failed: 422 - \u{fffd}\u{fffd}")),
        ];
        for (status, encoding, body, expected) in cases {
            let found = reply(status, encoding, body).await;
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{status}");
        }
        assert_eq!(
            reply(200, "identity", &[b' '; 1001]).await.unwrap_err(),
            "Tool reply is larger than its limit of 1000 bytes"
        );
        assert_eq!(
            reply(500, "identity", &[b'x'; 5000]).await.unwrap_err().chars().count(),
            "MCP tool 't' failed: 500 - ".len() + 500
        );
    }
}
