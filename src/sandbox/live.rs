//! One execution from its slot to its end: it runs, waits in its instance, is written down, and goes on.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use sealed_store::Share;
use tracing::{debug, warn};

use super::effects::Effects;
use super::records::{Facts, Waiting as WaitingRecord};
use super::tasks::{Place, Stage, Task};
use super::{Shared, Slot, records, reports};
use crate::cancel::CancelHandle;
use crate::error::Error;
use crate::execution::{GuestError, Outcome, Report, Waiting};
use crate::instance::{Cancel, Frozen, GiveUp, Kept, Paused, Progress, Run, Thaw};
use crate::metrics::Present;
use crate::store::Keeping;
use crate::tools::Outside;

/// What the report of an execution says that waited until it expired.
pub(super) const EXPIRED: &str = "Nobody answered in time";

/// An execution that has a slot, or waits without one.
pub(super) struct Live {
    pub(super) shared: Arc<Shared>,
    pub(super) facts: Facts,
    pub(super) cancel: Cancel,
    /// What others can ask about. `None` until the execution waits for the first time, unless nobody waits for it.
    pub(super) place: Option<Place>,
    pub(super) seat: Option<Seat>,
    /// The revision of its record, if it has one.
    pub(super) revision: Option<u64>,
    pub(super) effects: Arc<Effects>,
    pub(super) expires_at: SystemTime,
}

/// A slot, and its place in the metrics.
pub(super) struct Seat {
    // Dropped before the slot, so that the metrics never show more active executions than slots.
    _active: Present,
    pub(super) slot: Slot,
}

impl Seat {
    pub(super) fn new(shared: &Shared, slot: Slot) -> Self {
        Self { _active: shared.metrics.active(), slot }
    }
}

/// What became of an execution.
pub(super) enum Lived {
    Ended(Report),
    /// It waits and was written down, because the process ends. Another process goes on.
    Left(Report),
}

/// Why an execution that waits does not wait any longer.
#[derive(Debug)]
enum Woken {
    ByAnswer,
    ByTimer,
    /// Its wall clock has run out.
    TimedOut,
    Cancelled,
    /// Nobody has answered in time.
    Expired,
    /// Another execution needs its slot, or it has waited long enough in it.
    Parks,
    /// The process ends.
    Closing,
}

impl Live {
    /// Returns an execution that has a slot and has not begun.
    pub(super) fn new(shared: Arc<Shared>, mut facts: Facts, cancel: Cancel, seat: Option<Seat>) -> Self {
        let effects = Effects::new(&shared, facts.id, facts.is_detached, 0);
        facts.grants.effects = Some(effects.clone());
        let expires_at = SystemTime::now() + shared.wait_limits.wait_max;
        Self { shared, facts, cancel, place: None, seat, revision: None, effects, expires_at }
    }

    /// Runs the program from its beginning.
    pub(super) async fn run(mut self, run: Run<'_>) -> Result<(Lived, Option<Seat>), Error> {
        let (shared, cancel) = (self.shared.clone(), self.cancel.clone());
        self.show(Stage::Running);
        let progress = self.watched(shared.template.run(run, &cancel)).await?;
        self.to_its_end(progress).await
    }

    /// Goes on with an execution that was written down.
    pub(super) async fn go_on(
        mut self,
        wakes_at: Option<SystemTime>,
    ) -> Result<(Lived, Option<Seat>), Error> {
        match self.sleep(wakes_at).await? {
            Some(progress) => self.to_its_end(progress).await,
            None => self.leave().await,
        }
    }

    async fn to_its_end(mut self, mut progress: Progress) -> Result<(Lived, Option<Seat>), Error> {
        loop {
            let paused = match progress {
                Progress::Ended(report, kept) => {
                    let report = self.end(report, kept).await?;
                    return Ok((Lived::Ended(report), self.seat));
                }
                Progress::Paused(paused) => paused,
            };
            let Some(next) = self.wait(paused).await? else { return self.leave().await };
            progress = next;
        }
    }

