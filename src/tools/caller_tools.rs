//! The tools of one request, which its caller answers itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use jsonschema::ValidationError;
use serde_json::Value;
use serde_json::value::RawValue;

use super::registry::{Registered, Registry};
use super::schema::{self, Meter, Schema};
use super::{Catalogue, DISCOVERY_MODULE, Tool, ToolError, names, plain, text};
use crate::error::Error;
use crate::execution::CallerTool;
use crate::validator::Policy;

const TOOLS_MAX: usize = 64;

/// For the schemas of all tools of a request together.
const SCHEMA_BYTES_MAX: usize = 64 << 10;

const MESSAGE_CHARS_MAX: usize = 500;

/// Bounds the checks of all replies that come together: some tens of milliseconds of work.
const STEPS_MAX: u64 = 5_000_000;

/// Modules that every program has, beside those that are internal.
const RESERVED: [&str; 2] = [DISCOVERY_MODULE, "builtins"];

/// The work that is left for the checks of replies that come together.
pub(crate) struct ReplyChecks(Meter);

impl Default for ReplyChecks {
    fn default() -> Self {
        Self(Meter::new(STEPS_MAX, None))
    }
}

/// The tools of one request, ready for its program.
#[derive(Debug)]
pub(crate) struct CallerTools {
    given: Vec<CallerTool>,
    registry: Registry,
    catalogue: Catalogue,
    /// By path, for tools that declare what they reply.
    replies: BTreeMap<String, Schema>,
}

impl CallerTools {
    /// Checks and compiles `tools`. Returns `None` if there are none.
    ///
    /// # Errors
    ///
    /// [`Error::CallerTool`] if one of them cannot be used.
    pub(crate) fn new(
        tools: Vec<CallerTool>,
        registry: &Registry,
        policy: &Policy,
    ) -> Result<Option<Arc<Self>>, Error> {
        for tool in &tools {
            check_name(&tool.name, registry, policy).map_err(|why| fault(tool, why))?;
        }
        Self::of_begun(tools)
    }

    /// Does the same for an execution that has begun. Since then, the executor may have got modules of the same names:
    /// the execution does not see those.
    ///
    /// # Errors
    ///
    /// [`Error::CallerTool`].
    pub(crate) fn of_begun(tools: Vec<CallerTool>) -> Result<Option<Arc<Self>>, Error> {
        if tools.is_empty() {
            return Ok(None);
        }
        check_size(&tools)?;
        let mut replies = BTreeMap::new();
        for tool in &tools {
            if let Some(output) = &tool.output_schema {
                let schema = Schema::new(output)
                    .map_err(|why| fault(tool, format!("the schema of its reply: {why}")))?;
                replies.insert(tool.name.clone(), schema);
            }
        }
        let definitions = tools.iter().map(Tool::of_caller).collect();
        let registry = Registry::of_caller(definitions).map_err(|error| match error {
            Error::Config { message, .. } => named(String::new(), message),
            error => error,
        })?;
        // A name that is no legal Python name would have been changed.
        if let Some(tool) = tools.iter().find(|tool| registry.get(&tool.name).is_none()) {
            return Err(fault(tool, "the name is not `module.function` in legal Python names"));
        }
        let catalogue = Catalogue::of(&registry);
        Ok(Some(Arc::new(Self { given: tools, registry, catalogue, replies })))
    }

    pub(super) fn get(&self, path: &str) -> Option<&Registered> {
        self.registry.get(path)
    }

    pub(super) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Returns the tools as the request brought them.
    pub(crate) fn given(&self) -> &[CallerTool] {
        &self.given
    }

    /// Returns whether programs import tools from a module of this name.
    pub(crate) fn is_module(&self, name: &str) -> bool {
        self.registry.is_module(name)
    }

    /// Returns the definitions as the guest needs them.
    pub(crate) fn definitions(&self) -> Value {
        self.registry.definitions()
    }

    /// Lets programs import these modules.
    pub(crate) fn admit_to(&self, policy: &mut Policy) {
        self.catalogue.admit_to(policy);
    }

    /// Checks a reply of the tool `path` against its schema.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(crate) fn check_reply(
        &self,
        path: &str,
        reply: &RawValue,
        checks: &mut ReplyChecks,
    ) -> Result<(), String> {
        let Some(schema) = self.replies.get(path) else { return Ok(()) };
        let (value, depth) = plain::value(reply.get()).map_err(|ToolError { message, .. }| message)?;
        let meter = &checks.0;
        match schema.fits(&value, depth, meter) {
            Ok(true) => Ok(()),
            Ok(false) => {
                let show = |error: &ValidationError<'_>| {
                    let place = error.instance_path().to_string();
                    let why = schema::beginning(error, MESSAGE_CHARS_MAX);
                    if place.is_empty() { why } else { format!("at {place}: {why}") }
                };
                let why = schema.explain(&value, depth, meter, show);
                let why = why.unwrap_or_else(|| "it is too large to find out why".into());
                Err(text::line(&format!("does not fit the tool's output schema: {why}"), MESSAGE_CHARS_MAX))
            }
            Err(schema::Exhausted) => {
                Err("is too large to be checked against the tool's output schema".into())
            }
        }
    }
}

