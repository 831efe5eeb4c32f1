//! The tool calls of one execution. The guest starts them, the host runs many at once, and `wait` collects them.
//!
//! A guest can start calls faster than it collects them, so everything that a call keeps on the host is bounded: each
//! message, all messages together, the calls in flight and the replies that wait. A call is in flight until the guest
//! collects it.

mod record;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{AbortHandle, JoinSet, spawn_blocking};
use tokio::time::sleep;
use tracing::Instrument;

use super::clock::thread_cpu_time;
use super::wire::{self, Message};
use crate::cancel::{EndGuard, EndSignal};
use crate::execution::{Answer, ExecutionId, PlannedCall, WaitsFor};
use crate::limits::Limits;
use crate::tools::{
    Answered, Begun, Caller, Effort, Given, Grants, Made, Outside, ReplyBudget, ReplyShare, UNREADABLE,
};

pub(super) use record::CallsRecord;

/// Maximum size of the messages of all calls in flight together. Parsed JSON can take a hundred times as much memory.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Maximum number of uncollected replies that say which budget a call exceeds. Further calls get no reply.
const DENIED_MAX: usize = 64;

/// Of the calls that exceed a budget, after the first: longer messages are not parsed, and their replies do not name
/// the tool.
const DENIED_BYTES_READ_MAX: usize = 4 << 10;

/// Why a call that needs approval is denied where the program cannot wait for it.
const CANNOT_WAIT: &str = "it needs approval, and the program cannot wait for that inside a function that runs an event \
    loop of its own: write `await main()` at the top level instead of calling a function that calls `asyncio.run`";