    /// Waits with a paused execution until it has gone on and stopped again. Returns `None` if the process ends.
    async fn wait(&mut self, mut paused: Box<Paused>) -> Result<Option<Progress>, Error> {
        let (outside, since) = (paused.outside(), Instant::now());
        if !outside.has_waiting() && !outside.has_answers() && paused.wakes_after.is_none() {
            return Ok(Some(self.give_up(*paused, GiveUp::Nothing).await));
        }
        if outside.has_waiting() {
            self.show_waiting(paused.report_so_far())?;
        }
        let mut parks_after = Some(self.shared.wait_limits.park_after);
        loop {
            let (wakes_after, wall_time_left) = (paused.wakes_after, paused.wall_time_left());
            match self.woken(&outside, wakes_after, wall_time_left, since, parks_after).await {
                Woken::ByAnswer | Woken::ByTimer => return self.continued(*paused).await.map(Some),
                Woken::TimedOut => return Ok(Some(self.give_up(*paused, GiveUp::WallTime).await)),
                Woken::Cancelled => return Ok(Some(self.give_up(*paused, GiveUp::Cancelled).await)),
                Woken::Expired => return Ok(Some(self.give_up(*paused, GiveUp::Expired).await)),
                Woken::Closing if !self.shared.records.is_durable() => {
                    return Ok(Some(self.give_up(*paused, GiveUp::Cancelled).await));
                }
                Woken::Parks | Woken::Closing => {
                    let wakes_at = paused
                        .wakes_after
                        .map(|after| SystemTime::now() + after.saturating_sub(since.elapsed()));
                    match self.park(*paused, wakes_at).await? {
                        None => return self.sleep(wakes_at).await,
                        // It stays in its instance, because it cannot be written down.
                        Some(still) => (paused, parks_after) = (still, None),
                    }
                }
            }
        }
    }

