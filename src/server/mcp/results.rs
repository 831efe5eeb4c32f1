//! Results as a model reads them: the same as data and as text, within a budget.

use rmcp::model::{CallToolResult, ContentBlock};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::error::Error;
use crate::execution::{ExecutionId, Finding, GuestError, Outcome, Report, Waiting};
use crate::json::large_integer;
use crate::sandbox::ExecutionStatus;
use crate::server::refusal::Refusal;
use crate::server::wire::rfc3339;

/// Bound for what a model reads of one result, in characters.
const CHARS_MAX: usize = 24_000;

/// The same for a failure.
const FAILURE_CHARS_MAX: usize = 10_000;

/// Waiting calls that are shown, and the characters of the arguments of each.
const CALLS_MAX: usize = 16;
const ARGUMENTS_CHARS_MAX: usize = 400;

const FINDINGS_MAX: usize = 50;

/// What is known of an execution. Empty parts are left out.
#[derive(Default, Serialize)]
struct Shown {
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "String::is_empty")]
    stdout: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    stderr: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<WaitingNow>,
}

#[derive(Serialize)]
struct WaitingNow {
    execution: String,
    expires_at: String,
    calls: Vec<CallNow>,
    /// Number of calls that are not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    more_calls: Option<usize>,
}

#[derive(Serialize)]
struct CallNow {
    call: u32,
    tool: String,
    arguments: Box<RawValue>,
    #[serde(rename = "for")]
    waits_for: &'static str,
}

/// Returns the result of an execution that has ended or waits.
pub(super) fn of_report(report: Report) -> CallToolResult {
    let waiting = report.waiting.map(|waiting| WaitingNow::new(report.id, waiting));
    let mut error = report.error.as_ref().map(told).unwrap_or_default();
    if report.state_is_lost {
        error.push_str("The state could not be kept: the store is full, or the state is too large.");
    }
    let shown = Shown {
        outcome: report.outcome.name(),
        value: report.value,
        stdout: report.stdout.text,
        stderr: report.stderr.text,
        error,
        state: report.state.map(|state| state.to_string()),
        waiting,
    };
    shown.result(!matches!(report.outcome, Outcome::Completed | Outcome::Waiting))
}

/// Returns how far an execution is.
pub(super) fn of_status(status: ExecutionStatus) -> CallToolResult {
    let outcome = status.name();
    match status.into_report() {
        Some(report) => of_report(report),
        None => Shown { outcome, ..Shown::default() }.result(false),
    }
}

/// Returns why there is no report.
pub(super) fn of_error(error: Error) -> CallToolResult {
    let (outcome, error) = match error {
        Error::Rejected(findings) => ("rejected", listed(&findings)),
        error => Refusal::from(error).into_parts(),
    };
    Shown { outcome, error, ..Shown::default() }.result(true)
}

/// Returns what is wrong with the arguments of a call.
pub(super) fn unusable(why: &str) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(cut(why, FAILURE_CHARS_MAX))])
}

/// Returns data as a result.
pub(super) fn of(data: &impl Serialize) -> CallToolResult {
    let data = serde_json::to_value(data).unwrap_or_default();
    let mut result = CallToolResult::success(vec![ContentBlock::text(data.to_string())]);
    result.structured_content = Some(data);
    result
}

/// Returns whether a model reads all of a result.
pub(super) fn fits(result: &CallToolResult) -> bool {
    let chars = |block: &ContentBlock| block.as_text().map_or(0, |text| text.text.chars().count());
    result.content.iter().map(chars).sum::<usize>() <= CHARS_MAX
}

impl WaitingNow {
    fn new(id: ExecutionId, waiting: Waiting) -> Self {
        let more = waiting.calls.len().saturating_sub(CALLS_MAX);
        let calls = waiting.calls.into_iter().take(CALLS_MAX).map(|call| CallNow {
            call: call.call,
            tool: call.tool,
            arguments: shortened(call.arguments, ARGUMENTS_CHARS_MAX),
            waits_for: call.waits_for.name(),
        });
        Self {
            execution: id.to_string(),
            expires_at: rfc3339(waiting.expires_at),
            calls: calls.collect(),
            more_calls: (more > 0).then_some(more),
        }
    }
}

