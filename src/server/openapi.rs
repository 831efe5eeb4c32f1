//! The service's description of itself: an `OpenAPI` document made from its types, and a page that shows it.

use std::sync::Arc;

use axum::Json;
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use tracing::error;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_swagger_ui::Config;

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
    modifiers(&TokenHeader),
)]
struct Document;

struct TokenHeader;

impl Modify for TokenHeader {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-Executor-Token")));
        debug_assert!(auth::HEADER.eq_ignore_ascii_case("X-Executor-Token"));
        document.components.get_or_insert_default().add_security_scheme("token", scheme);
    }
}

pub(super) async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Document::openapi())
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
            ([(header::CONTENT_TYPE, file.content_type)], encoding, file.bytes.into_owned()).into_response()
        }
        Ok(None) => Refusal::not_found().into_response(),
        Err(error) => {
            error!(%error, name, "the page of documentation is broken");
            Refusal::not_found().into_response()
        }
    }
}
