//! What a server says about its tools → definitions. All of it is untrusted: texts are cleaned where they are registered,
//! and a tool that cannot be used is left out.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::server::Server;
use crate::tools::names::{self, Kind};
use crate::tools::registry::{Registry, SCHEMA_BYTES_MAX};
use crate::tools::schema::Schema;
use crate::tools::{Tool, plain, text};

/// Tools of one server.
const TOOLS_MAX: usize = 1024;

/// Names that are longer would be cut, so that two could become one.
const NAME_CHARS_MAX: usize = 64;

/// One page of the list of tools.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    #[serde(borrow)]
    tools: Vec<&'a RawValue>,
    #[serde(default)]
    next_cursor: Option<String>,
    #[serde(default)]
    ttl_ms: Option<u64>,
}

/// The tools of a server, page by page.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) definitions: BTreeMap<String, Arc<Definition>>,
    /// Tools that are left out, and why, as lines for the log.
    pub(super) left_out: Vec<String>,
    /// How long the list stays true, as the server says, in milliseconds.
    pub(super) ttl_ms: Option<u64>,
}

/// What a server says about one tool.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub(super) description: String,
    pub(super) parameters: Value,
    pub(super) output: Option<Value>,
    pub(super) read_only: bool,
    pub(super) destructive: bool,
    /// A digest of all that programs, policies and people know of the tool.
    pub(super) digest: [u8; 32],
}

impl Listed {
    /// Adds a page. Returns the cursor of the next one.
    ///
    /// # Errors
    ///
    /// If it is no page.
    pub(super) fn add(&mut self, server: &Server, page: &str) -> Result<Option<String>, &'static str> {
        let page: Page<'_> = serde_json::from_str(page).map_err(|_| "the answer is not a list of tools")?;
        self.ttl_ms = self.ttl_ms.into_iter().chain(page.ttl_ms).min();
        for tool in page.tools {
            if self.definitions.len() >= TOOLS_MAX {
                self.leave_out("the rest", &format!("there are more than {TOOLS_MAX} tools"));
                return Ok(None);
            }
            let (name, definition) = match read(tool, server) {
                Ok(Some(read)) => read,
                Ok(None) => continue,
                Err((name, why)) => {
                    self.leave_out(&name, &why);
                    continue;
                }
            };
            match self.definitions.entry(name) {
                Entry::Vacant(entry) => {
                    entry.insert(Arc::new(definition));
                }
                Entry::Occupied(entry) => {
                    let name = entry.key().clone();
                    self.leave_out(&name, "another tool has the same name");
                }
            }
        }
        Ok(page.next_cursor)
    }

    fn leave_out(&mut self, tool: &str, why: &str) {
        if self.left_out.len() < TOOLS_MAX {
            self.left_out.push(format!("'{}' is left out: {why}", text::line(tool, text::NAME_CHARS_MAX)));
        }
    }

    /// Returns lines about tools whose names are the same in Python, so that one of them has a number in its name.
    pub(super) fn collisions(&self) -> Vec<String> {
        let given: Vec<&str> = self.definitions.keys().map(String::as_str).collect();
        let legal = names::all_legal(&given, Kind::Tool);
        let plain = |name: &str| names::all_legal(&[name], Kind::Tool).remove(0);
        let renamed = given.iter().zip(&legal).filter(|(given, legal)| plain(given) != **legal);
        renamed
            .map(|(given, legal)| format!("'{given}' is '{legal}' in Python: another tool has its name"))
            .collect()
    }
}

/// Returns a tool's name and definition, or `None` if the operator does not want it.
///
/// # Errors
///
/// The name as far as it is known, and why the tool cannot be used.
fn read(tool: &RawValue, server: &Server) -> Result<Option<(String, Definition)>, (String, String)> {
    let nameless = || "a tool".to_owned();
    let (value, _) = plain::value(tool.get()).map_err(|error| (nameless(), error.message))?;
    let Value::Object(mut tool) = value else { return Err((nameless(), "it is not an object".into())) };
    let Some(Value::String(name)) = tool.remove("name") else {
        return Err((nameless(), "it has no name".into()));
    };
    if !server.admits(&name) {
        return Ok(None);
    }
    let definition = check_name(&name).and_then(|()| define(&name, tool, server));
    definition.map(|definition| Some((name.clone(), definition))).map_err(|why| (name, why))
}

fn check_name(name: &str) -> Result<(), String> {
    if name.chars().count() > NAME_CHARS_MAX {
        return Err(format!("its name has more than {NAME_CHARS_MAX} characters"));
    }
    let has_letter = name.chars().any(|char| char.is_ascii_alphanumeric());
    if has_letter { Ok(()) } else { Err("its name has no ASCII letter or digit".into()) }
}

