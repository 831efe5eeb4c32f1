//! Handlers of the paths of executions that wait, and of states.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};

use super::answer::Memory;
use super::auth::Proof;
use super::body::Incoming;
use super::budget::Account;
use super::refusal::Refusal;
use super::routes::{answer, read, written};
use super::wire::{
    ExecuteResponse, ExecutionDetail, ExecutionList, RefusalBody, ResumeRequest, StateList, WaitQuery,
};
use super::{Service, stream};
use crate::execution::{ExecutionId, StateHandle, WaitsFor, events};
use crate::sandbox::Sandbox;

/// How much larger than a reply the body of a request to resume may be.
const BESIDE_REPLY_BYTES: usize = 1 << 20;

/// How deep the values of a request to resume are parsed; replies stay text.
const RESUME_DEPTH: usize = 3;

/// Below this size, writing an answer takes a few hundred microseconds.
const SMALL_BYTES: usize = 16 << 10;

/// Answers to a request whose execution goes on.
pub(super) fn started(id: ExecutionId) -> Response {
    let location = [(header::LOCATION, format!("/executions/{id}"))];
    let body = Json(ExecutionDetail::bare(id.to_string(), "queued"));
    (StatusCode::ACCEPTED, location, body).into_response()
}

fn sandbox(service: &Service) -> Result<&Sandbox, Refusal> {
    service.sandbox().ok_or_else(Refusal::not_ready)
}

fn id_of(path: Result<Path<String>, PathRejection>) -> Result<ExecutionId, Refusal> {
    let Path(id) = path.map_err(|_| Refusal::not_found())?;
    id.parse().map_err(|error| Refusal::unusable(format!("{error}: `{}`", id.escape_debug())))
}

/// Answer calls that wait
///
/// The execution goes on, and the answer is its next one: like that of `/execute`. Replies and errors are the caller's;
/// approvals need a token that may approve, which gets the execution's status instead of its answer.
#[utoipa::path(
    post,
    path = "/executions/{id}/resume",
    tag = "executions",
    security(("token" = []), ("bearer" = [])),
    params(("id" = String, Path, description = "The execution", format = "uuid")),
    request_body = ResumeRequest,
    responses(
        (status = 200, description = "The next answer", body = ExecuteResponse),
        (status = 403, description = "The token may not give these answers", body = RefusalBody),
        (status = 404, description = "There is no such execution", body = RefusalBody),
        (status = 409, description = "Somebody answered this epoch before; `answer` is the current one", body = RefusalBody),
        (status = 410, description = "Nobody answered in time, or the interpreter is gone", body = RefusalBody),
    )
)]
pub(super) async fn resume(
    State(service): State<Service>,
    Extension(account): Extension<Arc<Account>>,
    Extension(proof): Extension<Proof>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let settings = &service.0.settings;
    let bytes_max = settings.ceilings.tool_reply_bytes_max.saturating_add(BESIDE_REPLY_BYTES);
    let bytes_max = bytes_max.min(settings.memory_bytes_max / 6);
    let mut body = Incoming::new(body);
    let accepted = async {
        let roles = service.0.doorkeeper.roles(proof).await?;
        let id = id_of(path)?;
        let (request, held) =
            read::<ResumeRequest>(&service, &headers, &mut body, bytes_max, RESUME_DEPTH, &account).await?;
        Ok::<_, Refusal>((roles, id, request, held))
    };
    let (roles, id, request, held) = match accepted.await {
        Ok(accepted) => accepted,
        Err(refusal) => {
            body.discard(bytes_max, &service.0.discards);
            return Err(refusal);
        }
    };
    let sandbox = sandbox(&service)?;
    let epoch = request.epoch;
    let answers = request.answers().map_err(Refusal::unusable)?;
    for (_, answer) in &answers {
        match answer.is_from() {
            WaitsFor::Caller if !roles.executes => {
                return Err(Refusal::forbidden("answer for the caller's tools"));
            }
            WaitsFor::Approval if !roles.approves => return Err(Refusal::forbidden("approve or deny calls")),
            _ => {}
        }
    }
    if !roles.executes {
        sandbox.answer(id, epoch, answers).await.map_err(|error| Refusal::from(error).without_answer())?;
        let status = sandbox.status(id).await?.name();
        return Ok(Json(ExecutionDetail::bare(id.to_string(), status)).into_response());
    }
    if stream::is_wanted(&headers) {
        let ((sink, events), sandbox) = (events(), sandbox.clone());
        let running = async move { sandbox.resume(id, epoch, answers, Some(sink)).await };
        return stream::respond(running, events, account, held).await;
    }
    let report = sandbox.resume(id, epoch, answers, None).await?;
    drop(held);
    answer(report, &account).await
}

