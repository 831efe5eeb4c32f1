//! The tools of network services: which, and what signs their requests.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use super::reader::Reader;
use super::settings::{SIGNING_KEY, SIGNING_KEY_FILE};
use super::values::{NEW_KEY, key_id, service_url, signing_key, switch};
use crate::tools::{Surroundings, ToolFile};

/// Where the tools of HomeIQ are.
const URLS: [&str; 3] = ["DATA_API_URL", "AI_AUTOMATION_URL", "DEVICE_INTELLIGENCE_URL"];

/// The tools of network services, not yet connected.
#[derive(Clone, Debug)]
pub struct NetworkTools {
    /// Whether programs may call them. If not, importing their modules fails with a message that says so.
    pub enabled: bool,
    /// The tools.
    pub file: ToolFile,
    /// What their requests are signed with; there is one if they are enabled.
    pub signing_key: SigningKey,
}

/// What requests to services are signed with.
#[derive(Clone, Debug)]
pub struct SigningKey {
    /// At least 32 bytes, or an Ed25519 key as PEM. Empty for none.
    pub text: SecretString,
    /// What services know it by.
    pub id: String,
}

/// In the order of the table.
pub(super) fn read(reader: &mut Reader<'_>) -> NetworkTools {
    let enabled = reader.value("ENABLE_MCP_NETWORK_TOOLS", switch).unwrap_or_default();
    let path = reader.value("TOOLS_CONFIG", |path| Ok(path.to_owned())).unwrap_or_default();
    let urls = URLS.map(|name| (name, reader.value(name, service_url)));
    let text = reader.secret(SIGNING_KEY, SIGNING_KEY_FILE, signing_key);
    let is_blamed = reader.problems.iter().any(|problem| problem.starts_with(SIGNING_KEY));
    if enabled && text.expose_secret().is_empty() && !is_blamed {
        let why = format!("ENABLE_MCP_NETWORK_TOOLS is true, and requests of tools are signed: {NEW_KEY}");
        reader.problem(SIGNING_KEY, "empty", &why);
    }
    let id = reader.value("TOOL_SIGNING_KEY_ID", key_id).unwrap_or_default();
    let file = read_file(reader, &path, &urls);
    NetworkTools { enabled, file, signing_key: SigningKey { text, id } }
}

/// The file at `path`; without one, the tools of HomeIQ.
fn read_file(reader: &mut Reader<'_>, path: &str, urls: &[(&str, Option<String>)]) -> ToolFile {
    let variable = |name: &str| match urls.iter().find(|(url, _)| *url == name) {
        Some((_, value)) => value.clone(),
        None => env::var(name).ok(),
    };
    let surroundings = Surroundings { variable: &variable, read: &|path: &Path| fs::read(path) };
    if path.is_empty() {
        // A URL that is none has been said already.
        let known = urls.iter().all(|(_, url)| url.is_some());
        return known.then(|| ToolFile::homeiq(surroundings)).and_then(Result::ok).unwrap_or_default();
    }
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let shown = format!("'{}'", path.escape_debug());
            reader.problem("TOOLS_CONFIG", &shown, &format!("cannot be read: {error}"));
            return ToolFile::default();
        }
    };
    ToolFile::parse(path, &text, surroundings).unwrap_or_else(|problems| {
        reader.problems.extend(problems);
        ToolFile::default()
    })
}

/// What programs would import, were they enabled.
pub(super) fn modules(file: &ToolFile, reader: &mut Reader<'_>) -> BTreeSet<String> {
    file.modules().unwrap_or_else(|error| {
        reader.problem("TOOLS_CONFIG", "unusable", &error.to_string());
        BTreeSet::new()
    })
}
