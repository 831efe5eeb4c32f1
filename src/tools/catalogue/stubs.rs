//! Renders tools as Python stubs that always parse, whatever text the tools contain.
//!
//! The registry has made the names legal, and annotations are assembled from fixed words. Defaults are written as
//! literals, and docstrings are escaped.

use std::fmt::Write;

use serde_json::Value;

use super::ToolCard;
use crate::tools::registry::Registered;
use crate::tools::signature::{Parameter, annotation};
use crate::tools::text;

/// A longer default is shown as `...`, as is usual in stubs.
const LITERAL_CHARS_MAX: usize = 80;

/// Bounds for the description of a reply's shape: depth, fields at each level, characters.
const SHAPE_DEPTH_MAX: usize = 4;
const SHAPE_FIELDS_MAX: usize = 24;
const SHAPE_CHARS_MAX: usize = 1000;

const RETURNS_CHARS_MAX: usize = 300;

const INDENT: &str = "    ";

/// Returns the signature, such as `async def name(limit: int = 100) -> dict`.
pub(super) fn signature(tool: &Registered) -> String {
    let signature = &tool.signature;
    let mut parameters: Vec<String> = signature.parameters.iter().map(parameter).collect();
    if signature.takes_more {
        let mut more = "more".to_owned();
        while signature.parameters.iter().any(|parameter| parameter.name == more) {
            more.push('_');
        }
        parameters.push(format!("**{more}"));
    }
    let returns =
        if signature.returns.is_empty() { String::new() } else { format!(" -> {}", signature.returns) };
    format!("async def {}({}){returns}", tool.name, parameters.join(", "))
}

fn parameter(parameter: &Parameter) -> String {
    let Parameter { name, annotation, default, required, .. } = parameter;
    match (annotation.as_str(), required) {
        ("", true) => name.clone(),
        ("", false) => format!("{name}={}", bounded_literal(default)),
        (_, true) => format!("{name}: {annotation}"),
        (_, false) => format!("{name}: {annotation} = {}", bounded_literal(default)),
    }
}

/// Returns the function with its docstring as the body.
pub(super) fn stub(tool: &Registered) -> String {
    let mut sections = vec![tool.description.clone()];
    match (tool.tool.read_only, tool.tool.destructive) {
        (true, _) => sections.push("Read-only.".into()),
        (false, true) => sections.push("Destructive: it may delete or overwrite something.".into()),
        (false, false) => {}
    }
    let described = tool.signature.parameters.iter().filter(|parameter| !parameter.description.is_empty());
    sections.push(section("Args:", described.map(|p| format!("{}: {}", p.name, p.description))));
    sections.push(section("Returns:", tool.tool.output.iter().flat_map(returns)));
    sections.retain(|section| !section.is_empty());
    let body = if sections.is_empty() { "...".to_owned() } else { docstring(&sections.join("\n\n")) };
    format!("{}:\n{}\n", signature(tool), indented(&body))
}

fn section(title: &str, lines: impl IntoIterator<Item = String>) -> String {
    let lines: Vec<String> = lines.into_iter().filter(|line| !line.is_empty()).collect();
    if lines.is_empty() { String::new() } else { format!("{title}\n{}", indented(&lines.join("\n"))) }
}

/// Returns the reply's description and its shape; each is empty if unknown.
fn returns(schema: &Value) -> [String; 2] {
    let description = text::line(schema["description"].as_str().unwrap_or_default(), RETURNS_CHARS_MAX);
    let shape = shape(schema, 0);
    [description, if shape.contains('{') { text::line(&shape, SHAPE_CHARS_MAX) } else { String::new() }]
}

/// Describes the shape of a reply, such as `{"devices": [{"id": str}], "count": int}`.
fn shape(schema: &Value, depth: usize) -> String {
    let below =
        |schema: &Value| if depth < SHAPE_DEPTH_MAX { shape(schema, depth + 1) } else { "…".into() };
    if let Some(properties) = schema["properties"].as_object() {
        let field = |(key, schema): (&String, &Value)| format!("{}: {}", quoted(key), below(schema));
        let mut fields: Vec<String> = properties.iter().take(SHAPE_FIELDS_MAX).map(field).collect();
        if properties.len() > SHAPE_FIELDS_MAX {
            fields.push("…".into());
        }
        return format!("{{{}}}", fields.join(", "));
    }
    if schema["items"].is_object() {
        return format!("[{}]", below(&schema["items"]));
    }
    let annotation = annotation(schema, 0);
    if annotation.is_empty() { "Any".into() } else { annotation }
}

