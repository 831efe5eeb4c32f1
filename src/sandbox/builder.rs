//! Builds a sandbox from its settings.

use std::borrow::Cow;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use sealed_store::{Sealer, Store};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admission::Admission;
use super::editions::{Edition, Editions, check_memory, registry_of};
use super::images::{self, Images, Own};
use super::{Inner, Layers, Sandbox, Shared, WaitLimits};
use crate::error::Error;
use crate::image::{Image, ImageSpec, PYTHON_WASM_ZST, Packages};
use crate::instance::Template;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::store::Records;
#[cfg(feature = "mcp-tools")]
use crate::tools::ToolSource;
use crate::tools::{Tool, ToolPolicy};
use crate::validator::{CODE_BYTES_CEILING, Policy, PolicyKind};

/// Collects the settings of a [`Sandbox`] and builds it.
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
    slots: u32,
    threads: Option<usize>,
    waiting_max: usize,
    tools: Vec<Tool>,
    #[cfg(feature = "mcp-tools")]
    source: Option<ToolSource>,
    tool_policy: Option<Arc<dyn ToolPolicy>>,
    packages: Packages,
    cache_dir: Option<PathBuf>,
    metrics: Metrics,
    log_code: bool,
    wait_limits: WaitLimits,
    store: Kept,
}

/// Where records are kept.
#[derive(Default)]
enum Kept {
    #[default]
    InMemory,
    In(Arc<dyn Store>, Sealer),
    Nowhere,
}

impl Default for SandboxBuilder {
    fn default() -> Self {
        Self {
            interpreter: Cow::Borrowed(PYTHON_WASM_ZST),
            ceilings: Limits::default(),
            policy: Policy::default(),
            layers: Layers::All,
            slots: 2,
            threads: None,
            waiting_max: 64,
            tools: Vec::new(),
            #[cfg(feature = "mcp-tools")]
            source: None,
            tool_policy: None,
            packages: Packages::default(),
            cache_dir: None,
            metrics: Metrics::default(),
            log_code: false,
            wait_limits: WaitLimits::default(),
            store: Kept::default(),
        }
    }
}

impl SandboxBuilder {
    /// Sets the upper bounds of all executions' limits. Higher limits of an execution are lowered to them. Default:
    /// [`Limits::default`].
    #[must_use]
    pub fn ceilings(mut self, ceilings: Limits) -> Self {
        self.ceilings = ceilings;
        self
    }

    /// Sets what programs are refused, and how large programs and their context may be. Default: [`Policy::default`].
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets the number of slots: executions that run at the same time, at least 1. Each slot reserves some GiB of
    /// address space, and keeps up to 32 MiB of memory after its first use. Default: 2.
    #[must_use]
    pub fn concurrency(mut self, slots: u32) -> Self {
        self.slots = slots;
        self
    }

    /// Sets the number of threads that programs run on, at least 1. Default: one per slot, at most 64, but at least one
    /// per core.
    ///
    /// A computing program yields its thread about every millisecond. A program in a loop that does not yield occupies
    /// its thread until a limit ends it. With fewer threads than slots, such programs delay others.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Sets the number of executions that may wait for a slot. Further ones fail with [`Error::Busy`]. Default: 64.
    #[must_use]
    pub fn queue(mut self, waiting_max: usize) -> Self {
        self.waiting_max = waiting_max;
        self
    }

    /// Sets the layers in front of the wall. Default: all. Tests remove layers to reach the ones behind.
    #[cfg(any(test, fuzzing, feature = "test-layers"))]
    #[doc(hidden)]
    #[must_use]
    pub fn layers(mut self, layers: Layers) -> Self {
        self.layers = layers;
        self
    }

    /// Sets the guest to run instead of Python: compressed WebAssembly with the exports and imports of
    /// `guest/README.md`.
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

    /// Adds the tools of `source`, and follows it: when they change, the sandbox [replaces](Sandbox::replace_tools) its tools
    /// by itself, some seconds later. Replaces the source of an earlier call.
    #[cfg(feature = "mcp-tools")]
    #[must_use]
    pub fn follow(mut self, source: ToolSource) -> Self {
        self.source = Some(source);
        self
    }

    /// Sets the policy that decides about each tool call that is granted and whose arguments are valid. Default: all
    /// such calls are made.
    #[must_use]
    pub fn tool_policy(mut self, policy: impl ToolPolicy + 'static) -> Self {
        self.tool_policy = Some(Arc::new(policy));
        self
    }

    /// Sets the packages that programs can import, under every policy. They become a part of the image, so an execution
    /// that uses them starts as fast as any other. Default: none.
    #[must_use]
    pub fn packages(mut self, packages: Packages) -> Self {
        self.packages = packages;
        self
    }

