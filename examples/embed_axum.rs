//! Adds `POST /analyze` to an existing axum service. It runs a program on the service's own data:
//! `cargo run --release --example embed_axum`, then
//! `curl --data 'sum(order["amount"] for order in orders)' http://127.0.0.1:3000/analyze`.

use std::time::Duration;

use ai_code_executor::{Error, Execution, Limits, Sandbox};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

#[derive(Clone)]
struct App {
    orders: Value,
    sandbox: Sandbox,
}

/// The route that the service had before.
async fn orders(State(app): State<App>) -> Json<Value> {
    Json(app.orders)
}

/// Runs the program in the body. When the client disconnects, this future is dropped, which stops the program.
async fn analyze(State(app): State<App>, program: String) -> (StatusCode, Json<Value>) {
    let limits = Limits::UNLIMITED.wall_time(Duration::from_secs(2));
    let execution = Execution::new(program).limits(limits).variable("orders", &app.orders);
    let (status, answer) = match app.sandbox.run(execution).await {
        Ok(report) => match report.error {
            None => (StatusCode::OK, json!({"value": report.value})),
            Some(error) => {
                let (why, line) = (error.to_string(), error.line);
                (StatusCode::UNPROCESSABLE_ENTITY, json!({"error": why, "line": line, "hint": error.hint}))
            }
        },
        Err(Error::Rejected(findings)) => {
            let findings = findings.iter().map(|finding| format!("{}: {}", finding.line, finding.message));
            (StatusCode::BAD_REQUEST, json!({"findings": findings.collect::<Vec<_>>()}))
        }
        Err(error @ (Error::Busy { .. } | Error::ShuttingDown)) => {
            (StatusCode::SERVICE_UNAVAILABLE, json!({"error": error.to_string()}))
        }
        Err(error) => {
            eprintln!("{}", error.chain());
            (StatusCode::INTERNAL_SERVER_ERROR, json!({"error": "the program could not be run"}))
        }
    };
    (status, Json(answer))
}

/// Returns the service's own metrics together with those of the sandbox.
async fn metrics(State(app): State<App>) -> String {
    format!("# TYPE orders gauge\norders 3\n{}# EOF\n", app.sandbox.metrics().series())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let orders = json!([{"id": 1, "amount": 20}, {"id": 2, "amount": 5}, {"id": 3, "amount": 17}]);
    let cache = std::env::temp_dir().join("embed-example");
    // Building the image blocks.
    let sandbox = tokio::task::spawn_blocking(|| Sandbox::builder().cache_dir(cache).build()).await??;
    let app = Router::new()
        .route("/orders", get(self::orders))
        .route("/analyze", post(analyze))
        .route("/metrics", get(metrics))
        .with_state(App { orders, sandbox });
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
