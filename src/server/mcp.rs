//! The executor as a server of the Model Context Protocol: its tools, its resources, its prompt. `http` and `stdio` are
//! its transports. One endpoint speaks revision 2026-07-28, which has no handshake, and the revisions before it, which
//! have one (<https://modelcontextprotocol.io/specification/2026-07-28>).

mod approval;
mod arguments;
mod calls;
mod definitions;
mod http;
mod message;

mod progress;
mod reading;
mod results;
mod stdio;

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CustomRequest, CustomResult, ErrorCode, GetPromptRequestParams,
    GetPromptResponse, Implementation, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
    ListToolsResult, PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams,
    ReadResourceResponse, RequestStateCodec, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};

use super::auth::Roles;
use crate::error::Error;
use crate::limits::Limits;
use crate::sandbox::Sandbox;
use crate::tools::Catalogue;
pub(super) use http::{Endpoint, handle};
pub use stdio::serve_stdio;

const KEY_BYTES: usize = 32;

/// Bound for what errors repeat of a name.
const NAME_CHARS_MAX: usize = 100;

/// How long clients may keep what the server lists, in milliseconds.
const FRESH_MS: u64 = 60_000;

/// Answers the requests of clients. A handle.
#[derive(Clone)]
pub(super) struct Agents(Arc<Inner>);

struct Inner {
    sandbox: Sandbox,
    ceilings: Limits,
    /// What it says of itself, once for each list of tools.
    said: Mutex<Option<Arc<Said>>>,
    /// Seals what clients send back with the answers to questions.
    codec: RequestStateCodec,
    /// Roles of clients whose requests carry none, because they do not come over HTTP.
    roles: Roles,
}

/// What the server says of itself.
struct Said {
    /// The tools that programs can import.
    catalogue: Arc<Catalogue>,
    tools: Vec<Tool>,
    info: ServerConfig,
}

impl Said {
    fn of(sandbox: &Sandbox, catalogue: Arc<Catalogue>) -> Self {
        let capabilities =
            ServerCapabilities::builder().enable_tools().enable_resources().enable_prompts().build();
        let name = Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
            .with_title("AI Code Executor");
        let info = ServerConfig::new(capabilities)
            .with_server_info(name)
            .with_instructions(definitions::instructions(&catalogue));
        Self { tools: definitions::tools(sandbox, &catalogue), info, catalogue }
    }
}

impl Agents {
    /// # Errors
    ///
    /// [`Error::Internal`] if there are no random numbers.
    pub(super) fn new(sandbox: Sandbox, ceilings: Limits, roles: Roles) -> Result<Self, Error> {
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).map_err(|error| Error::internal("no random numbers").caused_by(error))?;
        let codec = RequestStateCodec::try_new(key)
            .map_err(|error| Error::internal("sealing questions").caused_by(error))?;
        Ok(Self(Arc::new(Inner { sandbox, ceilings, said: Mutex::default(), codec, roles })))
    }

    fn said(&self) -> Arc<Said> {
        let catalogue = self.0.sandbox.catalogue();
        let mut said = self.0.said.lock().unwrap_or_else(PoisonError::into_inner);
        match &*said {
            Some(said) if Arc::ptr_eq(&said.catalogue, &catalogue) => said.clone(),
            _ => said.insert(Arc::new(Said::of(&self.0.sandbox, catalogue))).clone(),
        }
    }

    /// Returns what whoever sent a request may do.
    fn roles(&self, context: &RequestContext<RoleServer>) -> Roles {
        extension(context).copied().unwrap_or(self.0.roles)
    }
}

/// Returns whether this revision of the protocol has no handshake. Revisions are dates.
fn is_stateless(revision: &str) -> bool {
    revision >= ProtocolVersion::V_2026_07_28.as_str()
}

/// Returns a name that a client has chosen, bounded.
fn shown(name: &str) -> String {
    name.chars().take(NAME_CHARS_MAX).collect()
}

/// Returns what `http` has added to a request.
fn extension<T: Send + Sync + 'static>(context: &RequestContext<RoleServer>) -> Option<&T> {
    context.extensions.get::<axum::http::request::Parts>()?.extensions.get()
}

impl ServerHandler for Agents {
    fn get_info(&self) -> ServerConfig {
        self.said().info.clone()
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.said().tools.clone()).with_ttl_ms(FRESH_MS))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.said().tools.iter().find(|tool| tool.name == name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let cancelled = context.ct.clone();
        tokio::select! {
            biased;
            // Dropping the call ends its execution. Nobody reads this answer.
            () = cancelled.cancelled() => Err(ErrorData::internal_error("the request was cancelled", None)),
            response = self.call(request, &context) => response,
        }
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let cursor = request.and_then(|request| request.cursor);
        let (stubs, next) = reading::stubs_from(&self.0.sandbox.catalogue(), cursor.as_deref())?;
        let page = ListResourcesResult::with_all_items(stubs).with_ttl_ms(FRESH_MS);
        Ok(ListResourcesResult { next_cursor: next, ..page })
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(Vec::new()).with_ttl_ms(FRESH_MS))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        reading::stub(&self.0.sandbox.catalogue(), &request.uri).map(Into::into)
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(vec![reading::prompt()]).with_ttl_ms(FRESH_MS))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        reading::prompt_named(&self.0.sandbox, &request.name).map(Into::into)
    }

    /// Answers what is no request of the protocol, or has parameters that are not those of its method.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        const WITH_PARAMETERS: [&str; 6] =
            ["initialize", "tools/call", "tools/list", "resources/list", "resources/read", "prompts/get"];
        if WITH_PARAMETERS.contains(&request.method.as_str()) {
            let message = format!("{}: params are not what is expected", request.method);
            return Err(ErrorData::invalid_params(message, None));
        }
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, Cow::Owned(request.method), None))
    }
}
