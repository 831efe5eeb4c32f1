//! The image cache: an artifact that is not exactly as it was written is made again, and a warning gives the reason.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use crate::support::executor;

/// Damages an artifact.
type Damage = fn(&Path);

/// Runs a program with `dir` as its cache and returns the log.
fn start(dir: &Path) -> String {
    let program = dir.join("program.py");
    fs::write(&program, "print(6 * 7)").unwrap();
    let output = executor()
        .arg("run")
        .arg(&program)
        .env("CACHE_DIR", dir.join("cache"))
        .env("LOG_LEVEL", "debug")
        .output();
    let output = output.unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "42\n");
    String::from_utf8(output.stderr).unwrap()
}

/// The file extension of each kind of artifact, and the log message when one is made.
const KINDS: [(&str, &str); 2] = [("cwasm", "interpreter compiled"), ("memory", "interpreter started")];

fn artifact(dir: &Path, kind: &str) -> PathBuf {
    let entries = fs::read_dir(dir.join("cache")).unwrap().map(|entry| entry.unwrap().path());
    let artifacts: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == kind)).collect();
    assert_eq!(artifacts.len(), 1, "{artifacts:?}");
    artifacts[0].clone()
}

fn overwrite(artifact: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(artifact).unwrap();
    change(&mut bytes);
    fs::write(artifact, bytes).unwrap();
}

#[test]
fn an_image_is_made_once_and_only_an_intact_one_is_mapped() {
    let dir = tempfile::tempdir().unwrap();
    let first = start(dir.path());
    assert!(first.contains("making the interpreter image"), "{first}");
    let cache = fs::metadata(dir.path().join("cache")).unwrap();
    assert_eq!(cache.mode() & 0o777, 0o700);
    for (kind, made) in KINDS {
        assert!(first.contains(made), "{first}");
        assert_eq!(fs::metadata(artifact(dir.path(), kind)).unwrap().mode() & 0o777, 0o600);
    }
    assert!(start(dir.path()).contains("mapped from the cache"));

    let damages: [(&str, Damage); 4] = [
        ("digest differs", |path| overwrite(path, |bytes| bytes[1_000_000] ^= 1)),
        ("digest differs", |path| overwrite(path, |bytes| bytes.truncate(1000))),
        ("can be written by others", |path| {
            fs::set_permissions(path, Permissions::from_mode(0o666)).unwrap();
        }),
        ("digest differs", |path| overwrite(path, Vec::clear)),
    ];
    for (kind, made) in KINDS {
        for (why, damage) in damages {
            damage(&artifact(dir.path(), kind));
            assert_made_again(&start(dir.path()), why, made);
        }
    }
    assert!(start(dir.path()).contains("mapped from the cache"), "the rebuilt image is intact");
    another_users_image_is_refused(dir.path());
}

/// Checks that the artifact was refused and that it alone was made again.
fn assert_made_again(log: &str, why: &str, made: &str) {
    assert!(log.contains(why), "{why}: {log}");
    for (_, other) in KINDS {
        assert_eq!(log.contains(other), other == made, "{why}: {log}");
    }
}

fn another_users_image_is_refused(dir: &Path) {
    for (kind, made) in KINDS {
        if chown(artifact(dir, kind), Some(12345), None).is_err() {
            println!("skipped: only root can change a file's owner");
            return;
        }
        assert_made_again(&start(dir), "belongs to another user", made);
    }
}

#[test]
fn an_unusable_cache_is_only_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("cache"), "not a directory").unwrap();
    let log = start(dir.path());
    assert!(log.contains("image not cached") && log.contains("WARN"), "{log}");
}
