//! The executions that others can ask about: those that wait for somebody outside, and those that nobody waits for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::value::RawValue;
use tokio::sync::watch;

use crate::cancel::CancelHandle;
use crate::error::Error;
use crate::execution::{Answer, EventSink, ExecutionId, Listener, Report, WaitsFor};
use crate::tools::{CallerTools, Grants, Outside, ReplyChecks};

/// Executions by id.
#[derive(Default)]
pub(super) struct Tasks(Mutex<HashMap<ExecutionId, Arc<Task>>>);

/// What others see of one execution.
pub(super) struct Task {
    pub(super) id: ExecutionId,
    /// The calls that it waits for.
    pub(super) outside: Outside,
    /// Who is told what happens.
    listener: Option<Listener>,
    /// The tools that its caller answers itself, unless they are in the records.
    of_caller: Mutex<Option<Arc<CallerTools>>>,
    /// The next epoch.
    next_epoch: AtomicU32,
    /// Cancels it.
    pub(super) cancel: CancelHandle,
    status: watch::Sender<Status>,
}

/// How far an execution is.
#[derive(Clone)]
pub(super) struct Status {
    /// How often it has waited.
    pub(super) epoch: u32,
    pub(super) stage: Stage,
}

#[derive(Clone)]
pub(super) enum Stage {
    /// For a slot.
    Queued,
    Running,
    /// For somebody outside. The report is in the records if it is not here.
    Waiting(Option<Arc<Report>>),
    Ended(Arc<Report>),
    /// The host failed, or has stopped before it ended; what it needs to go on is in the records.
    Gone,
}

impl Tasks {
    fn all(&self) -> MutexGuard<'_, HashMap<ExecutionId, Arc<Task>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, id: ExecutionId) -> Option<Arc<Task>> {
        self.all().get(&id).cloned()
    }

    pub(super) fn list(&self) -> Vec<Arc<Task>> {
        self.all().values().cloned().collect()
    }

    /// Adds an execution until the returned place is dropped.
    ///
    /// # Errors
    ///
    /// [`Error::CallerLimit`] if there are `max` already.
    pub(super) fn add(self: &Arc<Self>, task: Task, max: usize) -> Result<Place, Error> {
        let mut all = self.all();
        let is_open = |task: &&Arc<Task>| !matches!(task.status().stage, Stage::Ended(_) | Stage::Gone);
        if all.len() >= max && all.values().filter(is_open).count() >= max {
            let way_out = "answer or cancel some of them first";
            return Err(Error::CallerLimit { what: "executions that wait", limit: max, way_out });
        }
        let task = Arc::new(task);
        all.insert(task.id, task.clone());
        Ok(Place { tasks: self.clone(), task })
    }
}

/// The place of an execution among the others. When it is dropped, nobody can ask about the execution any more.
pub(super) struct Place {
    tasks: Arc<Tasks>,
    pub(super) task: Arc<Task>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.tasks.all().remove(&self.task.id);
        self.task.status.send_if_modified(|status| {
            let is_open = !matches!(status.stage, Stage::Ended(_) | Stage::Gone);
            if is_open {
                status.stage = Stage::Gone;
            }
            is_open
        });
    }
}

impl Task {
    pub(super) fn new(id: ExecutionId, grants: &Grants, cancel: CancelHandle, epoch: u32) -> Self {
        let status = watch::Sender::new(Status { epoch, stage: Stage::Queued });
        let Grants { outside, listener, of_caller, .. } = grants.clone();
        let (of_caller, next_epoch) = (Mutex::new(of_caller), AtomicU32::new(epoch + 1));
        Self { id, outside, listener, of_caller, next_epoch, cancel, status }
    }

    /// Returns whom it tells what happens.
    pub(super) fn listener(&self) -> Option<Listener> {
        self.listener.clone()
    }

    pub(super) fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    pub(super) fn waits_in(&self, epoch: u32) -> bool {
        let status = self.status();
        status.epoch == epoch && matches!(status.stage, Stage::Waiting(_))
    }

    pub(super) fn set(&self, stage: Stage) {
        self.status.send_modify(|status| status.stage = stage);
    }

