//! The façade: a [`Sandbox`] runs executions, at most so many at once, each in an interpreter of its own.

mod admission;
mod context;
mod record;

use std::borrow::Cow;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::error::Error;
use crate::execution::{Execution, ExecutionId, Finding, GuestError, Outcome, Report, Rule};
use crate::image::{Image, ImageSpec};
use crate::instance::{Run, Template};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::tools::{Catalogue, Grants, Registry, Tool, ToolPolicy};
use crate::validator::{self, CODE_BYTES_CEILING, Policy, ValidatedSource};
use admission::Admission;
use record::Record;

/// Guests run on fibre stacks of their own; on these threads the validator need not make one for itself. Address
/// space, for the most part.
const GUEST_THREAD_STACK_BYTES: usize = 128 << 20;

/// Runs Python programs, each in a fresh interpreter inside a WebAssembly instance of its own.
///
/// A program begins where [`Sandbox::run`] is polled; when it is not done after a millisecond or so, it goes on in threads
/// that belong to the sandbox. Dropping the sandbox ends all executions.
pub struct Sandbox {
    shared: Arc<Shared>,
    tasks: TaskTracker,
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
    cancel: CancellationToken,
}

impl Sandbox {
    /// A sandbox with the service's defaults, to be changed.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Runs one program and reports how it ended.
    ///
    /// Waits for a free slot first. Dropping the future stops the guest and frees its slot.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] for what cannot be run, [`Error::Busy`] and [`Error::ShuttingDown`] for what cannot be run
    /// now, [`Error::Internal`] for the host's own failures. Whatever the program does is in the report.
    pub async fn run(&self, execution: Execution) -> Result<Report, Error> {
        let shared = &self.shared;
        let id = ExecutionId::random();
        let mut record = Record::new(&shared.metrics, id, &execution, shared.log_code);
        let run = AssertUnwindSafe(self.run_recorded(id, execution, &mut record)).catch_unwind();
        let end = run.await.unwrap_or_else(|_| Err(Error::Internal("the execution panicked".into())));
        record.end(&end);
        end
    }

    /// Waits for its turn where the caller is.
    async fn run_recorded(
        &self,
        id: ExecutionId,
        mut execution: Execution,
        record: &mut Record,
    ) -> Result<Report, Error> {
        let shared = self.shared.clone();
        let source = shared.accept(&mut execution)?;
        let queued = Instant::now();
        let permit = shared.admission.admit(&shared.metrics).await?;
        let queue = queued.elapsed();
        let started = Arc::<AtomicU32>::default();
        record.start(&started);
        let run = async move {
            let _permit = permit;
            // Dropped before the permit: no more executions are active than there are slots.
            let _active = shared.metrics.active();
            let grants = shared.grants(&execution, started);
            shared.execute(id, &source, &execution, grants).await
        };
        let mut report = self.on_guest_threads(run).await?;
        report.stages.queue = queue;
        Ok(report)
    }

    /// Runs a small program that no metric counts and no log shows, and looks at its value.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] when programs cannot be run here.
    pub async fn self_test(&self) -> Result<(), Error> {
        let shared = self.shared.clone();
        self.on_guest_threads(async move { shared.self_test().await }).await
    }

    /// Polls `run` once where the caller is: most programs are done before they yield, and waking another thread takes as
    /// long as they do. What is not done then moves to the guests' threads, so a caller's thread is kept for a millisecond
    /// or so. Dropping the future drops `run`.
    async fn on_guest_threads<T: Send + 'static>(
        &self,
        run: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let Some(runtime) = &self.runtime else {
            return Err(Error::ShuttingDown);
        };
        let mut run = Box::pin(self.tasks.track_future(run));
        let first = poll_fn(|context| {
            // Its timers and tool calls belong to the guests' threads from the beginning.
            let _entered = runtime.enter();
            Poll::Ready(run.as_mut().poll(context))
        });
        match first.await {
            Poll::Ready(ended) => ended,
            Poll::Pending => match AbortOnDropHandle::new(runtime.spawn(run)).await {
                Ok(ended) => ended,
                Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
                Err(_) => Err(Error::ShuttingDown),
            },
        }
    }

    /// Takes no more executions and waits for those under way, at most for `grace`; then cancels them.
    pub async fn shutdown(&self, grace: Duration) {
        self.shared.admission.close();
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            self.shared.cancel.cancel();
            self.tasks.wait().await;
        }
    }

    /// Whether executions are let in: until [`Sandbox::shutdown`].
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.shared.admission.is_closed()
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
    fn accept(&self, execution: &mut Execution) -> Result<ValidatedSource, Error> {
        execution.limits = execution.limits.clamped_to(&self.ceilings);
        self.check(execution)?;
        let code = std::mem::take(&mut execution.code);
        match self.layers {
            Layers::All => validator::validate(code, &self.policy_for(execution)).map_err(Error::Rejected),
            Layers::NoValidator | Layers::WallOnly => Ok(ValidatedSource::unchecked(code)),
        }
    }

    /// What a program may call; `started` counts its calls.
    fn grants(&self, execution: &Execution, started: Arc<AtomicU32>) -> Grants {
        Grants {
            registry: self.registry.clone(),
            catalogue: self.catalogue.clone(),
            only: execution.tools.clone(),
            policy: self.tool_policy.clone(),
            started,
        }
    }

    async fn execute(
        &self,
        id: ExecutionId,
        source: &ValidatedSource,
        execution: &Execution,
        grants: Grants,
    ) -> Result<Report, Error> {
        let report = self.template.run(Run { id, source, execution, grants }, &self.cancel).await?;
        let is_checked = self.layers == Layers::All && report.outcome == Outcome::Failure;
        match report.error.as_ref().filter(|error| is_checked && error.before_start) {
            Some(error) => Err(Error::Rejected(vec![refused_by_cpython(error)])),
            None => Ok(report),
        }
    }

    async fn self_test(&self) -> Result<(), Error> {
        let execution = Execution { limits: self.ceilings, ..Execution::default() };
        let (source, grants) = (ValidatedSource::unchecked("6 * 7".into()), Grants::default());
        let run = Run { id: ExecutionId::random(), source: &source, execution: &execution, grants };
        let report = self.template.run(run, &self.cancel).await?;
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

/// Collects what a [`Sandbox`] is made of.
pub struct Builder {
    ceilings: Limits,
    policy: Policy,
    layers: Layers,
    slots: u32,
    waiting_max: usize,
    tools: Vec<Tool>,
    tool_policy: Option<Arc<dyn ToolPolicy>>,
    cache_dir: Option<PathBuf>,
    metrics: Metrics,
    log_code: bool,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            ceilings: Limits::default(),
            policy: Policy::default(),
            layers: Layers::All,
            slots: 2,
            waiting_max: 64,
            tools: Vec::new(),
            tool_policy: None,
            cache_dir: None,
            metrics: Metrics::default(),
            log_code: false,
        }
    }
}

