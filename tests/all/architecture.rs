//! Checks the table of rooms in ARCHITECTURE.md and the invariants of `lib.rs` against the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::files_below;

/// For each room, the rooms that it imports.
type Arrows = BTreeMap<String, BTreeSet<String>>;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Returns every source file of the library and the binary, by its path below `src/`, without its unit tests.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let paths = files_below(&root);
    let test_modules = test_modules(&paths);
    let is_code = |path: &&PathBuf| !test_modules.iter().any(|module| path.starts_with(module));
    let files: Vec<_> = paths
        .iter()
        .filter(is_code)
        .map(|path| {
            let relative = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            (relative, without_tests(&fs::read_to_string(path).unwrap()))
        })
        .collect();
    assert!(files.len() > 15, "{} files", files.len());
    files
}

/// Returns the files and directories of modules that are compiled only for tests or fuzzing.
fn test_modules(paths: &[PathBuf]) -> Vec<PathBuf> {
    let of_file = |path: &PathBuf| {
        let directory = if path.ends_with("lib.rs") || path.ends_with("main.rs") {
            path.parent().unwrap().to_owned()
        } else {
            path.with_extension("")
        };
        let text = fs::read_to_string(path).unwrap();
        let names: Vec<String> = test_items(&text)
            .filter_map(|item| {
                let declaration = item.lines().find(|line| line.ends_with(';') && line.contains("mod "))?;
                Some(declaration.rsplit_once("mod ")?.1.trim_end_matches(';').to_owned())
            })
            .collect();
        names.into_iter().flat_map(move |name| [directory.join(format!("{name}.rs")), directory.join(name)])
    };
    paths.iter().flat_map(of_file).collect()
}

const TEST_ATTRIBUTES: [&str; 3] = ["#[cfg(test)]", "#[cfg(fuzzing)]", "#[cfg(any(test, fuzzing))]"];

/// Marks the lines of items that are compiled only for tests, attribute included. Relies on rustfmt: an item ends at
/// the indentation at which it begins.
fn is_test_line(text: &str) -> Vec<bool> {
    let lines: Vec<&str> = text.lines().collect();
    let mut is_test = vec![false; lines.len()];
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        if !TEST_ATTRIBUTES.contains(&line.trim()) {
            at += 1;
            continue;
        }
        let indentation = line.len() - line.trim_start().len();
        let ends = |line: &str| {
            let own = line.len() - line.trim_start().len() == indentation && !line.trim().starts_with("#[");
            own && line.ends_with(['}', ';', ','])
        };
        let end = (at + 1..lines.len()).find(|next| ends(lines[*next])).unwrap_or(lines.len() - 1);
        is_test[at..=end].fill(true);
        at = end + 1;
    }
    is_test
}

fn test_items(text: &str) -> impl Iterator<Item = String> {
    let is_test = is_test_line(text);
    let mut items: Vec<String> = Vec::new();
    for (line, is_test) in text.lines().zip(is_test) {
        if is_test && TEST_ATTRIBUTES.contains(&line.trim()) {
            items.push(String::new());
        }
        if let (true, Some(item)) = (is_test, items.last_mut()) {
            item.extend([line, "\n"]);
        }
    }
    items.into_iter()
}

fn without_tests(text: &str) -> String {
    let lines = text.lines().zip(is_test_line(text));
    let code = lines.filter(|(line, is_test)| !is_test && !line.trim_start().starts_with("//"));
    code.map(|(line, _)| line).collect::<Vec<_>>().join("\n")
}

/// Returns the room of a file in `src/`. The binary is one room.
fn room_of(path: &str) -> &str {
    let room = path.split('/').next().unwrap().trim_end_matches(".rs");
    if ["main", "commands", "config", "log"].contains(&room) { "main" } else { room }
}

/// Returns the room of each name that `lib.rs` re-exports.
fn reexports(lib: &str) -> BTreeMap<String, String> {
    let joined = lib.split_whitespace().collect::<Vec<_>>().join(" ");
    let uses = joined.split("pub use ").skip(1).filter_map(|rest| rest.split(';').next());
    let pairs = uses.filter_map(|path| {
        let (room, names) = path.split_once("::")?;
        let names = names.trim_matches(['{', '}', ' ']).split(',').map(str::trim);
        Some(names.map(|name| (name.to_owned(), room.to_owned())).collect::<Vec<_>>())
    });
    pairs.flatten().collect()
}

