//! Handlers of all paths.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::{spawn_blocking, yield_now};

use super::answer::Memory;
use super::auth::Proof;
use super::body::{Incoming, Whole};
use super::budget::{Account, Held, Share};
use super::refusal::Refusal;
use super::request_id::RequestId;
use super::wire::{
    CheckRequest, CheckResponse, ExecuteRequest, ExecuteResponse, ExecutionDetail, Health, ProgramRequest,
    Ready, RefusalBody, Request, ToolList, ToolsQuery, parsed_bytes_max, to_json,
};
use super::{Service, executions, stream};
use crate::error::Error;
use crate::execution::{Execution, Report, events};

/// Up to this size, reading or writing JSON takes a few hundred microseconds. Larger JSON is handled on a thread that
/// serves no connections.
const LARGE_BYTES: usize = 16 << 10;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Run one program
///
/// Every program that was started is answered with 200, however it ends; `outcome` says how it ended.
#[utoipa::path(
    post,
    path = "/execute",
    tag = "executions",
    security(("token" = []), ("bearer" = [])),
    request_body = ExecuteRequest,
    responses(
        (status = 200, description = "The program was run; `outcome` says how it ended. With `Accept: application/x-ndjson`, one JSON object a line as it happens; the last has this as `answer`", body = ExecuteResponse),
        (status = 202, description = "`async`: it goes on; `Location` tells how far it is", body = ExecutionDetail),
        (status = 400, description = "The program or its context cannot be run: every finding", body = RefusalBody),
        (status = 404, description = "There is no such state", body = RefusalBody),
        (status = 410, description = "The interpreter of this state is gone, or its entry is damaged", body = RefusalBody),
        (status = 507, description = "There is no room for another state", body = RefusalBody),
    )
)]
pub(super) async fn execute(
    State(service): State<Service>,
    Extension(request_id): Extension<RequestId>,
    Extension(account): Extension<Arc<Account>>,
    Extension(proof): Extension<Proof>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    // The program's memory counts until the program has ended.
    let Accepted { mut execution, is_async, held } =
        accept::<ExecuteRequest>(&service, proof, &headers, body, &account).await?;
    let sandbox = service.sandbox().ok_or_else(Refusal::not_ready)?;
    execution.request_id = Some(request_id.as_str().to_owned());
    if is_async {
        return Ok(executions::started(in_turn(sandbox.start(execution)).await?));
    }
    if stream::is_wanted(&headers) {
        let (sink, events) = events();
        let (sandbox, execution) = (sandbox.clone(), execution.events(sink));
        let running = async move { sandbox.run(execution).await };
        return stream::respond(running, events, account, held).await;
    }
    // Keep the slot until there is memory for the answer, so that no further program starts before.
    let (report, _slot) = in_turn(Box::pin(sandbox.run_in_slot(execution))).await?;
    drop(held);
    answer(report, &account).await
}

/// Check one program
///
/// The program is not run. A program with findings is answered with 200 too, and `ok` is false.
#[utoipa::path(
    post,
    path = "/check",
    tag = "executions",
    security(("token" = []), ("bearer" = [])),
    request_body = CheckRequest,
    responses(
        (status = 200, description = "The program was checked; `ok` says whether it can be run", body = CheckResponse),
        (status = 400, description = "There is no such tool", body = RefusalBody),
    )
)]
pub(super) async fn check(
    State(service): State<Service>,
    Extension(account): Extension<Arc<Account>>,
    Extension(proof): Extension<Proof>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<CheckResponse>, Refusal> {
    // The program's memory counts until the check is done.
    let Accepted { execution, held: _held, .. } =
        accept::<CheckRequest>(&service, proof, &headers, body, &account).await?;
    let sandbox = service.sandbox().ok_or_else(Refusal::not_ready)?;
    match in_turn(sandbox.check(execution)).await {
        Ok(()) => Ok(Json(CheckResponse::new(Vec::new()))),
        Err(Error::Rejected(findings)) => Ok(Json(CheckResponse::new(findings))),
        Err(error) => Err(error.into()),
    }
}

thread_local! {
    static TURN: Arc<Semaphore> = Arc::new(Semaphore::new(1));
}

/// Polls `work` for the first time when it is its turn. This first poll may take a millisecond, so the thread handles
/// all other events between two of them.
async fn in_turn<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let turn = TURN.with(Arc::clone);
    let permit = if let Ok(permit) = turn.try_acquire() {
        Ok(permit)
    } else {
        let permit = turn.acquire().await;
        // Handle the events that came meanwhile first.
        yield_now().await;
        permit
    };
    let first = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await;
    drop(permit);
    match first {
        Poll::Ready(done) => done,
        Poll::Pending => work.await,
    }
}

