//! What models read about the tools before they call one. Clients cut descriptions and instructions at about 2,000
//! characters, so the most important part stands first.

use std::fmt::Write;
use std::sync::Arc;

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Value, json};

use crate::sandbox::Sandbox;
use crate::tools::Catalogue;
use crate::validator::PolicyKind;

pub(super) const EXECUTE: &str = "execute_python";
pub(super) const SEARCH: &str = "search_tools";
pub(super) const CHECK: &str = "check_python";

/// Bound for the list of modules in a description, in characters.
const MODULES_CHARS_MAX: usize = 400;

/// Returns the definitions of the tools, always in this order.
pub(super) fn tools(sandbox: &Sandbox, catalogue: &Catalogue) -> Vec<Tool> {
    let cards = catalogue.tools();
    let reads_only = cards.iter().all(|tool| tool.read_only);
    let destroys = cards.iter().any(|tool| tool.destructive || tool.needs_approval);
    let reads = || ToolAnnotations::new().read_only(true).open_world(false);
    let execute =
        ToolAnnotations::new().read_only(reads_only).destructive(destroys).open_world(!cards.is_empty());
    vec![
        tool(
            EXECUTE,
            "Run Python",
            execute_description(sandbox, catalogue),
            execute_input(),
            execute_output(),
            execute,
        ),
        tool(SEARCH, "Search functions", search_description(), search_input(), search_output(), reads()),
        tool(CHECK, "Check Python", check_description(), check_input(), check_output(), reads()),
    ]
}

fn tool(
    name: &'static str,
    title: &str,
    description: String,
    input: Value,
    output: Value,
    annotations: ToolAnnotations,
) -> Tool {
    Tool::new(name, description, object(input))
        .with_title(title)
        .with_raw_output_schema(object(output))
        .with_annotations(annotations)
}

fn object(schema: Value) -> Arc<JsonObject> {
    match schema {
        Value::Object(fields) => Arc::new(fields),
        _ => Arc::default(),
    }
}

/// Returns what the server says about itself.
pub(super) fn instructions(catalogue: &Catalogue) -> String {
    let mut text = format!(
        "Runs Python in a sandbox: real CPython 3.13, a fresh interpreter for each program. Use {EXECUTE} for work that \
         needs several steps, calculations or large intermediate data: write one program that does the whole job, and \
         return only what you need to see."
    );
    if let Some(modules) = modules(catalogue) {
        let _ = write!(
            text,
            " Programs can call the functions of these modules: {modules}. They exist only inside programs and are not \
             tools of their own; {SEARCH} shows their signatures."
        );
    }
    text
}

fn execute_description(sandbox: &Sandbox, catalogue: &Catalogue) -> String {
    let mut text = "\
Runs a Python program in a fresh CPython 3.13 sandbox and returns its value. Write one program that does the whole job; \
filter, count and summarise in it, and return little.
- The program's value is that of its last expression, as JSON: end with the result, or assign it to `_`. `print` is for \
notes.
- `await` works at the top level.
"
    .to_owned();
    if let Some(modules) = modules(catalogue) {
        let _ = write!(
            text,
            "- Modules with functions: {modules}. `import` the module and `await` the call. The functions exist only \
             inside programs: never call them as tools. Arguments are passed by name; `{SEARCH}` shows signatures.\n\
             - Make independent calls at once: `await asyncio.gather(first_call, second_call)`. A failed call raises \
             `ToolError`, which needs no import.\n"
        );
    }
    text.push_str(match sandbox.policy_kind() {
        PolicyKind::Strict => {
            "- A part of the standard library can be imported. There are no files, network, processes and threads.\n"
        }
        PolicyKind::Open => {
            "- The standard library can be imported. Files are gone afterwards. There are no network, processes and \
             threads.\n"
        }
    });
    if sandbox.has_store() {
        text.push_str(
            "- Variables are gone afterwards. To keep them, pass `state`: \"new\"; the result has a handle. Pass that \
             handle as `state` of the next call to continue where the program ended.\n",
        );
    }
    if sandbox.may_ask() {
        text.push_str(
            "- Some calls need a person's approval. If the outcome is `waiting`, somebody else has to approve: tell the \
             user, and read the outcome later by passing `execution` instead of `code`.\n",
        );
    }
    text
}

