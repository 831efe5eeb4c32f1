//! Asks whoever uses the client to approve calls. Who answers holds the client's token, so only clients whose token may
//! approve are asked.

use std::collections::BTreeMap;

use rmcp::model::{
    ClientResult, ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationSchema,
    InputRequest, InputRequiredResult, InputResponses, RequestStateCodec, ServerRequest,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde::{Deserialize, Serialize};

use super::is_stateless;
use crate::execution::{Answer, ExecutionId, Waiting, WaitingCall, WaitsFor};

/// The field of the form that a person answers.
const APPROVE: &str = "approve";

const DENIED: &str = "the user has not approved it";

/// What came of asking.
pub(super) enum Asked {
    /// The client sends the call again, with the answers.
    Later(InputRequiredResult),
    Answered(Vec<(u32, Answer)>),
    /// The client cannot ask.
    Nobody,
}

/// What comes back with the answers of a client that has no session.
#[derive(Serialize, Deserialize)]
struct Question {
    execution: String,
    epoch: u32,
}

/// Asks about all calls that wait for approval.
pub(super) async fn ask(
    context: &RequestContext<RoleServer>,
    codec: &RequestStateCodec,
    id: ExecutionId,
    waiting: &Waiting,
) -> Asked {
    let can_ask = context.client_capabilities().is_some_and(|can| can.elicitation.is_some());
    let calls = || waiting.calls.iter().filter(|call| call.waits_for == WaitsFor::Approval);
    if !can_ask || calls().next().is_none() {
        return Asked::Nobody;
    }
    if !context.protocol_version().is_some_and(|version| is_stateless(version.as_str())) {
        return ask_now(context, calls()).await;
    }
    let question = Question { execution: id.to_string(), epoch: waiting.epoch };
    let Ok(sealed) = codec.seal_json(&question) else { return Asked::Nobody };
    let requests: BTreeMap<_, _> =
        calls().map(|call| (call.call.to_string(), InputRequest::Elicitation(form(call)))).collect();
    Asked::Later(InputRequiredResult::new(Some(requests), Some(sealed)))
}

/// Asks about one call after the other. Once the client fails to ask, the rest stays unanswered.
async fn ask_now(context: &RequestContext<RoleServer>, calls: impl Iterator<Item = &WaitingCall>) -> Asked {
    let mut answers = Vec::new();
    for call in calls {
        let reply = context.peer.send_request(ServerRequest::ElicitRequest(form(call))).await;
        let Ok(ClientResult::ElicitResult(reply)) = reply else { break };
        answers.extend(answer(&reply).map(|answer| (call.call, answer)));
    }
    if answers.is_empty() { Asked::Nobody } else { Asked::Answered(answers) }
}

fn form(call: &WaitingCall) -> ElicitRequest {
    let message = call.prompt.clone().unwrap_or_else(|| call.tool.clone());
    let schema = ElicitationSchema::builder().required_bool(APPROVE).build();
    let requested_schema = schema.unwrap_or_else(|_| ElicitationSchema::new(BTreeMap::new()));
    ElicitRequest::new(ElicitRequestParams::FormElicitationParams { meta: None, message, requested_schema })
}

/// Returns the answer of a person; `None` if the question was dismissed.
fn answer(reply: &ElicitResult) -> Option<Answer> {
    let approves = reply.content.as_ref().and_then(|content| content.get(APPROVE)?.as_bool()) == Some(true);
    match reply.action {
        ElicitationAction::Accept if approves => Some(Answer::Approve),
        ElicitationAction::Accept | ElicitationAction::Decline => Some(Answer::Deny(DENIED.into())),
        _ => None,
    }
}

/// Returns what a client that has no session asked about.
pub(super) fn opened(codec: &RequestStateCodec, sealed: &str) -> Result<(ExecutionId, u32), ErrorData> {
    let unusable = || {
        ErrorData::invalid_params("requestState is not one that this server has sent since its start", None)
    };
    let Question { execution, epoch } = codec.open_json(sealed).map_err(|_| unusable())?;
    Ok((execution.parse().map_err(|_| unusable())?, epoch))
}

/// Returns the answers to the questions, by number of the call. Answers that are none are left out.
pub(super) fn answers(responses: InputResponses) -> Vec<(u32, Answer)> {
    let answers = responses.into_iter().filter_map(|(call, reply)| {
        let reply: ElicitResult = serde_json::from_value(reply).ok()?;
        Some((call.parse().ok()?, answer(&reply)?))
    });
    answers.collect()
}