/// Answers with the report as JSON. Its memory counts until the peer has taken it.
pub(super) async fn answer(report: Report, account: &Arc<Account>) -> Result<Response, Refusal> {
    // The return value is JSON already, so it is not counted.
    let to_write = report.stdout.text.len() + report.stderr.text.len();
    let response = ExecuteResponse::from(report);
    let bytes_max = response.json_bytes_max();
    let (json, held) = written(response, bytes_max, to_write, account).await?;
    let memory = Extension(Memory::Held(Arc::new(held)));
    Ok(([(header::CONTENT_TYPE, "application/json")], memory, json).into_response())
}

/// Writes `value`, which takes at most `bytes_max` bytes, as JSON. `to_write` is about how many of them need work.
pub(super) async fn written(
    value: impl Serialize + Send + 'static,
    bytes_max: usize,
    to_write: usize,
    account: &Arc<Account>,
) -> Result<(Vec<u8>, Held), Refusal> {
    let mut held = account.hold(bytes_max, Share::Answer).await.ok_or_else(Refusal::overloaded)?;
    let (json, held) = apart_if_large(to_write, move || {
        let json = to_json(&value, bytes_max);
        held.shrink_to(json.as_ref().map_or(0, Vec::capacity));
        (json, held)
    })
    .await?;
    let json = json.map_err(|error| Error::internal("writing JSON").caused_by(error))?;
    Ok((json, held))
}

/// Runs `work` on `bytes` of JSON: on this thread if they are few, otherwise on one that serves no connections.
pub(super) async fn apart_if_large<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    if bytes <= LARGE_BYTES {
        return Ok(work());
    }
    spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("reading or writing JSON").caused_by(error).into())
}

/// A program that was read.
struct Accepted {
    execution: Execution,
    is_async: bool,
    /// Its memory.
    held: Held,
}

/// Reads the program of a request and reserves its memory. The token is checked first; without it, nothing of the body
/// is read. If the request is refused, the rest of its body is read and dropped.
async fn accept<R: ProgramRequest>(
    service: &Service,
    proof: Proof,
    headers: &HeaderMap,
    body: Body,
    account: &Arc<Account>,
) -> Result<Accepted, Refusal> {
    let (settings, mut body) = (&service.0.settings, Incoming::new(body));
    let ceilings = settings.ceilings;
    let accepted = async {
        service.0.doorkeeper.let_in(proof).await?;
        let (request, held) =
            read::<R>(service, headers, &mut body, settings.body_bytes_max, PROGRAM_DEPTH, account).await?;
        apart_if_large(request.bytes(), move || {
            let is_async = request.is_async();
            let execution = request.into_execution(&ceilings).map_err(Refusal::unusable)?;
            Ok(Accepted { execution, is_async, held })
        })
        .await?
    };
    let accepted = accepted.await;
    if accepted.is_err() {
        body.discard(settings.body_bytes_max, &service.0.discards);
    }
    accepted
}

/// How deep the values of a program's request are parsed; deeper ones stay text.
const PROGRAM_DEPTH: usize = 2;

/// Reads a request of at most `bytes_max` bytes and reserves its memory. What is nested deeper than `depth` must stay text
/// when it is parsed.
pub(super) async fn read<R: Request>(
    service: &Service,
    headers: &HeaderMap,
    body: &mut Incoming,
    bytes_max: usize,
    depth: usize,
    account: &Arc<Account>,
) -> Result<(R, Held), Refusal> {
    let (bytes, mut held) = read_json(service, headers, body, bytes_max, depth, account).await?;
    apart_if_large(bytes.len(), move || {
        let Json(request) = Json::<R>::from_bytes(&bytes)?;
        drop(bytes);
        held.shrink_to(request.bytes());
        Ok((request, held))
    })
    .await?
}

