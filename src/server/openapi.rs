//! The service's description of itself: an `OpenAPI` document made from its types, and a page that shows it.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use tracing::error;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};
use utoipa_swagger_ui::Config;

use super::answer::Memory;
use super::refusal::Refusal;
use super::{auth, routes};

#[derive(OpenApi)]
#[openapi(
    info(title = "AI Code Executor", description = "Runs AI-written Python in a fresh CPython inside WebAssembly"),
    paths(routes::execute, routes::tools, routes::health, routes::ready, routes::metrics),
    tags(
        (name = "executions", description = "Programs"),
        (name = "tools", description = "What programs can call; needs no token"),
        (name = "operations", description = "The service; needs no token"),
    ),
    modifiers(&TokenHeader, &EveryPath),
)]
struct Document;

/// What each path may answer before it does anything.
struct EveryPath;

impl Modify for EveryPath {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let refusals = [
            ("400", "The request does not name one host"),
            ("403", "The web page that sent it may not call this service"),
            ("421", "It is for another host"),
            ("503", "The service holds as much as it can for its callers"),
        ];
        for item in document.paths.paths.values_mut() {
            for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
                for (status, description) in refusals {
                    let body = Content::new(Some(RefOr::Ref(Ref::from_schema_name("RefusalBody"))));
                    let response = ResponseBuilder::new().description(description);
                    let response = response.content("application/json", body).build();
                    operation.responses.responses.entry(status.into()).or_insert(response.into());
                }
            }
        }
    }
}

struct TokenHeader;

impl Modify for TokenHeader {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-Executor-Token")));
        debug_assert!(auth::HEADER.eq_ignore_ascii_case("X-Executor-Token"));
        document.components.get_or_insert_default().add_security_scheme("token", scheme);
    }
}

/// Made once: whoever asks for it, and takes nothing, has no copy of it.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    // The types are this crate's: their description can be written.
    Document::openapi().to_json().unwrap_or_else(|error| unreachable!("{error}"))
});

pub(super) async fn document() -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    (json, Extension(Memory::Static), Bytes::from_static(DOCUMENT.as_bytes())).into_response()
}

/// Relative, like everything on the page: the service may sit below any path of a proxy.
pub(super) async fn to_page() -> Redirect {
    Redirect::permanent("docs/")
}

pub(super) async fn page() -> Response {
    file(Path("index.html".to_owned())).await
}

/// A file of the page. Nothing on it asks another host: the badge of an online validator is switched off.
pub(super) async fn file(Path(name): Path<String>) -> Response {
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
