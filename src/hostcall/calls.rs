//! The tool calls of one execution. The guest starts them, the host runs many at once, and `wait` collects them.
//!
//! A guest can start calls faster than it collects them, so everything that a call keeps on the host is bounded: each
//! message, all messages together, the calls in flight and the replies that wait. A call is in flight until the guest
//! collects it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{AbortHandle, JoinSet, spawn_blocking};
use tokio::time::sleep;
use tracing::Instrument;

use super::clock::thread_cpu_time;
use super::wire::{self, Message};
use crate::cancel::{EndGuard, EndSignal};
use crate::execution::ExecutionId;
use crate::limits::Limits;
use crate::tools::{Begun, Caller, Effort, Grants, ReplyBudget, ReplyShare, UNREADABLE};

/// Maximum size of the messages of all calls in flight together. Parsed JSON can take a hundred times as much memory.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Maximum number of uncollected replies that say which budget a call exceeds. Further calls get no reply.
const DENIED_MAX: usize = 64;

/// Of the calls that exceed a budget, after the first: longer messages are not parsed, and their replies do not name
/// the tool.
const DENIED_BYTES_READ_MAX: usize = 4 << 10;

/// The calls of one execution. Dropping it aborts those in flight.
pub(super) struct Calls {
    caller: Arc<Caller>,
    budget: u32,
    started: Arc<AtomicU32>,
    in_flight: Arc<Semaphore>,
    reply_budget: ReplyBudget,
    running: JoinSet<Completion>,
    /// The calls in `running` that the guest has not cancelled, by id.
    awaited: HashMap<u32, Awaited>,
    /// Completions that are ready: one that did not fit into the guest's buffer, and calls that exceed a budget.
    ready: VecDeque<Completion>,
    next_id: u32,
    message_bytes: usize,
    has_denied: bool,
    cpu_time_elsewhere: Arc<AtomicU64>,
    /// Tells the tools that the execution has ended.
    _end: EndGuard,
}

struct Awaited {
    task: AbortHandle,
    message_bytes: usize,
}

/// A finished call, ready for the guest.
struct Completion {
    id: u32,
    reply: Vec<u8>,
    _share: Option<Arc<ReplyShare>>,
    _under_way: Option<OwnedSemaphorePermit>,
}

impl Calls {
    pub(super) fn new(execution: ExecutionId, limits: &Limits, grants: Grants) -> Self {
        let (end, end_guard) = EndSignal::new();
        Self {
            started: grants.started.clone(),
            caller: Arc::new(Caller::new(execution, limits, grants, end)),
            budget: limits.tool_calls_max,
            in_flight: Arc::new(Semaphore::new(
                limits.tool_calls_in_flight_max.clamp(1, Semaphore::MAX_PERMITS),
            )),
            reply_budget: ReplyBudget::new(limits.tool_reply_bytes_max),
            running: JoinSet::new(),
            awaited: HashMap::new(),
            ready: VecDeque::new(),
            next_id: 0,
            message_bytes: 0,
            has_denied: false,
            cpu_time_elsewhere: Arc::default(),
            _end: end_guard,
        }
    }

    pub(super) fn started(&self) -> u32 {
        self.started.load(Ordering::Relaxed)
    }

    /// Returns the CPU time, in nanoseconds, that threads other than those that poll the guest have spent on the
    /// arguments of its calls.
    pub(super) fn cpu_time_elsewhere(&self) -> Arc<AtomicU64> {
        self.cpu_time_elsewhere.clone()
    }

    /// Starts or cancels the call in `message`, and returns its id.
    ///
    /// Returns `None` if the guest continues to exceed a budget without collecting the replies. All other errors in a
    /// call are reported in its reply.
    ///
    /// Waits while another thread checks large arguments. The guest waits too, so there is one such check at a time.
    pub(super) async fn take(&mut self, message: &[u8]) -> Option<u32> {
        let exhausted = self.exhausted(message.len());
        // When a budget is exhausted, parse only small messages: the message may still be a cancellation.
        let is_read = match exhausted {
            None => true,
            Some(_) if self.has_denied => message.len() <= DENIED_BYTES_READ_MAX,
            Some(_) => message.len() <= MESSAGE_BYTES_MAX,
        };
        let read = is_read.then(|| wire::decode_message(message));
        if let Some(Ok(Message::Cancel { id })) = read {
            self.cancel(id);
            return Some(id & i32::MAX.cast_unsigned());
        }
        if let Some(why) = exhausted {
            return match &read {
                Some(Ok(Message::Call { tool, .. } | Message::Refused { tool, .. })) => self.deny(tool, &why),
                _ => self.deny(UNREADABLE, &why),
            };
        }
        let begun = match read? {
            Ok(Message::Call { tool, arguments }) => self.begin(&tool, arguments).await,
            Ok(Message::Refused { tool, why }) => self.caller.refuse(&tool, &why),
            Ok(Message::Cancel { .. }) => return None,
            Err(why) => self.caller.unreadable(&why),
        };
        let id = self.new_id()?;
        self.start(id, begun, message.len());
        Some(id)
    }

