//! Opens the store of states and of executions that wait.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ai_code_executor::sealed_store::{Embedded, Key, Sealer};

use crate::config::StoreSettings;

/// The file in the store's directory that holds the key, unless `STORE_KEY` is set.
const KEY_FILE: &str = "key";

const KEY_BYTES: usize = 32;

/// Opens the store, or makes it together with its key. **Blocks**.
pub(super) fn open(settings: &StoreSettings) -> Result<(Embedded, Sealer), String> {
    let dir = settings.dir.as_deref().ok_or("no directory for it: set STORE")?;
    let store = Embedded::open(dir, settings.bytes).map_err(|error| error.to_string())?;
    let key = match &settings.key {
        Some(key) => key.clone(),
        None => key_in(dir).map_err(|error| format!("{}: {error}", dir.join(KEY_FILE).display()))?,
    };
    Ok((store, Sealer::new(key, settings.previous_key.clone())))
}

/// Returns the key in `dir`, which is made if it is not there.
fn key_in(dir: &Path) -> io::Result<Key> {
    let path = dir.join(KEY_FILE);
    let secret = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut bits = [0; KEY_BYTES];
            getrandom::fill(&mut bits).map_err(io::Error::other)?;
            // As text, so that `STORE_KEY_PREVIOUS_FILE` can read it.
            let secret = base16ct::lower::encode_string(&bits).into_bytes();
            // Renamed when it is whole: a crash in between must not leave a part of a key.
            let new = dir.join(format!("{KEY_FILE}.new"));
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(&secret).and_then(|()| file.sync_all())?;
            fs::rename(&new, &path)?;
            secret
        }
        read => read?,
    };
    Key::derive(&secret).map_err(io::Error::other)
}
