//! `tools`: lists the tools that programs can call, for people, editors, scripts and prompts.

use std::process::ExitCode;

use ai_code_executor::tools::{Catalogue, ToolCard, catalogue};
use clap::ValueEnum;
use serde_json::{Value, json};

use super::output::print;
use super::{Done, tools_of};
use crate::config::Config;

const NO_TOOLS: &str = "There are no tools: set ENABLE_MCP_NETWORK_TOOLS=true to switch them on.";

/// How to print tools.
#[derive(ValueEnum, Clone, Copy, Debug, Default)]
pub(crate) enum ToolsFormat {
    /// `module.tool` and what it does, a line each
    #[default]
    Text,
    /// An array of objects, with JSON Schemas
    Json,
    /// Python stubs
    Pyi,
    /// A section for a system prompt, in Markdown
    Prompt,
}

pub(crate) fn tools(config: &Config, query: &str, format: ToolsFormat) -> Done {
    let catalogue = Catalogue::new(tools_of(config)?)?;
    let found = catalogue.search(query);
    let shown = match format {
        ToolsFormat::Text => text(&catalogue, &found),
        ToolsFormat::Json => found.into_iter().map(json).collect::<Value>().to_string(),
        ToolsFormat::Pyi => catalogue::stubs(&found),
        ToolsFormat::Prompt => catalogue::prompt(&found, &config.policy),
    };
    print(shown.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

fn text(catalogue: &Catalogue, found: &[&ToolCard]) -> String {
    if catalogue.tools().is_empty() {
        return NO_TOOLS.into();
    }
    let width = found.iter().map(|tool| tool.path.len()).max().unwrap_or_default();
    let line = |tool: &&ToolCard| format!("{:width$}  {}", tool.path, tool.summary).trim_end().to_owned();
    found.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn json(tool: &ToolCard) -> Value {
    let ToolCard { path, summary, signature, stub, parameters, output, read_only, destructive, .. } = tool;
    json!({"name": path, "summary": summary, "signature": signature, "stub": stub, "parameters": parameters,
        "output": output, "read_only": read_only, "destructive": destructive})
}