    async fn begin(&self, tool: &str, arguments: &RawValue) -> Begun {
        match self.caller.begin(tool, arguments.get(), &Effort::Brief) {
            Ok(begun) => begun,
            Err(_) => self.begin_elsewhere(tool, arguments).await,
        }
    }

    /// Checks the arguments in another thread, whose CPU time counts as the execution's. The check stops soon after
    /// this future is dropped.
    async fn begin_elsewhere(&self, tool: &str, arguments: &RawValue) -> Begun {
        let waiting = Arc::new(());
        let effort = Effort::Full(Arc::downgrade(&waiting));
        let (caller, cpu_time) = (self.caller.clone(), self.cpu_time_elsewhere.clone());
        let (path, arguments) = (tool.to_owned(), arguments.to_owned());
        let begun = spawn_blocking(move || {
            let before = thread_cpu_time();
            let begun = caller.begin(&path, arguments.get(), &effort);
            let spent = thread_cpu_time().saturating_sub(before);
            cpu_time.fetch_add(u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
            begun
        });
        let begun = begun.await;
        drop(waiting);
        // The closure runs unless the runtime is shutting down.
        begun.ok().and_then(Result::ok).unwrap_or_else(|| self.caller.not_begun(tool))
    }

    fn start(&mut self, id: u32, begun: Begun, message_bytes: usize) {
        self.started.fetch_add(1, Ordering::Relaxed);
        self.message_bytes += message_bytes;
        let (caller, in_flight, share) =
            (self.caller.clone(), self.in_flight.clone(), self.reply_budget.share());
        let span = begun.span(id);
        let call = async move {
            // The semaphore is never closed. If it were, the call would run without a permit.
            let under_way = in_flight.acquire_owned().await.ok();
            let reply = wire::encode_reply(&caller.finish(id, begun, share.clone()).await);
            Completion { id, reply, _share: Some(share), _under_way: under_way }
        };
        let task = self.running.spawn(call.instrument(span));
        self.awaited.insert(id, Awaited { task, message_bytes });
    }

    /// Aborts a call, which frees its permit for another. Ignores an id that is not in flight.
    fn cancel(&mut self, id: u32) {
        if let Some(awaited) = self.awaited.remove(&id) {
            awaited.task.abort();
            self.message_bytes -= awaited.message_bytes;
        }
    }

    /// Returns why one more call would exceed a budget, or `None` if it fits.
    fn exhausted(&self, message_bytes: usize) -> Option<String> {
        if self.started() >= self.budget {
            return Some(format!("the budget of {} tool calls is exhausted", self.budget));
        }
        (self.message_bytes + message_bytes > MESSAGE_BYTES_MAX).then(|| {
            format!(
                "the budget of {MESSAGE_BYTES_MAX} bytes for the arguments of calls under way is exhausted: \
                 pass less, or gather fewer calls at a time"
            )
        })
    }

    /// Answers a call that is not made. Only the first one of an execution is logged, because their number has no
    /// bound.
    fn deny(&mut self, tool: &str, why: &str) -> Option<u32> {
        let error = self.caller.deny(tool, why, !self.has_denied);
        self.has_denied = true;
        if self.ready.len() >= DENIED_MAX {
            return None;
        }
        let id = self.new_id()?;
        let reply = wire::encode_reply(&Err(error));
        self.ready.push_back(Completion { id, reply, _share: None, _under_way: None });
        Some(id)
    }

    /// Returns a new id. Ids stay below 2³¹, because the guest reads negative ones as errors.
    fn new_id(&mut self) -> Option<u32> {
        let id = self.next_id;
        self.next_id = id.checked_add(1).filter(|next| i32::try_from(*next).is_ok())?;
        Some(id)
    }

    /// Waits until a call has completed or `timeout_ns` is over (negative: no limit), and encodes as many completions
    /// as fit into `cap` bytes.
    ///
    /// # Errors
    ///
    /// The next completion alone does not fit; the error is its size in bytes.
    pub(super) async fn wait(&mut self, timeout_ns: i64, cap: usize) -> Result<Vec<u8>, usize> {
        let mut buffer = Vec::new();
        let mut next = match self.ready.pop_front() {
            Some(completion) => Some(completion),
            None => self.next(timeout_ns).await,
        };
        while let Some(completion) = next {
            let bytes = wire::completion_len(&completion.reply);
            if buffer.len() + bytes > cap {
                self.ready.push_front(completion);
                return if buffer.is_empty() { Err(bytes) } else { Ok(buffer) };
            }
            wire::encode_completion(completion.id, &completion.reply, &mut buffer);
            next = self.ready.pop_front().or_else(|| self.try_join());
        }
        Ok(buffer)
    }

    async fn next(&mut self, timeout_ns: i64) -> Option<Completion> {
        let next = match u64::try_from(timeout_ns) {
            Err(_) => Some(self.join().await),
            // Poll without a timer: even one of zero duration takes a millisecond.
            Ok(0) => {
                if !self.running.is_empty() {
                    tokio::task::yield_now().await;
                }
                return self.try_join();
            }
            Ok(timeout_ns) => tokio::select! {
                biased;
                completion = self.join() => Some(completion),
                () = sleep(Duration::from_nanos(timeout_ns)) => None,
            },
        };
        if next.is_some() && !self.running.is_empty() {
            // Let calls that are about to complete do so first: the guest's event loop handles a batch of completions
            // at little more cost than one.
            tokio::task::yield_now().await;
        }
        next
    }

    async fn join(&mut self) -> Completion {
        loop {
            match self.running.join_next().await {
                Some(Ok(completion)) if self.take_awaited(&completion) => return completion,
                // The call was aborted, or cancelled after it had completed. (A call's task does not panic.)
                Some(_) => {}
                // No call is running: only the timeout can end this wait.
                None => std::future::pending().await,
            }
        }
    }

    fn try_join(&mut self) -> Option<Completion> {
        loop {
            match self.running.try_join_next()? {
                Ok(completion) if self.take_awaited(&completion) => return Some(completion),
                _ => {}
            }
        }
    }

    /// Removes a completed call from the calls in flight. Returns whether the guest still waits for it.
    fn take_awaited(&mut self, completion: &Completion) -> bool {
        let awaited = self.awaited.remove(&completion.id);
        self.message_bytes -= awaited.as_ref().map_or(0, |awaited| awaited.message_bytes);
        awaited.is_some()
    }
}

#[cfg(test)]
mod tests {
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
        let completions = calls.wait(-1, 1000).await.unwrap();
        assert_eq!((completions[0], completions.len()), (1, 8 + br#"{"ok":[]}"#.len()));
        calls.take(br#"{"cancel": 1}"#).await;
        assert_eq!(calls.wait(1000, 1000).await, Ok(Vec::new()));
        assert_eq!((calls.started(), calls.message_bytes, calls.awaited.len()), (2, 0, 0));
    }

    #[test]
    fn a_wait_of_zero_duration_needs_no_timer() {
        let without_timers = tokio::runtime::Builder::new_current_thread().build().unwrap();
        without_timers.block_on(async {
            let mut calls = calls(2);
            assert_eq!(calls.wait(0, 1000).await, Ok(Vec::new()));
            calls.running.spawn(std::future::pending());
            assert_eq!(calls.wait(0, 1000).await, Ok(Vec::new()));
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
            let reply = calls.wait(-1, 1000).await.unwrap();
            let reply = String::from_utf8_lossy(&reply[8..]).into_owned();
            assert!(reply.contains("ToolArgumentError") && reply.contains("cannot be read"), "{reply}");
        }
        calls.take(br#"{"tool": "x", "refused": "because"}"#).await;
        let reply = calls.wait(-1, 1000).await.unwrap();
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
        let replies = calls.wait(-1, 1 << 20).await.unwrap();
        let words = "'?' was not called: the budget of 0 tool calls is exhausted";
        assert_eq!(String::from_utf8_lossy(&replies).matches(words).count(), DENIED_MAX);
        let next = u32::try_from(DENIED_MAX).unwrap();
        assert_eq!((calls.started(), calls.take(&large).await), (0, Some(next)));
    }
}
