//! Two sandboxes with different tools in one process, on both kinds of runtime; spans below the caller's.

#![allow(clippy::unwrap_used)]

use std::sync::Mutex;

use ai_code_executor::{Error, Outcome};
use embedder::{analyse, room};
use serde_json::json;
use tracing::span::{Attributes, Id};
use tracing::{Instrument, Subscriber, info_span};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

const PROGRAM: &str = "import room\nawait room.temperature() > limit";

async fn sandboxes_are_independent() {
    let rooms = [room(18.5).unwrap(), room(24.0).unwrap()];
    for (room, warm) in rooms.iter().zip(["false", "true"]) {
        let report = analyse(room, PROGRAM, "limit", &json!(21)).await.unwrap();
        assert_eq!(report.outcome, Outcome::Completed, "{report:?}");
        assert_eq!(report.value.unwrap().get(), warm);
    }
    let report = analyse(&rooms[0], "1 / zero", "zero", &json!(0)).await.unwrap();
    assert!(report.error.unwrap().to_string().starts_with("ZeroDivisionError"));
    let error = analyse(&rooms[0], "import os", "unused", &json!(0)).await.unwrap_err();
    assert!(matches!(error, Error::Rejected(findings) if findings[0].line == 1));
}

#[tokio::test]
async fn on_one_thread() {
    sandboxes_are_independent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_many_threads() {
    sandboxes_are_independent().await;
}

/// Spans, each with the one around it.
static SPANS: Mutex<Vec<(&str, Option<&str>)>> = Mutex::new(Vec::new());

struct Collector;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Collector {
    fn on_new_span(&self, _: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        SPANS.lock().unwrap().push((span.name(), span.parent().map(|parent| parent.name())));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_stand_below_the_callers() {
    tracing_subscriber::registry().with(Collector).init();
    let room = room(20.0).unwrap();
    let limit = json!(21);
    let request = analyse(&room, PROGRAM, "limit", &limit).instrument(info_span!("request"));
    assert_eq!(request.await.unwrap().outcome, Outcome::Completed);
    let spans = SPANS.lock().unwrap();
    for nested in [("request", None), ("execution", Some("request")), ("tool_call", Some("execution"))] {
        assert!(spans.contains(&nested), "{nested:?}: {spans:?}");
    }
}
