//! Test programs with expectations at the end, in lines `#> key: JSON`. `preamble` names a file of `tests/preambles/` that
//! comes before the program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A program from `tests/` and its expectations.
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) code: String,
    expectations: BTreeMap<String, Value>,
}

impl Program {
    fn read(path: &Path) -> Self {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let code = std::fs::read_to_string(path).unwrap();
        let expectations = code.lines().filter_map(|line| line.strip_prefix("#> ")).map(|line| {
            let (key, json) = line.split_once(": ").unwrap_or_else(|| panic!("{name}: {line}"));
            (key.to_owned(), serde_json::from_str(json).unwrap_or_else(|why| panic!("{name}: {line}: {why}")))
        });
        let mut expectations: BTreeMap<String, Value> = expectations.collect();
        let code = match expectations.remove("preamble") {
            Some(preamble) => preamble_of(preamble.as_str().unwrap()) + &code,
            None => code,
        };
        Self { name, code, expectations }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.expectations.get(key)
    }

    /// Panics on expectations that no test checks, and if there are none.
    pub(crate) fn assert_keys(&self, known: &[&str]) {
        for key in self.expectations.keys() {
            assert!(known.contains(&key.as_str()), "{}: unknown expectation '{key}'", self.name);
        }
        assert!(!self.expectations.is_empty(), "{}: expects nothing", self.name);
    }
}

/// Returns the text of a preamble.
fn preamble_of(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/preambles").join(name).with_extension("py");
    std::fs::read_to_string(path).unwrap() + "\n\n"
}

/// Returns all programs of `tests/<folder>`, sorted by name.
pub(crate) fn programs(folder: &str) -> Vec<Program> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "py"));
    paths.sort();
    paths.iter().map(|path| Program::read(path)).collect()
}
