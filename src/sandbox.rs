//! The façade: a [`Sandbox`] runs executions, at most so many at once, each in an interpreter of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::error::Error;
use crate::execution::{Execution, Report};
use crate::image::{Image, ImageSpec};
use crate::instance::Template;
use crate::limits::Limits;
use crate::tools::{Grants, Registry, Tool};
use crate::validator::{self, CODE_BYTES_CEILING, Policy, ValidatedSource};

/// Guests run on fibre stacks of their own; this one is for dropping what the parser made of a program, which recurses
/// with its size. Address space, for the most part.
pub(crate) const GUEST_THREAD_STACK_BYTES: usize = 128 << 20;

/// Runs Python programs, each in a fresh interpreter inside a WebAssembly instance of its own.
///
/// Guests run on threads that belong to the sandbox. Dropping the sandbox ends all executions.
pub struct Sandbox {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    /// `Some` until the sandbox is dropped.
    runtime: Option<Runtime>,
}

struct Shared {
    template: Template,
    registry: Arc<Registry>,
    ceilings: Limits,
    policy: Policy,
    layers: Layers,
    memory_bytes_min: u64,
    slots: Arc<Semaphore>,
    waiting: AtomicUsize,
    waiting_max: usize,
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
        let Some(runtime) = &self.runtime else {
            return Err(Error::ShuttingDown);
        };
        let shared = self.shared.clone();
        let run = async move { shared.run(execution).await };
        let task = self.tasks.spawn_on(run, runtime.handle());
        match AbortOnDropHandle::new(task).await {
            Ok(report) => report,
            Err(error) if error.is_panic() => Err(Error::Internal("the execution's task panicked".into())),
            Err(_) => Err(Error::ShuttingDown),
        }
    }

    /// Takes no more executions and waits for those under way, at most for `grace`; then cancels them.
    pub async fn shutdown(&self, grace: Duration) {
        self.shared.slots.close();
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            self.shared.cancel.cancel();
            self.tasks.wait().await;
        }
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
    async fn run(&self, execution: Execution) -> Result<Report, Error> {
        let mut execution = execution;
        execution.limits = execution.limits.clamped_to(&self.ceilings);
        self.check(&execution)?;
        let code = std::mem::take(&mut execution.code);
        let source = match self.layers {
            Layers::All => validator::validate(code, &self.policy).map_err(Error::Rejected)?,
            Layers::NoValidator | Layers::WallOnly => ValidatedSource::unchecked(code),
        };
        let queued = Instant::now();
        let _permit = self.admit().await?;
        let queue = queued.elapsed();
        let grants = Grants { registry: self.registry.clone(), only: execution.tools.clone() };
        let mut report = self.template.run(&source, &execution, grants, &self.cancel).await?;
        report.stages.queue = queue;
        Ok(report)
    }

    fn check(&self, execution: &Execution) -> Result<(), Error> {
        let asked_bytes = execution.limits.memory_bytes_max;
        if asked_bytes < self.memory_bytes_min {
            return Err(Error::MemoryBelowImage { asked_bytes, image_bytes: self.memory_bytes_min });
        }
        execution.context.keys().try_for_each(|key| self.check_context_key(key))
    }

    fn check_context_key(&self, key: &str) -> Result<(), Error> {
        let mut chars = key.chars();
        let starts = |c| c == '_' || unicode_ident::is_xid_start(c);
        let why = if !chars.next().is_some_and(starts) || !chars.all(unicode_ident::is_xid_continue) {
            "is not a Python identifier"
        } else if key.starts_with("__") {
            "starts with two underscores"
        } else if self.registry.is_module(key) {
            "is the name of a tool module"
        } else {
            return Ok(());
        };
        Err(Error::Context { key: key.into(), why })
    }

    async fn admit(&self) -> Result<OwnedSemaphorePermit, Error> {
        match self.slots.clone().try_acquire_owned() {
            Ok(permit) => Ok(permit),
            Err(TryAcquireError::Closed) => Err(Error::ShuttingDown),
            Err(TryAcquireError::NoPermits) => {
                let _place = self.queue_up()?;
                let permit = self.slots.clone().acquire_owned().await;
                permit.map_err(|_| Error::ShuttingDown)
            }
        }
    }

    fn queue_up(&self) -> Result<Place<'_>, Error> {
        let place = Place(&self.waiting);
        let queued = self.waiting.fetch_add(1, Ordering::Relaxed);
        if queued >= self.waiting_max {
            return Err(Error::Busy { queued });
        }
        Ok(place)
    }
}

/// A place in the queue for a slot, given back when dropped.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
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
#[derive(Debug)]
pub struct Builder {
    ceilings: Limits,
    policy: Policy,
    layers: Layers,
    slots: u32,
    waiting_max: usize,
    tools: Vec<Tool>,
    disabled_modules: Vec<String>,
    cache_dir: Option<PathBuf>,
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
            disabled_modules: Vec::new(),
            cache_dir: None,
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

    /// Modules of tools that the operator has not switched on: importing one fails with a message that says so.
    #[must_use]
    pub fn disabled_modules(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.disabled_modules = names.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a tool that programs can import.
    #[must_use]
    pub fn tool(mut self, tool: Tool) -> Self {
        self.tools.push(tool);
        self
    }

    /// Where compiled images are kept between processes. Without one, each start makes its own image.
    #[must_use]
    pub fn cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(dir.into());
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
            disabled_modules: &self.disabled_modules,
            tools: registry.definitions(),
            guards: self.layers != Layers::WallOnly,
        };
        let image = Image::open(&spec, self.slots, self.cache_dir.as_deref())?;
        if self.ceilings.memory_bytes_max < image.memory_bytes_min {
            return Err(Error::MemoryBelowImage {
                asked_bytes: self.ceilings.memory_bytes_max,
                image_bytes: image.memory_bytes_min,
            });
        }
        let mut policy = self.policy;
        // The guest itself says of a module that is switched off why it is not there.
        policy.allowed_imports.extend(registry.modules().chain(self.disabled_modules));
        let shared = Shared {
            template: Template::new(&image)?,
            registry: Arc::new(registry),
            ceilings: self.ceilings,
            policy,
            layers: self.layers,
            memory_bytes_min: image.memory_bytes_min,
            slots: Arc::new(Semaphore::new(self.slots as usize)),
            waiting: AtomicUsize::new(0),
            waiting_max: self.waiting_max,
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