fn check_size(tools: &[CallerTool]) -> Result<(), Error> {
    if tools.len() > TOOLS_MAX {
        return Err(named(
            String::new(),
            format!("there are {} tools; at most {TOOLS_MAX} are taken", tools.len()),
        ));
    }
    let mut bytes = 0;
    for tool in tools {
        for schema in [Some(&tool.input_schema), tool.output_schema.as_ref()].into_iter().flatten() {
            bytes += schema.to_string().len();
        }
        if bytes > SCHEMA_BYTES_MAX {
            let why = format!("the schemas of all tools together have more than {SCHEMA_BYTES_MAX} bytes");
            return Err(fault(tool, why));
        }
    }
    Ok(())
}

fn check_name(name: &str, registry: &Registry, policy: &Policy) -> Result<(), String> {
    let Some((module, _)) = name.split_once('.') else {
        return Err("the name is not `module.function`".into());
    };
    let is_importable = policy.allowed_imports.iter().any(|other| other.split('.').next() == Some(module));
    let is_disabled = policy.disabled_imports.contains(module);
    if is_disabled || registry.is_module(module) {
        Err(format!("its module '{module}' is one of the executor's own; choose another"))
    } else if is_importable || RESERVED.contains(&module) || names::is_internal(module) {
        Err(format!("its module '{module}' is Python's; choose another"))
    } else {
        Ok(())
    }
}

fn fault(tool: &CallerTool, why: impl Into<String>) -> Error {
    named(text::line(&tool.name, text::NAME_CHARS_MAX), why.into())
}

fn named(name: String, why: String) -> Error {
    Error::CallerTool { name, why }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(tools: Vec<CallerTool>) -> Result<Option<Arc<CallerTools>>, Error> {
        let own = Registry::new(vec![Tool::new("data", "get", async |_| Ok(Value::Null))]).unwrap();
        CallerTools::new(tools, &own, &Policy::default())
    }

    fn refused(tool: CallerTool) -> String {
        made(vec![tool]).unwrap_err().to_string()
    }

    #[test]
    fn names_that_programs_could_not_import_are_refused() {
        assert!(made(Vec::new()).unwrap().is_none());
        for name in ["agenda.get_events", "home2.x", "a.b_"] {
            assert!(made(vec![CallerTool::new(name)]).is_ok(), "{name}");
        }
        let wrong = [
            ("get_events", "the name is not `module.function`"),
            ("a.b.c", "legal Python names"),
            ("get-all.x", "legal Python names"),
            ("a.", "could import"),
            (".b", "could import"),
            ("a.class", "legal Python names"),
            ("data.x", "the executor's own"),
            ("json.x", "Python's"),
            ("urllib.x", "Python's"),
            ("socket.x", "legal Python names"),
            ("tools.x", "the executor's own"),
            ("builtins.x", "Python's"),
            ("__main__.x", "Python's"),
            ("_a.x", "Python's"),
            ("guest_loop.x", "Python's"),
            ("a.ToolError", "legal Python names"),
        ];
        for (name, why) in wrong {
            let message = refused(CallerTool::new(name));
            assert!(message.contains(why), "{name}: {message}");
        }
        let twice = made(vec![CallerTool::new("a.b"), CallerTool::new("a.b")]).unwrap_err().to_string();
        assert!(twice.contains("defined twice"), "{twice}");
    }

    #[test]
    fn schemas_are_bounded() {
        let huge = json!({"properties": {"a": {"description": "x".repeat(70_000)}}});
        assert!(refused(CallerTool::new("a.b").parameters(huge)).contains("65536 bytes"));
        let remote = json!({"$ref": "http://127.0.0.1/schema.json"});
        assert!(refused(CallerTool::new("a.b").output(remote)).contains("the schema of its reply"));
        assert!(refused(CallerTool::new("a.b").parameters(json!([]))).contains("object schema"));
        let many = (0..65).map(|n| CallerTool::new(format!("a.b{n}"))).collect();
        assert!(made(many).unwrap_err().to_string().contains("at most 64"));
    }

    #[test]
    fn replies_are_checked() {
        let tool = CallerTool::new("a.b").output(json!({"type": "array", "items": {"type": "integer"}}));
        let tools = made(vec![tool, CallerTool::new("a.any")]).unwrap().unwrap();
        let check = |path: &str, reply: &str| {
            tools.check_reply(
                path,
                &RawValue::from_string(reply.into()).unwrap(),
                &mut ReplyChecks::default(),
            )
        };
        assert_eq!(check("a.b", "[1, 2]"), Ok(()));
        assert_eq!(check("a.any", "\"x\""), Ok(()));
        let why = check("a.b", "[1, \"x\"]").unwrap_err();
        assert!(why.contains("output schema") && why.contains("/1"), "{why}");
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        assert!(check("a.b", &deep).unwrap_err().contains("nested"));
    }
}
