//! Answers `tools.search` and `tools.describe`, by which a program finds the tools that it may call.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use serde_json::value::to_raw_value;

use super::{ToolCard, stubs};
use crate::tools::text::NAME_CHARS_MAX;
use crate::tools::{Grants, Reply, ToolError, text};

/// How many similar names the error for an unknown tool lists.
const NEAR_MAX: usize = 5;

/// A module with more tools is described by summaries instead of stubs.
const MODULE_STUBS_MAX: usize = 20;

const MESSAGE_CHARS_MAX: usize = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    query: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Describe {
    name: String,
}

/// Returns the answer if `path` is a discovery function. Tools that are not granted are left out.
pub(in crate::tools) fn answer(grants: &Grants, path: &str, arguments: &str) -> Option<Reply> {
    match path {
        "tools.search" => Some(search(grants, arguments)),
        "tools.describe" => Some(describe(grants, arguments)),
        _ => None,
    }
}

fn search(grants: &Grants, arguments: &str) -> Reply {
    let Search { query } = read("tools.search", arguments)?;
    let found = grants.search(&query).map(|tool| json!({"name": tool.path, "summary": tool.summary}));
    to_raw_value(&found.collect::<Vec<_>>()).map_err(|error| ToolError::failed(error.to_string()))
}

fn describe(grants: &Grants, arguments: &str) -> Reply {
    let Describe { name } = read("tools.describe", arguments)?;
    let found: Vec<&ToolCard> =
        grants.cards().filter(|tool| tool.path == name || tool.module == name).collect();
    let text = match found.as_slice() {
        [] => return Err(unknown(grants, &name)),
        [tool] => tool.stub.clone(),
        tools if tools.len() <= MODULE_STUBS_MAX => stubs::all(tools),
        tools => {
            let lines: Vec<_> = tools.iter().map(|tool| format!("{}: {}", tool.path, tool.summary)).collect();
            lines.join("\n")
        }
    };
    to_raw_value(&text).map_err(|error| ToolError::failed(error.to_string()))
}

fn unknown(grants: &Grants, name: &str) -> ToolError {
    let near: Vec<&str> = grants.search(name).take(NEAR_MAX).map(|tool| tool.path.as_str()).collect();
    let near = match near.as_slice() {
        [] => "tools.search() lists all".to_owned(),
        near => format!("similar: {}", near.join(", ")),
    };
    ToolError::failed(format!("There is no tool '{}'; {near}", text::line(name, NAME_CHARS_MAX)))
}

fn read<T: DeserializeOwned>(path: &str, arguments: &str) -> Result<T, ToolError> {
    serde_json::from_str(arguments)
        .map_err(|error| ToolError::arguments(text::line(&format!("{path}(): {error}"), MESSAGE_CHARS_MAX)))
}