    /// Sets the directory in which images are kept between processes. It is created if it does not exist.
    ///
    /// The directory contains machine code, so it must belong to this user, and nobody else may write to it. Default:
    /// none; each start then builds its own image, which takes seconds.
    #[must_use]
    pub fn cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(dir.into());
        self
    }

    /// Sets the metrics that count executions, for when they are needed before the sandbox exists. Default: new
    /// metrics.
    #[must_use]
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Sets whether log events contain the program's source. The context and values are never logged. Default: `false`.
    #[must_use]
    pub fn log_code(mut self, log_code: bool) -> Self {
        self.log_code = log_code;
        self
    }

    /// Sets the bounds for executions that wait and for states. Default: [`WaitLimits::default`].
    #[must_use]
    pub fn wait_limits(mut self, limits: WaitLimits) -> Self {
        self.wait_limits = limits;
        self
    }

    /// Sets where executions that wait and states are kept, and what encrypts them. A sandbox that is built with the same
    /// store later goes on with the executions in it; if it has other tools or imports, it needs the same cache directory
    /// for that. A store belongs to one sandbox at a time. Default: in memory, at most 256 MiB, gone with the sandbox.
    #[must_use]
    pub fn store(mut self, store: impl Store, sealer: Sealer) -> Self {
        self.store = Kept::In(Arc::new(store), sealer);
        self
    }

    /// Keeps nothing: states and executions without a connection are refused with [`Error::NoStore`], and those that wait
    /// for somebody outside keep their slots.
    #[must_use]
    pub fn no_store(mut self) -> Self {
        self.store = Kept::Nowhere;
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
        if let Some(name) = self.policy.allowed_imports.iter().find(|name| is_internal(name)) {
            let what = format!("ALLOWED_IMPORTS names '{name}', which is a part of the sandbox; remove it");
            return Err(Error::config(what));
        }
        Ok(())
    }

    /// Maps or builds the image, and starts the sandbox's threads.
    ///
    /// **Blocks**: milliseconds with a cached image, seconds without one. In async code, call it in `spawn_blocking`.
    /// If the cache cannot be used, logs a warning and builds the image.
    ///
    /// # Errors
    ///
    /// - [`Error::Config`] if settings are invalid, tools share a name or have an unusable schema, or threads cannot be
    ///   started.
    /// - [`Error::MemoryBelowImage`] if the memory ceiling is below what the interpreter needs.
    /// - [`Error::Image`] if the image cannot be built, or there is not enough address space for that many executions.
    pub fn build(mut self) -> Result<Sandbox, Error> {
        self.policy.allowed_imports.extend(self.packages.modules().map(str::to_owned));
        self.check()?;
        let tools = self.tools.iter().cloned();
        #[cfg(feature = "mcp-tools")]
        let tools = tools.chain(self.source.iter().flat_map(ToolSource::tools));
        let registry = registry_of(tools.collect(), &self.packages)?;
        registry.show_in(&self.metrics);
        let spec = ImageSpec {
            interpreter: self.interpreter,
            allowed_imports: self.policy.allowed_imports.clone(),
            disabled_imports: self.policy.disabled_imports.clone(),
            packages: self.packages.clone(),
            tools: registry.definitions_with_digests(),
            guards: self.layers != Layers::WallOnly && self.policy.kind == PolicyKind::Strict,
        };
        let records = match self.store {
            Kept::In(store, sealer) => Records::new(store, sealer),
            Kept::InMemory => Records::in_memory()?,
            Kept::Nowhere => Records::none()?,
        };
        let needed = if records.is_durable() { images::needed(&records)? } else { Vec::new() };
        let opening = Instant::now();
        let is_sound = Arc::new(AtomicBool::new(true));
        let (audited, sound) = (self.metrics.clone(), is_sound.clone());
        let on_audit = Box::new(move |is_image| {
            audited.audited(is_image);
            sound.fetch_and(is_image, Ordering::Relaxed);
        });
        let image = Image::open(spec, self.slots, self.cache_dir.as_deref(), &needed, on_audit)?;
        self.metrics.image(image.built, opening.elapsed());
        check_memory(&self.ceilings, &image.base)?;
        let template = Template::new(&image)?;
        let Image { base, maker, older, .. } = image;
        let first = Own { tools: registry.digest().to_owned(), base: base.clone() };
        let runtime = runtime(self.threads.unwrap_or_else(|| threads_for(self.slots)))?;
        let shared = Shared {
            template,
            images: Images::new(maker, first, older, runtime.handle().clone()),
            editions: Editions::new(Edition::new(
                base,
                registry,
                self.policy.clone(),
                self.tool_policy.is_some(),
            )),
            tool_policy: self.tool_policy,
            ceilings: self.ceilings,
            policy: self.policy,
            packages: self.packages,
            layers: self.layers,
            admission: Admission::new(self.slots, self.waiting_max),
            metrics: self.metrics,
            log_code: self.log_code,
            is_sound,
            wait_limits: self.wait_limits.clamped(),
            records,
            tasks: Arc::default(),
            closing: CancellationToken::new(),
            process: std::process::id(),
            cancel: Arc::default(),
        };
        let sandbox = Sandbox(Arc::new(Inner {
            shared: Arc::new(shared),
            tasks: TaskTracker::new(),
            accepting: Admission::new(1, self.waiting_max.saturating_add(self.slots as usize)),
            runtime: Some(runtime),
        }));
        sandbox.go_on_with_the_rest()?;
        #[cfg(feature = "mcp-tools")]
        if let Some(source) = self.source {
            sandbox.follow(self.tools, source)?;
        }
        Ok(sandbox)
    }
}

/// Returns whether a module belongs to this crate or is the program itself.
fn is_internal(name: &str) -> bool {
    let module = name.split('.').next().unwrap_or(name);
    module == "_executor" || module == "__main__" || module.starts_with("guest_")
}

/// Large enough to check programs of usual size on a guest thread's own stack: a separate stack per check would cost
/// its page faults. Guests have stacks of their own.
const THREAD_STACK_BYTES: usize = 16 << 20;

/// Returns the default number of threads. One per guest, so that a guest that does not yield delays only itself; above
/// the maximum, guests share threads. At least one per core.
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