fn define(name: &str, mut tool: Map<String, Value>, server: &Server) -> Result<Definition, String> {
    let Some(Value::Object(mut parameters)) = tool.remove("inputSchema") else {
        return Err("it has no schema of its arguments".into());
    };
    parameters.entry("type").or_insert_with(|| json!("object"));
    let text = |key: &str| tool.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    let description = text("description").or_else(|| text("title")).unwrap_or_default().to_owned();
    let hint = |key: &str| tool.get("annotations")?.get(key)?.as_bool();
    let read_only = server.trust_annotations && hint("readOnlyHint").unwrap_or(false);
    let destructive = server.trust_annotations && !read_only && hint("destructiveHint").unwrap_or(true);
    // Only for signatures and stubs: without it, nothing is missing.
    let is_usable =
        |output: &&Value| output.to_string().len() <= SCHEMA_BYTES_MAX && Schema::new(output).is_ok();
    let output = tool.get("outputSchema").filter(is_usable).cloned();
    let parameters = Value::Object(parameters);
    let all = json!([description, parameters, output, read_only, destructive]);
    let digest = Sha256::digest(all.to_string()).into();
    let definition = Definition { description, parameters, output, read_only, destructive, digest };
    // A tool that the registry cannot take would keep all others from being registered.
    let trial =
        Tool::new(&server.module, name, async |_| Ok(Value::Null)).parameters(definition.parameters.clone());
    let trial = match &definition.output {
        Some(output) => trial.output(output.clone()),
        None => trial,
    };
    match Registry::new(vec![trial]) {
        Ok(_) => Ok(definition),
        Err(error) => Err(text::line(&error.to_string(), 500)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::Approval;
    use crate::tools::mcp::server::{Reach, ServerCommand};

    fn server(trust_annotations: bool) -> Server {
        let (module, command) = ("m".to_owned(), vec!["x".to_owned()]);
        let command = ServerCommand { module: module.clone(), command, env: Vec::new(), cwd: None };
        Server {
            module,
            reach: Reach::Command(command),
            allow: None,
            deny: ["hidden".to_owned()].into(),
            approval: Approval::Never,
            time_max: None,
            trust_annotations,
        }
    }

    fn listed(tools: &Value, trust: bool) -> Listed {
        let mut listed = Listed::default();
        listed.add(&server(trust), &json!({"tools": tools}).to_string()).unwrap();
        listed
    }

    #[test]
    fn tools_that_cannot_be_used_are_left_out_by_name() {
        let deep = (0..70).fold(json!({}), |inner, _| json!({"properties": {"a": inner}}));
        let mut bomb =
            json!({"$defs": {"d0": {"type": "integer"}}, "properties": {"a": {"$ref": "#/$defs/d30"}}});
        for n in 1..=30 {
            let half = json!({"$ref": format!("#/$defs/d{}", n - 1)});
            bomb["$defs"][format!("d{n}")] = json!({"allOf": [half, half]});
        }
        let found = listed(
            &json!([
                {"name": "get-user", "inputSchema": {"type": "object"}},
                {"name": "get_user", "inputSchema": {}},
                {"name": "get_user", "inputSchema": {}},
                {"name": "hidden", "inputSchema": {}},
                {"name": "no-schema"},
                {"name": "no-object", "inputSchema": {"type": "string"}},
                {"name": "remote", "inputSchema": {"$ref": "http://127.0.0.1:9/x.json"}},
                {"name": "deep", "inputSchema": deep},
                {"name": "bomb", "inputSchema": bomb},
                {"name": "家", "inputSchema": {}},
                {"name": "", "inputSchema": {}},
                {"name": "x".repeat(65), "inputSchema": {}},
                {"inputSchema": {}},
                7,
            ]),
            false,
        );
        assert_eq!(found.definitions.keys().collect::<Vec<_>>(), ["get-user", "get_user"]);
        let lines = found.left_out.join("\n");
        for words in [
            "'get_user' is left out: another tool has the same name",
            "'no-schema' is left out: it has no schema",
            "'no-object' is left out: tool 'm.no-object' is unusable",
            "'remote' is left out",
            "'a tool' is left out: The arguments are nested",
            "'bomb' is left out",
            "'家' is left out: its name has no ASCII letter",
            "'' is left out",
            "its name has more than 64 characters",
            "'a tool' is left out: it has no name",
            "'a tool' is left out: it is not an object",
        ] {
            assert!(lines.contains(words), "{words}: {lines}");
        }
        assert!(!lines.contains("hidden"), "{lines}");
        assert_eq!(found.collisions(), ["'get-user' is 'get_user_2' in Python: another tool has its name"]);
    }

    #[test]
    fn annotations_count_only_when_they_are_trusted() {
        let tools = json!([
            {"name": "a", "inputSchema": {}, "annotations": {"readOnlyHint": true}},
            {"name": "b", "inputSchema": {}, "annotations": {"destructiveHint": false}},
            {"name": "c", "title": "C", "inputSchema": {}, "outputSchema": {"$ref": "http://127.0.0.1/"}},
        ]);
        for (trust, expected) in [
            (false, [("a", false, false), ("b", false, false), ("c", false, false)]),
            (true, [("a", true, false), ("b", false, false), ("c", false, true)]),
        ] {
            let found = listed(&tools, trust);
            let hints = found
                .definitions
                .iter()
                .map(|(name, tool)| (name.as_str(), tool.read_only, tool.destructive));
            assert!(hints.eq(expected), "{found:?}");
            assert_eq!(found.definitions["c"].description, "C");
            assert_eq!(found.definitions["c"].output, None);
        }
        let digests: Vec<_> = [false, true].map(|trust| listed(&tools, trust).definitions["a"].digest).into();
        assert_ne!(digests[0], digests[1]);
    }

    #[test]
    fn lists_are_bounded() {
        let many: Vec<Value> =
            (0..1100).map(|n| json!({"name": format!("t{n}"), "inputSchema": {}})).collect();
        let found = listed(&json!(many), false);
        assert_eq!((found.definitions.len(), found.left_out.len()), (1024, 1));
        assert!(Listed::default().add(&server(false), "{}").is_err());
        let mut paged = Listed::default();
        let page = json!({"tools": [], "nextCursor": "b", "ttlMs": 5000}).to_string();
        assert_eq!(paged.add(&server(false), &page), Ok(Some("b".into())));
        assert_eq!(paged.ttl_ms, Some(5000));
    }
}
