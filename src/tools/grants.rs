//! What one execution may do with tools.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use super::catalogue::Catalogue;
use super::registry::{Registered, Registry, is_granted};
use super::text::NAME_CHARS_MAX;
use super::{ToolError, ToolPolicy, text};
use crate::metrics::Metrics;

/// Which tools one execution may call, and how often it did.
#[derive(Clone, Default)]
pub(crate) struct Grants {
    pub(crate) registry: Arc<Registry>,
    /// What it may be told of the registry.
    pub(crate) catalogue: Arc<Catalogue>,
    /// `module` or `module.tool`; `None` grants all.
    pub(crate) only: Option<Vec<String>>,
    pub(crate) policy: Option<Arc<dyn ToolPolicy>>,
    /// What its calls are counted in.
    pub(crate) metrics: Metrics,
    /// Calls that it has started: whoever asks knows also when it is cancelled.
    pub(crate) started: Arc<AtomicU32>,
}

impl Grants {
    /// The tool behind `path`, if this execution may call it.
    pub(crate) fn find(&self, path: &str) -> Result<&Registered, ToolError> {
        let tool = self.registry.get(path).filter(|tool| self.allows(path, &tool.module));
        tool.ok_or_else(|| {
            let path = text::line(path, NAME_CHARS_MAX);
            ToolError::denied(format!("Tool '{path}' is not granted to this execution"))
        })
    }

    /// Whether this execution may call the tool `path` of `module`.
    pub(super) fn allows(&self, path: &str, module: &str) -> bool {
        self.only.as_ref().is_none_or(|only| is_granted(only, path, module))
    }
}

impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grants").field("only", &self.only).finish_non_exhaustive()
    }
}
