//! Reads the settings of executions that wait, of states, and of the store that keeps them.

use std::path::PathBuf;
use std::time::Duration;

use ai_code_executor::WaitLimits;
use ai_code_executor::sealed_store::Key;
use secrecy::{ExposeSecret, SecretString};

use super::reader::{MASKED, Reader};
use super::settings::{STORE_KEY, STORE_KEY_FILE, STORE_KEY_PREVIOUS, STORE_KEY_PREVIOUS_FILE};
use super::user_dir;
use super::values::{mebibytes, number, seconds};

/// Longest time to wait or to keep something: a year.
const SECONDS_MAX: f64 = 31_536_000.0;

/// The store on disk.
#[derive(Clone, Debug)]
pub(crate) struct StoreSettings {
    /// `None` if it is not set and the user has no home directory.
    pub(crate) dir: Option<PathBuf>,
    /// Whether `STORE` is set.
    pub(crate) is_set: bool,
    pub(crate) bytes: u64,
    /// `None`: made at the first start and kept in `dir`.
    pub(crate) key: Option<Key>,
    pub(crate) previous_key: Option<Key>,
}

/// Reads the keys, which are secrets.
pub(super) fn read_keys(reader: &mut Reader<'_>) -> (Option<Key>, Option<Key>) {
    let key = reader.secret(STORE_KEY, STORE_KEY_FILE, |_| Ok(()));
    let key = key_of(reader, STORE_KEY, &key);
    let previous = reader.secret(STORE_KEY_PREVIOUS, STORE_KEY_PREVIOUS_FILE, |_| Ok(()));
    let previous = key_of(reader, STORE_KEY_PREVIOUS, &previous);
    (key, previous)
}

fn key_of(reader: &mut Reader<'_>, name: &str, secret: &SecretString) -> Option<Key> {
    let secret = secret.expose_secret();
    if secret.is_empty() {
        return None;
    }
    match Key::derive(secret.as_bytes()) {
        Ok(key) => Some(key),
        Err(error) => {
            let why = format!("{error}; make one with `openssl rand -hex 32`");
            reader.problem(name, MASKED, &why);
            None
        }
    }
}

/// Reads the place and the size of the store.
pub(super) fn read_store(
    reader: &mut Reader<'_>,
    (key, previous_key): (Option<Key>, Option<Key>),
) -> StoreSettings {
    let configured = reader.value("STORE", |text| Ok(PathBuf::from(text))).unwrap_or_default();
    let is_set = !configured.as_os_str().is_empty();
    let dir = if is_set {
        Some(configured)
    } else {
        let dir = user_dir("XDG_STATE_HOME", ".local/state");
        reader.came_to(dir.as_ref().map(|dir| dir.display().to_string()).unwrap_or_default());
        dir
    };
    let bytes = reader.value("STORE_MB", mebibytes(16..=65_536)).unwrap_or_default();
    StoreSettings { dir, is_set, bytes, key, previous_key }
}

/// Reads the limits, in the order of the table.
pub(super) fn read_limits(reader: &mut Reader<'_>) -> WaitLimits {
    let park_after = time(reader, "PARK_AFTER", 0.0);
    let wait_max = time(reader, "WAIT_MAX", 1.0);
    let result_ttl = time(reader, "RESULT_TTL", 1.0);
    let waiting_max = reader.value("MAX_WAITING_EXECUTIONS", number(1..=1_000_000)).unwrap_or_default();
    let parks_max = reader.value("MAX_PARKS", number(0..=u32::MAX)).unwrap_or_default();
    let state_ttl = time(reader, "STATE_TTL", 1.0);
    let state_bytes = reader.value("MAX_STATE_MB", mebibytes(1..=31)).unwrap_or_default();
    let states_max = reader.value("MAX_STATES", number(0..=1_000_000)).unwrap_or_default();
    WaitLimits::default()
        .park_after(park_after)
        .wait_max(wait_max)
        .result_ttl(result_ttl)
        .waiting_max(waiting_max)
        .parks_max(parks_max)
        .state_ttl(state_ttl)
        .state_bytes_max(usize::try_from(state_bytes).unwrap_or(usize::MAX))
        .states_max(states_max)
}

fn time(reader: &mut Reader<'_>, name: &'static str, least: f64) -> Duration {
    reader.value(name, seconds(least..=SECONDS_MAX)).unwrap_or_default()
}
