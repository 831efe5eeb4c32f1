//! Executions that live on without the call that started them: they return when they wait, are answered, and go on in another
//! process.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Instant, SystemTime};

use sealed_store::Share;
use tokio::task::{JoinHandle, spawn_blocking};
use tracing::Instrument;

use super::accept::Accepted;
use super::audit::AuditRecord;
use super::editions::Edition;
use super::live::{Live, Lived, Seat};
use super::records::{self, Facts};
use super::tasks::{Stage, Status, Task};
use super::{Admitted, Sandbox, Shared, Slot, flatten};
use crate::cancel::CancelHandle;
use crate::error::Error;
use crate::execution::{
    Answer, Event, EventSink, Execution, ExecutionId, GuestError, OnWait, Outcome, Report,
};
use crate::instance::{Cancel, GiveUp, Kept, Run};
use crate::store::Keeping;

/// Larger answers are not checked on their caller's thread.
const LARGE_BYTES: usize = 16 << 10;

/// Cancels an execution when it is dropped, unless it is disarmed.
struct CancelOnDrop(Option<CancelHandle>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(handle) = &self.0 {
            handle.cancel();
        }
    }
}

impl Sandbox {
    /// Starts an execution that nobody waits for, and returns its id once it was checked. [`Sandbox::status`] tells how
    /// far it is. It goes on after a crash of the process if the sandbox has a store on disk and no effect has begun.
    ///
    /// # Errors
    ///
    /// Those of [`Sandbox::run`], apart from [`Error::Busy`]: it waits for a slot.
    pub async fn start(&self, execution: Execution) -> Result<ExecutionId, Error> {
        let (id, shared) = (ExecutionId::random(), self.0.shared.clone());
        if !self.is_open() {
            return Err(Error::ShuttingDown);
        }
        shared.records.check()?;
        let mut record = AuditRecord::new(&shared.metrics, id, &execution, shared.log_code);
        let code = execution.code.clone();
        let accepted = match self.accept(shared.edition(), execution, &mut record).await {
            Ok(accepted) => accepted,
            Err(error) => {
                record.end(Err(&error));
                return Err(error);
            }
        };
        let sandbox = self.clone();
        // Not cut off in the middle: what is on record runs.
        let begun = self.spawn(async move {
            match sandbox.begin_detached(id, accepted, &code, &record).await {
                Ok((live, accepted)) => sandbox.spawn(shared.run_detached(live, accepted, record)).map(drop),
                Err(error) => {
                    record.end(Err(&error));
                    Err(error)
                }
            }
        })?;
        flatten(begun.await)?;
        Ok(id)
    }

    async fn begin_detached(
        &self,
        id: ExecutionId,
        mut accepted: Accepted,
        code: &str,
        record: &AuditRecord,
    ) -> Result<(Live, Accepted), Error> {
        let shared = &self.0.shared;
        accepted.execution.on_wait = OnWait::Return;
        // A state that is not there is an error now, not later.
        shared.state_before(&accepted.execution).await?;
        let mut facts = shared.facts(id, &mut accepted, Arc::default());
        facts.is_detached = true;
        (facts.code_sha256, facts.code_bytes) = (record.code_sha256.clone(), code.len());
        let mut live = shared.place(
            facts,
            accepted.edition.base.id(),
            accepted.execution.cancel_handle.as_ref(),
            0,
            shared.wait_limits.waiting_max,
        )?;
        let keeping = Keeping { share: Share::Whole, expires_at: live.kept_until(), wakes_at: None };
        live.put(&records::begins(&live.facts, code, &accepted.execution), keeping).await?;
        Ok((live, accepted))
    }

