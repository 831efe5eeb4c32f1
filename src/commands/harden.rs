//! Restricts the process before it serves, as `HARDENING` says.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use ai_code_executor::hardening::{self, Hardening, Needs};
use tracing::{info, warn};

use crate::config::{Config, HardeningMode};

/// Applies the restrictions. Call it before any thread is started, and after everything that needs more rights.
pub(super) fn harden(config: &Config) -> Result<Hardening, String> {
    if config.hardening == HardeningMode::Off {
        warn!("the process is not hardened (HARDENING is off): see SECURITY.md");
        return Ok(Hardening::default());
    }
    let (hardening, gaps) = hardening::restrict(&needs(config)).map_err(|error| error.to_string())?;
    if config.hardening == HardeningMode::Require && !gaps.is_empty() {
        let gaps = gaps.join("; ");
        return Err(format!(
            "HARDENING is require, but this machine cannot do all of it; HARDENING=on starts anyway. Missing: {gaps}"
        ));
    }
    for gap in &gaps {
        warn!("hardening does without {gap}");
    }
    info!(?hardening, "hardened");
    Ok(hardening)
}

/// Applies the last restrictions. Call it after the image is made and the stubs are written.
pub(super) fn seal(hardening: Hardening) -> Result<(), String> {
    if hardening.seccomp { hardening::seal().map_err(|error| error.to_string()) } else { Ok(()) }
}

fn needs(config: &Config) -> Needs {
    let tools = &config.network_tools;
    let (ports, names) = if tools.enabled { tools.file.destinations() } else { Default::default() };
    let cache = config.cache_dir.iter().map(|dir| (dir, 0o700));
    let stubs = tools.enabled.then_some((&config.workspace_dir, 0o755));
    let store = config.store.dir.iter().map(|dir| (dir, 0o700));
    let writable = cache.chain(store).chain(stubs).map(|(dir, mode)| existing(dir, mode));
    Needs::default().writable(writable).ports(ports).names(names)
}

/// Creates `dir`, because Landlock rules need an existing folder. Errors are reported later, by the code that writes
/// to it.
fn existing(dir: &PathBuf, mode: u32) -> PathBuf {
    let _ = DirBuilder::new().recursive(true).mode(mode).create(dir);
    dir.clone()
}
