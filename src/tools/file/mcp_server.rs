//! Parses `[mcp.module]`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use super::Surroundings;
use super::service::{expanded, headers, roots};
use super::table::Table;
use super::tool::{SECONDS_MAX, approval};
use crate::tools::http::{BaseUrl, HttpTool, Service};
use crate::tools::mcp::{COMMON_VARIABLES, Reach, Server, ServerCommand};

const KEYS: [&str; 11] = [
    "url",
    "command",
    "env",
    "cwd",
    "headers",
    "ca_file",
    "allow",
    "deny",
    "approval",
    "timeout",
    "trust_annotations",
];

/// Keys that go with `command`, and with `url`.
const OF_COMMAND: [&str; 2] = ["env", "cwd"];
const OF_URL: [&str; 2] = ["headers", "ca_file"];

/// Returns all servers of the file. Problems are reported.
pub(super) fn read_all(
    root: &Table<'_>,
    tools: &[HttpTool],
    surroundings: Surroundings<'_>,
) -> Vec<Arc<Server>> {
    let mut servers = Vec::new();
    for (module, table) in root.table("mcp").iter().flat_map(Table::tables) {
        if module.is_empty() {
            table.problem_here("has no name that Python could import");
        }
        if tools.iter().any(|tool| tool.module == module) {
            table.problem_here(format!("[tools.{module}] is the same module; choose another name"));
        }
        servers.extend(read(module, &table, surroundings).map(Arc::new));
    }
    servers
}

/// Returns the server, or `None` after reporting problems. Any problem refuses the whole file.
fn read(module: &str, table: &Table<'_>, surroundings: Surroundings<'_>) -> Option<Server> {
    table.check_keys(&KEYS);
    let approval = approval(table, false);
    let time_max = table.number("timeout", 0.001, SECONDS_MAX).map(Duration::from_secs_f64);
    let trust_annotations = table.switch("trust_annotations").unwrap_or_default();
    let names =
        |key| table.texts(key).map(|names| names.into_iter().map(str::to_owned).collect::<BTreeSet<_>>());
    let (allow, deny) = (names("allow"), names("deny").unwrap_or_default());
    for name in allow.iter().flatten().filter(|name| deny.contains(*name)) {
        table.problem("deny", format!("'{name}' is in allow too; remove it from one of the two"));
    }
    let others = match (table.has("url"), table.has("command")) {
        (true, false) => OF_COMMAND,
        (false, true) => OF_URL,
        (true, true) => {
            table.problem("command", "a server has a url or a command, not both");
            return None;
        }
        (false, false) => {
            table.problem(
                "url",
                "is missing; set it as in url = \"https://mcp.example/mcp\", or command = [\"npx\", \"-y\", \"some-server\"]",
            );
            return None;
        }
    };
    for key in others.into_iter().filter(|key| table.has(key)) {
        let with = if others == OF_URL { "url" } else { "command" };
        table.problem(key, format!("goes with {with} only"));
    }
    let reach = if table.has("url") {
        http(module, table, surroundings)
    } else {
        command(module, table, surroundings).map(Reach::Command)
    };
    let module = module.to_owned();
    Some(Server { module, reach: reach?, allow, deny, approval, time_max, trust_annotations })
}

fn http(module: &str, table: &Table<'_>, surroundings: Surroundings<'_>) -> Option<Reach> {
    let headers = headers_of(table, surroundings);
    let roots = table.text("ca_file").and_then(|path| roots(table, &path, surroundings));
    let uri = expanded(table, "url", &table.text("url")?, surroundings)?;
    let url = BaseUrl::parse(&uri).map_err(|why| table.problem("url", why.to_string())).ok()?;
    let service = Service { name: module.to_owned(), url, headers, roots, signed: false };
    Some(Reach::Http { uri: uri.into(), service: Arc::new(service) })
}

fn headers_of(table: &Table<'_>, surroundings: Surroundings<'_>) -> HeaderMap {
    let Some(table) = table.table("headers") else { return HeaderMap::new() };
    let is_of_protocol = |name: &str| {
        let name = name.to_ascii_lowercase();
        name.starts_with("mcp-")
            || ["accept", "accept-encoding", "content-type", "last-event-id"].contains(&name.as_str())
    };
    for name in table.keys().filter(|name| is_of_protocol(name)) {
        table.problem(name, "belongs to the protocol; choose another header");
    }
    headers(&table, surroundings)
}

fn command(module: &str, table: &Table<'_>, surroundings: Surroundings<'_>) -> Option<ServerCommand> {
    let command: Vec<String> = table.texts("command")?.into_iter().map(str::to_owned).collect();
    if command.first().is_none_or(String::is_empty) {
        table.problem("command", "has no program; set it as in command = [\"npx\", \"-y\", \"some-server\"]");
    }
    if command.iter().any(|word| word.contains('\0')) {
        table.problem("command", "has a character with the code 0");
    }
    let cwd = table.text("cwd").map(|cwd| PathBuf::from(cwd.text));
    if cwd.as_ref().is_some_and(|cwd| !cwd.is_absolute()) {
        table.problem("cwd", "must be an absolute path");
    }
    let mut env: Vec<(String, String)> = COMMON_VARIABLES
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), (surroundings.variable)(name)?)))
        .collect();
    if let Some(table) = table.table("env") {
        for name in table.keys() {
            if name.is_empty() || name.contains(['=', '\0']) {
                table.problem(name, "is not the name of a variable");
            }
            let Some(value) = table.text(name).and_then(|text| expanded(&table, name, &text, surroundings))
            else {
                continue;
            };
            env.retain(|(other, _)| other != name);
            env.push((name.to_owned(), value));
        }
    }
    Some(ServerCommand { module: module.to_owned(), command, env, cwd })
}
