//! The façade: a [`Sandbox`] runs executions, at most so many at once, each in an interpreter of its own.

mod admission;
mod audit;
mod builder;
mod context;
#[cfg(test)]
pub(crate) mod isolation_tests;
#[cfg(test)]
mod oracle;

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
use tracing::warn;

use crate::error::Error;
use crate::execution::{Execution, ExecutionId, Finding, GuestError, Outcome, Report, Rule};
use crate::instance::{Cancel, Run, Template};
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
/// A small program begins where [`Sandbox::run`] is polled; when it is not done after a millisecond or two, it goes on in
/// threads that belong to the sandbox, where large ones begin. Dropping the sandbox ends all executions.
pub struct Sandbox {
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

/// The place of one execution, free when dropped.
pub(crate) struct Slot(#[expect(dead_code, reason = "it is there to be dropped")] OwnedSemaphorePermit);

impl Sandbox {
    /// A sandbox with the service's defaults, to be changed.
    #[must_use]
    pub fn builder() -> SandboxBuilder {
        SandboxBuilder::default()
    }

    /// Runs one program and reports how it ended.
    ///
    /// Waits for a free slot first. Dropping the future stops the guest and frees its slot.
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
        let shared = &self.shared;
        let id = ExecutionId::random();
        let mut record = AuditRecord::new(&shared.metrics, id, &execution, shared.log_code);
        let run = AssertUnwindSafe(self.run_recorded(id, execution, &mut record)).catch_unwind();
        let end = run.await.unwrap_or_else(|_| Err(Error::Internal("the execution panicked".into())));
        record.end(end.as_ref().map(|(report, _)| report));
        end
    }

    /// Checks whether [`Sandbox::run`] would start this program, without running any of it. Neither the metrics nor the log
    /// show it.
    ///
    /// # Errors
    ///
    /// Those of [`Sandbox::run`], but for what only CPython's own compiler refuses. [`Error::Busy`] only for a large program:
    /// a small one needs no slot.
    pub async fn check(&self, execution: Execution) -> Result<(), Error> {
        if !self.is_open() {
            return Err(Error::ShuttingDown);
        }
        self.look_at(execution, |shared, execution| shared.accept(execution).map(drop)).await?
    }

    /// Waits for its turn where the caller is.
    async fn run_recorded(
        &self,
        id: ExecutionId,
        execution: Execution,
        record: &mut AuditRecord,
    ) -> Result<(Report, Slot), Error> {
        let shared = self.shared.clone();
        let is_large = is_large(&execution);
        let accept =
            |shared: &Shared, execution: Execution| (code_sha256(&execution.code), shared.accept(execution));
        let (code_sha256, accepted) = self.look_at(execution, accept).await?;
        record.code_sha256 = Some(code_sha256);
        let (source, execution) = accepted?;
        let queued = Instant::now();
        let permit = shared.admission.admit(&shared.metrics).await?;
        let queue = queued.elapsed();
        let started = Arc::<AtomicU32>::default();
        record.start(&started);
        // Cancelled when this future is dropped, also while the guest does not yield.
        let cancel = Cancel::new(shared.cancel.clone());
        let _abandon = cancel.when_dropped();
        let run = self.tasks.track_future(async move {
            let slot = Slot(permit);
            // Dropped before the slot: no more executions are active than there are slots.
            let _active = shared.metrics.active();
            let grants = shared.grants(&execution, started);
            let run =
                Run { id, source: &source, execution: &execution, grants, in_callers_thread: !is_large };
            Ok((shared.execute(run, &cancel).await?, slot))
        });
        let (mut report, slot) =
            if is_large { self.on_guest_threads(run).await } else { self.on_this_thread_first(run).await }?;
        report.stages.queue = queue;
        Ok((report, slot))
    }

    /// Calls `look`: in the caller's thread for a small execution. A large one would keep that thread from other work, and a
    /// guests' thread from its guests: `look` is then called in a thread of its own.
    async fn look_at<T: Send + 'static>(
        &self,
        execution: Execution,
        look: impl FnOnce(&Shared, Execution) -> T + Send + 'static,
    ) -> Result<T, Error> {
        if !is_large(&execution) {
            return Ok(look(&self.shared, execution));
        }
        let shared = self.shared.clone();
        let runtime = self.runtime.as_ref().ok_or(Error::ShuttingDown)?;
        // One at a time: however many there are, together they keep one core.
        let alone = self.accepting.admit(&shared.metrics).await?;
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
        let shared = self.shared.clone();
        self.on_guest_threads(self.tasks.track_future(async move { shared.self_test().await })).await
    }

