//! The public entry point: a [`Sandbox`] runs a limited number of executions at a time, each in its own interpreter.

mod admission;
mod audit;
mod builder;
mod context;
#[cfg(test)]
pub(crate) mod isolation_tests;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod pause_tests;

use std::borrow::Cow;
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
use crate::execution::{Execution, ExecutionId, Finding, GuestError, Outcome, Report, Rule};
use crate::instance::{Cancel, Progress, Run, Template};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::tools::{Catalogue, Grants, Registry, ToolPolicy};
use crate::validator::{self, Policy, ValidatedSource};
use admission::Admission;
use audit::{AuditRecord, code_sha256};
pub use builder::SandboxBuilder;

/// A larger execution takes more than a few hundred microseconds to check, so its check must not run on a shared
/// thread.
const LARGE_BYTES: usize = 16 << 10;

/// The same bound for the source code alone. The parser takes up to a third of a microsecond per byte.
const LARGE_CODE_BYTES: usize = 4 << 10;

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
    registry: Arc<Registry>,
    catalogue: Arc<Catalogue>,
    tool_policy: Option<Arc<dyn ToolPolicy>>,
    ceilings: Limits,
    policy: Policy,
    layers: Layers,
    memory_bytes_min: u64,
    admission: Admission,
    metrics: Metrics,
    log_code: bool,
    is_sound: Arc<AtomicBool>,
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
    source: ValidatedSource,
    execution: Execution,
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
    /// - [`Error::Rejected`], [`Error::Context`], [`Error::UnknownTool`] and [`Error::MemoryBelowImage`] if the
    ///   execution is invalid.
    /// - [`Error::Busy`] and [`Error::ShuttingDown`] if it cannot run now.
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
        let run = AssertUnwindSafe(self.run_recorded(id, execution, &mut record)).catch_unwind();
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
        self.look_at(execution, |shared, execution| shared.accept(execution).map(drop)).await?
    }

    /// Waits for a slot on the caller's thread, then runs the execution. Returns `None` if it was cancelled while it
    /// waited.
    async fn run_recorded(
        &self,
        id: ExecutionId,
        execution: Execution,
        record: &mut AuditRecord,
    ) -> Result<Option<(Report, Slot)>, Error> {
        let shared = self.0.shared.clone();
        let (is_large, handle) = (is_large(&execution), execution.cancel_handle.clone());
        // A program that begins here may be restarted on the guests' threads. Events that were sent cannot be taken
        // back, so a program that sends events must not begin here.
        let begins_here = !is_large && execution.events.is_none();
        let admitted = self.admit(execution, record);
        let Some(admitted) = CancelHandle::unless_cancelled(handle.as_ref(), admitted).await else {
            return Ok(None);
        };
        let Admitted { source, execution, permit, queue } = admitted?;
        let started = Arc::<AtomicU32>::default();
        record.start(&started);
        // Cancels the execution when this future is dropped, even if the guest does not yield.
        let cancel = Cancel::new(shared.cancel.clone(), handle);
        let _abandon = cancel.when_dropped();
        let run = self.0.tasks.track_future(async move {
            let slot = Slot(Some(permit));
            // Dropped before the slot, so that the metrics never show more active executions than slots.
            let _active = shared.metrics.active();
            let grants = shared.grants(&execution, started);
            let run =
                Run { id, source: &source, execution: &execution, grants, in_callers_thread: begins_here };
            Ok((shared.execute(run, &cancel).await?, slot))
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
    async fn admit(&self, execution: Execution, record: &mut AuditRecord) -> Result<Admitted, Error> {
        let shared = &self.0.shared;
        let accept =
            |shared: &Shared, execution: Execution| (code_sha256(&execution.code), shared.accept(execution));
        let (code_sha256, accepted) = self.look_at(execution, accept).await?;
        record.code_sha256 = Some(code_sha256);
        let (source, execution) = accepted?;
        let queued = Instant::now();
        let permit = shared.admission.admit(&shared.metrics).await?;
        Ok(Admitted { source, execution, permit, queue: queued.elapsed() })
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
        self.on_guest_threads(self.0.tasks.track_future(async move { shared.self_test().await })).await
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
    /// cancels the rest.
    ///
    /// Cancelled executions have half a second to end. One that is still inside a host function then is abandoned.
    pub async fn shutdown(&self, grace: Duration) {
        const CANCELLED_TIME: Duration = Duration::from_millis(500);
        self.0.shared.admission.close();
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

    /// Returns whether every memory that was checked after a reset was equal to the image.
    ///
    /// If it returns `false`, programs may be able to read data of earlier programs: restart the process, and report
    /// the bug.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.0.shared.is_sound.load(Ordering::Relaxed)
    }

    /// Returns the metrics that count this sandbox's executions.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0.shared.metrics
    }

    /// Returns the descriptions of the tools that programs can import.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.0.shared.catalogue
    }

    /// Returns the size of an execution's linear memory before its program starts, in bytes.
    #[must_use]
    pub fn memory_bytes_min(&self) -> u64 {
        self.0.shared.memory_bytes_min
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
    /// Checks an execution. Returns its validated source, and the execution with its limits lowered to the ceilings and
    /// without its code.
    fn accept(&self, mut execution: Execution) -> Result<(ValidatedSource, Execution), Error> {
        if self.process != std::process::id() {
            let why = "this process was forked from the one that made the sandbox: make another one in it";
            return Err(Error::internal(why));
        }
        execution.limits = execution.limits.clamped_to(&self.ceilings);
        self.check(&execution)?;
        if let Some(tools) = &mut execution.tools {
            // Without duplicates, the list is at most as long as that of all tools.
            tools.sort_unstable();
            tools.dedup();
        }
        let code = std::mem::take(&mut execution.code);
        let source = match self.layers {
            Layers::All => {
                validator::validate(code, &self.policy_for(&execution)).map_err(Error::Rejected)?
            }
            Layers::NoValidator | Layers::WallOnly => ValidatedSource::unchecked(code),
        };
        Ok((source, execution))
    }

    /// Returns the tools that a program may call. `started` counts its calls.
    fn grants(&self, execution: &Execution, started: Arc<AtomicU32>) -> Grants {
        Grants {
            registry: self.registry.clone(),
            catalogue: self.catalogue.clone(),
            only: execution.tools.clone(),
            policy: self.tool_policy.clone(),
            request_id: execution.request_id.as_deref().map(Arc::from),
            metrics: self.metrics.clone(),
            started,
        }
    }

    async fn execute(&self, run: Run<'_>, cancel: &Cancel) -> Result<Report, Error> {
        let report = self.to_its_end(self.template.run(run, cancel).await?, cancel).await?;
        let is_checked = self.layers == Layers::All && report.outcome == Outcome::Failure;
        match report.error.as_ref().filter(|error| is_checked && error.before_start) {
            Some(error) => Err(Error::Rejected(vec![refused_by_cpython(error)])),
            None => Ok(report),
        }
    }

    async fn to_its_end(&self, mut progress: Progress, cancel: &Cancel) -> Result<Report, Error> {
        loop {
            match progress {
                Progress::Ended(report) => return Ok(report),
                Progress::Paused(paused) => {
                    let paused = self.template.unpark(self.template.park(*paused, usize::MAX)?).await?;
                    progress = self.template.go_on(paused, cancel).await?;
                }
            }
        }
    }

    async fn self_test(&self) -> Result<(), Error> {
        let execution = Execution { limits: self.ceilings, ..Execution::default() };
        let (source, grants) = (ValidatedSource::unchecked("6 * 7".into()), Grants::default());
        let id = ExecutionId::random();
        let run = Run { id, source: &source, execution: &execution, grants, in_callers_thread: false };
        let cancel = Cancel::new(self.cancel.clone(), None);
        let report = self.to_its_end(self.template.run(run, &cancel).await?, &cancel).await?;
        match report.value.as_ref().map(|value| value.get()) {
            Some("42") => Ok(()),
            _ => Err(Error::internal(format!("the interpreter does not work: {:?}", report.error))),
        }
    }

    /// Returns the validator policy for an execution. A module without granted tools is treated as disabled: the guest
    /// refuses to import it, and no hint names it.
    fn policy_for(&self, execution: &Execution) -> Cow<'_, Policy> {
        let Some(granted) = &execution.tools else { return Cow::Borrowed(&self.policy) };
        let mut policy = self.policy.clone();
        for module in self.registry.modules_without(granted) {
            policy.allowed_imports.remove(module);
            policy.tool_modules.remove(module);
            policy.disabled_imports.insert(module.to_owned());
        }
        for (name, module) in &mut policy.tool_modules {
            if !granted.contains(name) {
                let functions = &mut Arc::make_mut(module).functions;
                for (function, known) in functions {
                    known.is_granted = granted.contains(&format!("{name}.{function}"));
                }
            }
        }
        Cow::Owned(policy)
    }

    fn check(&self, execution: &Execution) -> Result<(), Error> {
        let asked_bytes = execution.limits.memory_bytes_max;
        if asked_bytes < self.memory_bytes_min {
            return Err(Error::MemoryBelowImage { asked_bytes, image_bytes: self.memory_bytes_min });
        }
        let unknown = execution.tools.iter().flatten().find(|name| !self.registry.knows(name));
        if let Some(name) = unknown {
            return Err(Error::UnknownTool { name: name.clone() });
        }
        context::check(&execution.context, &self.policy, &self.registry)
    }
}

/// Returns whether checking the execution takes too long for its caller's thread.
fn is_large(execution: &Execution) -> bool {
    execution.code.len() > LARGE_CODE_BYTES || execution.bytes() > LARGE_BYTES
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
