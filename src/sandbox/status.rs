//! What others can see of executions that live on without the call that started them.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::time::Duration;

use super::records::{self, Opened};
use super::tasks::{Stage, Status};
use super::{Sandbox, Shared};
use crate::error::Error;
use crate::execution::{ExecutionId, Report, WaitingCall, WaitsFor};
use crate::limits::TIME_MAX;

/// How many executions that have ended a list has.
const ENDED_LISTED_MAX: usize = 100;

/// How far an execution is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ExecutionStatus {
    /// It waits for a slot.
    Queued,
    /// The program runs.
    Running,
    /// It waits for somebody outside: a report of what it has done so far and what it waits for.
    Waiting(Box<Report>),
    /// It has ended.
    Ended(Box<Report>),
}

impl ExecutionStatus {
    /// Returns the stable name for answers: `queued`, `running`, `waiting` or `ended`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting(_) => "waiting",
            Self::Ended(_) => "ended",
        }
    }

    /// Returns its report, if it waits or has ended.
    #[must_use]
    pub fn into_report(self) -> Option<Report> {
        match self {
            Self::Queued | Self::Running => None,
            Self::Waiting(report) | Self::Ended(report) => Some(*report),
        }
    }
}

/// An execution in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecutionInfo {
    /// Its id.
    pub id: ExecutionId,
    /// `queued`, `running`, `waiting` or `ended`.
    pub status: &'static str,
}

/// A call that waits for approval.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WaitingApproval {
    /// The execution that makes it.
    pub execution: ExecutionId,
    /// The epoch in which it can be answered.
    pub epoch: u32,
    /// The call.
    pub call: WaitingCall,
}

impl Sandbox {
    /// Returns how far an execution is.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownExecution`] if there is no such execution, or if its report is not kept any more.
    pub async fn status(&self, id: ExecutionId) -> Result<ExecutionStatus, Error> {
        match self.0.shared.tasks.get(id) {
            Some(task) => self.0.shared.status_of(id, task.status()).await,
            None => self.0.shared.ended(id).await.map(|report| ExecutionStatus::Ended(Box::new(report))),
        }
    }

    /// Returns how far an execution is, once it waits in a later epoch than `epoch` or has ended, or after `time`.
    ///
    /// # Errors
    ///
    /// As for [`Sandbox::status`].
    pub async fn wait(&self, id: ExecutionId, epoch: u32, time: Duration) -> Result<ExecutionStatus, Error> {
        let Some(task) = self.0.shared.tasks.get(id) else { return self.status(id).await };
        tokio::select! {
            status = task.beyond(epoch) => self.0.shared.status_of(id, status).await,
            () = tokio::time::sleep(time.min(TIME_MAX)) => self.status(id).await,
        }
    }

    /// Cancels an execution. Does nothing if it has ended.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownExecution`] if there is no such execution.
    pub async fn cancel(&self, id: ExecutionId) -> Result<(), Error> {
        match self.0.shared.tasks.get(id) {
            Some(task) => task.cancel.cancel(),
            None => drop(self.0.shared.ended(id).await?),
        }
        Ok(())
    }

    /// Returns the executions that wait or that nobody waits for, and those that ended lately.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the store fails.
    pub async fn executions(&self) -> Result<Vec<ExecutionInfo>, Error> {
        let shared = &self.0.shared;
        let open = shared.tasks.list().into_iter().map(|task| {
            let status = match task.status().stage {
                Stage::Queued => "queued",
                Stage::Running => "running",
                Stage::Waiting(_) => "waiting",
                Stage::Ended(_) | Stage::Gone => "ended",
            };
            ExecutionInfo { id: task.id, status }
        });
        let mut all: Vec<_> = open.collect();
        let known: HashSet<ExecutionId> = all.iter().map(|info| info.id).collect();
        let mut ended = shared.records.list(records::PREFIX).await?;
        // The last ones to end expire last.
        ended.sort_unstable_by_key(|record| Reverse(record.expires_at));
        let ids = ended.iter().filter_map(|record| record.name.strip_prefix(records::PREFIX)?.parse().ok());
        let ended = ids.filter(|id| !known.contains(id)).take(ENDED_LISTED_MAX);
        all.extend(ended.map(|id| ExecutionInfo { id, status: "ended" }));
        Ok(all)
    }

    /// Returns all calls that wait for approval.
    #[must_use]
    pub fn approvals(&self) -> Vec<WaitingApproval> {
        let mut approvals = Vec::new();
        for task in self.0.shared.tasks.list() {
            let Status { epoch, stage } = task.status();
            if matches!(stage, Stage::Waiting(_)) {
                let calls = task.outside.waiting().into_iter();
                let calls = calls.filter(|call| call.waits_for == WaitsFor::Approval);
                approvals.extend(calls.map(|call| WaitingApproval { execution: task.id, epoch, call }));
            }
        }
        approvals
    }
}

impl Shared {
    pub(super) async fn status_of(&self, id: ExecutionId, status: Status) -> Result<ExecutionStatus, Error> {
        Ok(match status.stage {
            Stage::Queued => ExecutionStatus::Queued,
            Stage::Running => ExecutionStatus::Running,
            Stage::Waiting(Some(report)) => ExecutionStatus::Waiting(Box::new(Report::clone(&report))),
            Stage::Waiting(None) => ExecutionStatus::Waiting(Box::new(self.recorded(id).await?.report()?)),
            Stage::Ended(report) => ExecutionStatus::Ended(Box::new(Report::clone(&report))),
            Stage::Gone => match self.recorded(id).await? {
                opened if opened.has_ended() => ExecutionStatus::Ended(Box::new(opened.report()?)),
                opened => ExecutionStatus::Waiting(Box::new(opened.report()?)),
            },
        })
    }

    /// Returns the report of an execution that has ended.
    pub(super) async fn ended(&self, id: ExecutionId) -> Result<Report, Error> {
        let opened = self.recorded(id).await?;
        if opened.has_ended() { opened.report() } else { Err(Error::UnknownExecution { id }) }
    }

    pub(super) async fn recorded(&self, id: ExecutionId) -> Result<Opened, Error> {
        let record = self.records.get(&records::name_of(id)).await?;
        Opened::decode(&record.ok_or(Error::UnknownExecution { id })?.bytes)
    }
}
