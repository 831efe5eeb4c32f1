//! The tools of network services: which, and what signs their requests.

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

/// Where the tools of HomeIQ are.
const URLS: [&str; 3] = ["DATA_API_URL", "AI_AUTOMATION_URL", "DEVICE_INTELLIGENCE_URL"];

/// The tools of network services, not yet connected.
#[derive(Clone, Debug)]
pub(crate) struct NetworkTools {
    /// Whether programs may call them. If not, importing their modules fails with a message that says so.
    pub(crate) enabled: bool,
    /// The tools.
    pub(crate) file: ToolFile,
    /// What signs their requests; there is one if they are enabled.
    pub(crate) signer: Option<Signer>,
}

/// In the order of the table.
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
            let why =
                format!("ENABLE_MCP_NETWORK_TOOLS is true, and requests of tools are signed: {NEW_KEY}");
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

/// The file at `path`; without one, the tools of HomeIQ.
fn read_file(reader: &mut Reader<'_>, path: &str, urls: &[(&str, Option<String>)]) -> ToolFile {
    let variable = |name: &str| match urls.iter().find(|(url, _)| *url == name) {
        Some((_, value)) => value.clone(),
        None => env::var(name).ok(),
    };
    let surroundings = Surroundings::new(&variable, &|path: &Path| fs::read(path));
    if path.is_empty() {
        // A URL that is none has been said already.
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

/// What programs would import, were they enabled.
pub(super) fn modules(file: &ToolFile, reader: &mut Reader<'_>) -> BTreeSet<String> {
    file.modules().unwrap_or_else(|error| {
        reader.problem("TOOLS_CONFIG", "unusable", &error.chain());
        BTreeSet::new()
    })
}
