//! One execution from its slot to its end: it runs, waits in its instance, is written down, and goes on.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sealed_store::Share;
use tracing::{debug, warn};

use super::effects::Effects;
use super::records::{Facts, Waiting as WaitingRecord};
use super::tasks::{Place, Stage};
use super::{Shared, Slot, records, reports};
use crate::error::Error;
use crate::execution::{GuestError, Outcome, Output, Report, Waiting};
use crate::instance::{Cancel, Frozen, GiveUp, Kept, Paused, Progress, Run, Template, Thaw};
use crate::limits::TIME_MAX;
use crate::metrics::Present;
use crate::store::Keeping;
use crate::tools::Outside;

/// An execution that has a slot, or waits without one.
pub(super) struct Live {
    pub(super) shared: Arc<Shared>,
    pub(super) facts: Facts,
    pub(super) cancel: Cancel,
    /// What others can ask about.
    pub(super) place: Place,
    pub(super) seat: Option<Seat>,
    /// The revision of its record, if it has one.
    pub(super) revision: Option<u64>,
    /// The id of the image that its interpreter began as.
    pub(super) image: Arc<str>,
    pub(super) effects: Arc<Effects>,
    pub(super) expires_at: SystemTime,
    /// The report that others see while it waits.
    pub(super) shown: Option<Arc<Report>>,
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

/// What an execution waits for, and until when.
struct Waits {
    outside: Outside,
    wakes_at: Option<SystemTime>,
    expires_at: SystemTime,
    /// When it is written down, if that is possible.
    parks_at: Option<SystemTime>,
    /// Until when it may keep a slot in which it waits, because it cannot be written down.
    keeps_until: Option<SystemTime>,
}

/// Why an execution that waits does not wait any longer.
#[derive(Debug)]
enum Woken {
    ByAnswer,
    ByTimer,
    /// Its wall clock has run out.
    TimedOut,
    Cancelled,
    /// Nobody has answered in time, or it sleeps for too long.
    Expired,
    /// Another execution needs its slot, or it has waited long enough in it.
    Parks,
    /// The process ends.
    Closing,
}

impl Live {
    /// Returns an execution that has not begun.
    pub(super) fn new(
        shared: Arc<Shared>,
        mut facts: Facts,
        image: Arc<str>,
        cancel: Cancel,
        place: Place,
    ) -> Self {
        let effects = Effects::new(&shared, facts.id, facts.is_detached, 0);
        facts.grants.effects = Some(effects.clone());
        let expires_at = SystemTime::now() + shared.wait_limits.wait_max;
        let (revision, seat, shown) = (None, None, None);
        Self { shared, facts, cancel, place, seat, revision, image, effects, expires_at, shown }
    }

    /// Runs the program from its beginning.
    pub(super) async fn run(mut self, run: Run<'_>) -> Result<Lived, Error> {
        if let Some(kept) = run.after {
            self.image = kept.base.id().clone();
        }
        let (shared, cancel) = (self.shared.clone(), self.cancel.clone());
        self.place.task.set(Stage::Running);
        let lived = match self.watched(shared.template.run(run, &cancel)).await {
            Ok(progress) => self.until_its_end(progress).await,
            Err(error) => Err(error),
        };
        self.settled(lived).await
    }

    /// Goes on with an execution that was written down.
    pub(super) async fn go_on(mut self, wakes_at: Option<SystemTime>) -> Result<Lived, Error> {
        let lived = match self.sleep(wakes_at).await {
            Ok(Some(progress)) => self.until_its_end(progress).await,
            Ok(None) => self.leave().await,
            Err(error) => Err(error),
        };
        self.settled(lived).await
    }

    /// If the host has failed, ends the record too: nobody could go on with it.
    async fn settled(&mut self, lived: Result<Lived, Error>) -> Result<Lived, Error> {
        if let Err(error) = &lived
            && self.revision.is_some()
        {
            let outcome = if matches!(error, Error::ImageGone) { Outcome::Lost } else { Outcome::Failure };
            let error =
                GuestError { message: format!("The executor failed: {error}"), ..GuestError::default() };
            let report = Report::bare(self.facts.id, outcome, Some(error));
            self.end(report, None).await;
        }
        lived
    }