    /// Runs an execution that may wait for somebody outside, until it ends, or waits and is to return then.
    pub(super) async fn run_until_it_waits(
        &self,
        edition: Arc<Edition>,
        id: ExecutionId,
        execution: Execution,
        mut record: AuditRecord,
    ) -> Result<(Report, Slot), Error> {
        let (shared, begun) = (&self.0.shared, Instant::now());
        let (handle, code_bytes) = (execution.cancel_handle.clone(), execution.code.len());
        let returns = execution.returns_when_waiting();
        let placed = async {
            let mut admitted = self.admit(edition, execution, &mut record).await?;
            let started = Arc::<AtomicU32>::default();
            record.start(&started);
            let mut facts = shared.facts(id, &mut admitted.accepted, started);
            (facts.code_sha256, facts.code_bytes) = (record.code_sha256.clone(), code_bytes);
            // Who holds the connection is bounded by the connections.
            let max = if returns { shared.wait_limits.waiting_max } else { usize::MAX };
            let live = shared.place(facts, admitted.accepted.edition.base.id(), handle.as_ref(), 0, max)?;
            Ok((live, admitted))
        };
        let (mut live, admitted) = match CancelHandle::unless_cancelled(handle.as_ref(), placed).await {
            None => return Ok((Report::cancelled_while_queued(id, begun.elapsed()), Slot(None))),
            Some(Ok(placed)) => placed,
            Some(Err(error)) => {
                record.end(Err(&error));
                return Err(error);
            }
        };
        let Admitted { accepted, after, permit, queue } = admitted;
        live.seat = Some(Seat::new(shared, Slot(Some(permit))));
        let (task, listener) = (live.place.task.clone(), live.facts.grants.listener.clone());
        if let Some(listener) = &listener {
            listener.send(Event::Started(id));
        }
        // Whoever waits for the answer may go away until there is one.
        let mut guard = CancelOnDrop(Some(task.cancel.clone()));
        let running = self.spawn(shared.clone().run_placed(live, accepted, after, record))?;
        let waits = async {
            let status = task.beyond(0).await;
            match status.stage {
                Stage::Waiting(_) => shared.status_of(id, status).await,
                // The other future tells the end.
                _ => std::future::pending().await,
            }
        };
        let mut report = tokio::select! {
            biased;
            joined = running => flatten(joined)?,
            status = waits, if returns => status?.into_report().ok_or(Error::ShuttingDown)?,
        };
        guard.0 = None;
        // The events end with this report.
        listener.inspect(|listener| listener.set(None));
        report.stages.queue = queue;
        Ok((report, Slot(None)))
    }

    /// Answers calls of an execution that waits in `epoch`, and returns its next report: when it waits again or has
    /// ended. Calls that are left out go on waiting. The events until then go to `events`. Dropping the future does not
    /// affect the execution.
    ///
    /// # Errors
    ///
    /// - [`Error::UnknownExecution`] if there is no such execution.
    /// - [`Error::StaleEpoch`] if it does not wait in this epoch. Of several that answer the same epoch, one succeeds.
    /// - [`Error::Answer`] and [`Error::Contradiction`] if an answer cannot be taken, and [`Error::Busy`] if the
    ///   execution would have to wait for a slot in a full queue. The execution goes on waiting then.
    pub async fn resume(
        &self,
        id: ExecutionId,
        epoch: u32,
        answers: Vec<(u32, Answer)>,
        events: Option<EventSink>,
    ) -> Result<Report, Error> {
        let task = self.answer_to(id, epoch, answers, events.clone()).await?;
        // Not by its id: without a store, nobody knows it any more once it has ended.
        let status = self.0.shared.status_of(id, task.beyond(epoch).await).await;
        // The events end with this report.
        if let (Some(listener), Some(events)) = (task.listener(), events) {
            listener.clear(&events);
        }
        match status?.into_report() {
            Some(report) => Ok(report),
            None => Err(Error::ShuttingDown),
        }
    }

    /// Does what [`Sandbox::resume`] does, but does not wait for the next report.
    ///
    /// # Errors
    ///
    /// As for [`Sandbox::resume`].
    pub async fn answer(
        &self,
        id: ExecutionId,
        epoch: u32,
        answers: Vec<(u32, Answer)>,
    ) -> Result<(), Error> {
        self.answer_to(id, epoch, answers, None).await.map(drop)
    }

    /// Returns the execution that was answered.
    async fn answer_to(
        &self,
        id: ExecutionId,
        epoch: u32,
        answers: Vec<(u32, Answer)>,
        events: Option<EventSink>,
    ) -> Result<Arc<Task>, Error> {
        let shared = &self.0.shared;
        if !self.is_open() {
            return Err(Error::ShuttingDown);
        }
        let Some(task) = shared.tasks.get(id) else {
            let current = shared.ended(id).await?;
            let has_expired = |error: &GuestError| error.kind.is_empty() && error.message == GiveUp::EXPIRED;
            if current.outcome == Outcome::Cancelled && current.error.as_ref().is_some_and(has_expired) {
                return Err(Error::Expired);
            }
            return Err(Error::StaleEpoch { current: Some(Box::new(current)) });
        };
        let Status { epoch: current, stage } = task.status();
        if current == epoch && matches!(stage, Stage::Waiting(_)) {
            if task.lacks_tools() {
                task.set_tools(shared.recorded(id).await?.caller_tools()?);
            }
            let answers = match checked(&task, answers).await {
                Ok(answers) => answers,
                // Somebody else may have answered meanwhile.
                Err(_) if !task.waits_in(epoch) => return Err(self.stale(id).await?),
                Err(error) => return Err(error),
            };
            if matches!(stage, Stage::Waiting(None)) && shared.admission.is_full() {
                return Err(Error::Busy { queued: shared.admission.waiting() });
            }
            if task.answer(epoch, answers, events) {
                return Ok(task);
            }
        }
        Err(self.stale(id).await?)
    }

