//! The façade: a [`Sandbox`] runs executions, at most so many at once, each in an interpreter of its own.

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

/// Takes some hundred microseconds to look at: more is not for a thread that others may wait for.
const LARGE_BYTES: usize = 16 << 10;

/// The same of a program. The parser takes up to a third of a microsecond for each byte.
const LARGE_CODE_BYTES: usize = 4 << 10;

/// Runs Python programs, each in a fresh interpreter inside a WebAssembly instance of its own.
///
/// A handle: clones are the same sandbox, with the same slots, metrics and threads. It has no globals and reads no
/// environment, so a process can have several with different tools. It works on Tokio runtimes of both kinds and in other
/// executors: timers and tool calls run on threads that belong to the sandbox. A small program begins on the thread that
/// polls [`Sandbox::run`]; if it is not done after a millisecond or two, it goes on on the sandbox's threads, where large
/// ones begin.
///
/// Dropping the last clone ends all executions. A tool that holds a clone of its own sandbox keeps it alive for ever.
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
    /// Held while a large execution is looked at.
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
    /// Its threads are in no other.
    process: u32,
    cancel: Arc<CancellationToken>,
}

/// The place of one execution, free when dropped. One that was cancelled in the queue has none.
pub(crate) struct Slot(
    #[expect(dead_code, reason = "it is there to be dropped")] Option<OwnedSemaphorePermit>,
);

/// An execution that may begin.
struct Admitted {
    source: ValidatedSource,
    execution: Execution,
    permit: OwnedSemaphorePermit,
    queue: Duration,
}

impl Sandbox {
    /// A sandbox with the service's defaults, to be changed.
    #[must_use]
    pub fn builder() -> SandboxBuilder {
        SandboxBuilder::default()
    }

    /// Runs one program and reports how it ended.
    ///
    /// Waits for a free slot first. Dropping the future stops the guest and frees its slot; a
    /// [`CancelHandle`](crate::CancelHandle) stops it too, and leaves a report.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] for what cannot be run, [`Error::Busy`] and [`Error::ShuttingDown`] for what cannot be run
    /// now, [`Error::Internal`] for the host's own failures, and in a process that was forked from the one that made the
    /// sandbox. Whatever the program does is in the report.
    pub async fn run(&self, execution: Execution) -> Result<Report, Error> {
        self.run_in_slot(execution).await.map(|(report, _slot)| report)
    }