impl Builder {
    /// Bounds that no execution may exceed.
    #[must_use]
    pub fn ceilings(mut self, ceilings: Limits) -> Self {
        self.ceilings = ceilings;
        self
    }

    /// What a program and its context must be like, what they may import among it.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Executions at the same time; each reserves some GiB of address space, and keeps
    /// up to 32 MiB of memory once it has been used. Default: 2.
    #[must_use]
    pub fn concurrency(mut self, slots: u32) -> Self {
        self.slots = slots;
        self
    }

    /// Executions that may wait for a slot; one more gets [`Error::Busy`]. Default: 64.
    #[must_use]
    pub fn queue(mut self, waiting_max: usize) -> Self {
        self.waiting_max = waiting_max;
        self
    }

    /// The layers in front of the wall: all, unless a test wants to reach what is behind one.
    #[must_use]
    pub fn layers(mut self, layers: Layers) -> Self {
        self.layers = layers;
        self
    }

    /// Adds a tool that programs can import.
    #[must_use]
    pub fn tool(mut self, tool: Tool) -> Self {
        self.tools.push(tool);
        self
    }

    /// Adds tools that programs can import.
    #[must_use]
    pub fn tools(mut self, tools: impl IntoIterator<Item = Tool>) -> Self {
        self.tools.extend(tools);
        self
    }

    /// What decides about each tool call; without one, what is granted is allowed.
    #[must_use]
    pub fn tool_policy(mut self, policy: impl ToolPolicy + 'static) -> Self {
        self.tool_policy = Some(Arc::new(policy));
        self
    }

    /// Where compiled images are kept between processes. Without one, each start makes its own image.
    #[must_use]
    pub fn cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(dir.into());
        self
    }

    /// What executions are counted in, where that is known before the sandbox is; else it has metrics of its own.
    #[must_use]
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Whether the log's events of executions show their programs; never their context or values. Default: no.
    #[must_use]
    pub fn log_code(mut self, log_code: bool) -> Self {
        self.log_code = log_code;
        self
    }

    fn check(&self) -> Result<(), Error> {
        if self.slots == 0 {
            return Err(Error::Config("a sandbox needs at least one slot".into()));
        }
        if self.policy.code_bytes_max > CODE_BYTES_CEILING {
            return Err(Error::Config(format!("programs may have {CODE_BYTES_CEILING} bytes at most")));
        }
        Ok(())
    }

    /// Maps or makes the image and starts the threads. **Blocks**: milliseconds with a cached image, seconds without.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] and [`Error::MemoryBelowImage`] for settings that cannot work, [`Error::Image`] when the
    /// image cannot be made.
    pub fn build(self) -> Result<Sandbox, Error> {
        self.check()?;
        let registry = Registry::new(self.tools)?;
        let spec = ImageSpec {
            allowed_imports: &self.policy.allowed_imports,
            disabled_imports: &self.policy.disabled_imports,
            tools: registry.definitions(),
            guards: self.layers != Layers::WallOnly,
        };
        let opening = Instant::now();
        let image = Image::open(&spec, self.slots, self.cache_dir.as_deref())?;
        self.metrics.image(image.built, opening.elapsed());
        if self.ceilings.memory_bytes_max < image.memory_bytes_min {
            return Err(Error::MemoryBelowImage {
                asked_bytes: self.ceilings.memory_bytes_max,
                image_bytes: image.memory_bytes_min,
            });
        }
        let mut policy = self.policy;
        policy.allowed_imports.extend(registry.modules().into_iter().map(str::to_owned));
        let shared = Shared {
            template: Template::new(&image)?,
            catalogue: Arc::new(Catalogue::of(&registry)),
            registry: Arc::new(registry),
            tool_policy: self.tool_policy,
            ceilings: self.ceilings,
            policy,
            layers: self.layers,
            memory_bytes_min: image.memory_bytes_min,
            admission: Admission::new(self.slots, self.waiting_max),
            metrics: self.metrics,
            log_code: self.log_code,
            cancel: CancellationToken::new(),
        };
        Ok(Sandbox { shared: Arc::new(shared), tasks: TaskTracker::new(), runtime: Some(runtime()?) })
    }
}

fn runtime() -> Result<Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread()
        .thread_name("guest")
        .thread_stack_size(GUEST_THREAD_STACK_BYTES)
        .enable_all()
        .build()
        .map_err(|error| Error::Config(format!("starting the sandbox's threads: {error}")))
}