/// Reads a body of at most `bytes_max` bytes, and reserves its memory and that of its parsed form. What is nested deeper
/// than `depth` must stay text.
pub(super) async fn read_json(
    service: &Service,
    headers: &HeaderMap,
    body: &mut Incoming,
    bytes_max: usize,
    depth: usize,
    account: &Arc<Account>,
) -> Result<(Vec<u8>, Held), Refusal> {
    if !is_json(headers) {
        return Err(Refusal::not_json());
    }
    let Whole { bytes, mut held } = body.read(bytes_max, service.0.settings.body_time, account).await?;
    let (bytes, parsed_bytes) = apart_if_large(bytes.len(), move || {
        let parsed_bytes = parsed_bytes_max(&bytes, depth);
        (bytes, parsed_bytes)
    })
    .await?;
    held.grow_for_parsing(bytes.len() + parsed_bytes).await.ok_or_else(Refusal::overloaded)?;
    Ok((bytes, held))
}

fn is_json(headers: &HeaderMap) -> bool {
    let declared =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type == "application/json"
        || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

/// List tools
///
/// Tools that match `query`, the best match first.
#[utoipa::path(
    get,
    path = "/tools",
    tag = "tools",
    params(ToolsQuery),
    responses(
        (status = 200, description = "As many as asked for, and how many there are", body = ToolList),
        (status = 422, description = "A parameter is not what is expected", body = RefusalBody),
        (status = 503, description = "Not ready yet", body = RefusalBody,
            headers(("retry-after" = u32, description = "Seconds"))),
    )
)]
pub(super) async fn tools(
    State(service): State<Service>,
    query: Result<Query<ToolsQuery>, QueryRejection>,
) -> Result<Json<ToolList>, Refusal> {
    let Query(query) = query?;
    let limit = query.limit().map_err(Refusal::unusable)?;
    let sandbox = service.sandbox().ok_or_else(Refusal::not_ready)?;
    let catalogue = sandbox.catalogue();
    let found = catalogue.search(&query.query);
    Ok(Json(ToolList::new(&found, query.detail, limit)))
}

/// Liveness
#[utoipa::path(
    get,
    path = "/health",
    tag = "operations",
    responses((status = 200, description = "It does", body = Health))
)]
pub(super) async fn health(State(service): State<Service>) -> Json<Health> {
    Json(Health::new(service.sandbox(), service.0.settings.hardening))
}

/// Readiness
#[utoipa::path(
    get,
    path = "/ready",
    tag = "operations",
    responses(
        (status = 200, description = "One has been run in this process", body = Ready),
        (status = 503, description = "Not yet, or no more", body = RefusalBody,
            headers(("retry-after" = u32, description = "Seconds"))),
    )
)]
pub(super) async fn ready(State(service): State<Service>) -> Result<Json<Ready>, Refusal> {
    can_run(&service)?;
    Ok(Json(Ready::new()))
}

fn can_run(service: &Service) -> Result<(), Refusal> {
    let sandbox = service.sandbox().ok_or_else(Refusal::not_ready)?;
    if !sandbox.is_sound() {
        return Err(Refusal::unsound());
    }
    if sandbox.is_open() { Ok(()) } else { Err(Refusal::shutting_down()) }
}

/// Metrics for Prometheus
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operations",
    responses((status = 200, description = "OpenMetrics text", body = String,
        content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8"))
)]
pub(super) async fn metrics(State(service): State<Service>) -> impl IntoResponse {
    let is_ready = can_run(&service).is_ok();
    ([(header::CONTENT_TYPE, OPENMETRICS)], service.0.metrics.encode(&service.0.settings.metrics, is_ready))
}

pub(super) async fn not_found() -> Refusal {
    Refusal::not_found()
}

pub(super) async fn method_not_allowed() -> Refusal {
    Refusal::method_not_allowed()
}