    async fn stale(&self, id: ExecutionId) -> Result<Error, Error> {
        let current = self.status(id).await?.into_report().map(Box::new);
        Ok(Error::StaleEpoch { current })
    }

    /// Spawns `work` on the guests' threads. It goes on when the handle is dropped.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<JoinHandle<T>, Error> {
        let runtime = self.0.runtime.as_ref().ok_or(Error::ShuttingDown)?;
        Ok(runtime.spawn(self.0.tasks.track_future(work).in_current_span()))
    }
}

impl Shared {
    fn facts(&self, id: ExecutionId, accepted: &mut Accepted, started: Arc<AtomicU32>) -> Facts {
        let Accepted { execution, of_caller, edition, .. } = accepted;
        let grants = self.grants(edition, execution, of_caller.clone(), started);
        Facts::new(id, &accepted.execution, grants, accepted.edition.pauses_for(&accepted.execution))
    }

    /// Lets others ask about an execution, and cancel it. `handle` cancels it too. Its interpreter begins as the image with
    /// the id `image`.
    pub(super) fn place(
        self: &Arc<Self>,
        facts: Facts,
        image: &Arc<str>,
        handle: Option<&CancelHandle>,
        epoch: u32,
        waiting_max: usize,
    ) -> Result<Live, Error> {
        let own = handle.map(CancelHandle::child).unwrap_or_default();
        let task = Task::new(facts.id, &facts.grants, own.clone(), epoch);
        let place = self.tasks.add(task, waiting_max)?;
        Ok(Live::new(self.clone(), facts, image.clone(), Cancel::new(self.cancel.clone(), Some(own)), place))
    }

    pub(super) async fn run_detached(
        self: Arc<Self>,
        mut live: Live,
        accepted: Accepted,
        mut audit: AuditRecord,
    ) {
        let end = |mut live: Live, audit: AuditRecord, report: Report| async move {
            audit.end(Ok(&live.end(report, None).await));
        };
        let id = live.facts.id;
        let slot = tokio::select! {
            slot = self.admission.admit_again(&self.metrics) => slot,
            () = live.cancel.cancelled() => {
                let report = Report::cancelled_while_queued(id, live.facts.begun.elapsed());
                return end(live, audit, report).await;
            }
        };
        let Ok(slot) = slot else {
            // The sandbox is closed. The record says that it has not begun.
            return audit.leave();
        };
        audit.start(&live.facts.grants.started);
        live.seat = Some(Seat::new(&self, Slot(Some(slot))));
        let after = match self.state_before(&accepted.execution).await {
            Ok(after) => after,
            Err(error) => {
                let error = GuestError { message: error.to_string(), ..GuestError::default() };
                let report = Report::bare(id, Outcome::Failure, Some(error));
                return end(live, audit, report).await;
            }
        };
        // Whoever asks gets it from the record.
        let _ = self.run_placed(live, accepted, after, audit).await;
    }

    async fn run_placed(
        self: Arc<Self>,
        live: Live,
        accepted: Accepted,
        after: Option<Kept>,
        audit: AuditRecord,
    ) -> Result<Report, Error> {
        let Accepted { source, execution, edition, .. } = accepted;
        let Facts { id, grants, pauses, .. } = live.facts.clone();
        let run = Run {
            id,
            base: &edition.base,
            source: &source,
            execution: &execution,
            grants,
            in_callers_thread: false,
            pauses,
            after: after.as_ref(),
        };
        self.audited(audit, live.run(run).await)
    }

    pub(super) async fn sleep_on(
        self: Arc<Self>,
        live: Live,
        wakes_at: Option<SystemTime>,
        audit: AuditRecord,
    ) {
        // Whoever asks gets it from the record.
        let _ = self.audited(audit, live.go_on(wakes_at).await);
    }

    fn audited(&self, audit: AuditRecord, lived: Result<Lived, Error>) -> Result<Report, Error> {
        let ended = match lived {
            Ok(Lived::Left(report)) => {
                audit.leave();
                return Ok(report);
            }
            Ok(Lived::Ended(report)) => self.checked(report),
            Err(error) => Err(error),
        };
        audit.end(ended.as_ref());
        ended
    }
}

/// Checks answers. Large ones are checked on a thread of their own.
async fn checked(task: &Arc<Task>, answers: Vec<(u32, Answer)>) -> Result<Vec<(u32, Answer)>, Error> {
    let bytes = |(_, answer): &(u32, Answer)| match answer {
        Answer::Reply(reply) => reply.get().len(),
        _ => 0,
    };
    if answers.iter().map(bytes).sum::<usize>() <= LARGE_BYTES {
        return task.check(&answers).map(|()| answers);
    }
    let task = task.clone();
    flatten(spawn_blocking(move || task.check(&answers).map(|()| answers)).await)
}