    /// Begins the next epoch, in which the execution waits. Returns its report.
    pub(super) fn wait(&self, report: impl FnOnce(u32) -> Arc<Report>) -> Arc<Report> {
        let epoch = self.next_epoch.fetch_add(1, Ordering::Relaxed);
        let report = report(epoch);
        let stage = Stage::Waiting(Some(report.clone()));
        self.status.send_modify(|status| *status = Status { epoch, stage });
        report
    }

    /// Leaves out epochs that another process may have begun after its last record.
    pub(super) fn skip_epochs(&self) {
        const SKIPPED: u32 = 1 << 16;
        self.next_epoch.fetch_add(SKIPPED, Ordering::Relaxed);
    }

    /// Sets the tools that the caller answers itself, or `None` while they are in the records.
    pub(super) fn set_tools(&self, tools: Option<Arc<CallerTools>>) {
        *self.of_caller.lock().unwrap_or_else(PoisonError::into_inner) = tools;
    }

    /// Returns whether the tools are in the records that answers are checked against.
    pub(super) fn lacks_tools(&self) -> bool {
        let waits_for_caller = self.outside.waiting().iter().any(|call| call.waits_for == WaitsFor::Caller);
        waits_for_caller && self.of_caller.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Drops the report of an execution that waits, because it is in the records.
    pub(super) fn forget_report(&self) {
        self.status.send_if_modified(|status| {
            if matches!(status.stage, Stage::Waiting(_)) {
                status.stage = Stage::Waiting(None);
            }
            false
        });
    }

    /// Completes when the execution waits in a later epoch than `epoch`, or has ended.
    pub(super) async fn beyond(&self, epoch: u32) -> Status {
        let mut statuses = self.status.subscribe();
        let is_beyond = |status: &Status| match status.stage {
            Stage::Queued | Stage::Running => false,
            Stage::Waiting(_) => status.epoch > epoch,
            Stage::Ended(_) | Stage::Gone => true,
        };
        match statuses.wait_for(is_beyond).await {
            Ok(status) => status.clone(),
            Err(_) => Status { epoch, stage: Stage::Gone },
        }
    }

    /// Checks answers.
    ///
    /// # Errors
    ///
    /// [`Error::Answer`] for the first that cannot be taken.
    pub(super) fn check(&self, answers: &[(u32, Answer)]) -> Result<(), Error> {
        let mut checks = ReplyChecks::default();
        if answers.is_empty() {
            return Err(Error::Contradiction { why: "There is no answer; answer at least one call".into() });
        }
        let waiting = self.outside.waiting();
        for (number, answer) in answers {
            let fault = |why: String| Error::Answer { call: *number, why };
            let call = waiting.iter().find(|call| call.call == *number);
            let call = call.ok_or_else(|| fault("does not wait for an answer".into()))?;
            match (call.waits_for, answer) {
                (WaitsFor::Caller, Answer::Reply(reply)) => {
                    self.check_reply(&call.tool, reply, &mut checks).map_err(fault)?;
                }
                (waits_for, answer) if waits_for != answer.is_from() => {
                    let takes = match waits_for {
                        WaitsFor::Caller => "waits for its caller: `reply` or `error`",
                        WaitsFor::Approval => "waits for approval: `approve` or `deny`",
                    };
                    return Err(fault(takes.into()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn check_reply(&self, tool: &str, reply: &RawValue, checks: &mut ReplyChecks) -> Result<(), String> {
        let tools = self.of_caller.lock().unwrap_or_else(PoisonError::into_inner).clone();
        tools.map_or(Ok(()), |tools| tools.check_reply(tool, reply, checks))
    }

    /// Answers calls if the execution waits in `epoch`. Of several that answer the same epoch, one succeeds.
    /// Its next events go to `events`, if there is such a sink.
    pub(super) fn answer(&self, epoch: u32, answers: Vec<(u32, Answer)>, events: Option<EventSink>) -> bool {
        let is_first = self.status.send_if_modified(|status| {
            let waits = status.epoch == epoch && matches!(status.stage, Stage::Waiting(_));
            if waits {
                status.stage = Stage::Running;
            }
            waits
        });
        if is_first {
            if let (Some(listener), Some(events)) = (&self.listener, events) {
                listener.set(Some(events));
            }
            self.outside.answer(answers);
        }
        is_first
    }
}
