//! Keeps files and directories from a process, with Landlock: see landlock(7).
//!
//! Landlock only knows what is allowed. So all is allowed that is beside the way from the root to what is denied.

use std::fs;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, LandlockStatus, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, Scope, path_beneath_rules,
};

/// The newest Landlock version that was tested. Rules that a kernel does not support are left out.
const VERSION: ABI = ABI::V6;

/// Restricts this process and its children: no access to `denied`, and no signals to processes other than its own.
///
/// In the directories above what is denied, it can make no new files.
///
/// # Errors
///
/// Fails with the reason if the kernel has no Landlock, or refuses the rules.
pub(super) fn deny(denied: &[PathBuf]) -> Result<(), String> {
    let denied: Vec<PathBuf> = denied.iter().filter_map(|path| path.canonicalize().ok()).collect();
    let status = enforce(&beside(Path::new("/"), &denied)).map_err(|error| error.to_string())?;
    match status {
        LandlockStatus::Available { .. } => Ok(()),
        LandlockStatus::NotEnabled => Err("disabled in this kernel (see `lsm=` on its command line)".into()),
        LandlockStatus::NotImplemented => Err("not in this kernel (Linux 5.13 and later have it)".into()),
    }
}

fn enforce(allowed: &[PathBuf]) -> Result<LandlockStatus, RulesetError> {
    let rules = Ruleset::default()
        .handle_access(AccessFs::from_all(VERSION))?
        .scope(Scope::Signal)?
        .create()?
        .add_rules(path_beneath_rules(allowed, AccessFs::from_all(VERSION)))?;
    // Names are no secret, and programs list the directories above their own.
    let rules = match PathFd::new("/") {
        Ok(root) => rules.add_rule(PathBeneath::new(root, AccessFs::ReadDir))?,
        Err(_) => rules,
    };
    Ok(rules.restrict_self()?.landlock)
}

/// Returns all that is in `root` but not on the way to `denied`. Links are left out: what they lead to has its own place.
fn beside(root: &Path, denied: &[PathBuf]) -> Vec<PathBuf> {
    let (mut allowed, mut above) = (Vec::new(), vec![root.to_owned()]);
    while let Some(dir) = above.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            if is_link || denied.contains(&path) {
                continue;
            }
            let is_above = denied.iter().any(|denied| denied.starts_with(&path));
            if is_above { above.push(path) } else { allowed.push(path) }
        }
    }
    allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_denied_is_left_out_and_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for path in ["home/cache/images", "home/cache/other", "home/work", "bin"] {
            fs::create_dir_all(root.join(path)).unwrap();
        }
        fs::write(root.join("home/key"), "secret").unwrap();
        fs::write(root.join("home/notes"), "").unwrap();
        std::os::unix::fs::symlink(root.join("home/cache"), root.join("link")).unwrap();
        let denied = ["home/cache/images", "home/key"].map(|path| root.join(path));
        let mut allowed = beside(&root, &denied);
        allowed.sort();
        assert_eq!(
            allowed,
            ["bin", "home/cache/other", "home/notes", "home/work"].map(|path| root.join(path))
        );
    }
}