/// Returns example values for the required arguments: an example or default from the schema, else a typical value of
/// the type.
pub(super) fn example_arguments(tool: &Registered) -> String {
    let required = tool.signature.parameters.iter().filter(|parameter| parameter.required);
    let value = |parameter: &Parameter| {
        let schema = &tool.tool.parameters["properties"][&parameter.key];
        let given = [&schema["examples"][0], &schema["default"], &schema["const"], &schema["enum"][0]];
        let fits = |value: &&Value| !value.is_null() && literal(value).chars().count() <= LITERAL_CHARS_MAX;
        match given.into_iter().find(fits) {
            Some(value) => literal(value),
            None => typical(&parameter.annotation).into(),
        }
    };
    let arguments: Vec<String> = required.map(|p| format!("{}={}", p.name, value(p))).collect();
    arguments.join(", ")
}

fn typical(annotation: &str) -> &'static str {
    let kind = annotation.split([' ', '[']).next().unwrap_or_default();
    match kind {
        "int" => "1",
        "float" => "1.0",
        "bool" => "True",
        "list" => "[]",
        "dict" => "{}",
        "None" => "None",
        _ => "\"...\"",
    }
}

/// Returns `value` as a Python literal, or `...` if the literal is too long.
fn bounded_literal(value: &Value) -> String {
    let literal = literal(value);
    if literal.chars().count() <= LITERAL_CHARS_MAX { literal } else { "...".into() }
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "None".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", "))
        }
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| format!("{}: {}", quoted(key), literal(value));
            format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
    }
}

/// Quotes `text` as JSON does: JSON's escapes are also valid in Python.
pub(super) fn quoted(text: &str) -> String {
    Value::String(text::clean(text, super::SCHEMA_TEXT_CHARS_MAX)).to_string()
}

fn docstring(text: &str) -> String {
    let mut escaped = text.replace('\\', "\\\\");
    if escaped.contains("\"\"\"") || escaped.ends_with('"') {
        escaped = escaped.replace('"', "\\\"");
    }
    let end = if escaped.contains('\n') { "\n" } else { "" };
    format!("\"\"\"{escaped}{end}\"\"\"")
}

fn indented(text: &str) -> String {
    let line = |line: &str| if line.trim().is_empty() { String::new() } else { format!("{INDENT}{line}") };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// Returns the stubs of `tools`, grouped by module.
pub(super) fn all(tools: &[&ToolCard]) -> String {
    let mut tools = tools.to_vec();
    tools.sort_by(|a, b| a.path.cmp(&b.path));
    let mut text = String::new();
    for module in tools.chunk_by(|a, b| a.module == b.module) {
        let stubs: Vec<&str> = module.iter().map(|tool| tool.stub.as_str()).collect();
        let separator = if text.is_empty() { "" } else { "\n" };
        let name = module.first().map_or("", |tool| &tool.module);
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{separator}# import {name}\n\n{}", stubs.join("\n"));
    }
    with_imports(&text)
}

/// Returns the content of `{tool}.pyi`.
pub(super) fn tool_file(tool: &ToolCard) -> String {
    with_imports(&tool.stub)
}

/// Returns the content of a module's `__init__.pyi`.
pub(super) fn module_file(module: &str, tools: &[ToolCard]) -> String {
    let imports: Vec<String> =
        tools.iter().map(|tool| format!("from .{0} import {0} as {0}\n", tool.name)).collect();
    let names: Vec<String> = tools.iter().map(|tool| format!("{INDENT}\"{}\",\n", tool.name)).collect();
    let summaries: Vec<String> = tools
        .iter()
        .map(|tool| text::line(&format!("{}: {}", tool.name, tool.summary), usize::MAX))
        .collect();
    let doc = docstring(&format!("Tools of {module}.\n\n{}", summaries.join("\n")));
    format!("{doc}\n\n{}\n__all__ = [\n{}]\n", imports.concat(), names.concat())
}

fn with_imports(stubs: &str) -> String {
    if stubs.contains("Literal[") {
        format!("from typing import Literal\n\n{stubs}")
    } else {
        stubs.to_owned()
    }
}
