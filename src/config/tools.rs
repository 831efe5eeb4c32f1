//! Reads the settings of the network tools: the registry, and the key that signs requests.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::Path;

use secrecy::ExposeSecret;

use super::reader::{MASKED, Reader, shown};
use super::settings::{SIGNING_KEY, SIGNING_KEY_FILE, SIGNING_KEY_ID};
use super::values::{service_url, signing_key, switch};
use ai_code_executor::tools::{Surroundings, ToolFile};
use http_signing::{Key, KeyError, Signer};

const NEW_KEY: &str = "make a key with `openssl rand -base64 32`";

/// The settings with the base URLs of HomeIQ's services.
const URLS: [&str; 3] = ["DATA_API_URL", "AI_AUTOMATION_URL", "DEVICE_INTELLIGENCE_URL"];

/// The tools of network services, before they are connected.
#[derive(Clone, Debug)]
pub(crate) struct NetworkTools {
    /// Whether programs may call the tools. If not, importing their modules fails with a message that says so.
    pub(crate) enabled: bool,
    /// The tools.
    pub(crate) file: ToolFile,
    /// The signer of requests. It is always present if the tools are enabled.
    pub(crate) signer: Option<Signer>,
}

/// Reads the settings in the order of the table.
pub(super) fn read(reader: &mut Reader<'_>) -> NetworkTools {
    let enabled = reader.value("ENABLE_MCP_NETWORK_TOOLS", switch).unwrap_or_default();
    let path = reader.value("TOOLS_CONFIG", |path| Ok(path.to_owned())).unwrap_or_default();
    let urls = URLS.map(|name| (name, reader.value(name, service_url)));
    let signer = read_signer(reader, enabled);
    let file = read_file(reader, &path, &urls);
    NetworkTools { enabled, file, signer }
}

fn read_signer(reader: &mut Reader<'_>, is_needed: bool) -> Option<Signer> {
    let problems = reader.problems.len();
    let key = reader.secret(SIGNING_KEY, SIGNING_KEY_FILE, signing_key);
    let id = reader.value(SIGNING_KEY_ID, |id| Ok(id.to_owned())).unwrap_or_default();
    if reader.problems.len() > problems {
        return None;
    }
    let key = key.expose_secret();
    if key.is_empty() {
        if is_needed {
            let why = format!("ENABLE_MCP_NETWORK_TOOLS is true, so requests must be signed; {NEW_KEY}");
            reader.problem(SIGNING_KEY, "empty", &why);
        }
        return None;
    }
    match Key::new(&id, key).and_then(Signer::new) {
        Ok(signer) => return Some(signer),
        Err(error @ KeyError::Id) => reader.problem(SIGNING_KEY_ID, &shown(&id), &error.to_string()),
        Err(error @ KeyError::Short { .. }) => {
            reader.problem(SIGNING_KEY, MASKED, &format!("{error}; {NEW_KEY}"));
        }
        Err(error) => reader.problem(SIGNING_KEY, MASKED, &error.to_string()),
    }
    None
}

/// Reads the registry at `path`. If the path is empty, returns the tools of HomeIQ.
fn read_file(reader: &mut Reader<'_>, path: &str, urls: &[(&str, Option<String>)]) -> ToolFile {
    let variable = |name: &str| match urls.iter().find(|(url, _)| *url == name) {
        Some((_, value)) => value.clone(),
        None => env::var(name).ok(),
    };
    let surroundings = Surroundings::new(&variable, &|path: &Path| fs::read(path));
    if path.is_empty() {
        // The problem of an invalid URL is recorded already.
        let known = urls.iter().all(|(_, url)| url.is_some());
        return known.then(|| ToolFile::homeiq(surroundings)).and_then(Result::ok).unwrap_or_default();
    }
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            reader.problem("TOOLS_CONFIG", &shown(path), &format!("cannot be read: {error}"));
            return ToolFile::default();
        }
    };
    ToolFile::parse(path, &text, surroundings).unwrap_or_else(|error| {
        reader.problems.extend(error.problems);
        ToolFile::default()
    })
}

/// Returns the names of the modules that programs could import if the tools were enabled.
pub(super) fn modules(file: &ToolFile, reader: &mut Reader<'_>) -> BTreeSet<String> {
    file.modules().unwrap_or_else(|error| {
        reader.problem("TOOLS_CONFIG", "unusable", &error.chain());
        BTreeSet::new()
    })
}
