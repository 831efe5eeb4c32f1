//! The public entry point: a [`Sandbox`] runs a limited number of executions at a time, each in its own interpreter.

mod accept;
mod admission;
mod audit;
mod builder;
mod context;
mod editions;
mod effects;
mod executions;
mod files;
mod images;
#[cfg(test)]
pub(crate) mod isolation_tests;
mod live;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod pause_tests;
mod records;
mod reports;
mod restore;
mod states;
mod status;
mod tasks;
mod wait_limits;

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio::runtime::Runtime;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tracing::{Instrument, info_span, warn};

use crate::SPANS;
use crate::cancel::CancelHandle;
use crate::error::Error;
use crate::execution::{Event, Execution, ExecutionId, Finding, GuestError, Outcome, Report, Rule};
use crate::image::Packages;
use crate::instance::{Cancel, Kept, Pauses, Progress, Run, Template};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::store::Records;
use crate::tools::{Catalogue, Grants, ToolPolicy};
use crate::validator::{Policy, PolicyKind, ValidatedSource};
use accept::{Accepted, is_large};
use admission::Admission;
use audit::{AuditRecord, code_sha256};
pub use builder::SandboxBuilder;
use editions::{Edition, Editions};
use images::Images;
use live::Seat;
pub use states::StateInfo;
pub use status::{ExecutionInfo, ExecutionStatus, WaitingApproval};
use tasks::Tasks;
pub use wait_limits::WaitLimits;

/// Runs Python programs, each in a fresh interpreter inside its own WebAssembly instance.
///
/// `Sandbox` is a handle: clones share the same slots, metrics and threads. It has no global state and does not read
/// the environment, so a process can have several sandboxes with different tools. It works on both kinds of Tokio
/// runtimes and in other executors, because timers and tool calls run on the sandbox's own threads. A small program
/// starts on the thread that polls [`Sandbox::run`]; if it has not ended after a millisecond or two, it moves to the
/// sandbox's threads. Large programs start there.
///
/// Dropping the last clone ends all executions. A tool that holds a clone of its own sandbox keeps the sandbox alive
/// forever.
///
/// ```no_run
/// use ai_code_executor::{Execution, Limits, Sandbox};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let sandbox = Sandbox::builder().concurrency(4).cache_dir("/var/cache/mine").build()?;
/// let limits = Limits::default().wall_time(std::time::Duration::from_secs(5));
/// let report = sandbox.run(Execution::new("[n * n for n in range(3)]").limits(limits)).await?;
/// match &report.error {
///     None => println!("{:?}", report.value_as::<Vec<u32>>()?),
///     Some(error) => println!("{}: {error}", report.outcome),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    /// Limits the checks of large executions to one at a time.
    accepting: Admission,
    /// `Some` until the sandbox is dropped.
    runtime: Option<Runtime>,
}

struct Shared {
    template: Template,
    images: Arc<Images>,
    editions: Editions,
    tool_policy: Option<Arc<dyn ToolPolicy>>,
    ceilings: Limits,
    /// Without the modules of the tools.
    policy: Policy,
    packages: Packages,
    layers: Layers,
    admission: Admission,
    metrics: Metrics,
    log_code: bool,
    is_sound: Arc<AtomicBool>,
    wait_limits: WaitLimits,
    records: Records,
    tasks: Arc<Tasks>,
    /// Cancelled when the sandbox begins to shut down: executions that wait are written down then.
    closing: CancellationToken,
    /// Id of the process that made the sandbox. A forked process does not have the sandbox's threads.
    process: u32,
    cancel: Arc<CancellationToken>,
}

/// The slot of one execution, freed when dropped. `None` for an execution that was cancelled in the queue.
pub(crate) struct Slot(
    #[expect(dead_code, reason = "it is there to be dropped")] Option<OwnedSemaphorePermit>,
);

/// An execution that was checked and has a slot.
struct Admitted {
    accepted: Accepted,
    /// The interpreter that it begins with, if that is not a fresh one.
    after: Option<Kept>,
    permit: OwnedSemaphorePermit,
    queue: Duration,
}

impl Sandbox {
    /// Returns a builder with the service's defaults.
    #[must_use]
    pub fn builder() -> SandboxBuilder {
        SandboxBuilder::default()
    }

