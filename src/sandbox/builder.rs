//! What a sandbox is made of, and the making of it.

use std::borrow::Cow;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tokio::runtime::Runtime;
use tokio_util::task::TaskTracker;

use super::admission::Admission;
use super::{Inner, Layers, Sandbox, Shared};
use crate::error::Error;
use crate::image::{Image, ImageSpec, PYTHON_WASM_ZST};
use crate::instance::{Pauses, Template};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::tools::{Catalogue, Registry, Tool, ToolPolicy};
use crate::validator::{CODE_BYTES_CEILING, Policy};

/// Collects what a [`Sandbox`] is made of.
///
/// ```no_run
/// use std::time::Duration;
///
/// use ai_code_executor::{Limits, Policy, Sandbox};
///
/// # fn example() -> Result<(), ai_code_executor::Error> {
/// let sandbox = Sandbox::builder()
///     .concurrency(8)
///     .queue(100)
///     .ceilings(Limits::default().wall_time(Duration::from_secs(10)))
///     .policy(Policy::default().allowed_imports(["json", "math"]))
///     .cache_dir("/var/cache/mine")
///     .build()?;
/// # drop(sandbox);
/// # Ok(())
/// # }
/// ```
pub struct SandboxBuilder {
    interpreter: Cow<'static, [u8]>,
    ceilings: Limits,
    policy: Policy,
    layers: Layers,
    pauses: Pauses,
    slots: u32,
    threads: Option<usize>,
    waiting_max: usize,
    tools: Vec<Tool>,
    tool_policy: Option<Arc<dyn ToolPolicy>>,
    cache_dir: Option<PathBuf>,
    metrics: Metrics,
    log_code: bool,
}

impl Default for SandboxBuilder {
    fn default() -> Self {
        Self {
            interpreter: Cow::Borrowed(PYTHON_WASM_ZST),
            ceilings: Limits::default(),
            policy: Policy::default(),
            layers: Layers::All,
            pauses: Pauses::Never,
            slots: 2,
            threads: None,
            waiting_max: 64,
            tools: Vec::new(),
            tool_policy: None,
            cache_dir: None,
            metrics: Metrics::default(),
            log_code: false,
        }
    }
}

impl SandboxBuilder {
    /// Bounds that no execution may exceed; each bound of an execution is lowered to them. Default: [`Limits::default`].
    #[must_use]
    pub fn ceilings(mut self, ceilings: Limits) -> Self {
        self.ceilings = ceilings;
        self
    }

    /// What programs may import, and how large they and their context may be. Default: [`Policy::default`].
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Executions at the same time, at least 1. Each reserves some GiB of address space, and keeps up to 32 MiB of memory
    /// once it has been used. Default: 2.
    #[must_use]
    pub fn concurrency(mut self, slots: u32) -> Self {
        self.slots = slots;
        self
    }

    /// Threads that programs run on, at least 1. Default: one for each slot, at most 64 and at least one for each core.
    ///
    /// A program that computes keeps a thread for a millisecond at a time, then lets others have it. One that is stuck in a
    /// loop without a yield keeps it until a limit ends it, so fewer threads than slots let programs delay each other.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Executions that may wait for a slot; one more gets [`Error::Busy`]. Default: 64.
    #[must_use]
    pub fn queue(mut self, waiting_max: usize) -> Self {
        self.waiting_max = waiting_max;
        self
    }

    /// Parks executions whenever they wait, and continues each in another instance.
    #[cfg(any(test, fuzzing, feature = "test-layers"))]
    #[doc(hidden)]
    #[must_use]
    pub fn parks_at_each_wait(mut self) -> Self {
        self.pauses = Pauses::Always;
        self
    }

    /// The layers in front of the wall: all, unless a test wants to reach what is behind one.
    #[cfg(any(test, fuzzing, feature = "test-layers"))]
    #[doc(hidden)]
    #[must_use]
    pub fn layers(mut self, layers: Layers) -> Self {
        self.layers = layers;
        self
    }

    /// A guest in place of Python: compressed WebAssembly with the exports and imports of `guest/README.md`.
    #[cfg(any(test, fuzzing))]
    #[must_use]
    pub fn interpreter(mut self, wasm_zst: Vec<u8>) -> Self {
        self.interpreter = wasm_zst.into();
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

    /// Decides about each tool call that is granted and whose arguments fit. Default: all of them are made.
    #[must_use]
    pub fn tool_policy(mut self, policy: impl ToolPolicy + 'static) -> Self {
        self.tool_policy = Some(Arc::new(policy));
        self
    }

    /// The directory in which images are kept between processes; made if it does not exist. It must belong to this user and
    /// be writable by nobody else: it holds machine code. Default: none, and each start makes its own image, which takes
    /// seconds.
    #[must_use]
    pub fn cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(dir.into());
        self
    }