    /// Completes when an execution that waits in its instance does not any longer.
    async fn woken(
        &self,
        outside: &Outside,
        wakes_after: Option<Duration>,
        wall_time_left: Option<Duration>,
        since: Instant,
        parks_after: Option<Duration>,
    ) -> Woken {
        let shared = &self.shared;
        let left = |time: Duration| time.saturating_sub(since.elapsed());
        let sleep = |time: Option<Duration>| async move {
            match time {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        let expires_in = outside.has_waiting().then(|| until(self.expires_at));
        // While it has answers, it is not worth writing it down.
        let can_park = parks_after.is_some() && self.facts.can_park();
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Woken::Cancelled,
            () = outside.answered() => Woken::ByAnswer,
            () = sleep(wakes_after.map(left)) => Woken::ByTimer,
            () = sleep(wall_time_left) => Woken::TimedOut,
            () = sleep(expires_in) => Woken::Expired,
            () = shared.closing.cancelled(), if can_park || !shared.records.is_durable() => Woken::Closing,
            () = shared.admission.wanted(), if can_park => Woken::Parks,
            () = sleep(parks_after.map(left)), if can_park => Woken::Parks,
        }
    }

    /// Continues a paused execution until it stops again.
    async fn continued(&mut self, paused: Paused) -> Result<Progress, Error> {
        self.show(Stage::Running);
        let (shared, cancel) = (self.shared.clone(), self.cancel.clone());
        self.watched(shared.template.go_on(paused, &cancel)).await
    }

    async fn give_up(&self, paused: Paused, why: GiveUp) -> Progress {
        let mut report = self.shared.template.give_up(paused, why).await;
        if let (GiveUp::Expired, Some(error)) = (why, &mut report.error) {
            error.message = EXPIRED.into();
        }
        Progress::Ended(report, None)
    }

    /// Shows an execution as one that waits if it waits inside `running`, without giving its stack back.
    async fn watched(
        &mut self,
        running: impl Future<Output = Result<Progress, Error>>,
    ) -> Result<Progress, Error> {
        let outside = self.facts.grants.outside.clone();
        let mut running = pin!(running);
        loop {
            tokio::select! {
                biased;
                progress = &mut running => return progress,
                (stdout, stderr) = outside.stuck() => {
                    let report = Report::bare(self.facts.id, Outcome::Waiting, None);
                    self.show_waiting(Report { stdout, stderr, ..report })?;
                }
            }
        }
    }

    fn show(&self, stage: Stage) {
        if let Some(place) = &self.place {
            place.task.set(stage);
        }
    }

    /// Begins an epoch.
    fn show_waiting(&mut self, mut report: Report) -> Result<(), Error> {
        report.usage.memory_bytes_peak = report.usage.memory_bytes_peak.max(self.shared.memory_bytes_min);
        self.expires_at = SystemTime::now() + self.shared.wait_limits.wait_max;
        let task = self.task()?;
        let (calls, expires_at) = (task.outside.waiting(), self.expires_at);
        task.wait(|epoch| Arc::new(Report { waiting: Some(Waiting { epoch, expires_at, calls }), ..report }));
        Ok(())
    }

    /// Returns what others see of the execution, from now on if they did not before.
    fn task(&mut self) -> Result<Arc<Task>, Error> {
        if self.place.is_none() {
            let cancel = self.cancel.own().cloned().unwrap_or_default();
            self.place = Some(self.shared.add_task(&self.facts, cancel, 0)?);
        }
        let place = self.place.as_ref().map(|place| place.task.clone());
        place.ok_or_else(|| Error::internal("an execution has no place among the tasks"))
    }

    /// Writes a paused execution down and gives its slot back. Returns the execution if that is not possible.
    async fn park(
        &mut self,
        paused: Paused,
        wakes_at: Option<SystemTime>,
    ) -> Result<Option<Box<Paused>>, Error> {
        let shared = self.shared.clone();
        if self.effects.parks() >= shared.wait_limits.parks_max {
            warn!(execution_id = %self.facts.id, "an execution was written down as often as it may be; it keeps its slot");
            return Ok(Some(Box::new(paused)));
        }
        let task = self.task()?;
        let status = task.status();
        let report = match status.stage {
            Stage::Waiting(Some(report)) => Some(report),
            _ => None,
        };
        let mut paused = paused;
        let report = report.unwrap_or_else(|| Arc::new(paused.report_so_far()));
        let frozen = match shared.template.freeze(paused, shared.wait_limits.state_bytes_max) {
            Ok(frozen) => frozen.encode(),
            Err((paused, error)) => {
                warn!(execution_id = %self.facts.id, %error, "an execution cannot be written down; it keeps its slot");
                return Ok(Some(paused));
            }
        };
        self.effects.parked().await;
        let record = WaitingRecord {
            facts: &self.facts,
            epoch: status.epoch,
            parks: self.effects.parks(),
            expires_at: self.expires_at,
            report: &reports::encode(&report),
            frozen: &frozen,
        };
        let keeping = Keeping { share: Share::Whole, expires_at: self.kept_until(), wakes_at };
        if let Err(error) = self.put(&record.encode(), keeping).await {
            warn!(execution_id = %self.facts.id, %error, "an execution cannot be written down; it keeps its slot");
            return self.thawed(&frozen).await.map(Box::new).map(Some);
        }
        self.seat = None;
        if matches!(task.status().stage, Stage::Waiting(_)) {
            // Its report is in the record.
            task.forget_report(status.epoch);
        }
        debug!(execution_id = %self.facts.id, bytes = frozen.len(), "an execution was written down");
        Ok(None)
    }

    /// Returns until when the record is of use: the process may be gone for some time after the execution has expired.
    pub(super) fn kept_until(&self) -> SystemTime {
        self.expires_at + self.shared.wait_limits.result_ttl
    }

    pub(super) async fn put(&mut self, bytes: &[u8], keeping: Keeping) -> Result<(), Error> {
        let (records, name) = (&self.shared.records, records::name_of(self.facts.id));
        let revision = match self.revision {
            Some(revision) => records.swap(&name, revision, bytes, keeping).await?,
            None => records.create(&name, bytes, keeping).await?,
        };
        self.revision = Some(revision);
        Ok(())
    }

    /// Waits without an instance and goes on. Returns `None` if the process ends.
    async fn sleep(&mut self, wakes_at: Option<SystemTime>) -> Result<Option<Progress>, Error> {
        let outside = self.facts.grants.outside.clone();
        let sleep = |time: Option<Duration>| async move {
            match time {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        let wall_time_left = self.facts.wall_time_left();
        let expires_in = outside.has_waiting().then(|| until(self.expires_at));
        let woken = tokio::select! {
            biased;
            () = self.cancel.cancelled() => Woken::Cancelled,
            () = outside.answered() => Woken::ByAnswer,
            () = sleep(wakes_at.map(until)) => Woken::ByTimer,
            () = sleep(wall_time_left) => Woken::TimedOut,
            () = sleep(expires_in) => Woken::Expired,
            () = self.shared.closing.cancelled() => Woken::Closing,
        };
        let error = |message: String| Some(GuestError { message, ..GuestError::default() });
        match woken {
            Woken::ByAnswer | Woken::ByTimer => {}
            Woken::Closing if self.shared.records.is_durable() => return Ok(None),
            Woken::TimedOut => {
                let seconds = self.facts.limits.wall_time.as_secs_f64();
                let error = error(format!("Execution exceeded {seconds}s timeout"));
                return self.ended_asleep(Outcome::Timeout, error).await.map(Some);
            }
            Woken::Expired => {
                let error = error(EXPIRED.into());
                return self.ended_asleep(Outcome::Cancelled, error).await.map(Some);
            }
            Woken::Cancelled | Woken::Closing | Woken::Parks => {
                return self.ended_asleep(Outcome::Cancelled, Some(GuestError::cancelled())).await.map(Some);
            }
        }
        self.show(Stage::Queued);
        let slot = tokio::select! {
            slot = self.shared.admission.admit_again(&self.shared.metrics) => slot,
            () = self.cancel.cancelled() => {
                return self.ended_asleep(Outcome::Cancelled, Some(GuestError::cancelled())).await.map(Some);
            }
        };
        let Ok(slot) = slot else {
            // The sandbox is closed. An answer that came meanwhile is on nobody's record: the epoch begins again.
            return Ok(None);
        };
        self.seat = Some(Seat::new(&self.shared, Slot(Some(slot))));
        let record = self.record().await?;
        let paused = self.thawed(record.frozen()).await?;
        self.continued(paused).await.map(Some)
    }

    async fn record(&self) -> Result<records::Opened, Error> {
        let record = self.shared.records.get(&records::name_of(self.facts.id)).await?;
        let record = record.ok_or_else(|| Error::internal("the record of an execution is gone"))?;
        records::Opened::decode(&record.bytes)
    }

    async fn thawed(&self, frozen: &[u8]) -> Result<Paused, Error> {
        let frozen = Frozen::decode(frozen).ok_or(Error::StateDamaged)?;
        let Facts { id, limits, grants, pauses, .. } = &self.facts;
        let (id, limits, grants, pauses) = (*id, *limits, grants.clone(), *pauses);
        let thaw =
            Thaw { id, limits, grants, pauses, keeps: self.facts.state.is_some(), began: self.facts.began() };
        self.shared.template.thaw(frozen, thaw).await
    }

    /// Returns the end of an execution that ends while it is written down.
    async fn ended_asleep(&mut self, outcome: Outcome, error: Option<GuestError>) -> Result<Progress, Error> {
        let report = self.record().await?.report()?;
        Ok(Progress::Ended(Report { outcome, error, waiting: None, ..report }, None))
    }

    /// Keeps what the execution leaves: its interpreter, if it is to be kept, and its report, if somebody may ask for it.
    pub(super) async fn end(&mut self, mut report: Report, kept: Option<Kept>) -> Result<Report, Error> {
        let mut failed = Ok(());
        if let (Some(state), Some(kept)) = (self.facts.state, kept) {
            match self.shared.end_state(state, kept).await {
                Ok(handle) => report.state = Some(handle),
                Err(error) => failed = Err(error),
            }
        }
        let has_waited = self.place.as_ref().is_some_and(|place| place.task.status().epoch > 0);
        if has_waited || self.facts.is_detached || self.revision.is_some() {
            let keeping = Keeping::within(Share::Whole, self.shared.wait_limits.result_ttl);
            let record = records::ended(&reports::encode(&report));
            if let Err(error) = self.put(&record, keeping).await {
                warn!(execution_id = %self.facts.id, %error, "the report of an execution cannot be kept");
            }
            self.effects.forget(&self.shared).await;
        }
        self.show(Stage::Ended(Arc::new(report.clone())));
        failed.map(|()| report)
    }

    /// Leaves the execution to another process.
    async fn leave(self) -> Result<(Lived, Option<Seat>), Error> {
        let report = self.record().await?.report()?;
        Ok((Lived::Left(report), None))
    }
}

impl Shared {
    /// Lets others ask about an execution.
    pub(super) fn add_task(&self, facts: &Facts, cancel: CancelHandle, epoch: u32) -> Result<Place, Error> {
        let task = Task::new(facts.id, &facts.grants, cancel, epoch);
        self.tasks.add(task, self.wait_limits.waiting_max)
    }
}

fn until(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::now()).unwrap_or_default()
}
