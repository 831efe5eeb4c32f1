//! The invariants that `lib.rs` promises, read off the sources.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::files_below;

/// Every source file of the library and binary with its path from `src/`, without its unit tests.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let is_code = |path: &&PathBuf| !path.ends_with("tests.rs");
    let files: Vec<_> = files_below(&root)
        .iter()
        .filter(is_code)
        .map(|path| (relative(path, &root), code_of(path)))
        .collect();
    assert!(files.len() > 15, "{} files", files.len());
    files
}

fn relative(path: &Path, root: &Path) -> String {
    let path: PathBuf = path.strip_prefix(root).unwrap().into();
    path.to_str().unwrap().to_owned()
}

fn code_of(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    // Fields and functions of tests have code after them.
    let code = text.split("\n#[cfg(test)]").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// `word` stands only in files whose path starts with one of `rooms`.
fn assert_only_in(word: &str, rooms: &[&str]) {
    let found: Vec<String> =
        sources().into_iter().filter(|(_, code)| code.contains(word)).map(|(path, _)| path).collect();
    assert!(!found.is_empty(), "{word} stands nowhere: is this test out of date?");
    for path in found {
        assert!(rooms.iter().any(|room| path.starts_with(room)), "{path} names {word}");
    }
}

#[test]
fn only_three_rooms_name_wasmtime() {
    assert_only_in("wasmtime", &["image", "instance", "hostcall"]);
}

#[test]
fn only_the_server_names_axum() {
    assert_only_in("axum", &["server"]);
}

#[test]
fn only_the_edges_serialise() {
    assert_only_in("Serialize", &["server/wire", "hostcall/wire.rs", "tools"]);
}

#[test]
fn only_the_configuration_reads_the_environment() {
    assert_only_in("env::var", &["config"]);
}

#[test]
fn unsafe_stands_in_one_room() {
    let files = ["addresses", "code", "memory", "pagemap", "pristine", "slot", "stack"];
    let files = files.map(|file| format!("image/{file}.rs"));
    // The binary's own: what it asks of its allocator.
    let files: Vec<&str> = files.iter().map(String::as_str).chain(["commands/malloc.rs"]).collect();
    assert_only_in("unsafe", &files);
}

#[test]
fn files_fit_in_the_head() {
    for (path, code) in sources() {
        assert!(code.lines().count() < 500, "{path} has {} lines", code.lines().count());
    }
}
