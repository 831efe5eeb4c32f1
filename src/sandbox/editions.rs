//! Editions: the tools that programs find, with the image that has them. An edition is replaced as a whole; what began with
//! an earlier one goes on with it.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

#[cfg(feature = "mcp-tools")]
use std::time::{Duration, Instant};

use futures::executor::block_on;
#[cfg(feature = "mcp-tools")]
use tokio::task::spawn_blocking;
#[cfg(feature = "mcp-tools")]
use tracing::{info, warn};

use super::{Sandbox, Shared};
use crate::error::Error;
use crate::execution::{Execution, OnWait};
use crate::image::Packages;
use crate::instance::Pauses;
use crate::limits::Limits;
use crate::memory::Base;
#[cfg(feature = "mcp-tools")]
use crate::tools::ToolSource;
use crate::tools::{Catalogue, Registry, Tool};
use crate::validator::Policy;

/// How long the tools are left alone after a change: others often follow.
#[cfg(feature = "mcp-tools")]
const SETTLING_TIME: Duration = Duration::from_secs(1);

/// Least time between two images. It doubles while changes follow each other, and after a failure: a server whose tools keep
/// changing must not keep a core busy, nor take the images of earlier tools away from all that wait in them.
#[cfg(feature = "mcp-tools")]
const PAUSE: Duration = Duration::from_secs(20);
#[cfg(feature = "mcp-tools")]
const PAUSE_MAX: Duration = Duration::from_hours(1);

/// The tools, and the image that has them.
pub(super) struct Edition {
    /// What fresh interpreters begin as.
    pub(super) base: Base,
    pub(super) registry: Arc<Registry>,
    pub(super) catalogue: Arc<Catalogue>,
    /// The sandbox's policy, with the modules of the tools.
    pub(super) policy: Policy,
    /// Whether a call may need approval: a policy, or a tool that says so.
    pub(super) may_ask: bool,
}

impl Edition {
    /// Returns the edition with the tools of `registry` and the image `base` that has them. Of the sandbox are `policy`,
    /// and whether it has a policy for calls.
    pub(super) fn new(base: Base, registry: Registry, mut policy: Policy, decides: bool) -> Self {
        let catalogue = Catalogue::of(&registry);
        catalogue.admit_to(&mut policy);
        let may_ask = decides || registry.may_ask();
        Self { base, registry: Arc::new(registry), catalogue: Arc::new(catalogue), policy, may_ask }
    }

    /// Returns whether an execution may wait for somebody outside, or leaves a state. All others take a shorter way.
    pub(super) fn may_wait(&self, execution: &Execution) -> bool {
        // A program that imports nothing calls no tools.
        let may_ask = self.may_ask && execution.code.contains("import");
        may_ask || execution.returns_when_waiting() || execution.state.is_some()
    }

    /// Returns when the host asks a program for its stack.
    pub(super) fn pauses_for(&self, execution: &Execution) -> Pauses {
        match execution.on_wait {
            OnWait::Return => Pauses::WhenIdle { naps: true },
            OnWait::Hold if self.may_ask => Pauses::WhenIdle { naps: false },
            OnWait::Hold => Pauses::Never,
        }
    }

    /// Returns the size of linear memory at the start of an execution, in bytes.
    pub(super) fn memory_bytes_min(&self) -> u64 {
        self.base.memory_bytes() as u64
    }
}

/// The current edition.
pub(super) struct Editions {
    current: RwLock<Arc<Edition>>,
    /// Held while an edition is made.
    making: Mutex<()>,
}

impl Editions {
    pub(super) fn new(first: Edition) -> Self {
        Self { current: RwLock::new(Arc::new(first)), making: Mutex::default() }
    }

    pub(super) fn current(&self) -> Arc<Edition> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the edition that was current.
    fn replace(&self, edition: Arc<Edition>) -> Arc<Edition> {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *current, edition)
    }
}

