//! Services and their tools as plain data.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method};
use rustls::RootCertStore;
use serde_json::Value;

use super::place::Places;
use super::url::BaseUrl;
use crate::tools::{Approval, Reply, Tool, ToolCall};

/// A service that tools send requests to.
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) url: BaseUrl,
    /// Sent with each request; may contain secrets.
    pub(crate) headers: HeaderMap,
    /// Trusted certificate authorities; `None` for those of `webpki-roots`.
    pub(crate) roots: Option<Arc<RootCertStore>>,
    /// Whether requests are signed.
    pub(crate) signed: bool,
}

/// Shows only the name: headers and URL may contain secrets.
impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A tool that sends a request to a service.
#[derive(Clone, Debug)]
pub(crate) struct HttpTool {
    pub(crate) service: Arc<Service>,
    pub(crate) module: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) parameters: Value,
    pub(crate) output: Option<Value>,
    pub(crate) method: Method,
    pub(crate) places: Places,
    pub(crate) time_max: Option<Duration>,
    pub(crate) reply_bytes_max: Option<usize>,
    pub(crate) read_only: bool,
    pub(crate) approval: Approval,
    pub(crate) destructive: bool,
    /// Whether repeating a request has no further effect.
    pub(crate) idempotent: bool,
}

impl HttpTool {
    /// Returns the tool for programs; calls run `function`.
    pub(crate) fn with<F, Fut>(&self, function: F) -> Tool
    where
        F: Fn(ToolCall) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Reply> + Send + 'static,
    {
        Tool {
            output: self.output.clone(),
            read_only: self.read_only,
            place: format!("{} {:?} {:?}", self.method, self.service.url, self.places),
            approval: self.approval,
            destructive: self.destructive,
            time_max: self.time_max,
            reply_bytes_max: self.reply_bytes_max,
            ..Tool::raw(&self.module, &self.name, function)
        }
        .describe(&self.description)
        .parameters(self.parameters.clone())
    }
}