impl Shown {
    fn result(mut self, is_failure: bool) -> CallToolResult {
        let chars_max = if is_failure { FAILURE_CHARS_MAX } else { CHARS_MAX };
        let mut data = self.to_json();
        let chars = data.chars().count();
        if chars > chars_max {
            self.shorten(chars, chars_max);
            data = self.to_json();
        }
        let text = if is_failure { self.as_prose() } else { data.clone() };
        let mut structured: Value = serde_json::from_str(&data).unwrap_or_default();
        if let Some(value) = &self.value
            && large_integer(value.get()).is_some()
        {
            // A number of the protocol's library would lose digits.
            structured["value"] = Value::String(value.get().to_owned());
        }
        let content = vec![ContentBlock::text(text)];
        let mut result =
            if is_failure { CallToolResult::error(content) } else { CallToolResult::success(content) };
        result.structured_content = Some(structured);
        result
    }

    fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Cuts the longest parts, so that all of them fit. `chars` is how much they take with all around them.
    fn shorten(&mut self, chars: usize, chars_max: usize) {
        let value = self.value.as_ref().map_or(0, |value| value.get().chars().count());
        let texts = [&self.error, &self.stdout, &self.stderr].map(|text| written_chars(text));
        let costs = [value, texts[0], texts[1], texts[2]];
        let frame = chars.saturating_sub(costs.iter().sum());
        let share = share(costs, chars_max.saturating_sub(frame));
        self.value = self.value.take().map(|value| shortened(value, share));
        for text in [&mut self.error, &mut self.stdout, &mut self.stderr] {
            *text = cut(text, share);
        }
    }

    fn as_prose(&self) -> String {
        let mut text = format!("{}\n{}", self.outcome, self.error);
        let state = self.state.as_deref().unwrap_or_default();
        for (name, part) in [("stdout", self.stdout.as_str()), ("stderr", &self.stderr), ("state", state)] {
            if !part.is_empty() {
                text = format!("{}\n\n{name}:\n{part}", text.trim_end());
            }
        }
        text
    }
}

