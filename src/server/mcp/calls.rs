//! The tools' work.

use std::collections::BTreeMap;

use rmcp::model::{CallToolRequestParams, CallToolResponse, CallToolResult};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::approval::{self, Asked};
use super::arguments::{Arguments, OnTheWay};
use super::progress::Progress;
use super::{Agents, definitions, extension, results, shown};
use crate::error::Error;
use crate::execution::{Execution, ExecutionId, OnWait};
use crate::server::request_id::RequestId;
use crate::server::wire::{CheckResponse, Detail, search_limit, seconds, state};
use crate::tools::ToolCard;

const SEARCH_LIMIT: u32 = 20;

/// What a model wants of `execute_python`.
enum Wish {
    Run(Box<Execution>),
    /// To know what became of an execution that waited.
    Read(ExecutionId),
}

/// A function that was found. A stub says all that the other fields of a tool say, in fewer tokens.
#[derive(Serialize)]
struct Found<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stub: Option<&'a str>,
}

impl<'a> Found<'a> {
    fn new(tool: &'a ToolCard, detail: Detail) -> Self {
        let summary = (detail == Detail::Summary).then_some(tool.summary.as_str());
        let stub = (detail == Detail::Full).then_some(tool.stub.as_str());
        Self { name: &tool.path, summary, stub }
    }
}

impl Agents {
    pub(super) async fn call(
        &self,
        mut request: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let parsed = request.arguments.take().map(Arguments::new);
        let arguments =
            extension::<OnTheWay>(context).and_then(OnTheWay::take).or(parsed).unwrap_or_default();
        match request.name.as_ref() {
            definitions::EXECUTE => Box::pin(self.execute(arguments, request, context)).await,
            definitions::SEARCH => {
                Ok(self.search(arguments).unwrap_or_else(|why| results::unusable(&why)).into())
            }
            definitions::CHECK => {
                Ok(self.check(arguments).await.unwrap_or_else(|why| results::unusable(&why)).into())
            }
            name => Err(ErrorData::invalid_params(format!("Unknown tool: {}", shown(name)), None)),
        }
    }

    /// Runs a program, or goes on with one whose questions the client has answered, until it ends or nobody here can
    /// answer what it waits for.
    async fn execute(
        &self,
        arguments: Arguments,
        request: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let sandbox = &self.0.sandbox;
        let may_approve = self.roles(context).approves;
        let progress = Progress::new(context);
        let mut ran = match request.request_state {
            Some(sealed) => {
                let (id, epoch) = approval::opened(&self.0.codec, &sealed)?;
                let answers = approval::answers(request.input_responses.unwrap_or_default());
                if may_approve && !answers.is_empty() {
                    progress.during(|sink| sandbox.resume(id, epoch, answers, sink)).await
                } else {
                    return Ok(self.read(id).await.into());
                }
            }
            None => match self.wish(arguments, context) {
                Err(why) => return Ok(results::unusable(&why).into()),
                Ok(Wish::Read(id)) => return Ok(self.read(id).await.into()),
                Ok(Wish::Run(execution)) => {
                    progress
                        .during(|sink| Box::pin(sandbox.run(Execution { events: sink, ..*execution })))
                        .await
                }
            },
        };
        loop {
            let report = match ran {
                Ok(report) => report,
                Err(error) => return Ok(results::of_error(error).into()),
            };
            let waiting = match &report.waiting {
                Some(waiting) if may_approve => waiting,
                _ => return Ok(results::of_report(report).into()),
            };
            let (id, epoch) = (report.id, waiting.epoch);
            ran = match approval::ask(context, &self.0.codec, id, waiting).await {
                Asked::Later(questions) => return Ok(questions.into()),
                Asked::Answered(answers) => {
                    progress.during(|sink| sandbox.resume(id, epoch, answers, sink)).await
                }
                Asked::Nobody => return Ok(results::of_report(report).into()),
            };
        }
    }

    fn wish(&self, mut arguments: Arguments, context: &RequestContext<RoleServer>) -> Result<Wish, String> {
        let request_id = extension::<RequestId>(context).map(|id| id.as_str().to_owned());
        let execution: Option<String> = arguments.take("execution")?;
        let code: Option<String> = arguments.take("code")?;
        let variables: Option<BTreeMap<String, Box<RawValue>>> = arguments.take("context")?;
        let timeout: Option<f64> = arguments.take("timeout")?;
        let kept: Option<String> = arguments.take("state")?;
        let tools: Option<Vec<String>> = arguments.take("tools")?;
        arguments.end("`code`, `context`, `timeout`, `state`, `tools` and `execution`")?;
        if let Some(id) = execution {
            if code.is_some() {
                return Err("`code` and `execution` exclude each other".into());
            }
            return id.parse().map(Wish::Read).map_err(|error| format!("execution: {error}"));
        }
        let Some(code) = code else { return Err("code: the program is missing".into()) };
        let mut limits = self.0.ceilings;
        if let Some(timeout) = timeout {
            limits.wall_time = seconds("timeout", timeout)?;
        }
        let state = kept.as_deref().map(state).transpose()?;
        // Whoever approves may take longer than a program may run.
        let on_wait = if self.0.sandbox.may_ask() { OnWait::Return } else { OnWait::Hold };
        let context = variables.unwrap_or_default();
        let execution =
            Execution { code, context, limits, tools, request_id, on_wait, state, ..Execution::default() };
        Ok(Wish::Run(Box::new(execution)))
    }

    async fn read(&self, id: ExecutionId) -> CallToolResult {
        match self.0.sandbox.status(id).await {
            Ok(status) => results::of_status(status),
            Err(error) => results::of_error(error),
        }
    }

    fn search(&self, mut arguments: Arguments) -> Result<CallToolResult, String> {
        let query: String = arguments.take("query")?.unwrap_or_default();
        let detail: Detail = arguments.take("detail")?.unwrap_or_default();
        let limit = search_limit(arguments.take("limit")?.unwrap_or(SEARCH_LIMIT))?;
        arguments.end("`query`, `detail` and `limit`")?;
        let catalogue = self.0.sandbox.catalogue();
        let found = catalogue.search(&query);
        // As many as a model can read: a list that is cut in the middle is of no use.
        let mut count = limit.min(found.len());
        loop {
            let tools: Vec<_> = found.iter().take(count).map(|tool| Found::new(tool, detail)).collect();
            let result = results::of(&json!({"tools": tools, "total": found.len()}));
            if count <= 1 || results::fits(&result) {
                return Ok(result);
            }
            count /= 2;
        }
    }

    async fn check(&self, mut arguments: Arguments) -> Result<CallToolResult, String> {
        let code: Option<String> = arguments.take("code")?;
        arguments.end("`code`")?;
        let Some(code) = code else { return Err("code: the program is missing".into()) };
        let execution = Execution { code, limits: self.0.ceilings, ..Execution::default() };
        Ok(match self.0.sandbox.check(execution).await {
            Ok(()) => results::of(&CheckResponse::new(Vec::new())),
            Err(Error::Rejected(findings)) => results::of(&CheckResponse::new(findings)),
            Err(error) => results::of_error(error),
        })
    }
}
