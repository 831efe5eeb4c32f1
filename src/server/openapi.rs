//! The `OpenAPI` document, generated from the service's types, and a page that shows it.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use tracing::error;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, Object, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};
use utoipa_swagger_ui::Config;

use super::answer::Memory;
use super::refusal::Refusal;
use super::{auth, executions, routes};

#[derive(OpenApi)]
#[openapi(
    info(title = "AI Code Executor", description = "Runs AI-written Python in a fresh CPython inside WebAssembly"),
    paths(
        routes::execute,
        routes::check,
        executions::resume,
        executions::status,
        executions::cancel,
        executions::list,
        executions::states,
        executions::forget_state,
        routes::tools,
        routes::health,
        routes::ready,
        routes::metrics,
    ),
    tags(
        (name = "executions", description = "Programs, and those that wait for somebody outside"),
        (name = "states", description = "Interpreters that programs have left"),
        (name = "tools", description = "What programs can call; needs no token"),
        (name = "operations", description = "The service; needs no token"),
    ),
    modifiers(&TokenHeaders, &CommonRefusals),
)]
struct Document;

/// Adds the refusals that several paths have in common.
struct CommonRefusals;

const OF_EVERY_PATH: [(&str, &str); 4] = [
    ("400", "The request does not name one host"),
    ("403", "The web page that sent it may not call this service"),
    ("421", "It is for another host"),
    ("503", "The service has no memory left for requests"),
];

/// Refusals of the paths that take a program and need the token. A status that a path describes itself is kept.
const OF_PROGRAMS: [(&str, &str); 8] = [
    ("401", "No token, or a wrong one"),
    ("408", "The body took too long to arrive"),
    ("413", "The body is too large"),
    ("415", "The body is not declared to be JSON"),
    ("422", "The body is not what is expected: `detail` names the field"),
    ("429", "Too many programs wait"),
    ("500", "The executor's own failure"),
    ("503", "Not ready yet, stopping, without a token, or out of memory for its callers"),
];

/// Refusals of the other paths that need a token.
const OF_TOKENS: [(&str, &str); 5] = [
    ("401", "No token, or a wrong one"),
    ("403", "The token may not do this, or the web page that sent it may not call this service"),
    ("422", "A part of the path or a parameter is not what is expected"),
    ("500", "The executor's own failure"),
    ("503", "Not ready yet, stopping, without a token, or out of memory for its callers"),
];

impl Modify for CommonRefusals {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for item in document.paths.paths.values_mut() {
            let others = item.get.iter_mut().chain(&mut item.delete).map(|operation| {
                let needs_token = operation.security.is_some();
                (operation, if needs_token { &OF_TOKENS[..] } else { &[] })
            });
            let programs = item.post.iter_mut().map(|operation| (operation, &OF_PROGRAMS[..]));
            for (operation, refusals) in others.chain(programs) {
                let responses = &mut operation.responses.responses;
                for (status, description) in refusals.iter().chain(&OF_EVERY_PATH) {
                    responses.entry((*status).into()).or_insert_with(|| refusal(status, description).into());
                }
            }
        }
    }
}

/// Builds the description of a refusal with this status.
fn refusal(status: &str, description: &str) -> utoipa::openapi::Response {
    let body = Content::new(Some(RefOr::Ref(Ref::from_schema_name("RefusalBody"))));
    let response = ResponseBuilder::new().description(description).content("application/json", body);
    let header = |of: Type, description: &str| {
        HeaderBuilder::new().schema(Some(Object::with_type(of))).description(Some(description)).build()
    };
    match status {
        "401" => response.header("www-authenticate", header(Type::String, "`Bearer`")),
        "429" | "503" => response.header("retry-after", header(Type::Integer, "Seconds")),
        _ => response,
    }
    .build()
}

/// Adds the two ways to send the token.
struct TokenHeaders;

impl Modify for TokenHeaders {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let own = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-Executor-Token")));
        debug_assert!(auth::HEADER.eq_ignore_ascii_case("X-Executor-Token"));
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", own);
        components.add_security_scheme("bearer", bearer);
    }
}

/// The document is built once, so that an answer that the peer does not take holds no copy of it.
#[expect(clippy::expect_used, reason = "its types are utoipa's own, and all of them are JSON")]
static DOCUMENT: LazyLock<String> =
    LazyLock::new(|| Document::openapi().to_json().expect("the document is JSON"));

pub(super) async fn document() -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    (json, Extension(Memory::Static), Bytes::from_static(DOCUMENT.as_bytes())).into_response()
}

/// Redirects a browser that opens the service's address.
pub(super) async fn from_root() -> Redirect {
    Redirect::temporary("docs/")
}

/// The redirect is relative, like all links of the page: a proxy may serve the service below any path.
pub(super) async fn to_page() -> Redirect {
    Redirect::permanent("docs/")
}

pub(super) async fn page() -> Response {
    file(Ok(Path("index.html".to_owned()))).await
}

/// Restricts the page in the browser: it may load only its own files and call only this service. Users type the token
/// into the page, so no other page may embed it.
const SECURITY: [(HeaderName, HeaderValue); 3] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
             connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// Adds the restrictions to a response of the page.
pub(super) async fn secured(mut response: Response) -> Response {
    response.headers_mut().extend(SECURITY);
    response
}

/// Returns a file of the page. The page makes no request to another host: the badge of the online validator is
/// switched off.
pub(super) async fn file(name: Result<Path<String>, PathRejection>) -> Response {
    // All files have names in UTF-8.
    let Ok(Path(name)) = name else { return Refusal::not_found().into_response() };
    let config = Config::new(["../openapi.json"]).validator_url("none");
    match utoipa_swagger_ui::serve(&name, Arc::new(config)) {
        Ok(Some(file)) => {
            let encoding = file.gzpipped.then_some([(header::CONTENT_ENCODING, "gzip")]);
            let (memory, body) = match file.bytes {
                Cow::Borrowed(bytes) => {
                    (Some(Extension(Memory::Static)), Body::from(Bytes::from_static(bytes)))
                }
                Cow::Owned(bytes) => (None, Body::from(bytes)),
            };
            ([(header::CONTENT_TYPE, file.content_type)], encoding, memory, body).into_response()
        }
        Ok(None) => Refusal::not_found().into_response(),
        Err(error) => {
            error!(%error, name, "the page of documentation is broken");
            Refusal::not_found().into_response()
        }
    }
}