impl Sandbox {
    /// Replaces all tools. Programs that begin later find `tools`; those that run or wait go on with the tools that they
    /// know. States stay usable: in the next program, functions of tools that have changed or are gone raise `ToolDenied`.
    /// States and parked executions of an image that is neither the first one nor one of the last three are lost.
    ///
    /// **Blocks** for a second or so, while a new image is made. In async code, call it in `spawn_blocking`, and never wait
    /// for it in a tool: it runs a small program itself. It also works in a hardened process.
    ///
    /// If the sandbox follows a source (`SandboxBuilder::follow`), the next change of the source brings the builder's other
    /// tools back.
    ///
    /// # Errors
    ///
    /// - [`Error::Config`] if tools share a name or have an unusable schema.
    /// - [`Error::MemoryBelowImage`] if the memory ceiling is below what the interpreter needs with these tools.
    /// - [`Error::Image`] if the image cannot be made, or if programs still use too many earlier ones.
    ///
    /// The tools stay what they were then.
    pub fn replace_tools(&self, tools: impl IntoIterator<Item = Tool>) -> Result<(), Error> {
        let shared = &self.0.shared;
        shared.check_process()?;
        let registry = registry_of(tools.into_iter().collect(), &shared.packages)?;
        let _alone = shared.editions.making.lock().unwrap_or_else(PoisonError::into_inner);
        let image = shared.images.with(&registry)?;
        check_memory(&shared.ceilings, &image.base)?;
        let decides = shared.tool_policy.is_some();
        let edition = Edition::new(image.base.clone(), registry, shared.policy.clone(), decides);
        let edition = Arc::new(edition);
        let (tested, by) = (edition.clone(), shared.clone());
        block_on(self.on_guest_threads(async move { by.self_test(&tested).await }))?;
        edition.registry.show_in(&shared.metrics);
        shared.images.make_current(&image);
        let before = shared.editions.replace(edition.clone());
        for (path, _) in before.registry.iter().filter(|(path, _)| !edition.registry.knows(path)) {
            shared.metrics.forget_tool(path);
        }
        Ok(())
    }
}

#[cfg(feature = "mcp-tools")]
impl Sandbox {
    /// Follows the tools of `source` until the sandbox is dropped. `fixed` are its other tools.
    pub(super) fn follow(&self, fixed: Vec<Tool>, mut source: ToolSource) -> Result<(), Error> {
        let inner = Arc::downgrade(&self.0);
        let following = async move {
            let (mut pause, mut is_done) = (PAUSE, true);
            loop {
                if is_done {
                    let quiet_since = Instant::now();
                    source.changed().await;
                    pause = if quiet_since.elapsed() > pause { PAUSE } else { PAUSE_MAX.min(2 * pause) };
                    tokio::time::sleep(SETTLING_TIME).await;
                }
                let tools: Vec<_> = fixed.iter().cloned().chain(source.tools()).collect();
                let Some(inner) = inner.upgrade() else { return };
                let count = tools.len();
                let replaced = spawn_blocking(move || Sandbox(inner).replace_tools(tools)).await;
                let replaced =
                    replaced.unwrap_or_else(|_| Err(Error::internal("replacing the tools panicked")));
                is_done = match replaced {
                    Ok(()) => {
                        info!(tools = count, "tools replaced");
                        true
                    }
                    Err(error) => {
                        let error = error.chain();
                        warn!(
                            error,
                            "the tools have changed and cannot be replaced yet; those that were there stay"
                        );
                        pause = PAUSE_MAX.min(2 * pause);
                        false
                    }
                };
                tokio::time::sleep(pause).await;
            }
        };
        // Not one of the sandbox's tasks: a shutdown does not wait for it.
        let runtime = self.0.runtime.as_ref().ok_or(Error::ShuttingDown)?;
        runtime.spawn(following);
        Ok(())
    }
}

impl Shared {
    pub(super) fn edition(&self) -> Arc<Edition> {
        self.editions.current()
    }
}

/// Returns the registry of `tools`.
///
/// # Errors
///
/// [`Error::Config`] if tools share a name, also with a package, or have an unusable schema.
pub(super) fn registry_of(tools: Vec<Tool>, packages: &Packages) -> Result<Registry, Error> {
    let registry = Registry::new(tools)?;
    match packages.modules().find(|module| registry.is_module(module)) {
        Some(module) => {
            let what = format!("'{module}' is a module of tools and of the packages; rename one of them");
            Err(Error::config(what))
        }
        None => Ok(registry),
    }
}

/// # Errors
///
/// [`Error::MemoryBelowImage`] if no execution could have as much memory as the image.
pub(super) fn check_memory(ceilings: &Limits, base: &Base) -> Result<(), Error> {
    let (asked_bytes, image_bytes) = (ceilings.memory_bytes_max, base.memory_bytes() as u64);
    if asked_bytes < image_bytes { Err(Error::MemoryBelowImage { asked_bytes, image_bytes }) } else { Ok(()) }
}
