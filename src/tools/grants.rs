//! The tool permissions of one execution.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use super::catalogue::Catalogue;
use super::registry::{Registered, Registry, is_granted};
use super::text::NAME_CHARS_MAX;
use super::{ToolError, ToolPolicy, text};
use crate::metrics::Metrics;

/// Which tools one execution may call, and how many calls it has started.
#[derive(Clone, Default)]
pub(crate) struct Grants {
    pub(crate) registry: Arc<Registry>,
    /// Descriptions of the registry's tools.
    pub(crate) catalogue: Arc<Catalogue>,
    /// Granted tools as `module` or `module.tool`; `None` grants all.
    pub(crate) only: Option<Vec<String>>,
    pub(crate) policy: Option<Arc<dyn ToolPolicy>>,
    /// The request id that the execution's caller has set.
    pub(crate) request_id: Option<Arc<str>>,
    /// The metrics that count its calls.
    pub(crate) metrics: Metrics,
    /// Number of calls started. It is shared, so that it can be read even after the execution was cancelled.
    pub(crate) started: Arc<AtomicU32>,
}

impl Grants {
    /// Returns the tool `path` if this execution may call it.
    pub(crate) fn find(&self, path: &str) -> Result<&Registered, ToolError> {
        let tool = self.registry.get(path).filter(|tool| self.allows(path, &tool.module));
        tool.ok_or_else(|| {
            let path = text::line(path, NAME_CHARS_MAX);
            ToolError::denied(format!("Tool '{path}' is not granted to this execution"))
        })
    }

    /// Returns whether this execution may call the tool `path` of `module`.
    pub(super) fn allows(&self, path: &str, module: &str) -> bool {
        self.only.as_ref().is_none_or(|only| is_granted(only, path, module))
    }
}

impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grants").field("only", &self.only).finish_non_exhaustive()
    }
}
