//! JSON of requests for tools and of their answers.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::tools::ToolCard;

const LIMIT_MAX: u32 = 200;

/// Query parameters of `/tools`.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::server) struct ToolsQuery {
    /// Words to search for; all tools if empty
    #[serde(default)]
    #[param(required = false, example = "history of a sensor")]
    pub(in crate::server) query: String,
    /// How much detail to return for each tool
    #[serde(default)]
    #[param(required = false, inline)]
    pub(in crate::server) detail: Detail,
    /// Maximum number of tools
    #[serde(default = "limit_default")]
    #[param(required = false, minimum = 1, maximum = 200, default = 50)]
    limit: u32,
}

fn limit_default() -> u32 {
    50
}

/// How much detail to return for each tool.
#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::server) enum Detail {
    /// Name only
    Name,
    /// Name and summary
    #[default]
    Summary,
    /// All fields
    Full,
}

impl ToolsQuery {
    pub(in crate::server) fn limit(&self) -> Result<usize, String> {
        search_limit(self.limit)
    }
}

/// Converts the maximum number of tools.
pub(in crate::server) fn search_limit(limit: u32) -> Result<usize, String> {
    match usize::try_from(limit) {
        Ok(within) if (1..=LIMIT_MAX).contains(&limit) => Ok(within),
        _ => Err(format!("limit: {limit} is not in 1..={LIMIT_MAX}")),
    }
}

/// Tools that match the query
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct ToolList {
    /// Best match first
    tools: Vec<ToolDetail>,
    /// Number of all matches, including those beyond the limit
    total: usize,
}

impl ToolList {
    pub(in crate::server) fn new(found: &[&ToolCard], detail: Detail, limit: usize) -> Self {
        let tools = found.iter().take(limit).map(|tool| ToolDetail::new(tool, detail)).collect();
        Self { tools, total: found.len() }
    }
}

/// A tool. Fields beyond the requested detail are absent
#[derive(Serialize, ToSchema)]
struct ToolDetail {
    /// Name by which programs call the tool
    #[schema(example = "data.get_devices")]
    name: String,
    /// Description in one sentence
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    summary: Option<String>,
    #[serde(flatten)]
    full: Option<FullDetail>,
}

/// All further fields of a tool
#[derive(Serialize, ToSchema)]
struct FullDetail {
    /// First line of the Python function
    #[schema(example = "async def get_devices() -> dict")]
    signature: String,
    /// Python stub of the function
    stub: String,
    /// JSON Schema of the arguments
    #[schema(value_type = Object)]
    parameters: Value,
    /// JSON Schema of the reply, if known
    #[schema(value_type = Value)]
    output: Option<Value>,
    /// The tool declares that it changes nothing
    read_only: bool,
    /// The tool declares that it may destroy something
    destructive: bool,
}

impl ToolDetail {
    fn new(tool: &ToolCard, detail: Detail) -> Self {
        Self {
            name: tool.path.clone(),
            summary: (detail != Detail::Name).then(|| tool.summary.clone()),
            full: (detail == Detail::Full).then(|| FullDetail::new(tool)),
        }
    }
}

impl FullDetail {
    fn new(tool: &ToolCard) -> Self {
        Self {
            signature: tool.signature.clone(),
            stub: tool.stub.clone(),
            parameters: tool.parameters.clone(),
            output: tool.output.clone(),
            read_only: tool.read_only,
            destructive: tool.destructive,
        }
    }
}
