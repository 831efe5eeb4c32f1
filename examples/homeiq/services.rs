//! The house's services over HTTP: data-api, ai-automation-service and device-intelligence-service.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http_signing::{Verifier, VerifierLayer};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::house::{self, EventQuery};

/// How the services behave.
#[derive(Clone, Default)]
pub(crate) struct Behaviour {
    /// What each answer waits for.
    pub(crate) delay: Duration,
    /// What is wrong with them.
    pub(crate) fault: Fault,
    /// Their clock; the machine's if there is none.
    pub(crate) now: Option<Timestamp>,
    /// Who may call; anybody if there is none.
    pub(crate) verifier: Option<Arc<Verifier>>,
}

/// What can be wrong with a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Fault {
    /// Nothing
    #[default]
    None,
    /// It answers 500
    Error,
    /// It never answers
    Hang,
    /// It answers what is not JSON
    Garbage,
}

impl Behaviour {
    fn now(&self) -> Timestamp {
        self.now.unwrap_or_else(Timestamp::now)
    }
}

type Answer = Result<Json<Value>, (StatusCode, Json<Value>)>;

/// The services by their names in the container network, with their ports there.
pub(crate) fn services(behaviour: &Behaviour) -> [(&'static str, u16, Router); 3] {
    let data = Router::new()
        .route("/mcp/tools/get_devices", post(get_devices))
        .route("/mcp/tools/query_device_history", post(query_device_history))
        .route("/mcp/tools/search_events", post(search_events));
    let automation = Router::new().route("/mcp/tools/detect_patterns", post(detect_patterns));
    let devices = Router::new().route("/mcp/tools/get_capabilities", post(get_capabilities));
    let finish = |router: Router<Behaviour>| {
        let router = router.layer(from_fn_with_state(behaviour.clone(), misbehave));
        let router = match &behaviour.verifier {
            Some(verifier) => router.layer(VerifierLayer::new(verifier.clone())),
            None => router,
        };
        router.with_state(behaviour.clone())
    };
    [
        ("data-api", 8006, finish(data)),
        ("ai-automation-service", 8024, finish(automation)),
        ("device-intelligence-service", 8028, finish(devices)),
    ]
}

async fn misbehave(State(behaviour): State<Behaviour>, request: Request, next: Next) -> Response {
    tokio::time::sleep(behaviour.delay).await;
    match behaviour.fault {
        Fault::None => next.run(request).await,
        Fault::Error => (StatusCode::INTERNAL_SERVER_ERROR, "database is locked").into_response(),
        Fault::Hang => std::future::pending().await,
        Fault::Garbage => "<html>it works!</html>".into_response(),
    }
}

fn refuse(status: StatusCode, why: &str) -> (StatusCode, Json<Value>) {
    (status, Json(json!({"detail": why})))
}

fn time(text: &str, now: Timestamp) -> Result<Timestamp, (StatusCode, Json<Value>)> {
    let bad = || {
        refuse(StatusCode::UNPROCESSABLE_ENTITY, &format!("'{text}' is no time: use now, -7d or ISO 8601"))
    };
    house::time(text, now).ok_or_else(bad)
}

fn unknown(entity_id: &str) -> (StatusCode, Json<Value>) {
    refuse(StatusCode::NOT_FOUND, &format!("There is no entity '{entity_id}'"))
}

async fn get_devices(State(behaviour): State<Behaviour>) -> Answer {
    Ok(Json(house::devices(behaviour.now())))
}

#[derive(Deserialize)]
struct HistoryRequest {
    entity_id: String,
    start_time: String,
    end_time: String,
    fields: Option<Vec<String>>,
}

async fn query_device_history(
    State(behaviour): State<Behaviour>,
    Json(request): Json<HistoryRequest>,
) -> Answer {
    let now = behaviour.now();
    let (start, end) = (time(&request.start_time, now)?, time(&request.end_time, now)?);
    let fields = request.fields.unwrap_or_default();
    let history = house::history(&request.entity_id, start, end, &fields);
    history.map(Json).ok_or_else(|| unknown(&request.entity_id))
}

#[derive(Deserialize)]
struct EventsRequest {
    entity_id: Option<String>,
    event_type: Option<String>,
    start_time: Option<String>,
    end_time: Option<String>,
    limit: usize,
}

async fn search_events(State(behaviour): State<Behaviour>, Query(request): Query<EventsRequest>) -> Answer {
    let now = behaviour.now();
    Ok(Json(house::events(&EventQuery {
        entity_id: request.entity_id.as_deref(),
        event_type: request.event_type.as_deref(),
        start: time(request.start_time.as_deref().unwrap_or("-1d"), now)?,
        end: time(request.end_time.as_deref().unwrap_or("now"), now)?,
        limit: request.limit,
    })))
}

#[derive(Deserialize)]
struct PatternsRequest {
    start_time: String,
    end_time: String,
    pattern_types: Option<Vec<String>>,
}

async fn detect_patterns(State(behaviour): State<Behaviour>, Json(request): Json<PatternsRequest>) -> Answer {
    let now = behaviour.now();
    time(&request.start_time, now)?;
    time(&request.end_time, now)?;
    Ok(Json(house::patterns(&request.pattern_types.unwrap_or_default())))
}

#[derive(Deserialize)]
struct CapabilitiesRequest {
    entity_id: String,
}

async fn get_capabilities(Json(request): Json<CapabilitiesRequest>) -> Answer {
    house::capabilities(&request.entity_id).map(Json).ok_or_else(|| unknown(&request.entity_id))
}
