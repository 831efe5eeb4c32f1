//! JSON of `/check`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::executions::{self, CallerToolRequest};
use super::{FindingDetail, MEMBER_BYTES, ProgramRequest, Request};
use crate::execution::{Execution, Finding};
use crate::limits::Limits;

/// A program to check, and the tools that it may call.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::server) struct CheckRequest {
    /// Python source
    #[schema(example = "import os")]
    code: String,
    /// Tools that the program may call, as `module` or `module.tool`; all tools if absent
    tools: Option<Vec<String>>,
    /// Tools that the caller would answer itself
    #[serde(default, deserialize_with = "executions::few")]
    #[schema(max_items = 64, required = false)]
    caller_tools: Vec<CallerToolRequest>,
}

impl Request for CheckRequest {
    fn bytes(&self) -> usize {
        let tools = self.tools.iter().flatten().map(|name| name.len() + MEMBER_BYTES);
        let caller_tools = self.caller_tools.iter().map(CallerToolRequest::bytes);
        self.code.len() + tools.sum::<usize>() + caller_tools.sum::<usize>()
    }
}

impl ProgramRequest for CheckRequest {
    fn into_execution(self, ceilings: &Limits) -> Result<Execution, String> {
        let caller_tools = executions::caller_tools(self.caller_tools)?;
        let execution =
            Execution { code: self.code, limits: *ceilings, tools: self.tools, ..Execution::default() };
        Ok(Execution { caller_tools, ..execution })
    }
}

/// Result of a check
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct CheckResponse {
    /// Whether the program can be run: there are no findings
    ok: bool,
    /// All reasons why the program cannot be run
    findings: Vec<FindingDetail>,
}

impl CheckResponse {
    pub(in crate::server) fn new(findings: Vec<Finding>) -> Self {
        Self { ok: findings.is_empty(), findings: findings.into_iter().map(FindingDetail::from).collect() }
    }
}
