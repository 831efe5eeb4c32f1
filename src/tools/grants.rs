//! The tool permissions of one execution.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use futures::future::BoxFuture;
use serde_json::Value;
use serde_json::value::RawValue;

use super::arguments::{Effort, TooLarge};
use super::catalogue::Catalogue;
use super::outside::Outside;
use super::registry::{Registered, Registry, is_granted};
use super::text::NAME_CHARS_MAX;
use super::{CallerTools, ToolCard, ToolError, ToolPolicy, text};
use crate::execution::Listener;
use crate::metrics::Metrics;

/// Which tools one execution may call, and how many calls it has started.
#[derive(Clone, Default)]
pub(crate) struct Grants {
    pub(crate) registry: Arc<Registry>,
    /// Descriptions of the registry's tools.
    pub(crate) catalogue: Arc<Catalogue>,
    /// The tools that the execution's caller answers itself. They are always granted.
    pub(crate) of_caller: Option<Arc<CallerTools>>,
    /// Granted tools as `module` or `module.tool`; `None` grants all. Those of the caller do not need it.
    pub(crate) only: Option<Arc<[String]>>,
    /// Whether effects are planned instead of had. Bounds the plan's size in bytes.
    pub(crate) plan_bytes_max: Option<usize>,
    pub(crate) policy: Option<Arc<dyn ToolPolicy>>,
    /// The request id that the execution's caller has set.
    pub(crate) request_id: Option<Arc<str>>,
    /// The metrics that count its calls.
    pub(crate) metrics: Metrics,
    /// The calls that somebody outside must answer.
    pub(crate) outside: Outside,
    /// Is told what happens, if anybody may want to know.
    pub(crate) listener: Option<Listener>,
    /// Is told before an effect, if the execution goes on after a crash.
    pub(crate) effects: Option<Arc<dyn EffectLog>>,
    /// Number of calls started. It is shared, so that it can be read even after the execution was cancelled.
    pub(crate) started: Arc<AtomicU32>,
}

/// Is told that effects begin.
pub(crate) trait EffectLog: Send + Sync {
    /// Completes when it is on record that the execution has effects from now on. Returns whether the effect must not
    /// be repeated, because the execution goes on after a crash.
    ///
    /// # Errors
    ///
    /// Why it cannot be recorded. The effect must not begin then.
    fn begin(&self) -> BoxFuture<'_, Result<bool, ToolError>>;
}

impl Grants {
    /// Returns the tool `path` if this execution may call it.
    pub(crate) fn find(&self, path: &str) -> Result<&Registered, ToolError> {
        if let Some(tool) = self.of_caller.as_ref().and_then(|tools| tools.get(path)) {
            return Ok(tool);
        }
        let tool = self.registry.get(path).filter(|tool| self.allows(path, &tool.module));
        tool.ok_or_else(|| {
            let path = text::line(path, NAME_CHARS_MAX);
            ToolError::denied(format!("Tool '{path}' is not granted to this execution"))
        })
    }

    /// Returns a digest of what the definition of the tool `path` says. An approval is for this definition.
    pub(crate) fn definition(&self, path: &str) -> Option<String> {
        self.find(path).ok().map(Registered::digest)
    }

    /// Checks that arguments, which an earlier definition of the tool `path` accepted, fit its current one. This may take
    /// half a second.
    ///
    /// # Errors
    ///
    /// Why they do not, or that there is no such tool any more.
    pub(crate) fn check_again(&self, path: &str, arguments: &RawValue) -> Result<(), ToolError> {
        let (tool, waiting) = (self.find(path)?, Arc::new(()));
        let effort = Effort::Full(Arc::downgrade(&waiting));
        let read = tool.arguments.read(path, &tool.signature, arguments.get(), &effort);
        read.unwrap_or_else(|TooLarge| Err(ToolError::arguments("its arguments are too large to be checked")))
            .map(drop)
    }

    /// Returns the tools that it may call, sorted by path; those of the caller come first.
    pub(super) fn cards(&self) -> impl Iterator<Item = &ToolCard> {
        let of_caller = self.of_caller.iter().flat_map(|tools| tools.catalogue().tools());
        of_caller.chain(self.catalogue.tools().iter().filter(|tool| self.allows(&tool.path, &tool.module)))
    }

    /// Returns the tools that match `query` and that it may call, the best match first; those of the caller come before
    /// all others.
    pub(super) fn search(&self, query: &str) -> impl Iterator<Item = &ToolCard> {
        let of_caller = self.of_caller.iter().flat_map(|tools| tools.catalogue().search(query));
        let others = self.catalogue.search(query).into_iter();
        of_caller.chain(others.filter(|tool| self.allows(&tool.path, &tool.module)))
    }

    /// Returns the definitions of the sandbox's tools, as the guest needs them.
    pub(crate) fn definitions(&self) -> Value {
        self.registry.definitions_where(|module| !self.hides(module))
    }

    /// Returns whether some of the sandbox's tools are hidden by those of the caller.
    pub(crate) fn hides_tools(&self) -> bool {
        self.registry.iter().any(|(_, tool)| self.hides(&tool.module))
    }

    /// Returns whether a module of the sandbox is hidden by one of the caller, because it came after the execution had begun.
    fn hides(&self, module: &str) -> bool {
        self.of_caller.as_ref().is_some_and(|tools| tools.is_module(module))
    }

    /// Returns whether this execution may call the tool `path` of `module`, which is one of the sandbox's.
    fn allows(&self, path: &str, module: &str) -> bool {
        !self.hides(module) && self.only.as_ref().is_none_or(|only| is_granted(only, path, module))
    }
}

impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grants").field("only", &self.only).finish_non_exhaustive()
    }
}
