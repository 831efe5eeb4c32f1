//! Two sandboxes with different tools in one process, on both kinds of runtime.

#![allow(clippy::unwrap_used)]

use ai_code_executor::{Error, Outcome};
use embedder::{analyse, room};
use serde_json::json;

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