    /// Runs one program and reports how it ended.
    ///
    /// Waits for a free slot first. Dropping the future stops the guest and frees its slot. A
    /// [`CancelHandle`](crate::CancelHandle) also stops it, and `run` then returns a report.
    ///
    /// # Errors
    ///
    /// - [`Error::Rejected`], [`Error::Context`], [`Error::File`], [`Error::UnknownTool`], [`Error::CallerTool`],
    ///   [`Error::Contradiction`] and [`Error::MemoryBelowImage`] if the execution is invalid.
    /// - [`Error::UnknownState`], [`Error::ImageGone`] and [`Error::StateDamaged`] if it cannot begin with that state.
    /// - [`Error::Busy`], [`Error::CallerLimit`], [`Error::StoreFull`] and [`Error::ShuttingDown`] if it cannot run now.
    /// - [`Error::Internal`] if the host fails, or if the process was forked from the one that made the sandbox.
    ///
    /// A failure of the program itself is not an error: it is in the report.
    pub async fn run(&self, execution: Execution) -> Result<Report, Error> {
        self.run_in_slot(execution).await.map(|(report, _slot)| report)
    }

    /// Like [`Sandbox::run`], but the slot stays taken until the caller drops it.
    pub(crate) async fn run_in_slot(&self, execution: Execution) -> Result<(Report, Slot), Error> {
        let id = ExecutionId::random();
        let span = info_span!(target: SPANS, "execution", execution_id = %id);
        self.run_on_record(id, execution).instrument(span).await
    }

    async fn run_on_record(&self, id: ExecutionId, execution: Execution) -> Result<(Report, Slot), Error> {
        let (shared, begun) = (&self.0.shared, Instant::now());
        let mut record = AuditRecord::new(&shared.metrics, id, &execution, shared.log_code);
        let edition = shared.edition();
        if edition.may_wait(&execution) {
            return self.run_until_it_waits(edition, id, execution, record).await;
        }
        let run = AssertUnwindSafe(self.run_recorded(edition, id, execution, &mut record)).catch_unwind();
        let end = run.await.unwrap_or_else(|_| Err(Error::internal("the execution panicked")));
        let Some(end) = end.transpose() else {
            // `record` is dropped without an end, which records a cancellation.
            return Ok((Report::cancelled_while_queued(id, begun.elapsed()), Slot(None)));
        };
        record.end(end.as_ref().map(|(report, _)| report));
        end
    }

    /// Checks whether [`Sandbox::run`] would start this program, without running any of it. The check appears neither
    /// in the metrics nor in the log.
    ///
    /// # Errors
    ///
    /// Those of [`Sandbox::run`], with two differences. Programs that only CPython's own compiler refuses pass.
    /// [`Error::Busy`] occurs only for a large program, because a small one needs no slot.
    pub async fn check(&self, execution: Execution) -> Result<(), Error> {
        if !self.is_open() {
            return Err(Error::ShuttingDown);
        }
        self.look_at(execution, |shared, execution| shared.accept(shared.edition(), execution).map(drop))
            .await?
    }

    /// Waits for a slot on the caller's thread, then runs the execution. Returns `None` if it was cancelled while it
    /// waited.
    async fn run_recorded(
        &self,
        edition: Arc<Edition>,
        id: ExecutionId,
        execution: Execution,
        record: &mut AuditRecord,
    ) -> Result<Option<(Report, Slot)>, Error> {
        let shared = self.0.shared.clone();
        let (is_large, handle) = (is_large(&execution), execution.cancel_handle.clone());
        // A program that begins here may be restarted on the guests' threads. Events that were sent cannot be taken
        // back, so a program that sends events must not begin here.
        let begins_here = !is_large && execution.events.is_none();
        let admitted = self.admit(edition, execution, record);
        let Some(admitted) = CancelHandle::unless_cancelled(handle.as_ref(), admitted).await else {
            return Ok(None);
        };
        let Admitted { accepted, permit, queue, .. } = admitted?;
        let Accepted { source, mut execution, edition, .. } = accepted;
        let started = Arc::<AtomicU32>::default();
        record.start(&started);
        // Cancels the execution when this future is dropped, even if the guest does not yield.
        let cancel = Cancel::new(shared.cancel.clone(), handle);
        let _abandon = cancel.when_dropped();
        let run = self.0.tasks.track_future(async move {
            let seat = Seat::new(&shared, Slot(Some(permit)));
            if let Some(events) = &execution.events {
                events.send(Event::Started(id));
            }
            let grants = shared.grants(&edition, &mut execution, None, started);
            let run = Run {
                id,
                base: &edition.base,
                source: &source,
                execution: &execution,
                grants,
                in_callers_thread: begins_here,
                pauses: Pauses::Never,
                after: None,
            };
            let report = shared.checked(shared.without_pauses(run, &cancel).await?)?;
            Ok((report, seat.slot))
        });
        // The future may move to another thread, and the span must move with it.
        let run = run.in_current_span();
        let (mut report, slot) = if begins_here {
            self.on_this_thread_first(run).await
        } else {
            self.on_guest_threads(run).await
        }?;
        report.stages.queue = queue;
        Ok(Some((report, slot)))
    }