fn search_description() -> String {
    format!(
        "Finds functions that programs of {EXECUTE} can call, by words that describe what you need. Returns names such \
         as `module.function`, each with a summary, or with its Python stub (signature and documentation) if `detail` is \
         \"full\". An empty query lists all."
    )
}

fn check_description() -> String {
    format!(
        "Checks a Python program without running it: syntax, imports, names and calls of functions. {EXECUTE} does the \
         same checks first, so use this only for a program that must not run yet."
    )
}

/// Returns the names of the modules, as many as fit; `None` if there are none.
fn modules(catalogue: &Catalogue) -> Option<String> {
    let mut names: Vec<&str> = catalogue.tools().iter().map(|tool| tool.module.as_str()).collect();
    names.dedup();
    let (mut text, mut shown) = (String::new(), 0);
    for name in &names {
        if text.len() + name.len() > MODULES_CHARS_MAX && shown > 0 {
            break;
        }
        let separator = if shown == 0 { "" } else { ", " };
        let _ = write!(text, "{separator}{name}");
        shown += 1;
    }
    match names.len() - shown {
        0 => {}
        more => {
            let _ = write!(text, " and {more} more");
        }
    }
    (!names.is_empty()).then_some(text)
}

fn execute_input() -> Value {
    json!({
        "type": "object",
        "properties": {
            "code": {"type": "string", "description": "The program. Required, unless `execution` is given."},
            "context": {
                "type": "object",
                "description": "Values that become variables of the program, by name.",
                "additionalProperties": true
            },
            "timeout": {"type": "number", "description": "Seconds after which the program is stopped."},
            "state": {
                "type": "string",
                "description": "\"new\" to keep the variables, or the handle from an earlier result to continue with them."
            },
            "tools": {
                "type": "array",
                "items": {"type": "string"},
                "description": "Functions that the program may call, as `module` or `module.function`. Default: all."
            },
            "execution": {
                "type": "string",
                "description": "Instead of `code`: id of a program that waited, to read what became of it."
            }
        },
        "additionalProperties": false
    })
}

fn execute_output() -> Value {
    json!({
        "type": "object",
        "properties": {
            "outcome": {
                "type": "string",
                "description": "`completed`, `waiting`, `running`, or why the program failed."
            },
            "value": {"description": "The program's value. Absent for None."},
            "stdout": {"type": "string"},
            "stderr": {"type": "string"},
            "error": {"type": "string", "description": "What went wrong, and how to fix it."},
            "state": {"type": "string", "description": "Handle of the variables after the program."},
            "waiting": {
                "type": "object",
                "properties": {
                    "execution": {"type": "string"},
                    "expires_at": {"type": "string"},
                    "calls": {"type": "array", "items": {"type": "object"}}
                },
                "required": ["execution", "calls"]
            }
        },
        "required": ["outcome"]
    })
}

fn search_input() -> Value {
    json!({
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "Words that describe what you need."},
            "detail": {"type": "string", "enum": ["name", "summary", "full"], "default": "summary"},
            "limit": {"type": "integer", "minimum": 1, "maximum": 200, "default": 20}
        },
        "additionalProperties": false
    })
}

fn search_output() -> Value {
    json!({
        "type": "object",
        "properties": {
            "tools": {"type": "array", "items": {"type": "object"}},
            "total": {"type": "integer", "description": "Number of all matches."}
        },
        "required": ["tools", "total"]
    })
}

fn check_input() -> Value {
    json!({
        "type": "object",
        "properties": {"code": {"type": "string", "description": "The program."}},
        "required": ["code"],
        "additionalProperties": false
    })
}

fn check_output() -> Value {
    json!({
        "type": "object",
        "properties": {
            "ok": {"type": "boolean"},
            "findings": {"type": "array", "items": {"type": "object"}}
        },
        "required": ["ok", "findings"]
    })
}
