//! JSON of `/check`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::executions::{self, CallerToolRequest};
use super::files::{self, FileRequest};
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
    /// Files for the program's file system
    #[serde(default)]
    #[schema(max_items = 256, required = false)]
    files: Vec<FileRequest>,
    /// Files to return: patterns of relative paths
    #[serde(default)]
    #[schema(max_items = 256, required = false)]
    return_files: Vec<String>,
}

impl Request for CheckRequest {
    fn bytes(&self) -> usize {
        let tools = self.tools.iter().flatten().map(|name| name.len() + MEMBER_BYTES);
        let caller_tools = self.caller_tools.iter().map(CallerToolRequest::bytes);
        let files = files::bytes(&self.files, &self.return_files);
        self.code.len() + tools.sum::<usize>() + caller_tools.sum::<usize>() + files
    }
}

impl ProgramRequest for CheckRequest {
    fn into_execution(self, ceilings: &Limits) -> Result<Execution, String> {
        let caller_tools = executions::caller_tools(self.caller_tools)?;
        let execution =
            Execution { code: self.code, limits: *ceilings, tools: self.tools, ..Execution::default() };
        let (files, return_files) = (files::files(self.files)?, self.return_files);
        Ok(Execution { caller_tools, files, return_files, ..execution })
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
