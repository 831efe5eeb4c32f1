//! JSON of `/check`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{FindingDetail, MEMBER_BYTES, ProgramRequest};
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
}

impl ProgramRequest for CheckRequest {
    fn bytes(&self) -> usize {
        let tools = self.tools.iter().flatten().map(|name| name.len() + MEMBER_BYTES);
        self.code.len() + tools.sum::<usize>()
    }

    fn into_execution(self, ceilings: &Limits) -> Result<Execution, String> {
        Ok(Execution { code: self.code, limits: *ceilings, tools: self.tools, ..Execution::default() })
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