    async fn until_its_end(&mut self, mut progress: Progress) -> Result<Lived, Error> {
        loop {
            let paused = match progress {
                Progress::Ended(report, kept) => return Ok(Lived::Ended(self.end(report, kept).await)),
                Progress::Paused(paused) => paused,
            };
            match self.wait(paused).await? {
                Some(next) => progress = next,
                None => return self.leave().await,
            }
        }
    }

    /// Waits with a paused execution until it has gone on and stopped again. Returns `None` if the process ends.
    async fn wait(&mut self, mut paused: Box<Paused>) -> Result<Option<Progress>, Error> {
        let (outside, now) = (paused.outside(), SystemTime::now());
        let wakes_at = paused.wakes_after.map(|after| now + after.min(self.shared.wait_limits.wait_max));
        if !outside.has_waiting() && !outside.has_answers() && paused.wakes_after.is_none() {
            return Ok(Some(self.give_up(*paused, GiveUp::Nothing).await));
        }
        if outside.has_waiting() {
            self.show_waiting(&mut paused);
        } else {
            self.expires_at = now + self.shared.wait_limits.wait_max;
        }
        let can_park = self.facts.can_park() && self.shared.records.check().is_ok();
        let parks_at = can_park.then(|| now + self.shared.wait_limits.park_after);
        let longest = now + self.facts.limits.wall_time.min(TIME_MAX);
        let keeps_until = parks_at.is_none().then_some(longest);
        let mut waits = Waits { outside, wakes_at, expires_at: self.expires_at, parks_at, keeps_until };
        loop {
            let give_up = match self.woken(&waits).await {
                Woken::ByAnswer => {
                    self.place.task.set(Stage::Running);
                    return self.continued(*paused).await.map(Some);
                }
                // Others still see it as waiting: the calls that it waits for may be the same afterwards.
                Woken::ByTimer => return self.continued(*paused).await.map(Some),
                Woken::Parks if self.effects.parks() >= self.shared.wait_limits.parks_max => GiveUp::Parks,
                Woken::Closing if !self.shared.records.is_durable() => GiveUp::Cancelled,
                Woken::Parks | Woken::Closing => match self.park(*paused, &waits).await? {
                    None => return self.sleep(waits.wakes_at).await,
                    // It stays in its instance, because it cannot be written down.
                    Some(still) => {
                        (paused, waits.parks_at, waits.keeps_until) = (still, None, Some(longest));
                        continue;
                    }
                },
                Woken::TimedOut => GiveUp::WallTime,
                Woken::Cancelled => GiveUp::Cancelled,
                Woken::Expired => GiveUp::Expired,
            };
            return Ok(Some(self.give_up(*paused, give_up).await));
        }
    }

