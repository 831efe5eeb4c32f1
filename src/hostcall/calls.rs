//! The tool calls of one execution: started by the guest, run on the host, many at once, collected in `wait`.
//!
//! A guest can start calls faster than it collects them, so everything that a call keeps on the host is bounded: its
//! message and all messages together, the calls under way (a call is under way until it is collected), and the replies
//! that wait.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::wire;
use crate::execution::ExecutionId;
use crate::limits::Limits;
use crate::tools::{Caller, Grants, Room, Share};

/// Messages of calls that have been started and not collected yet, together. Parsed, JSON can take a hundred times as
/// much memory.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Dropping it aborts the calls still under way.
pub(super) struct Calls {
    caller: Arc<Caller>,
    budget: u32,
    in_flight: Arc<Semaphore>,
    room: Room,
    running: JoinSet<Completion>,
    /// A completion that did not fit into the guest's buffer.
    held: Option<Completion>,
    started: u32,
    message_bytes: usize,
}

/// A finished call, ready for the guest.
struct Completion {
    id: u32,
    reply: Vec<u8>,
    message_bytes: usize,
    _share: Arc<Share>,
    _under_way: Option<OwnedSemaphorePermit>,
}

impl Calls {
    pub(super) fn new(execution: ExecutionId, limits: &Limits, grants: Grants) -> Self {
        Self {
            caller: Arc::new(Caller::new(execution, limits, grants)),
            budget: limits.tool_calls_max,
            in_flight: Arc::new(Semaphore::new(
                limits.tool_calls_in_flight_max.clamp(1, Semaphore::MAX_PERMITS),
            )),
            room: Room::new(limits.tool_reply_bytes_max),
            running: JoinSet::new(),
            held: None,
            started: 0,
            message_bytes: 0,
        }
    }

    pub(super) fn started(&self) -> u32 {
        self.started
    }

    /// Starts the call in `message` and returns its id; `None` when the budget does not allow it. Whatever else is
    /// wrong with a call is said in its reply.
    pub(super) fn start(&mut self, message: &[u8]) -> Option<u32> {
        let message_bytes = message.len();
        if self.started == self.budget || self.message_bytes + message_bytes > MESSAGE_BYTES_MAX {
            return None;
        }
        let id = self.started;
        self.started += 1;
        self.message_bytes += message_bytes;
        let begun = match wire::decode_call(message) {
            Ok(call) => self.caller.begin(&call.tool, call.arguments.get()),
            Err(error) => self.caller.refuse(&error.to_string()),
        };
        let (caller, in_flight, share) = (self.caller.clone(), self.in_flight.clone(), self.room.share());
        self.running.spawn(async move {
            // The semaphore is never closed; were it, the call would run all the same.
            let under_way = in_flight.acquire_owned().await.ok();
            let reply = wire::encode_reply(&caller.finish(begun, share.clone()).await);
            Completion { id, reply, message_bytes, _share: share, _under_way: under_way }
        });
        Some(id)
    }

    /// Waits until a call has completed or `timeout_ns` is over (negative: no limit), and encodes as many completions
    /// as fit into `cap` bytes. `Err` is the size that the next one alone needs.
    pub(super) async fn wait(&mut self, timeout_ns: i64, cap: usize) -> Result<Vec<u8>, usize> {
        let mut buffer = Vec::new();
        let mut next = match self.held.take() {
            Some(held) => Some(held),
            None => self.next(timeout_ns).await,
        };
        while let Some(completion) = next {
            let bytes = wire::completion_len(&completion.reply);
            if buffer.len() + bytes > cap {
                self.held = Some(completion);
                return if buffer.is_empty() { Err(bytes) } else { Ok(buffer) };
            }
            wire::encode_completion(completion.id, &completion.reply, &mut buffer);
            self.message_bytes -= completion.message_bytes;
            next = self.running.try_join_next().and_then(Result::ok);
        }
        Ok(buffer)
    }

    async fn next(&mut self, timeout_ns: i64) -> Option<Completion> {
        let joined = async {
            match self.running.join_next().await {
                Some(Ok(completion)) => completion,
                // Nothing is in flight: only the timeout can end this wait. (A call's task does not panic, nor is it
                // aborted while this exists.)
                None | Some(Err(_)) => std::future::pending().await,
            }
        };
        let next = match u64::try_from(timeout_ns) {
            Err(_) => Some(joined.await),
            Ok(timeout_ns) => tokio::select! {
                biased;
                completion = joined => Some(completion),
                () = sleep(Duration::from_nanos(timeout_ns)) => None,
            },
        };
        if next.is_some() && !self.running.is_empty() {
            // Calls that are as good as ready get to their end first: the guest's event loop takes many at once for
            // little more than what it takes one.
            tokio::task::yield_now().await;
        }
        next
    }
}
