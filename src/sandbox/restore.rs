//! Executions that another process has left in the store: they go on, or are lost.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use sealed_store::Share;
use tracing::warn;

use super::audit::AuditRecord;
use super::effects::Effects;
use super::records::{self, Facts, Kind, Memory, Opened};
use super::tasks::Stage;
use super::{Sandbox, Shared, reports};
use crate::error::Error;
use crate::execution::{
    Answer, Execution, ExecutionId, GuestError, Outcome, Report, Waiting, WaitingCall, WaitsFor,
};
use crate::store::Keeping;
use crate::tools::Grants;

impl Sandbox {
    /// Goes on with the executions in the store, which another process has left. **Blocks**, also where async code is
    /// not expected to.
    pub(super) fn go_on_with_the_rest(&self) -> Result<(), Error> {
        if !self.0.shared.records.is_durable() {
            return Ok(());
        }
        let (sandbox, (done, restored)) = (self.clone(), std::sync::mpsc::channel());
        self.spawn(async move {
            let _ = done.send(sandbox.restore().await);
        })?;
        restored.recv().unwrap_or(Err(Error::ShuttingDown))
    }

    async fn restore(&self) -> Result<(), Error> {
        let shared = &self.0.shared;
        let mut memories = HashMap::<ExecutionId, Vec<Memory>>::new();
        for listed in shared.records.list(records::MEMORIES).await? {
            let Some(memory) = Memory::named(&listed.name) else { continue };
            memories.entry(memory.id).or_default().push(memory);
        }
        for listed in shared.records.list(records::PREFIX).await? {
            let Some(id) = listed.name.strip_prefix(records::PREFIX).and_then(|id| id.parse().ok()) else {
                continue;
            };
            let written = memories.remove(&id).unwrap_or_default();
            if let Err(error) = self.restore_one(id, listed.wakes_at, &written).await {
                let error = error.chain();
                warn!(execution_id = %id, error, "an execution in the store cannot go on");
                let why = format!("The executor was started again, and the execution cannot go on: {error}");
                let report =
                    shared.lose(id, listed.revision, Report::bare(id, Outcome::Lost, None), why).await?;
                shared.metrics.observe(&report);
                shared.forget_memories(&written, None).await;
            }
        }
        // What a process left that ended between two writes.
        for written in memories.into_values() {
            shared.forget_memories(&written, None).await;
        }
        Ok(())
    }

    /// Goes on with one execution, of which the store has the memories `written`.
    async fn restore_one(
        &self,
        id: ExecutionId,
        wakes_at: Option<SystemTime>,
        written: &[Memory],
    ) -> Result<(), Error> {
        let shared = &self.0.shared;
        let Some(record) = shared.records.get(&records::name_of(id)).await? else { return Ok(()) };
        let opened = Opened::decode(&record.bytes)?;
        shared.forget_memories(written, opened.parks()).await;
        if opened.has_ended() {
            return Ok(());
        }
        let report = opened.report();
        let (facts, epoch, parks, expires_at, definitions) = match opened.kind(id, shared)? {
            Kind::Ended => return Ok(()),
            Kind::Begins { facts, execution } => {
                if shared.has_effects_since(id, 0).await {
                    let report = Report::bare(id, Outcome::Lost, None);
                    return shared.lost(&facts, record.revision, report).await;
                }
                return self.begin_again(facts, record.revision, execution);
            }
            Kind::Waits { facts, epoch, parks, expires_at, definitions } => {
                (facts, epoch, parks, expires_at, definitions)
            }
        };
        let (mut report, memory) = (report?, written.iter().find(|memory| memory.parks == parks));
        if shared.has_effects_since(id, parks).await {
            return shared.lost(&facts, record.revision, report).await;
        }
        let memory = memory.ok_or_else(|| Error::internal("the memory of an execution is gone"))?;
        let image = memory.image.clone();
        shared.images.check(&image)?;
        let audit = AuditRecord::again(&shared.metrics, &facts);
        for call in report.waiting.iter().flat_map(|waiting| &waiting.calls) {
            facts.grants.outside.add(call.clone());
        }
        // Answers to calls of another definition are not answers to these calls: they are asked again, in a new epoch.
        let epoch = if facts.definitions() == definitions { epoch } else { epoch + 1 };
        let denials = denials(&facts.grants, report.waiting.as_ref(), &definitions);
        let is_answered = !denials.is_empty();
        facts.grants.outside.answer(denials);
        let mut live = shared.place(facts, &image, None, epoch.saturating_sub(1), usize::MAX)?;
        (live.revision, live.expires_at) = (Some(record.revision), expires_at);
        live.effects = Effects::new(shared, id, true, parks);
        live.facts.grants.effects = Some(live.effects.clone());
        match &mut report.waiting {
            Some(waiting) if !is_answered => {
                waiting.epoch = epoch;
                let report = Arc::new(report);
                live.shown = Some(live.place.task.wait(|_| report));
            }
            _ => live.place.task.set(Stage::Running),
        }
        live.place.task.skip_epochs();
        live.place.task.forget_report();
        live.place.task.set_tools(None);
        live.facts.grants.of_caller = None;
        self.spawn(shared.clone().sleep_on(live, wakes_at, audit))?;
        Ok(())
    }

