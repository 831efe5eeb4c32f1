//! JSON of programs that are checked without being run.

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
    /// The tools that the program may call, as `module` or `module.tool`; all that there are if it is not given
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

/// What keeps a program from being run
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct CheckResponse {
    /// There are no findings: the program can be run
    ok: bool,
    /// Everything that keeps the program from being run
    findings: Vec<FindingDetail>,
}

impl CheckResponse {
    pub(in crate::server) fn new(findings: Vec<Finding>) -> Self {
        Self { ok: findings.is_empty(), findings: findings.into_iter().map(FindingDetail::from).collect() }
    }
}