    /// Metrics to count executions in, when they are needed before the sandbox exists. Default: metrics of its own.
    #[must_use]
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Whether events of the log contain the program's source. Context and values never are in the log. Default: no.
    #[must_use]
    pub fn log_code(mut self, log_code: bool) -> Self {
        self.log_code = log_code;
        self
    }

    fn check(&self) -> Result<(), Error> {
        if self.slots == 0 {
            return Err(Error::config("a sandbox needs at least one slot"));
        }
        if self.threads == Some(0) {
            return Err(Error::config("a sandbox needs at least one thread"));
        }
        if self.policy.code_bytes_max > CODE_BYTES_CEILING {
            return Err(Error::config(format!("programs may have {CODE_BYTES_CEILING} bytes at most")));
        }
        Ok(())
    }

    /// Maps or makes the image and starts the sandbox's threads. **Blocks**: milliseconds with a cached image, seconds
    /// without one. In async code, call it in `spawn_blocking`.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] and [`Error::MemoryBelowImage`] for settings that cannot work, for tools that share a name or have
    /// an unusable schema, and when threads cannot be started. [`Error::Image`] when the image cannot be made, or there are
    /// too few addresses for so many executions. A cache that cannot be used is a warning in the log.
    pub fn build(self) -> Result<Sandbox, Error> {
        self.check()?;
        let registry = Registry::new(self.tools)?;
        registry.show_in(&self.metrics);
        let spec = ImageSpec {
            interpreter: &self.interpreter,
            allowed_imports: &self.policy.allowed_imports,
            disabled_imports: &self.policy.disabled_imports,
            tools: registry.definitions(),
            guards: self.layers != Layers::WallOnly,
        };
        let opening = Instant::now();
        let is_sound = Arc::new(AtomicBool::new(true));
        let (audited, sound) = (self.metrics.clone(), is_sound.clone());
        let on_audit = Box::new(move |is_image| {
            audited.audited(is_image);
            sound.fetch_and(is_image, Ordering::Relaxed);
        });
        let image = Image::open(&spec, self.slots, self.cache_dir.as_deref(), on_audit)?;
        self.metrics.image(image.built, opening.elapsed());
        if self.ceilings.memory_bytes_max < image.memory_bytes_min {
            return Err(Error::MemoryBelowImage {
                asked_bytes: self.ceilings.memory_bytes_max,
                image_bytes: image.memory_bytes_min,
            });
        }
        let (mut policy, catalogue) = (self.policy, Catalogue::of(&registry));
        catalogue.admit_to(&mut policy);
        let shared = Shared {
            template: Template::new(&image, self.pauses)?,
            catalogue: Arc::new(catalogue),
            registry: Arc::new(registry),
            tool_policy: self.tool_policy,
            ceilings: self.ceilings,
            policy,
            layers: self.layers,
            memory_bytes_min: image.memory_bytes_min,
            admission: Admission::new(self.slots, self.waiting_max),
            metrics: self.metrics,
            log_code: self.log_code,
            is_sound,
            process: std::process::id(),
            cancel: Arc::default(),
        };
        Ok(Sandbox(Arc::new(Inner {
            shared: Arc::new(shared),
            tasks: TaskTracker::new(),
            accepting: Admission::new(1, self.waiting_max.saturating_add(self.slots as usize)),
            runtime: Some(runtime(self.threads.unwrap_or_else(|| threads_for(self.slots)))?),
        })))
    }
}

/// Programs of a usual size are checked on a thread's own stack: another for each would cost its page faults. Guests have their
/// own.
const THREAD_STACK_BYTES: usize = 16 << 20;

/// A thread for each guest, so that one which does not yield keeps nobody but itself; beyond so many, they share. Not fewer
/// than there are cores.
fn threads_for(slots: u32) -> usize {
    const GUEST_THREADS_MAX: usize = 64;
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    cores.max(GUEST_THREADS_MAX.min(slots as usize))
}

fn runtime(threads: usize) -> Result<Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("guest")
        .thread_stack_size(THREAD_STACK_BYTES)
        .enable_all()
        .build()
        .map_err(|error| Error::config("starting the sandbox's threads").caused_by(error))
}