/// Returns the imports found in the sources.
fn actual() -> Arrows {
    let reexports = reexports(&read("src/lib.rs"));
    let mut arrows = Arrows::new();
    for (path, code) in sources() {
        let room = room_of(&path);
        if room == "lib" || room == "main" {
            continue;
        }
        let to = arrows.entry(room.to_owned()).or_default();
        for rest in code.split("crate::").skip(1) {
            let names = match rest.strip_prefix('{') {
                Some(list) => list.split('}').next().unwrap(),
                None => rest,
            };
            for name in names.split(',').take(if rest.starts_with('{') { usize::MAX } else { 1 }) {
                let is_word = |char: char| char.is_alphanumeric() || char == '_';
                let name: String = name.trim().chars().take_while(|char| is_word(*char)).collect();
                let name = reexports.get(&name).unwrap_or(&name).clone();
                if name != room && name.chars().all(|char| char.is_lowercase() || char == '_') {
                    to.insert(name);
                }
            }
        }
    }
    arrows
}

/// Returns the imports listed in the table of rooms in ARCHITECTURE.md.
fn documented() -> Arrows {
    let page = read("ARCHITECTURE.md");
    let (_, table) = page.split_once("| room |").unwrap();
    let rows = table.lines().skip(2).map_while(|line| line.strip_prefix("| `"));
    let words = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        (cells[0].split('`').next().unwrap().to_owned(), words(cells[2]))
    })
    .collect()
}

#[test]
fn imports_match_the_table_of_rooms() {
    let (mut documented, actual) = (documented(), actual());
    documented.remove("main").expect("the table has a row for the binary");
    assert_eq!(
        documented, actual,
        "left: the table of rooms in ARCHITECTURE.md; right: the imports in the sources"
    );
}

/// Removes rooms without imports until none is left; a cycle would remain.
#[test]
fn imports_have_no_cycle() {
    let mut arrows = actual();
    while let Some(leaf) = arrows.iter().find(|(_, to)| to.is_empty()).map(|(room, _)| room.clone()) {
        arrows.remove(&leaf);
        for to in arrows.values_mut() {
            to.remove(&leaf);
        }
    }
    assert_eq!(arrows, Arrows::new());
}

/// Checks that `word` occurs only in files whose path starts with one of `rooms`.
fn assert_only_in(word: &str, rooms: &[&str]) {
    let found: Vec<String> =
        sources().into_iter().filter(|(_, code)| code.contains(word)).map(|(path, _)| path).collect();
    assert!(!found.is_empty(), "{word} occurs nowhere; update this test");
    for path in found {
        assert!(rooms.iter().any(|room| path.starts_with(room)), "{path} contains {word}");
    }
}

#[test]
fn only_the_rooms_around_guests_use_wasmtime() {
    assert_only_in("wasmtime::", &["image", "instance", "hostcall", "memory", "meter"]);
}

#[test]
fn only_the_server_uses_axum() {
    assert_only_in("axum", &["server"]);
}

#[test]
fn only_the_edges_serialise() {
    // Messages with guests, JSON of answers, definitions of tools, records, and what the launcher is told.
    let records = ["framing.rs", "hostcall.rs", "hostcall/calls/record.rs", "instance/frozen.rs"];
    let edges = [
        "server/",
        "hostcall/wire.rs",
        "tools",
        "sandbox/records.rs",
        "sandbox/reports.rs",
        "commands/launcher.rs",
    ];
    assert_only_in("Serialize", &[&edges[..], &records].concat());
}

#[test]
fn only_the_configuration_reads_the_environment() {
    assert_only_in("env::var", &["config"]);
}

/// Two sandboxes in one process share nothing. Beside the kernel's page map, only a field and the binary's log are found.
#[test]
fn a_sandbox_has_no_globals() {
    assert_only_in("OnceLock<", &["memory/pagemap.rs", "hardening/resident.rs", "server.rs", "log.rs"]);
    assert_only_in("LazyLock<", &["server/openapi.rs", "validator/hints.rs"]);
}

#[test]
fn unsafe_code_is_confined() {
    // Besides `memory`: machine code is mapped, and the binary configures its allocator.
    let rooms = ["memory", "image/machine_code.rs", "commands/malloc.rs"];
    assert_only_in("unsafe ", &rooms);
    assert_only_in("unsafe_code", &rooms);
}

#[test]
fn source_files_are_short() {
    for (path, code) in sources() {
        assert!(code.lines().count() < 500, "{path} has {} lines; the limit is 499", code.lines().count());
    }
}
