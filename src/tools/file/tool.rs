//! Parses `[tools.module.name]`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::{Map, Value, json};

use super::table::Table;
use crate::tools::arguments::Arguments;
use crate::tools::http::{HttpTool, Places, Query, Service, Template, header_name, takes_body};
use crate::tools::signature::Signature;
use crate::tools::{Approval, Registry, Tool};

const KEYS: [&str; 14] = [
    "service",
    "description",
    "method",
    "path",
    "query",
    "header",
    "timeout",
    "reply_bytes_max",
    "read_only",
    "destructive",
    "idempotent",
    "approval",
    "parameters",
    "output",
];

const METHODS: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

pub(super) const SECONDS_MAX: f64 = 86_400.0;
const REPLY_BYTES_CEILING: f64 = 268_435_456.0;

/// Returns the tool, or `None` after reporting problems. Any problem refuses the whole file.
pub(super) fn read(
    module: &str,
    name: &str,
    table: &Table<'_>,
    services: &BTreeMap<&str, Option<Arc<Service>>>,
) -> Option<HttpTool> {
    table.check_keys(&KEYS);
    let service = service(module, table, services);
    let method = method(table);
    let parameters = parameters(table);
    let places = places(table, &method, &parameters);
    for (argument, header) in &places.headers {
        if service.as_ref().is_some_and(|service| service.headers.contains_key(header)) {
            table.problem(
                "header",
                format!("'{argument}' would replace the header '{header}' of the service; choose another"),
            );
        }
    }
    let read_only = table.switch("read_only").unwrap_or_default();
    let repeatable = read_only || [Method::GET, Method::HEAD, Method::PUT, Method::DELETE].contains(&method);
    let destructive = table.switch("destructive").unwrap_or_default();
    if read_only && destructive {
        table.problem("destructive", "contradicts read_only = true; set one of the two");
    }
    let output = table.table("output").map(|table| Value::Object(table.json()));
    check_parameters(
        table,
        Tool::new(module, name, async |_| Ok(Value::Null)).parameters(parameters.clone()),
    );
    if let Some(Err(error)) = output.as_ref().map(jsonschema::meta::validate) {
        table.problem("output", format!("is not a JSON Schema: {error}"));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the bounds given")]
    let bytes = |number: f64| number as usize;
    let (module, name) = (module.to_owned(), name.to_owned());
    Some(HttpTool {
        description: table.text("description").map(|text| text.text.to_owned()).unwrap_or_default(),
        time_max: table.number("timeout", 0.001, SECONDS_MAX).map(Duration::from_secs_f64),
        reply_bytes_max: table.number("reply_bytes_max", 1.0, REPLY_BYTES_CEILING).map(bytes),
        idempotent: table.switch("idempotent").unwrap_or(repeatable),
        service: service?,
        module,
        name,
        parameters,
        output,
        method,
        places,
        read_only,
        destructive,
        approval: approval(table, read_only),
    })
}

/// Returns which calls a person must approve.
pub(super) fn approval(table: &Table<'_>, read_only: bool) -> Approval {
    let Some(text) = table.text("approval") else { return Approval::Never };
    match text.text {
        "never" => Approval::Never,
        "always" => Approval::Always,
        "destructive" if read_only => {
            let why = "a tool that is read_only never needs approval by `destructive`; write \"always\", or leave it out";
            table.problem_at(text.at, "approval", why);
            Approval::Never
        }
        "destructive" => Approval::Destructive,
        _ => {
            table.problem_at(text.at, "approval", "must be one of never, destructive, always");
            Approval::Never
        }
    }
}

/// Returns the service named by `service`, or else the service of the module's name.
fn service(
    module: &str,
    table: &Table<'_>,
    services: &BTreeMap<&str, Option<Arc<Service>>>,
) -> Option<Arc<Service>> {
    let name = if table.has("service") { table.text("service")?.text } else { module };
    let found = services.get(name);
    if found.is_none() {
        table.problem("service", format!("there is no service '{name}'; add [services.{name}] with its url"));
    }
    found.cloned().flatten()
}

fn method(table: &Table<'_>) -> Method {
    let Some(text) = table.text("method") else { return Method::POST };
    METHODS.iter().find(|method| method.as_str() == text.text).cloned().unwrap_or_else(|| {
        table.problem_at(text.at, "method", "must be one of GET, HEAD, POST, PUT, PATCH, DELETE");
        Method::POST
    })
}

/// Returns the JSON Schema of the arguments. `type = "object"` is implied.
fn parameters(table: &Table<'_>) -> Value {
    let mut schema = Map::from_iter([("type".to_owned(), json!("object"))]);
    schema.extend(table.table("parameters").map(|table| table.json()).unwrap_or_default());
    Value::Object(schema)
}

fn places(table: &Table<'_>, method: &Method, parameters: &Value) -> Places {
    if !table.has("path") {
        table.problem("path", "is missing; set it as in path = \"/v1/{city}/forecast\"");
    }
    let template = table.text("path").map(|path| Template::parse(path.text));
    let path =
        template.and_then(|path| path.map_err(|why| table.problem("path", why)).ok()).unwrap_or_default();
    let places = Places { path, query: query(table, method), headers: headers(table) };
    check_places(table, method, &places, parameters);
    places
}

fn query(table: &Table<'_>, method: &Method) -> Query {
    if table.is_list("query") {
        let names = table.texts("query").unwrap_or_default();
        return Query::Only(names.into_iter().map(str::to_owned).collect());
    }
    match table.has("query").then(|| table.switch("query")) {
        None if takes_body(method) => Query::default(),
        Some(Some(false)) => Query::default(),
        _ => Query::Rest,
    }
}

fn headers(table: &Table<'_>) -> Vec<(String, http::HeaderName)> {
    let mut headers: Vec<(String, http::HeaderName)> = Vec::new();
    let Some(table) = table.table("header") else { return headers };
    for argument in table.keys() {
        let Some(text) = table.text(argument) else { continue };
        match header_name(text.text) {
            Err(why) => table.problem_at(text.at, argument, why),
            Ok(name) if headers.iter().any(|(_, other)| *other == name) => {
                table.problem_at(
                    text.at,
                    argument,
                    format!("'{name}' is already the header of another argument"),
                );
            }
            Ok(name) => headers.push((argument.to_owned(), name)),
        }
    }
    headers
}

/// Checks that each argument goes into one place, and that each place names an argument.
fn check_places(table: &Table<'_>, method: &Method, places: &Places, parameters: &Value) {
    let no_properties = Map::new();
    let properties = parameters["properties"].as_object().unwrap_or(&no_properties);
    let query: &[String] = match &places.query {
        Query::Rest => &[],
        Query::Only(names) => names,
    };
    let in_path = places.path.arguments().map(|name| ("path", name));
    let in_header = places.headers.iter().map(|(name, _)| ("header", name.as_str()));
    let in_query = query.iter().map(|name| ("query", name.as_str()));
    let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
    for (key, name) in in_path.chain(in_header).chain(in_query) {
        if !properties.contains_key(name) {
            table.problem(key, format!("'{name}' is not an argument; add it to parameters.properties"));
        }
        if let Some(other) = taken.insert(name, key).filter(|other| (*other, key) != ("path", "path")) {
            table.problem(
                key,
                format!("'{name}' is already sent in {other}; an argument goes into one place"),
            );
        }
    }
    for name in places.path.arguments() {
        let is_required =
            parameters["required"].as_array().is_some_and(|names| names.iter().any(|found| found == name));
        if properties.get(name).is_some_and(|schema| !is_required && schema.get("default").is_none()) {
            table.problem("path", format!("'{name}' may be missing; add it to parameters.required"));
        }
    }
    if takes_body(method) || places.query == Query::Rest {
        return;
    }
    for name in properties.keys().filter(|name| !taken.contains_key(name.as_str())) {
        table.problem(
            "query",
            format!("'{name}' cannot be sent: {method} has no body; add it, or set query = true"),
        );
    }
    if Signature::new(parameters, None).takes_more {
        table.problem(
            "query",
            format!("further arguments cannot be sent: {method} has no body; set query = true"),
        );
    }
}

/// Applies the checks of the sandbox here, where problems can name the file and line.
fn check_parameters(table: &Table<'_>, tool: Tool) {
    match Registry::new(vec![tool]) {
        Err(error) if table.has("parameters") => table.problem("parameters", error),
        Err(error) => table.problem_here(error),
        Ok(registry) => registry.iter().for_each(|(_, tool)| check_defaults(table, &tool.tool.parameters)),
    }
}

/// Reports each default that its own schema rejects: every call that relies on it would fail.
fn check_defaults(table: &Table<'_>, parameters: &Value) {
    let misfits = |arguments: Arguments| arguments.misfits(&Signature::new(parameters, None));
    let Ok(misfits) = Arguments::new(parameters).and_then(misfits) else { return };
    let properties = table.table("parameters").and_then(|table| table.table("properties"));
    for key in misfits {
        let parameter = properties.as_ref().and_then(|properties| properties.table(&key));
        match parameter {
            Some(parameter) => parameter.problem("default", "does not fit its own schema"),
            None => table.problem("parameters", format!("the default of '{key}' does not fit its schema")),
        }
    }
}
