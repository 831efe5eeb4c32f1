//! The calls of one execution that somebody outside the sandbox must answer. The guest's host functions add and remove
//! them; the sandbox shows them and passes the answers on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::execution::{Answer, Output, WaitingCall};

/// A handle: clones share the calls.
#[derive(Clone, Default)]
pub(crate) struct Outside(Arc<Inner>);

#[derive(Default)]
struct Inner {
    board: Mutex<Board>,
    answered: Notify,
    stuck: Notify,
}

#[derive(Default)]
struct Board {
    waiting: BTreeMap<u32, WaitingCall>,
    answers: Vec<(u32, Answer)>,
    /// What the guest has written, if it waits for nothing else and cannot give its stack back.
    stuck: Option<(Output, Output)>,
}

impl Outside {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.0.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a call that waits.
    pub(crate) fn add(&self, call: WaitingCall) {
        self.board().waiting.insert(call.call, call);
    }

    /// Removes a call because the guest no longer waits for it. Returns whether it was there.
    pub(crate) fn remove(&self, number: u32) -> bool {
        let mut board = self.board();
        board.answers.retain(|(answered, _)| *answered != number);
        board.waiting.remove(&number).is_some()
    }

    /// Returns all calls that wait and have no answer yet, by number.
    pub(crate) fn waiting(&self) -> Vec<WaitingCall> {
        self.board().waiting.values().cloned().collect()
    }

    /// Returns whether any call waits without an answer.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.board().waiting.is_empty()
    }

    /// Answers calls. An answer to a call that does not wait is dropped.
    pub(crate) fn answer(&self, answers: impl IntoIterator<Item = (u32, Answer)>) {
        let mut board = self.board();
        for (number, answer) in answers {
            if board.waiting.remove(&number).is_some() {
                board.answers.push((number, answer));
            }
        }
        board.stuck = None;
        drop(board);
        self.0.answered.notify_waiters();
    }

    /// Returns whether there are answers that the guest has not got.
    pub(crate) fn has_answers(&self) -> bool {
        !self.board().answers.is_empty()
    }

    pub(crate) fn take_answers(&self) -> Vec<(u32, Answer)> {
        std::mem::take(&mut self.board().answers)
    }

    /// Completes when there are answers that the guest has not got.
    pub(crate) async fn answered(&self) {
        loop {
            let next = self.0.answered.notified();
            if !self.board().answers.is_empty() {
                return;
            }
            next.await;
        }
    }

    /// Says that the guest waits in its instance until there is an answer, and what it has written so far.
    pub(crate) fn get_stuck(&self, stdout: Output, stderr: Output) {
        self.board().stuck = Some((stdout, stderr));
        self.0.stuck.notify_waiters();
    }

    /// Completes when the guest waits for nothing but answers and cannot give its stack back. Returns what it has
    /// written so far, once.
    pub(crate) async fn stuck(&self) -> (Output, Output) {
        loop {
            let next = self.0.stuck.notified();
            if let Some(outputs) = self.board().stuck.take() {
                return outputs;
            }
            next.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::execution::WaitsFor;

    #[tokio::test]
    async fn an_answer_reaches_its_call_once() {
        let outside = Outside::default();
        let call = |call| WaitingCall {
            call,
            tool: "a.b".into(),
            arguments: RawValue::from_string("{}".into()).unwrap(),
            waits_for: WaitsFor::Approval,
            line: None,
            prompt: None,
        };
        outside.add(call(3));
        outside.add(call(4));
        let answered = tokio::spawn({
            let outside = outside.clone();
            async move { outside.answered().await }
        });
        outside.answer([(3, Answer::Approve), (3, Answer::Deny("twice".into())), (7, Answer::Approve)]);
        answered.await.unwrap();
        assert_eq!(outside.waiting().iter().map(|call| call.call).collect::<Vec<_>>(), [4]);
        assert!(matches!(*outside.take_answers(), [(3, Answer::Approve)]));
        outside.answer([(4, Answer::Approve)]);
        outside.remove(4);
        assert!(outside.take_answers().is_empty(), "the guest does not wait any more");
    }
}