/// The calls of one execution. Dropping it aborts those in flight.
pub(super) struct Calls {
    caller: Arc<Caller>,
    budget: u32,
    started: Arc<AtomicU32>,
    in_flight: Arc<Semaphore>,
    reply_budget: ReplyBudget,
    running: JoinSet<Finished>,
    /// The calls in `running` that the guest has not cancelled, by id.
    awaited: HashMap<u32, Awaited>,
    /// The calls that somebody outside must answer, by id.
    held: BTreeMap<u32, Held>,
    outside: Outside,
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

/// A call that waits for somebody outside.
struct Held {
    begun: Begun,
    message_bytes: usize,
}

/// How the task of a call ended.
enum Finished {
    Completed(Completion),
    /// Somebody must approve the call first.
    Asks(u32, Begun),
}

impl Finished {
    fn id(&self) -> u32 {
        match self {
            Self::Completed(completion) => completion.id,
            Self::Asks(id, _) => *id,
        }
    }
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
            outside: grants.outside.clone(),
            caller: Arc::new(Caller::new(execution, limits, grants, end)),
            budget: limits.tool_calls_max,
            in_flight: Arc::new(Semaphore::new(
                limits.tool_calls_in_flight_max.clamp(1, Semaphore::MAX_PERMITS),
            )),
            reply_budget: ReplyBudget::new(limits.tool_reply_bytes_max),
            running: JoinSet::new(),
            awaited: HashMap::new(),
            held: BTreeMap::new(),
            ready: VecDeque::new(),
            next_id: 0,
            message_bytes: 0,
            has_denied: false,
            cpu_time_elsewhere: Arc::default(),
            _end: end_guard,
        }
    }

    pub(super) fn grants(&self) -> &Grants {
        self.caller.grants()
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
        let mut begun = match read? {
            Ok(Message::Call { tool, arguments, line }) => {
                let given = Given { path: &tool, arguments: arguments.get(), line };
                self.begin(given).await
            }
            Ok(Message::Refused { tool, why }) => self.caller.refuse(&tool, &why),
            Ok(Message::Cancel { .. }) => return None,
            Err(why) => self.caller.unreadable(&why),
        };
        let id = self.new_id()?;
        self.started.fetch_add(1, Ordering::Relaxed);
        self.message_bytes += message.len();
        if self.caller.is_for_caller(id, &mut begun) {
            self.caller.begin_effect(&mut begun).await;
            self.hold(id, begun, message.len(), WaitsFor::Caller);
        } else {
            self.start(id, begun, message.len());
        }
        Some(id)
    }

    async fn begin(&self, given: Given<'_>) -> Begun {
        match self.caller.begin(given, &Effort::Brief) {
            Ok(begun) => begun,
            Err(_) => self.begin_elsewhere(given).await,
        }
    }

    /// Checks the arguments in another thread, whose CPU time counts as the execution's. The check stops soon after
    /// this future is dropped.
    async fn begin_elsewhere(&self, given: Given<'_>) -> Begun {
        let Given { path: tool, arguments, line } = given;
        let waiting = Arc::new(());
        let effort = Effort::Full(Arc::downgrade(&waiting));
        let (caller, cpu_time) = (self.caller.clone(), self.cpu_time_elsewhere.clone());
        let (path, arguments) = (tool.to_owned(), arguments.to_owned());
        let begun = spawn_blocking(move || {
            let before = thread_cpu_time();
            let begun = caller.begin(Given { path: &path, arguments: &arguments, line }, &effort);
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
        let (caller, in_flight, share) =
            (self.caller.clone(), self.in_flight.clone(), self.reply_budget.share());
        let span = begun.span(id);
        let call = async move {
            // The semaphore is never closed. If it were, the call would run without a permit.
            let under_way = in_flight.acquire_owned().await.ok();
            match caller.finish(id, begun, share.clone()).await {
                Made::Replied(reply) => {
                    let reply = wire::encode_reply(&reply);
                    Finished::Completed(Completion { id, reply, _share: Some(share), _under_way: under_way })
                }
                Made::Asks(begun) => Finished::Asks(id, begun),
            }
        };
        let task = self.running.spawn(call.instrument(span));
        self.awaited.insert(id, Awaited { task, message_bytes });
    }

    /// Keeps a call until somebody outside answers it, and shows it there.
    fn hold(&mut self, id: u32, begun: Begun, message_bytes: usize, waits_for: WaitsFor) {
        match begun.waiting(id, waits_for) {
            Some(call) => {
                self.held.insert(id, Held { begun, message_bytes });
                self.outside.add(call);
            }
            None => self.start(id, begun, message_bytes),
        }
    }

    pub(super) fn outside(&self) -> &Outside {
        &self.outside
    }

    /// Returns whether nothing is under way in the host and nothing is ready for the guest.
    pub(super) fn is_idle(&self) -> bool {
        self.awaited.is_empty() && self.ready.is_empty()
    }

    /// Takes the answers that came from outside: replies become ready, approved calls start.
    pub(super) fn take_answers(&mut self) {
        for (id, answer) in self.outside.take_answers() {
            self.answer(id, answer);
        }
    }

    fn answer(&mut self, id: u32, answer: Answer) {
        let Some(Held { begun, message_bytes }) = self.held.remove(&id) else { return };
        let share = self.reply_budget.share();
        match self.caller.answer(begun, answer, &share) {
            Answered::MayBeMade(begun) => self.start(id, begun, message_bytes),
            Answered::Replied(reply) => {
                self.message_bytes -= message_bytes;
                let reply = wire::encode_reply(&reply);
                self.ready.push_back(Completion { id, reply, _share: Some(share), _under_way: None });
            }
        }
    }

    /// Denies the calls that need approval, because the program cannot wait for it.
    pub(super) fn deny_approvals(&mut self) {
        for call in self.outside.waiting().into_iter().filter(|call| call.waits_for == WaitsFor::Approval) {
            self.outside.remove(call.call);
            self.answer(call.call, Answer::Deny(CANNOT_WAIT.into()));
        }
    }

    /// Says that the calls that wait outside go on in another instance.
    pub(super) fn leave(&mut self) {
        self.held.values_mut().for_each(|held| held.begun.leave());
    }

    pub(super) fn take_plan(&mut self) -> Option<Vec<PlannedCall>> {
        self.caller.take_plan()
    }

    /// Aborts a call, which frees its permit for another. Ignores an id that is not in flight.
    fn cancel(&mut self, id: u32) {
        if let Some(held) = self.held.remove(&id) {
            self.outside.remove(id);
            self.message_bytes -= held.message_bytes;
        }
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
    /// as fit into `cap` bytes. Returns `None` if a call has begun to wait for somebody outside, or was answered.
    ///
    /// # Errors
    ///
    /// The next completion alone does not fit; the error is its size in bytes.
    pub(super) async fn wait(&mut self, timeout_ns: i64, cap: usize) -> Result<Option<Vec<u8>>, usize> {
        let mut buffer = Vec::new();
        let mut next = match self.ready.pop_front() {
            Some(completion) => Some(completion),
            None => match self.next(timeout_ns).await {
                Next::Completed(completion) => Some(completion),
                Next::TimedOut => None,
                Next::Outside => return Ok(None),
            },
        };
        while let Some(completion) = next {
            let bytes = wire::completion_len(&completion.reply);
            if buffer.len() + bytes > cap {
                self.ready.push_front(completion);
                return if buffer.is_empty() { Err(bytes) } else { Ok(Some(buffer)) };
            }
            wire::encode_completion(completion.id, &completion.reply, &mut buffer);
            next = self.ready.pop_front().or_else(|| self.try_join());
        }
        Ok(Some(buffer))
    }

    async fn next(&mut self, timeout_ns: i64) -> Next {
        let next = match u64::try_from(timeout_ns) {
            Err(_) => self.join().await,
            // Poll without a timer: even one of zero duration takes a millisecond.
            Ok(0) => {
                if !self.running.is_empty() {
                    tokio::task::yield_now().await;
                }
                return self.try_join().map_or(Next::TimedOut, Next::Completed);
            }
            Ok(timeout_ns) => tokio::select! {
                biased;
                next = self.join() => next,
                () = sleep(Duration::from_nanos(timeout_ns)) => Next::TimedOut,
            },
        };
        if matches!(next, Next::Completed(_)) && !self.running.is_empty() {
            // Let calls that are about to complete do so first: the guest's event loop handles a batch of completions
            // at little more cost than one.
            tokio::task::yield_now().await;
        }
        next
    }

    async fn join(&mut self) -> Next {
        let outside = self.outside.clone();
        loop {
            let finished = tokio::select! {
                biased;
                finished = self.running.join_next(), if !self.running.is_empty() => finished,
                () = outside.answered(), if !self.held.is_empty() => return Next::Outside,
                // Nothing is under way: only the timeout can end this wait.
                else => std::future::pending().await,
            };
            // A task that was aborted does not count. (A call's task does not panic.)
            if let Some(Ok(finished)) = finished {
                match self.finished(finished) {
                    Some(completion) => return Next::Completed(completion),
                    None if self.is_idle() && !self.held.is_empty() => return Next::Outside,
                    None => {}
                }
            }
        }
    }

    fn try_join(&mut self) -> Option<Completion> {
        loop {
            if let Ok(finished) = self.running.try_join_next()?
                && let Some(completion) = self.finished(finished)
            {
                return Some(completion);
            }
        }
    }

    /// Removes a call from those in flight. Returns its completion if it has one and the guest still waits for it.
    fn finished(&mut self, finished: Finished) -> Option<Completion> {
        let Awaited { message_bytes, .. } = self.awaited.remove(&finished.id())?;
        match finished {
            Finished::Completed(completion) => {
                self.message_bytes -= message_bytes;
                Some(completion)
            }
            Finished::Asks(id, begun) => {
                self.hold(id, begun, message_bytes, WaitsFor::Approval);
                None
            }
        }
    }
}

/// What ended a wait.
enum Next {
    Completed(Completion),
    TimedOut,
    /// A call has begun to wait for somebody outside, or was answered.
    Outside,
}

#[cfg(test)]
mod tests;