    /// Completes when an execution that waits does not any longer.
    async fn woken(&self, waits: &Waits) -> Woken {
        let Waits { outside, wakes_at, expires_at, parks_at, keeps_until } = waits;
        let shared = &self.shared;
        let sleep = |time: Option<Duration>| async move {
            match time {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        let is_kept = self.seat.is_none() || parks_at.is_some() || !shared.records.is_durable();
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Woken::Cancelled,
            () = outside.answered() => Woken::ByAnswer,
            () = sleep(wakes_at.map(until)) => if wakes_at >= &Some(*expires_at) { Woken::Expired } else { Woken::ByTimer },
            () = sleep(self.facts.wall_time_left()) => Woken::TimedOut,
            () = sleep(keeps_until.map(until)) => Woken::TimedOut,
            () = tokio::time::sleep(until(*expires_at)) => Woken::Expired,
            () = shared.closing.cancelled(), if is_kept => Woken::Closing,
            () = shared.admission.wanted(), if parks_at.is_some() => Woken::Parks,
            () = sleep(parks_at.map(until)), if parks_at.is_some() => Woken::Parks,
        }
    }

    /// Continues a paused execution until it stops again.
    async fn continued(&mut self, paused: Paused) -> Result<Progress, Error> {
        let (shared, cancel) = (self.shared.clone(), self.cancel.clone());
        self.watched(shared.template.go_on(paused, &cancel)).await
    }

    async fn give_up(&self, paused: Paused, why: GiveUp) -> Progress {
        // Nobody can answer any more.
        self.place.task.set(Stage::Running);
        Progress::Ended(self.shared.template.give_up(paused, why).await, None)
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
                    self.begin_epoch(Report { stdout, stderr, ..report });
                }
            }
        }
    }

    /// Shows the calls that the execution waits for. Begins an epoch, unless they are those that others see already.
    fn show_waiting(&mut self, paused: &mut Paused) {
        let numbers = |report: &Report| -> Vec<u32> {
            let calls = report.waiting.iter().flat_map(|waiting| &waiting.calls);
            calls.map(|call| call.call).collect()
        };
        let is_shown = matches!(self.place.task.status().stage, Stage::Waiting(_));
        let waiting: Vec<u32> = paused.outside().waiting().iter().map(|call| call.call).collect();
        let is_same = self.shown.as_ref().is_some_and(|shown| numbers(shown) == waiting);
        if !(is_shown && is_same) {
            self.begin_epoch(paused.report_so_far());
        }
    }

    fn begin_epoch(&mut self, mut report: Report) {
        self.expires_at = SystemTime::now() + self.shared.wait_limits.wait_max;
        report.usage.memory_bytes_peak =
            report.usage.memory_bytes_peak.max(self.shared.edition().memory_bytes_min());
        let (calls, expires_at) = (self.place.task.outside.waiting(), self.expires_at);
        let report =
            |epoch| Arc::new(Report { waiting: Some(Waiting { epoch, expires_at, calls }), ..report });
        self.shown = Some(self.place.task.wait(report));
    }

    /// Writes a paused execution down and gives its slot back. Returns the execution if that is not possible.
    async fn park(&mut self, mut paused: Paused, waits: &Waits) -> Result<Option<Box<Paused>>, Error> {
        let shared = self.shared.clone();
        let report = match &self.shown {
            Some(shown) if waits.outside.has_waiting() || waits.outside.has_answers() => shown.clone(),
            _ => Arc::new(paused.report_so_far()),
        };
        let frozen = match Template::freeze(paused, shared.wait_limits.state_bytes_max) {
            Ok(frozen) => frozen.encode(),
            Err((paused, error)) => {
                warn!(execution_id = %self.facts.id, %error, "an execution cannot be written down; it keeps its slot");
                return Ok(Some(paused));
            }
        };
        let parks = self.effects.parks() + 1;
        let record = WaitingRecord {
            facts: &self.facts,
            epoch: report.waiting.as_ref().map_or(0, |waiting| waiting.epoch),
            parks,
            expires_at: self.expires_at,
            report: &reports::encode(&report),
        };
        let keeping =
            Keeping { share: Share::Whole, expires_at: self.kept_until(), wakes_at: waits.wakes_at };
        // The memory first: a record in the store always has the memory that it needs.
        let memory = records::name_of_memory(self.facts.id, parks, &self.image);
        let written = match shared.records.create(&memory, &frozen, keeping).await {
            Ok(_) => self.put(&record.encode(), keeping).await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            warn!(execution_id = %self.facts.id, %error, "an execution cannot be written down; it keeps its slot");
            self.forget_memory(parks).await;
            return self.thawed(&frozen).await.map(Box::new).map(Some);
        }
        self.forget_memory(parks - 1).await;
        self.effects.parked().await;
        self.seat = None;
        // The report and the caller's tools are in the record.
        self.place.task.forget_report();
        self.place.task.set_tools(None);
        self.facts.grants.of_caller = None;
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

    /// Removes the memory that was written for the `parks`th time, if there is one.
    async fn forget_memory(&self, parks: u32) {
        if parks > 0 {
            // If that fails, it expires.
            let name = records::name_of_memory(self.facts.id, parks, &self.image);
            let _ = self.shared.records.remove(&name).await;
        }
    }

    /// Waits without an instance and goes on. Returns `None` if the process ends.
    async fn sleep(&mut self, wakes_at: Option<SystemTime>) -> Result<Option<Progress>, Error> {
        let outside = self.facts.grants.outside.clone();
        let expires_at = self.expires_at;
        let waits = Waits { outside, wakes_at, expires_at, parks_at: None, keeps_until: None };
        let woken = self.woken(&waits).await;
        let seconds = self.facts.limits.wall_time.as_secs_f64();
        let (outcome, message) = match woken {
            Woken::ByAnswer | Woken::ByTimer => return self.woken_up().await,
            Woken::Closing if self.shared.records.is_durable() => return Ok(None),
            Woken::TimedOut => (Outcome::Timeout, format!("Execution exceeded {seconds}s timeout")),
            Woken::Expired => (Outcome::Cancelled, GiveUp::EXPIRED.to_owned()),
            Woken::Cancelled | Woken::Closing | Woken::Parks => {
                (Outcome::Cancelled, GuestError::cancelled().message)
            }
        };
        self.ended_asleep(outcome, message).await.map(Some)
    }

    /// Gets a slot and an instance again. Returns `None` if the process ends.
    async fn woken_up(&mut self) -> Result<Option<Progress>, Error> {
        let (shared, cancel) = (self.shared.clone(), self.cancel.clone());
        let slot = tokio::select! {
            slot = shared.admission.admit_again(&shared.metrics) => slot,
            () = cancel.cancelled() => {
                let message = GuestError::cancelled().message;
                return self.ended_asleep(Outcome::Cancelled, message).await.map(Some);
            }
        };
        // If the sandbox is closed, an answer that came meanwhile is lost: its epoch is still on record.
        let Ok(slot) = slot else { return Ok(None) };
        self.seat = Some(Seat::new(&shared, Slot(Some(slot))));
        let record = self.record().await?;
        let memory = records::name_of_memory(self.facts.id, self.effects.parks(), &self.image);
        let frozen = shared.records.get(&memory).await?;
        let frozen = frozen.ok_or_else(|| Error::internal("the memory of an execution is gone"))?.bytes;
        self.facts.grants.of_caller = record.caller_tools()?;
        self.place.task.set_tools(self.facts.grants.of_caller.clone());
        let paused = self.thawed(&frozen).await?;
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
        let (keeps, began) = (self.facts.state.is_some(), self.facts.began());
        let (base, grants) = (self.shared.images.open(&self.image).await?, grants.clone());
        let thaw = Thaw { id: *id, limits: *limits, grants, pauses: *pauses, keeps, began, base };
        self.shared.template.thaw(frozen, thaw).await
    }

    /// Returns the end of an execution that ends while it is written down.
    async fn ended_asleep(&mut self, outcome: Outcome, message: String) -> Result<Progress, Error> {
        // Nobody can answer any more.
        self.place.task.set(Stage::Running);
        let error = Some(GuestError { message, ..GuestError::default() });
        let report = self.record().await?.report()?;
        Ok(Progress::Ended(Report { outcome, error, waiting: None, ..report }, None))
    }

    /// Keeps what the execution leaves: its interpreter, if it is to be kept, and its report, if somebody may ask for it.
    pub(super) async fn end(&mut self, mut report: Report, kept: Option<Kept>) -> Report {
        if let (Some(state), Some(kept)) = (self.facts.state, kept) {
            match self.shared.end_state(state, kept).await {
                Ok(handle) => report.state = Some(handle),
                Err(error) => {
                    warn!(execution_id = %self.facts.id, %error, "a state cannot be kept");
                    report.state_is_lost = true;
                }
            }
        }
        let has_waited = self.place.task.status().epoch > 0;
        if has_waited || self.facts.is_detached || self.revision.is_some() {
            let keeping = Keeping::within(Share::Whole, self.shared.wait_limits.result_ttl);
            let mut kept = self.put(&records::ended(&reports::encode(&report)), keeping).await;
            if let Err(error) = &kept {
                warn!(execution_id = %self.facts.id, %error, "the whole report of an execution cannot be kept");
                // The record must not say that the execution waits, and this takes less room.
                kept = self.put(&records::ended(&reports::encode(&shortened(&report))), keeping).await;
            }
            if kept.is_ok() {
                // The note and the memory must outlive a record that says that the execution waits.
                self.effects.forget(&self.shared).await;
                self.forget_memory(self.effects.parks()).await;
            }
        }
        self.place.task.set(Stage::Ended(Arc::new(report.clone())));
        report
    }

    /// Leaves the execution to another process.
    async fn leave(&mut self) -> Result<Lived, Error> {
        self.place.task.set(Stage::Gone);
        Ok(Lived::Left(self.record().await?.report()?))
    }
}

/// Returns a report without what the program has written and returned.
fn shortened(report: &Report) -> Report {
    let gone = Output { text: String::new(), truncated: true };
    let message = "The executor's store was full: the output and the value are lost".to_owned();
    let error = report.error.clone().unwrap_or(GuestError { message, ..GuestError::default() });
    Report {
        stdout: gone.clone(),
        stderr: gone,
        error: Some(error),
        usage: report.usage,
        stages: report.stages,
        state: report.state,
        ..Report::bare(report.id, report.outcome, None)
    }
}

fn until(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::now()).unwrap_or_default()
}
