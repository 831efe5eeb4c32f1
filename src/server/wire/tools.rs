//! JSON of questions about tools, and of their answers.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::tools::ToolCard;

const LIMIT_MAX: u32 = 200;

/// What is asked about tools.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::server) struct ToolsQuery {
    /// Words that say what to look for; without any, all tools
    #[serde(default)]
    #[param(required = false, example = "history of a sensor")]
    pub(in crate::server) query: String,
    /// How much to say of each tool
    #[serde(default)]
    #[param(required = false, inline)]
    pub(in crate::server) detail: Detail,
    /// How many tools
    #[serde(default = "limit_default")]
    #[param(required = false, minimum = 1, maximum = 200, default = 50)]
    limit: u32,
}

fn limit_default() -> u32 {
    50
}

/// How much to say of each tool.
#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::server) enum Detail {
    /// Its name
    Name,
    /// Its name and what it does
    #[default]
    Summary,
    /// Everything
    Full,
}

impl ToolsQuery {
    pub(in crate::server) fn limit(&self) -> Result<usize, String> {
        match usize::try_from(self.limit) {
            Ok(limit) if (1..=LIMIT_MAX).contains(&self.limit) => Ok(limit),
            _ => Err(format!("limit: {} is not in 1..={LIMIT_MAX}", self.limit)),
        }
    }
}

/// Tools that were asked for
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct ToolList {
    /// The best match first
    tools: Vec<ToolDetail>,
    /// How many there are, also beyond the limit
    total: usize,
}

impl ToolList {
    pub(in crate::server) fn new(found: &[&ToolCard], detail: Detail, limit: usize) -> Self {
        let tools = found.iter().take(limit).map(|tool| ToolDetail::new(tool, detail)).collect();
        Self { tools, total: found.len() }
    }
}

/// One tool. What was not asked for is left out
#[derive(Serialize, ToSchema)]
struct ToolDetail {
    /// How programs call it
    #[schema(example = "data.get_devices")]
    name: String,
    /// What it does, in a sentence
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    summary: Option<String>,
    #[serde(flatten)]
    full: Option<FullDetail>,
}

/// Everything else about a tool
#[derive(Serialize, ToSchema)]
struct FullDetail {
    /// The function's first line
    #[schema(example = "async def get_devices() -> dict")]
    signature: String,
    /// The function as a Python stub
    stub: String,
    /// JSON Schema of its arguments
    #[schema(value_type = Object)]
    parameters: Value,
    /// JSON Schema of its reply, if it is known
    #[schema(value_type = Value)]
    output: Option<Value>,
    /// It says of itself that it changes nothing
    read_only: bool,
    /// It says of itself that it may destroy something
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