    /// The same. The slot is free when the caller drops it.
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
            // Dropped without an end, the record says that it was cancelled.
            return Ok((Report::cancelled_while_queued(id, begun.elapsed()), Slot(None)));
        };
        record.end(end.as_ref().map(|(report, _)| report));
        end
    }

    /// Checks whether [`Sandbox::run`] would start this program, without running any of it. Neither the metrics nor the log
    /// show it.
    ///
    /// # Errors
    ///
    /// Those of [`Sandbox::run`], except for programs that only CPython's own compiler refuses. [`Error::Busy`] only for a
    /// large program: a small one needs no slot.
    pub async fn check(&self, execution: Execution) -> Result<(), Error> {
        if !self.is_open() {
            return Err(Error::ShuttingDown);
        }
        self.look_at(execution, |shared, execution| shared.accept(execution).map(drop)).await?
    }

    /// Waits for its turn where the caller is. `None` if it was cancelled meanwhile.
    async fn run_recorded(
        &self,
        id: ExecutionId,
        execution: Execution,
        record: &mut AuditRecord,
    ) -> Result<Option<(Report, Slot)>, Error> {
        let shared = self.0.shared.clone();
        let (is_large, handle) = (is_large(&execution), execution.cancel_handle.clone());
        // Events that were sent cannot be taken back, so such a program must not begin anew.
        let begins_here = !is_large && execution.events.is_none();
        let admitted = self.admit(execution, record);
        let Some(admitted) = CancelHandle::unless_cancelled(handle.as_ref(), admitted).await else {
            return Ok(None);
        };
        let Admitted { source, execution, permit, queue } = admitted?;
        let started = Arc::<AtomicU32>::default();
        record.start(&started);
        // Cancelled when this future is dropped, also while the guest does not yield.
        let cancel = Cancel::new(shared.cancel.clone(), handle);
        let _abandon = cancel.when_dropped();
        let run = self.0.tasks.track_future(async move {
            let slot = Slot(Some(permit));
            // Dropped before the slot: no more executions are active than there are slots.
            let _active = shared.metrics.active();
            let grants = shared.grants(&execution, started);
            let run =
                Run { id, source: &source, execution: &execution, grants, in_callers_thread: begins_here };
            Ok((shared.execute(run, &cancel).await?, slot))
        });
        // It may move to another thread, and its span with it.
        let run = run.in_current_span();
        let (mut report, slot) = if begins_here {
            self.on_this_thread_first(run).await
        } else {
            self.on_guest_threads(run).await
        }?;
        report.stages.queue = queue;
        Ok(Some((report, slot)))
    }

    /// Looks at the program, then waits for a slot.
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

    /// Calls `look`: in the caller's thread for a small execution. A large one would keep that thread from other work, and a
    /// guests' thread from its guests: `look` is then called in a thread of its own.
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
        // One at a time: however many there are, together they keep one core.
        let alone = self.0.accepting.admit(&shared.metrics).await?;
        let look = move || {
            let _alone = alone;
            Ok(look(&shared, execution))
        };
        flatten(runtime.spawn_blocking(look).await)
    }

    /// Runs a small program that no metric counts and no log shows, and looks at its value.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] when programs cannot be run here.
    pub async fn self_test(&self) -> Result<(), Error> {
        let shared = self.0.shared.clone();
        self.on_guest_threads(self.0.tasks.track_future(async move { shared.self_test().await })).await
    }

    /// Polls `run` once where the caller is: most programs are done before they yield, and waking another thread takes as
    /// long as they do. What is not done then moves to the guests' threads. Dropping the future drops `run`.
    async fn on_this_thread_first<T: Send + 'static>(
        &self,
        run: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let runtime = self.0.runtime.as_ref().ok_or(Error::ShuttingDown)?;
        let mut run = Box::pin(run);
        let first = poll_fn(|context| {
            // Its timers and tool calls belong to the guests' threads from the beginning.
            let _entered = runtime.enter();
            Poll::Ready(run.as_mut().poll(context))
        });
        match first.await {
            Poll::Ready(ended) => ended,
            Poll::Pending => self.on_guest_threads(run).await,
        }
    }

    /// Dropping the future drops `run`.
    async fn on_guest_threads<T: Send + 'static>(
        &self,
        run: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let runtime = self.0.runtime.as_ref().ok_or(Error::ShuttingDown)?;
        flatten(AbortOnDropHandle::new(runtime.spawn(run)).await)
    }

    /// Takes no more executions and waits for those under way, at most for `grace`; then cancels them. One that does not
    /// end then within half a second, because it is in a function of the host, is left alone.
    pub async fn shutdown(&self, grace: Duration) {
        const CANCELLED_TIME: Duration = Duration::from_millis(500);
        self.0.shared.admission.close();
        self.0.accepting.close();
        self.0.tasks.close();
        if tokio::time::timeout(grace, self.0.tasks.wait()).await.is_err() {
            self.0.shared.cancel.cancel();
            if tokio::time::timeout(CANCELLED_TIME, self.0.tasks.wait()).await.is_err() {
                warn!("executions that do not end are given up");
            }
        }
    }

    /// Whether executions are let in: until [`Sandbox::shutdown`].
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.0.shared.admission.is_closed()
    }

    /// Whether each memory that was looked at after an execution was the image again. Once one was not, programs may read what
    /// others have left: start the process anew, and report it.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.0.shared.is_sound.load(Ordering::Relaxed)
    }

    /// What its executions are counted in.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0.shared.metrics
    }

    /// What a reader may know of the tools that programs can import.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.0.shared.catalogue
    }

    /// Linear memory that an execution has before its program starts, in bytes.
    #[must_use]
    pub fn memory_bytes_min(&self) -> u64 {
        self.0.shared.memory_bytes_min
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting for the threads could block an async caller for ever; they stop at their next yield.
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    /// Lowers the limits to the ceilings and takes the program out, if it can be run.
    fn accept(&self, mut execution: Execution) -> Result<(ValidatedSource, Execution), Error> {
        if self.process != std::process::id() {
            let why = "this process was forked from the one that made the sandbox: make another one in it";
            return Err(Error::internal(why));
        }
        execution.limits = execution.limits.clamped_to(&self.ceilings);
        self.check(&execution)?;
        if let Some(tools) = &mut execution.tools {
            // From here on, it is no longer than all tools that there are.
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

    /// What a program may call; `started` counts its calls.
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

    /// A module of tools that are not granted is as one that is switched off: the guest refuses it, and no hint names it.
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

/// Whether looking at it takes too long where its caller is.
fn is_large(execution: &Execution) -> bool {
    execution.code.len() > LARGE_CODE_BYTES || execution.bytes() > LARGE_BYTES
}

/// What a task has come to.
fn flatten<T>(joined: Result<Result<T, Error>, JoinError>) -> Result<T, Error> {
    match joined {
        Ok(ended) => ended,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(_) => Err(Error::ShuttingDown),
    }
}

/// What the validator let pass and CPython's compiler did not; `tests/all/differential.rs` shows how rare that is.
fn refused_by_cpython(error: &GuestError) -> Finding {
    Finding {
        rule: Rule::Syntax,
        message: format!("Code failed to parse: {error}"),
        line: error.line.unwrap_or(1),
        column: error.column.unwrap_or(1),
        hint: error.hint.clone(),
    }
}

/// Which layers stand between a program and the wall. The wall, WebAssembly and the limits, is always there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    not(any(test, fuzzing, feature = "test-layers")),
    expect(dead_code, unreachable_pub, reason = "only tests take layers away")
)]
pub enum Layers {
    /// Validator and guards inside the interpreter.
    #[default]
    All,
    /// The guards alone: for tests of them.
    NoValidator,
    /// Neither: for tests of the wall.
    WallOnly,
}