/// How far is an execution
///
/// If very many requests wait already, it answers at once.
#[utoipa::path(
    get,
    path = "/executions/{id}",
    tag = "executions",
    security(("token" = []), ("bearer" = [])),
    params(("id" = String, Path, description = "The execution", format = "uuid"), WaitQuery),
    responses(
        (status = 200, description = "Its status, and its latest answer if it waits or has ended", body = ExecutionDetail),
        (status = 404, description = "There is no such execution", body = RefusalBody),
    )
)]
pub(super) async fn status(
    State(service): State<Service>,
    Extension(account): Extension<Arc<Account>>,
    Extension(proof): Extension<Proof>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<WaitQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    service.0.doorkeeper.let_in(proof).await?;
    let (id, Query(query)) = (id_of(path)?, query?);
    let time = query.time().map_err(Refusal::unusable)?;
    let looks = service.0.lookers.try_acquire();
    let time = if looks.is_ok() { time } else { Duration::ZERO };
    let status = sandbox(&service)?.wait(id, query.epoch, time).await?;
    let detail = ExecutionDetail::new(id.to_string(), status);
    let bytes_max = detail.json_bytes_max();
    let (json, held) = written(detail, bytes_max, bytes_max.saturating_sub(SMALL_BYTES), &account).await?;
    let memory = Extension(Memory::Held(Arc::new(held)));
    Ok(([(header::CONTENT_TYPE, "application/json")], memory, json).into_response())
}

/// Cancel an execution
#[utoipa::path(
    delete,
    path = "/executions/{id}",
    tag = "executions",
    security(("token" = []), ("bearer" = [])),
    params(("id" = String, Path, description = "The execution", format = "uuid")),
    responses(
        (status = 204, description = "It is cancelled, or has ended before"),
        (status = 404, description = "There is no such execution", body = RefusalBody),
    )
)]
pub(super) async fn cancel(
    State(service): State<Service>,
    Extension(proof): Extension<Proof>,
    path: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Refusal> {
    service.0.doorkeeper.let_in(proof).await?;
    sandbox(&service)?.cancel(id_of(path)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List executions
///
/// Those that wait or run without a connection, and those that ended lately. With a token that may approve: all calls
/// that wait for approval, and nothing else.
#[utoipa::path(
    get,
    path = "/executions",
    tag = "executions",
    security(("token" = []), ("bearer" = [])),
    responses((status = 200, description = "Executions, and calls that wait for approval", body = ExecutionList))
)]
pub(super) async fn list(
    State(service): State<Service>,
    Extension(proof): Extension<Proof>,
) -> Result<Json<ExecutionList>, Refusal> {
    let roles = service.0.doorkeeper.roles(proof).await?;
    let sandbox = sandbox(&service)?;
    let executions = if roles.executes { sandbox.executions().await? } else { Vec::new() };
    Ok(Json(ExecutionList::new(executions, roles.approves.then(|| sandbox.approvals()))))
}

/// List states
#[utoipa::path(
    get,
    path = "/states",
    tag = "states",
    security(("token" = []), ("bearer" = [])),
    responses((status = 200, description = "All states that can be continued", body = StateList))
)]
pub(super) async fn states(
    State(service): State<Service>,
    Extension(proof): Extension<Proof>,
) -> Result<Json<StateList>, Refusal> {
    service.0.doorkeeper.let_in(proof).await?;
    Ok(Json(StateList::new(sandbox(&service)?.states().await?)))
}

/// Forget a state
#[utoipa::path(
    delete,
    path = "/states/{handle}",
    tag = "states",
    security(("token" = []), ("bearer" = [])),
    params(("handle" = String, Path, description = "The state", pattern = "^st_[0-9a-f]{32}$")),
    responses(
        (status = 204, description = "It is forgotten"),
        (status = 404, description = "There is no such state", body = RefusalBody),
    )
)]
pub(super) async fn forget_state(
    State(service): State<Service>,
    Extension(proof): Extension<Proof>,
    path: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Refusal> {
    service.0.doorkeeper.let_in(proof).await?;
    let Path(handle) = path.map_err(|_| Refusal::not_found())?;
    let handle: StateHandle =
        handle.parse().map_err(|error| Refusal::unusable(format!("{error}: `{}`", handle.escape_debug())))?;
    sandbox(&service)?.forget_state(handle).await?;
    Ok(StatusCode::NO_CONTENT)
}