/// Returns an error with its traceback and hint. A traceback ends with the exception already.
fn told(error: &GuestError) -> String {
    let first =
        if error.traceback.is_empty() || error.kind.is_empty() { error.to_string() } else { String::new() };
    let hint = error.hint.as_ref().map(|hint| format!("hint: {hint}"));
    let parts = [error.traceback.trim_end().to_owned(), first, hint.unwrap_or_default()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Returns all findings, a line each.
fn listed(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let Finding { line, column, message, hint, .. } = finding;
        let hint = hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("line {line}, column {column}: {message}{hint}")
    };
    let mut lines: Vec<_> = findings.iter().take(FINDINGS_MAX).map(line).collect();
    if findings.len() > FINDINGS_MAX {
        lines.push(format!("… and {} more", findings.len() - FINDINGS_MAX));
    }
    lines.join("\n")
}

/// Returns the largest length that each part may have, so that all of them together take at most `total`.
fn share(mut costs: [usize; 4], total: usize) -> usize {
    costs.sort_unstable();
    let mut left = total;
    for (index, cost) in costs.into_iter().enumerate() {
        let each = left / (costs.len() - index);
        if cost > each {
            return each;
        }
        left -= cost;
    }
    usize::MAX
}

/// Returns the value, or its beginning and its end as a string if it is too long.
fn shortened(json: Box<RawValue>, chars_max: usize) -> Box<RawValue> {
    if json.get().len() <= chars_max || json.get().chars().count() <= chars_max {
        return json;
    }
    to_raw_value(&cut(json.get(), chars_max)).unwrap_or(json)
}

/// Returns the beginning and the end of a text that takes more than `chars_max` characters as JSON, with its size
/// between them.
fn cut(text: &str, chars_max: usize) -> String {
    /// The mark between the two parts.
    const MARK_CHARS: usize = 64;
    if written_chars(text) <= chars_max {
        return text.to_owned();
    }
    let room = chars_max.saturating_sub(MARK_CHARS);
    let head = taken(text.chars(), room / 3 * 2);
    let tail = taken(text.chars().rev(), room / 3);
    let head: String = text.chars().take(head).collect();
    let total = text.chars().count();
    let end: String = text.chars().skip(total - tail).collect();
    format!("{head}\n[… cut: {total} characters in all …]\n{end}")
}

/// Returns how many of the characters take at most `chars_max` as JSON.
fn taken(chars: impl Iterator<Item = char>, chars_max: usize) -> usize {
    let mut written = 0;
    chars
        .take_while(|&char| {
            written += written_length(char);
            written <= chars_max
        })
        .count()
}

/// Returns how many characters a text takes as JSON, without its quotes.
fn written_chars(text: &str) -> usize {
    text.chars().map(written_length).sum()
}

fn written_length(char: char) -> usize {
    match char {
        '"' | '\\' | '\n' | '\r' | '\t' => 2,
        control if control < ' ' => 6,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(result: &CallToolResult) -> &str {
        &result.content[0].as_text().unwrap().text
    }

    #[test]
    fn data_and_text_agree_and_fit() {
        let raw = |json: String| Some(RawValue::from_string(json).unwrap());
        let long = "\u{1}\"\n\u{e9}".repeat(20_000);
        let cases = [
            Shown { outcome: "completed", ..Shown::default() },
            Shown { outcome: "completed", value: raw("[1, 2.50]".into()), ..Shown::default() },
            Shown {
                outcome: "completed",
                value: raw(format!("[{}1]", "1,".repeat(30_000))),
                ..Shown::default()
            },
            Shown {
                outcome: "completed",
                value: raw("\"short\"".into()),
                stdout: long.clone(),
                ..Shown::default()
            },
            Shown { outcome: "completed", stderr: long.clone(), stdout: long.clone(), ..Shown::default() },
        ];
        for shown in cases {
            let is_short =
                shown.stdout.is_empty() && shown.value.as_ref().is_none_or(|value| value.get().len() < 100);
            let value = shown.value.clone();
            let result = shown.result(false);
            assert!(fits(&result), "{}", text(&result).len());
            let data: Value = serde_json::from_str(text(&result)).unwrap();
            assert_eq!(Some(&data), result.structured_content.as_ref());
            if is_short {
                let expected: Option<Value> = value.map(|value| serde_json::from_str(value.get()).unwrap());
                assert_eq!(data.get("value"), expected.as_ref());
            }
        }
    }

    #[test]
    fn failures_are_told_within_their_budget() {
        let long = "x\n".repeat(30_000);
        let shown =
            Shown { outcome: "failure", error: format!("begin{long}end"), stdout: long, ..Shown::default() };
        let result = shown.result(true);
        assert_eq!(result.is_error, Some(true));
        assert!(text(&result).chars().count() <= FAILURE_CHARS_MAX);
        assert!(text(&result).starts_with("failure\nbegin") && text(&result).contains("end\n\nstdout:\nx"));
    }

    #[test]
    fn large_integers_keep_their_digits() {
        let value = RawValue::from_string("[123456789012345678901234567890]".into()).unwrap();
        let shown = Shown { outcome: "completed", value: Some(value), ..Shown::default() };
        let result = shown.result(false);
        assert_eq!(result.structured_content.as_ref().unwrap()["value"], "[123456789012345678901234567890]");
        assert!(text(&result).contains(":[123456789012345678901234567890]}"));
    }

    #[test]
    fn parts_share_the_room() {
        assert_eq!(share([1, 2, 3, 4], 10), usize::MAX);
        assert_eq!(share([100, 1, 1, 1], 13), 10);
        assert_eq!(share([100, 100, 0, 0], 20), 10);
        assert_eq!(share([5, 5, 5, 5], 0), 0);
        let text = cut(&"ab".repeat(100), 100);
        assert!(text.starts_with("abab") && text.ends_with("abab") && text.contains("200 characters"));
        assert!(text.len() <= 104);
    }
}