    /// Runs an execution from its beginning that nobody waits for and that has had no effects.
    fn begin_again(&self, facts: Facts, revision: u64, begun: Box<Execution>) -> Result<(), Error> {
        let shared = &self.0.shared;
        let audit = AuditRecord::again(&shared.metrics, &facts);
        let Execution { code, context, files, return_files, .. } = *begun;
        let execution = Execution { code, context, files, return_files, ..facts.execution() };
        let accepted = shared.accept(shared.edition(), execution)?;
        let mut live = shared.place(facts, accepted.edition.base.id(), None, 0, usize::MAX)?;
        live.revision = Some(revision);
        self.spawn(shared.clone().run_detached(live, accepted, audit))?;
        Ok(())
    }
}

impl Shared {
    /// Removes memories of executions, but not the one that was written for the `needed`th time.
    async fn forget_memories(&self, written: &[Memory], needed: Option<u32>) {
        for Memory { id, parks, image } in written.iter().filter(|memory| Some(memory.parks) != needed) {
            // If that fails, it expires.
            let _ = self.records.remove(&records::name_of_memory(*id, *parks, image)).await;
        }
    }

    /// Returns whether an execution may have had effects since it was written down for the last time.
    async fn has_effects_since(&self, id: ExecutionId, parks: u32) -> bool {
        match self.records.get(&records::name_of_effects(id)).await {
            Ok(None) => false,
            Ok(Some(note)) => {
                let noted = std::str::from_utf8(&note.bytes).ok().and_then(|parks| parks.parse::<u32>().ok());
                noted.is_none_or(|noted| noted >= parks)
            }
            Err(_) => true,
        }
    }

    async fn lost(&self, facts: &Facts, revision: u64, report: Report) -> Result<(), Error> {
        let why = "The executor stopped while the program ran, and an effect may have happened: it was not repeated";
        let audit = AuditRecord::again(&self.metrics, facts);
        let report = self.lose(facts.id, revision, report, why.into()).await?;
        audit.end(Ok(&report));
        Ok(())
    }

    /// Writes down that an execution does not go on after a crash.
    async fn lose(
        &self,
        id: ExecutionId,
        revision: u64,
        report: Report,
        why: String,
    ) -> Result<Report, Error> {
        let error = GuestError { message: why, ..GuestError::default() };
        let report = Report { outcome: Outcome::Lost, error: Some(error), waiting: None, ..report };
        let keeping = Keeping::within(Share::Whole, self.wait_limits.result_ttl);
        let record = records::ended(&reports::encode(&report));
        self.records.swap(&records::name_of(id), revision, &record, keeping).await?;
        self.records.remove(&records::name_of_effects(id)).await?;
        Ok(report)
    }
}

/// Returns denials of the calls that nobody can approve any more: their tools are gone, or have changed so that the
/// arguments do not fit. `definitions` are the digests of the tools' definitions when the calls were made.
fn denials(
    grants: &Grants,
    waiting: Option<&Waiting>,
    definitions: &BTreeMap<String, String>,
) -> Vec<(u32, Answer)> {
    let denial = |call: &WaitingCall| {
        let is_same = grants.definition(&call.tool).as_ref() == definitions.get(&call.tool);
        if call.waits_for != WaitsFor::Approval || is_same {
            return None;
        }
        let error = grants.check_again(&call.tool, &call.arguments).err()?;
        let why = format!("the executor was started again with other tools: {}", error.message);
        Some((call.call, Answer::Deny(why)))
    };
    waiting.iter().flat_map(|waiting| &waiting.calls).filter_map(denial).collect()
}
