//! Answers that come as it happens: one JSON object a line (`application/x-ndjson`).

use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;

use super::answer::Memory;
use super::budget::{Account, Held};
use super::refusal::Refusal;
use super::routes::written;
use super::wire::{ExecuteResponse, WaitingDetail};
use crate::error::Error;
use crate::execution::{Event, Events, Report};

const NDJSON: &str = "application/x-ndjson";

/// Returns whether the request asks for such an answer.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut types = accepted.flat_map(|value| value.split(','));
    types.any(|range| range.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(NDJSON))
}

/// What is still to come of an answer.
struct Rest {
    events: Events,
    first: Option<Event>,
    running: Option<AbortOnDropHandle<Result<Report, Error>>>,
    account: Arc<Account>,
    /// The memory of the request, until the program has ended.
    held: Option<Held>,
}

/// Runs the program and answers with its events, the last of which is the end. If it is refused before it begins, the
/// answer is the refusal. The program is cancelled when the peer goes away.
pub(super) async fn respond(
    running: impl Future<Output = Result<Report, Error>> + Send + 'static,
    mut events: Events,
    account: Arc<Account>,
    held: Held,
) -> Result<Response, Refusal> {
    let mut running = AbortOnDropHandle::new(tokio::spawn(running));
    let first = tokio::select! {
        biased;
        Some(first) = events.next() => Some(first),
        ended = &mut running => match flat(ended) {
            Ok(report) => {
                // It ended without any event.
                running = AbortOnDropHandle::new(tokio::spawn(async { Ok(report) }));
                None
            }
            Err(error) => return Err(error.into()),
        },
    };
    let rest = Rest { events, first, running: Some(running), account, held: Some(held) };
    let lines = stream::unfold(rest, |mut rest| async { rest.line().await.map(|line| (line, rest)) });
    let headers = [(header::CONTENT_TYPE, NDJSON), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Extension(Memory::Stream), Body::from_stream(lines)).into_response())
}

fn flat(ended: Result<Result<Report, Error>, JoinError>) -> Result<Report, Error> {
    ended.unwrap_or_else(|error| Err(Error::internal("the execution panicked").caused_by(error)))
}

impl Rest {
    /// Returns the next line.
    async fn line(&mut self) -> Option<Result<Bytes, std::io::Error>> {
        let running = self.running.as_mut()?;
        let event = match self.first.take() {
            Some(first) => Some(first),
            None => self.events.next().await,
        };
        if let Some(event) = event {
            return Some(Ok(line_of(&json_of(event))));
        }
        // The events end before the program's report is there.
        let ended = flat(running.await);
        (self.running, self.held) = (None, None);
        Some(self.end(ended).await)
    }

    /// Returns the last lines.
    async fn end(&self, ended: Result<Report, Error>) -> Result<Bytes, std::io::Error> {
        #[derive(Serialize)]
        struct End {
            event: &'static str,
            answer: ExecuteResponse,
        }
        let report = match ended {
            Ok(report) => report,
            Err(error) => return Ok(line_of(&Refusal::from(error).as_event())),
        };
        let waiting = report.waiting.clone().map(|waiting| {
            let mut waiting = json!(WaitingDetail::from(waiting));
            waiting["event"] = json!("waiting");
            waiting
        });
        let to_write = report.stdout.text.len() + report.stderr.text.len();
        let answer = ExecuteResponse::from(report);
        let bytes_max = answer.json_bytes_max();
        let end = End { event: "end", answer };
        let written = written(end, bytes_max, to_write, &self.account).await;
        let (mut json, _held) = match written {
            Ok(written) => written,
            Err(refusal) => return Ok(line_of(&refusal.as_event())),
        };
        json.push(b'\n');
        let mut lines = waiting.map(|waiting| line_of(&waiting).to_vec()).unwrap_or_default();
        lines.append(&mut json);
        Ok(lines.into())
    }
}

fn json_of(event: Event) -> serde_json::Value {
    match event {
        Event::Started(id) => json!({"event": "started", "execution_id": id.to_string()}),
        Event::Stdout(text) => json!({"event": "stdout", "text": text}),
        Event::Stderr(text) => json!({"event": "stderr", "text": text}),
        Event::ToolBegin { call, tool } => {
            json!({"event": "tool", "call": call, "tool": tool, "phase": "begin"})
        }
        Event::ToolEnd { call, tool, time, bytes } => {
            let ms = time.as_secs_f64() * 1e3;
            json!({"event": "tool", "call": call, "tool": tool, "phase": "end", "ms": ms, "bytes": bytes})
        }
    }
}

fn line_of(json: &serde_json::Value) -> Bytes {
    let mut line = json.to_string();
    line.push('\n');
    line.into()
}