    /// Polls `run` once where the caller is: most programs are done before they yield, and waking another thread takes as
    /// long as they do. What is not done then moves to the guests' threads. Dropping the future drops `run`.
    async fn on_this_thread_first<T: Send + 'static>(
        &self,
        run: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let runtime = self.runtime.as_ref().ok_or(Error::ShuttingDown)?;
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
        let runtime = self.runtime.as_ref().ok_or(Error::ShuttingDown)?;
        flatten(AbortOnDropHandle::new(runtime.spawn(run)).await)
    }

    /// Takes no more executions and waits for those under way, at most for `grace`; then cancels them. One that does not
    /// end then within half a second, because it is in a function of the host, is left alone.
    pub async fn shutdown(&self, grace: Duration) {
        const CANCELLED_TIME: Duration = Duration::from_millis(500);
        self.shared.admission.close();
        self.accepting.close();
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            self.shared.cancel.cancel();
            if tokio::time::timeout(CANCELLED_TIME, self.tasks.wait()).await.is_err() {
                warn!("executions that do not end are given up");
            }
        }
    }

    /// Whether executions are let in: until [`Sandbox::shutdown`].
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.shared.admission.is_closed()
    }

    /// Whether each memory that was looked at after an execution was the image again. Once one was not, programs may read what
    /// others have left: start the process anew, and report it.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.shared.is_sound.load(Ordering::Relaxed)
    }

    /// What its executions are counted in.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// What a reader may know of the tools that programs can import.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.shared.catalogue
    }

    /// Linear memory that an execution has before its program starts, in bytes.
    #[must_use]
    pub fn memory_bytes_min(&self) -> u64 {
        self.shared.memory_bytes_min
    }
}

impl Drop for Sandbox {
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
            return Err(Error::Internal(why.into()));
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
            metrics: self.metrics.clone(),
            started,
        }
    }

    async fn execute(&self, run: Run<'_>, cancel: &Cancel) -> Result<Report, Error> {
        let report = self.template.run(run, cancel).await?;
        let is_checked = self.layers == Layers::All && report.outcome == Outcome::Failure;
        match report.error.as_ref().filter(|error| is_checked && error.before_start) {
            Some(error) => Err(Error::Rejected(vec![refused_by_cpython(error)])),
            None => Ok(report),
        }
    }

    async fn self_test(&self) -> Result<(), Error> {
        let execution = Execution { limits: self.ceilings, ..Execution::default() };
        let (source, grants) = (ValidatedSource::unchecked("6 * 7".into()), Grants::default());
        let id = ExecutionId::random();
        let run = Run { id, source: &source, execution: &execution, grants, in_callers_thread: false };
        let report = self.template.run(run, &Cancel::new(self.cancel.clone())).await?;
        match report.value.as_ref().map(|value| value.get()) {
            Some("42") => Ok(()),
            _ => Err(Error::Internal(format!("the interpreter does not work: {:?}", report.error))),
        }
    }

    /// A module of tools that are not granted is as one that is switched off: the guest refuses it, and no hint names it.
    fn policy_for(&self, execution: &Execution) -> Cow<'_, Policy> {
        let Some(granted) = &execution.tools else { return Cow::Borrowed(&self.policy) };
        let mut policy = self.policy.clone();
        for module in self.registry.modules_without(granted) {
            policy.allowed_imports.remove(module);
            policy.disabled_imports.insert(module.to_owned());
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
pub enum Layers {
    /// Validator and guards inside the interpreter.
    #[default]
    All,
    /// The guards alone: for tests of them.
    NoValidator,
    /// Neither: for tests of the wall.
    WallOnly,
}
