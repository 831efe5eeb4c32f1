//! The calls of one execution, without a guest.

#![allow(clippy::unwrap_used)]

use super::*;

fn calls(tool_calls_max: u32) -> Calls {
    let limits = Limits { tool_calls_max, ..Limits::default() };
    Calls::new(ExecutionId::random(), &limits, Grants::default())
}

#[tokio::test]
async fn cancelling_unknown_calls_is_harmless() {
    let mut calls = calls(2);
    let question = br#"{"tool": "tools.search", "arguments": {"query": ""}}"#;
    assert_eq!((calls.take(question).await, calls.take(question).await), (Some(0), Some(1)));
    for id in ["7", "4294967295", "2147483648", "0", "0"] {
        let cancelled = calls.take(format!("{{\"cancel\": {id}}}").as_bytes()).await.unwrap();
        assert!(cancelled <= i32::MAX.cast_unsigned());
    }
    // Call 1 is left. Cancelling it after it has been collected has no effect.
    let completions = calls.wait(-1, 1000).await.unwrap().unwrap();
    assert_eq!((completions[0], completions.len()), (1, 8 + br#"{"ok":[]}"#.len()));
    calls.take(br#"{"cancel": 1}"#).await;
    assert_eq!(calls.wait(1000, 1000).await, Ok(Some(Vec::new())));
    assert_eq!((calls.started(), calls.message_bytes, calls.awaited.len()), (2, 0, 0));
}

#[test]
fn a_wait_of_zero_duration_needs_no_timer() {
    let without_timers = tokio::runtime::Builder::new_current_thread().build().unwrap();
    without_timers.block_on(async {
        let mut calls = calls(2);
        assert_eq!(calls.wait(0, 1000).await, Ok(Some(Vec::new())));
        calls.running.spawn(std::future::pending());
        assert_eq!(calls.wait(0, 1000).await, Ok(Some(Vec::new())));
    });
}

#[tokio::test]
async fn malformed_messages_are_answered() {
    let mut calls = calls(100);
    let cases: [&[u8]; 10] = [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        br#"{"cancel": -1}"#,
        br#"{"cancel": 4294967296}"#,
        br#"{"cancel": "1"}"#,
        br#"{"cancel": 1, "tool": "x"}"#,
        br#"{"tool": "x"}"#,
        br#"{"tool": "x", "arguments": {}, "refused": "y"}"#,
    ];
    for message in cases {
        assert!(calls.take(message).await.is_some());
        let reply = calls.wait(-1, 1000).await.unwrap().unwrap();
        let reply = String::from_utf8_lossy(&reply[8..]).into_owned();
        assert!(reply.contains("ToolArgumentError") && reply.contains("cannot be read"), "{reply}");
    }
    calls.take(br#"{"tool": "x", "refused": "because"}"#).await;
    let reply = calls.wait(-1, 1000).await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&reply).contains("Tool 'x' is not granted to this execution"));
}

#[tokio::test]
async fn replies_to_calls_beyond_the_budget_are_bounded() {
    let mut calls = calls(0);
    let large = vec![b' '; MESSAGE_BYTES_MAX + 1];
    let mut denied = 0;
    for _ in 0..1000 {
        denied += usize::from(calls.take(&large).await.is_some());
    }
    assert_eq!(denied, DENIED_MAX);
    let replies = calls.wait(-1, 1 << 20).await.unwrap().unwrap();
    let words = "'?' was not called: the budget of 0 tool calls is exhausted";
    assert_eq!(String::from_utf8_lossy(&replies).matches(words).count(), DENIED_MAX);
    let next = u32::try_from(DENIED_MAX).unwrap();
    assert_eq!((calls.started(), calls.take(&large).await), (0, Some(next)));
}
