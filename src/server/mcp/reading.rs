//! What clients can read: the stubs of the tools as resources, and a system prompt.

use rmcp::ErrorData;
use rmcp::model::{
    GetPromptResult, Prompt, PromptMessage, ReadResourceResult, Resource, ResourceContents, Role,
};
use serde_json::json;

use crate::sandbox::Sandbox;
use crate::tools::{Catalogue, ToolCard, catalogue};

/// Stubs are named as the files that `MCP_WORKSPACE_DIR` has of them.
const SCHEME: &str = "stubs:///";

const MODULE_FILE: &str = "__init__.pyi";

const STUB_TYPE: &str = "text/x-python";

/// Resources on one page.
const PAGE: usize = 100;

const PROMPT: &str = "python_executor";

/// Returns a page of resources and the cursor of the next one.
pub(super) fn stubs_from(
    catalogue: &Catalogue,
    cursor: Option<&str>,
) -> Result<(Vec<Resource>, Option<String>), ErrorData> {
    let unknown = |_| ErrorData::invalid_params("cursor is not one of this list", None);
    let begin: usize = cursor.map_or(Ok(0), str::parse).map_err(unknown)?;
    let mut page: Vec<Resource> = all(catalogue).skip(begin).take(PAGE + 1).collect();
    let next = (page.len() > PAGE).then(|| (begin + PAGE).to_string());
    page.truncate(PAGE);
    Ok((page, next))
}

fn all(catalogue: &Catalogue) -> impl Iterator<Item = Resource> {
    let modules = catalogue.tools().chunk_by(|a, b| a.module == b.module);
    modules.flat_map(|tools| {
        let module = tools.first().map(|tool| {
            let uri = format!("{SCHEME}{}/{MODULE_FILE}", tool.module);
            Resource::new(uri, &tool.module)
                .with_description(format!("All functions of module {}", tool.module))
        });
        module
            .into_iter()
            .chain(tools.iter().map(resource))
            .map(|resource| resource.with_mime_type(STUB_TYPE))
    })
}

fn resource(tool: &ToolCard) -> Resource {
    let uri = format!("{SCHEME}{}/{}.pyi", tool.module, tool.name);
    Resource::new(uri, &tool.path).with_description(&tool.summary)
}

/// Returns the text of a resource.
pub(super) fn stub(catalogue: &Catalogue, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let text = uri.strip_prefix(SCHEME).and_then(|path| {
        let (module, file) = path.split_once('/')?;
        if file == MODULE_FILE {
            return catalogue.module_stub(module);
        }
        catalogue.tool_stub(&format!("{module}.{}", file.strip_suffix(".pyi")?))
    });
    let text = text.ok_or_else(|| {
        ErrorData::resource_not_found("There is no such resource", Some(json!({"uri": uri})))
    })?;
    let contents = ResourceContents::text(text, uri).with_mime_type(STUB_TYPE);
    Ok(ReadResourceResult::new(vec![contents]).with_ttl_ms(super::FRESH_MS))
}

pub(super) fn prompt() -> Prompt {
    let description = "How to write programs for the executor, and the functions that they can call";
    Prompt::new(PROMPT, Some(description), None).with_title("Python executor")
}

/// Returns the text of a prompt.
pub(super) fn prompt_named(sandbox: &Sandbox, name: &str) -> Result<GetPromptResult, ErrorData> {
    if name != PROMPT {
        return Err(ErrorData::invalid_params(format!("Unknown prompt: {}", super::shown(name)), None));
    }
    let catalogue_now = sandbox.catalogue();
    let tools: Vec<&ToolCard> = catalogue_now.tools().iter().collect();
    let text = catalogue::prompt(&tools, sandbox.policy());
    Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]))
}
