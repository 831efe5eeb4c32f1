//! The tower layer around an axum router.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Extension;
use axum::routing::{any, get};
use axum::{Router, middleware};
use bytes::Bytes;
use futures::stream;
use http::request::Parts;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use http_signing::{Signer, Verified, VerifierLayer};
use serde_json::{Value, json};
use tokio::time::timeout;
use tower::ServiceExt;

use super::{BODY, SECRET, key, set, signed, verifier};

/// A service that answers with what it received.
fn service(layer: VerifierLayer) -> Router {
    let echo = async |Extension(verified): Extension<Verified>, body: String| {
        format!("{} {} {body}", verified.key_id, verified.execution)
    };
    Router::new()
        .route("/devices/query", any(echo))
        .nest("/nested", Router::new().route("/deeper", get(async || "deep")))
        .layer(middleware::from_fn(async |request, next: middleware::Next| next.run(request).await))
        .layer(layer)
}

async fn answer(service: Router, head: Parts, body: Body) -> (StatusCode, String) {
    let answer = service.oneshot(Request::from_parts(head, body)).await.unwrap();
    let (head, body) = answer.into_parts();
    (head.status, String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
}

fn code(answer: &str) -> Value {
    serde_json::from_str::<Value>(answer).unwrap()["code"].take()
}

#[tokio::test]
async fn a_signed_request_is_admitted_unchanged() {
    let layer = VerifierLayer::new(verifier());
    let (status, text) = answer(service(layer), signed(), Body::from(BODY)).await;
    assert_eq!((status, &*text), (StatusCode::OK, r#"executor-1 execution-7 {"domain": "sensor"}"#));
}

#[tokio::test]
async fn the_layer_sees_the_full_path_of_nested_routers() {
    let mut head = Request::get("http://data-api/nested/deeper").body(()).unwrap().into_parts().0;
    Signer::new(key("executor-1", SECRET)).unwrap().sign(&mut head, b"", "7").unwrap();
    let answer = answer(service(VerifierLayer::new(verifier())), head, Body::empty()).await;
    assert_eq!(answer, (StatusCode::OK, "deep".to_owned()));
}

#[tokio::test]
async fn refusals_do_not_give_the_reason() {
    let service = service(VerifierLayer::new(verifier().replay_capacity(1)).body_bytes_max(BODY.len()));
    let broken = || Body::from_stream(stream::iter([Err::<Bytes, _>(std::io::Error::other("broke off"))]));
    let endless =
        || Body::from_stream(stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(BODY))));
    let once = signed();
    let mut changed = signed();
    set(&mut changed, "x-execution-id", "execution-8");
    let cases = [
        (changed, Body::from(BODY), 401, "bad_signature"),
        (signed(), Body::from("another"), 401, "bad_signature"),
        (signed(), endless(), 413, "body_too_large"),
        (signed(), broken(), 400, "bad_body"),
        (once.clone(), Body::from(BODY), 200, ""),
        (once, Body::from(BODY), 401, "bad_signature"),
        (signed(), Body::from(BODY), 503, "signatures_full"),
    ];
    for (number, (head, body, status, expected)) in cases.into_iter().enumerate() {
        let (got, text) = answer(service.clone(), head, body).await;
        assert_eq!(got, status, "case {number}: {text}");
        if status != 200 {
            assert_eq!(code(&text), json!(expected), "case {number}: {text}");
            assert!(!text.contains("execution"), "case {number}: {text}");
        }
    }
}

/// A caller without a key can neither fill memory nor hold a connection open with a slow body.
#[tokio::test]
async fn bodies_of_unsigned_requests_are_not_read() {
    let head = Request::post("http://data-api/devices/query").body(()).unwrap().into_parts().0;
    let body = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    let answer = answer(service(VerifierLayer::new(verifier())), head, body);
    let (status, text) = timeout(Duration::from_secs(10), answer).await.expect("an answer without a body");
    assert_eq!((status, code(&text)), (StatusCode::UNAUTHORIZED, json!("bad_signature")));
}
