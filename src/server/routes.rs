//! What each path does.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Service;
use super::wire::{ExecuteRequest, ExecuteResponse, Refusal};

pub(super) async fn execute(
    State(service): State<Service>,
    request: Result<Json<ExecuteRequest>, JsonRejection>,
) -> Result<Json<ExecuteResponse>, Refusal> {
    let Json(request) = request?;
    let sandbox = service.sandbox().ok_or_else(Refusal::not_ready)?;
    let execution = request.into_execution(&service.0.ceilings)?;
    let report = sandbox.run(execution).await?;
    Ok(Json(report.into()))
}

pub(super) async fn health(State(service): State<Service>) -> Json<Value> {
    Json(json!({
        "status": "healthy",
        "service": env!("CARGO_PKG_NAME"),
        "version": env!("CARGO_PKG_VERSION"),
        "mcp_initialized": service.sandbox().is_some(),
    }))
}

pub(super) async fn ready(State(service): State<Service>) -> Result<(StatusCode, Json<Value>), Refusal> {
    service.sandbox().ok_or_else(Refusal::not_ready)?;
    Ok((StatusCode::OK, Json(json!({"status": "ready"}))))
}

pub(super) async fn not_found() -> Refusal {
    Refusal::not_found()
}

pub(super) async fn method_not_allowed() -> Refusal {
    Refusal::method_not_allowed()
}
