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
use super::{Layers, Sandbox, Shared};
use crate::error::Error;
use crate::image::{Image, ImageSpec, PYTHON_WASM_ZST};
use crate::instance::Template;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::tools::{Catalogue, Registry, Tool, ToolPolicy};
use crate::validator::{CODE_BYTES_CEILING, Policy};

/// Collects what a [`Sandbox`] is made of.
pub struct SandboxBuilder {
    interpreter: Cow<'static, [u8]>,
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

impl Default for SandboxBuilder {
    fn default() -> Self {
        Self {
            interpreter: Cow::Borrowed(PYTHON_WASM_ZST),
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

impl SandboxBuilder {
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
        policy.allowed_imports.extend(catalogue.modules().iter().cloned());
        let shared = Shared {
            template: Template::new(&image)?,
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
        Ok(Sandbox {
            shared: Arc::new(shared),
            tasks: TaskTracker::new(),
            accepting: Admission::new(1, self.waiting_max.saturating_add(self.slots as usize)),
            runtime: Some(runtime(self.slots)?),
        })
    }
}

/// Programs of a usual size are checked on a thread's own stack: another for each would cost its page faults. Guests have their
/// own.
const THREAD_STACK_BYTES: usize = 16 << 20;

/// A thread for each guest, so that one which does not yield keeps nobody but itself; beyond so many, they share. Not fewer
/// than there are cores.
fn runtime(slots: u32) -> Result<Runtime, Error> {
    const GUEST_THREADS_MAX: usize = 64;
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.max(GUEST_THREADS_MAX.min(slots as usize)))
        .thread_name("guest")
        .thread_stack_size(THREAD_STACK_BYTES)
        .enable_all()
        .build()
        .map_err(|error| Error::Config(format!("starting the sandbox's threads: {error}")))
}