    /// Checks the execution, then waits for a slot.
    async fn admit(
        &self,
        edition: Arc<Edition>,
        execution: Execution,
        record: &mut AuditRecord,
    ) -> Result<Admitted, Error> {
        let accepted = self.accept(edition, execution, record).await?;
        let after = self.0.shared.state_before(&accepted.execution).await?;
        let queued = Instant::now();
        let permit = self.0.shared.admission.admit(&self.0.shared.metrics).await?;
        Ok(Admitted { accepted, after, permit, queue: queued.elapsed() })
    }

    async fn accept(
        &self,
        edition: Arc<Edition>,
        execution: Execution,
        record: &mut AuditRecord,
    ) -> Result<Accepted, Error> {
        let accept = move |shared: &Shared, execution: Execution| {
            (code_sha256(&execution.code), shared.accept(edition, execution))
        };
        let (code_sha256, accepted) = self.look_at(execution, accept).await?;
        record.code_sha256 = Some(code_sha256);
        accepted
    }

    /// Calls `look` on the caller's thread if the execution is small. Otherwise calls it on a thread of its own:
    /// checking a large execution would block the caller's thread, or a guest thread and its guests, for too long.
    async fn look_at<T: Send + 'static>(
        &self,
        execution: Execution,
        look: impl FnOnce(&Shared, Execution) -> T + Send + 'static,
    ) -> Result<T, Error> {
        if !is_large(&execution) {
            return Ok(look(&self.0.shared, execution));
        }
        let shared = self.0.shared.clone();
        let runtime = self.0.runtime.as_ref().ok_or(Error::ShuttingDown)?;
        // One at a time, so that all checks of large programs together use at most one core.
        let alone = self.0.accepting.admit(&shared.metrics).await?;
        let look = move || {
            let _alone = alone;
            Ok(look(&shared, execution))
        };
        flatten(runtime.spawn_blocking(look).await)
    }

    /// Runs a small program and checks its value. It appears neither in the metrics nor in the log.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the program does not run or its value is wrong.
    pub async fn self_test(&self) -> Result<(), Error> {
        let shared = self.0.shared.clone();
        let edition = shared.edition();
        self.on_guest_threads(self.0.tasks.track_future(async move { shared.self_test(&edition).await }))
            .await
    }

    /// Polls `run` once on the caller's thread; if it is then still pending, spawns it on the guests' threads. Most
    /// programs end before they first yield, and waking another thread takes as long as running one of them. Dropping
    /// the future drops `run`.
    async fn on_this_thread_first<T: Send + 'static>(
        &self,
        run: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let runtime = self.0.runtime.as_ref().ok_or(Error::ShuttingDown)?;
        let mut run = Box::pin(run);
        let first = poll_fn(|context| {
            // Registers its timers and tool calls with the sandbox's runtime from the beginning.
            let _entered = runtime.enter();
            Poll::Ready(run.as_mut().poll(context))
        });
        match first.await {
            Poll::Ready(ended) => ended,
            Poll::Pending => self.on_guest_threads(run).await,
        }
    }

    /// Spawns `run` on the guests' threads. Dropping the future drops `run`.
    async fn on_guest_threads<T: Send + 'static>(
        &self,
        run: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let runtime = self.0.runtime.as_ref().ok_or(Error::ShuttingDown)?;
        flatten(AbortOnDropHandle::new(runtime.spawn(run)).await)
    }

    /// Refuses new and queued executions with [`Error::ShuttingDown`], waits at most `grace` for those that run, then
    /// cancels the rest. With a store on disk, executions that wait for somebody outside are written down; a sandbox
    /// with the same store goes on with them.
    ///
    /// Cancelled executions have half a second to end. One that is still inside a host function then is abandoned.
    pub async fn shutdown(&self, grace: Duration) {
        const CANCELLED_TIME: Duration = Duration::from_millis(500);
        self.0.shared.admission.close();
        self.0.shared.closing.cancel();
        self.0.accepting.close();
        self.0.tasks.close();
        if tokio::time::timeout(grace, self.0.tasks.wait()).await.is_err() {
            self.0.shared.cancel.cancel();
            if tokio::time::timeout(CANCELLED_TIME, self.0.tasks.wait()).await.is_err() {
                warn!("some cancelled executions have not ended; no longer waiting for them");
            }
        }
    }

    /// Returns whether the sandbox accepts executions: `true` until [`Sandbox::shutdown`] is called.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.0.shared.admission.is_closed()
    }

    /// Returns whether a call may need approval.
    #[cfg(feature = "server")]
    pub(crate) fn may_ask(&self) -> bool {
        self.0.shared.edition().may_ask
    }

    /// Returns the policy without the modules of the tools.
    #[cfg(feature = "server")]
    pub(crate) fn policy(&self) -> &Policy {
        &self.0.shared.policy
    }

    /// Returns whether every memory that was checked after a reset was equal to the image.
    ///
    /// If it returns `false`, programs may be able to read data of earlier programs: restart the process, and report
    /// the bug.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.0.shared.is_sound.load(Ordering::Relaxed)
    }

    /// Returns what the sandbox refuses, beside what it limits.
    #[must_use]
    pub fn policy_kind(&self) -> PolicyKind {
        self.0.shared.policy.kind
    }

    /// Returns whether states and executions that wait can be kept: see [`SandboxBuilder::no_store`].
    #[must_use]
    pub fn has_store(&self) -> bool {
        self.0.shared.records.check().is_ok()
    }

    /// Returns the metrics that count this sandbox's executions.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0.shared.metrics
    }

    /// Returns the descriptions of the tools that programs can import now.
    #[must_use]
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.0.shared.edition().catalogue.clone()
    }

    /// Returns the size of an execution's linear memory before its program starts, in bytes.
    #[must_use]
    pub fn memory_bytes_min(&self) -> u64 {
        self.0.shared.edition().memory_bytes_min()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Does not wait for the threads, which could block an async caller forever. They stop at their next yield.
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    /// Returns the interpreter that the execution begins with, or `None` for a fresh one.
    async fn state_before(&self, execution: &Execution) -> Result<Option<Kept>, Error> {
        match execution.state {
            Some(state) => self.begin_state(state, execution.limits.memory_bytes_max).await,
            None => Ok(None),
        }
    }

    /// Turns the end of a program that CPython's compiler refused into a rejection.
    fn checked(&self, report: Report) -> Result<Report, Error> {
        let is_checked = self.layers == Layers::All && report.outcome == Outcome::Failure;
        match report.error.as_ref().filter(|error| is_checked && error.before_start) {
            Some(error) => Err(Error::Rejected(vec![refused_by_cpython(error)])),
            None => Ok(report),
        }
    }

    async fn without_pauses(&self, run: Run<'_>, cancel: &Cancel) -> Result<Report, Error> {
        match self.template.run(run, cancel).await? {
            Progress::Ended(report, _) => Ok(report),
            Progress::Paused(_) => Err(Error::internal("a guest paused that was not asked to")),
        }
    }

    async fn self_test(&self, edition: &Edition) -> Result<(), Error> {
        let execution = Execution { limits: self.ceilings, ..Execution::default() };
        let (source, grants) = (ValidatedSource::unchecked("6 * 7".into()), Grants::default());
        let id = ExecutionId::random();
        let run = Run {
            id,
            base: &edition.base,
            source: &source,
            execution: &execution,
            grants,
            in_callers_thread: false,
            pauses: Pauses::Never,
            after: None,
        };
        let report = self.without_pauses(run, &Cancel::new(self.cancel.clone(), None)).await?;
        match report.value.as_ref().map(|value| value.get()) {
            Some("42") => Ok(()),
            _ => Err(Error::internal(format!("the interpreter does not work: {:?}", report.error))),
        }
    }
}

/// Returns the result of a task. Resumes its panic if it panicked.
fn flatten<T>(joined: Result<Result<T, Error>, JoinError>) -> Result<T, Error> {
    match joined {
        Ok(ended) => ended,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(_) => Err(Error::ShuttingDown),
    }
}

/// Returns the finding for a program that the validator accepted and CPython's compiler refused.
/// `tests/all/differential.rs` shows how rare that is.
fn refused_by_cpython(error: &GuestError) -> Finding {
    Finding {
        rule: Rule::Syntax,
        message: format!("Code failed to parse: {error}"),
        line: error.line.unwrap_or(1),
        column: error.column.unwrap_or(1),
        hint: error.hint.clone(),
    }
}

/// Protection layers in front of the wall. The wall itself, WebAssembly and the limits, is always active.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    not(any(test, fuzzing, feature = "test-layers")),
    expect(dead_code, unreachable_pub, reason = "only tests take layers away")
)]
pub enum Layers {
    /// The validator, and the guards inside the interpreter.
    #[default]
    All,
    /// The guards only, to test them.
    NoValidator,
    /// Neither of them, to test the wall.
    WallOnly,
}
