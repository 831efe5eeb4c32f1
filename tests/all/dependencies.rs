//! Checks `docs/dependencies.md` against `Cargo.toml`, cargo's metadata and the sources of the crates.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::files_below;

/// For each crate: requirement, licence, whether it has `unsafe` code, whether it has a build script.
type Facts = BTreeMap<String, (String, String, bool, bool)>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// Limited to one target: the manifests of crates that were never built here may be missing on this machine.
fn metadata() -> Value {
    let platform = ["--filter-platform", "x86_64-unknown-linux-gnu"];
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--format-version=1", "--locked", "--offline"]).args(platform);
    let output = command.current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Returns the crates that a package of this repository is built from, with their features. Dependencies of tests are
/// left out.
fn shipped(package: &str) -> BTreeMap<String, Vec<String>> {
    let mut command = Command::new(env!("CARGO"));
    command.args([
        "tree",
        "--locked",
        "--offline",
        "--target=x86_64-unknown-linux-gnu",
        "--package",
        package,
    ]);
    command.args(["--edges=normal,build", "--prefix=none", "--format={p} {f}"]);
    let output = command.current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let mut crates = BTreeMap::<String, Vec<String>>::new();
    for line in lines.lines().filter(|line| !line.is_empty()) {
        // Each line has a name, a version, optional remarks in parentheses, and features separated by commas.
        let words: Vec<&str> = line.trim_end_matches(" (*)").split(' ').collect();
        let features = words.last().unwrap().split(',').map(str::to_owned);
        crates.entry(words[0].to_owned()).or_default().extend(features);
    }
    crates
}

fn package<'a>(metadata: &'a Value, id: &Value) -> &'a Value {
    metadata["packages"].as_array().unwrap().iter().find(|package| package["id"] == *id).unwrap()
}

/// Returns the direct dependencies of a crate of this repository: the requirement in its manifest, and the package
/// found for it.
fn direct_dependencies<'a>(metadata: &'a Value, id: &Value) -> Vec<(&'a str, &'a Value)> {
    let declared = package(metadata, id)["dependencies"].as_array().unwrap();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let resolved = nodes.iter().find(|node| node["id"] == *id).unwrap()["deps"].as_array().unwrap();
    let packages = resolved.iter().map(|dep| package(metadata, &dep["pkg"]));
    // Crates of this repository have no source.
    let others = packages.filter(|package| !package["source"].is_null());
    let requirement = |package: &Value| {
        declared.iter().find(|each| each["name"] == package["name"]).unwrap()["req"].as_str().unwrap()
    };
    others.map(|package| (requirement(package), package)).collect()
}

/// Returns the rows of both tables of the page.
fn reviewed() -> Facts {
    let page = read("docs/dependencies.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"));
    let facts = rows.map(|row| {
        let cells: Vec<&str> = row.split(" | ").collect();
        let [name, version, licence, from, what_for, touches] = cells[..] else { panic!("{row}") };
        assert!(!from.is_empty() && !what_for.is_empty(), "{row}");
        let says = |word| touches.split(", ").any(|said| said == word);
        let facts = (version.to_owned(), licence.to_owned(), says("`unsafe`"), says("build script"));
        (name.trim_end_matches('`').to_owned(), facts)
    });
    facts.collect()
}

fn actual(metadata: &Value) -> Facts {
    let members = metadata["workspace_members"].as_array().unwrap();
    let dependencies = members.iter().flat_map(|id| direct_dependencies(metadata, id));
    let facts = dependencies.map(|(requirement, package)| {
        let targets = package["targets"].as_array().unwrap();
        let has_build_script = targets.iter().any(|target| target["kind"][0] == "custom-build");
        let manifest_path = PathBuf::from(package["manifest_path"].as_str().unwrap());
        let facts = (
            requirement.trim_start_matches('^').to_owned(),
            package["license"].as_str().unwrap().to_owned(),
            has_unsafe_code(&manifest_path.with_file_name("src")),
            has_build_script,
        );
        (package["name"].as_str().unwrap().to_owned(), facts)
    });
    facts.collect()
}

fn has_unsafe_code(sources: &Path) -> bool {
    files_below(sources).iter().filter(|path| path.extension().is_some_and(|end| end == "rs")).any(|path| {
        let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        let code = text.lines().filter_map(|line| line.split("//").next());
        code.into_iter().any(|line| {
            ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"].iter().any(|form| line.contains(form))
        })
    })
}

#[test]
fn the_page_matches_the_direct_dependencies() {
    let (reviewed, actual) = (reviewed(), actual(&metadata()));
    for (name, facts) in &actual {
        assert_eq!(reviewed.get(name), Some(facts), "{name} in docs/dependencies.md");
    }
    for name in reviewed.keys() {
        assert!(actual.contains_key(name), "{name} is in docs/dependencies.md and not in Cargo.toml");
    }
}

/// The library alone must not pull in the dependencies of the service.
#[test]
fn an_embedder_builds_no_service() {
    let [service, library, verifier] = ["ai-code-executor", "embedder", "http-signing"].map(shipped);
    for name in ["axum", "hyper", "clap", "seccompiler", "utoipa-swagger-ui", "rustls", "http-signing"] {
        assert!(service.contains_key(name) && !library.contains_key(name), "{name}");
    }
    for name in ["wasmtime", "ruff_python_parser"] {
        assert!(library.contains_key(name) && !verifier.contains_key(name), "{name}");
    }
}

/// Checks the conditions under which docs/dependencies.md calls wasmtime's open advisories unreachable.
#[test]
fn wasmtimes_open_advisories_are_unreachable() {
    let shipped = shipped("ai-code-executor");
    assert!(!shipped.keys().any(|name| name.starts_with("wasmtime-wasi")), "{:?}", shipped.keys());
    assert!(!read("Cargo.lock").contains("name = \"wasmtime-wasi-http\""));
    let features = &shipped["wasmtime"];
    for feature in ["gc", "threads"] {
        assert!(features.iter().any(|present| *present == feature), "{feature}: {features:?}");
    }
    assert!(!features.iter().any(|present| present.contains("component")), "{features:?}");
    let engine = read("src/image/engine.rs");
    for off in [".wasm_gc(false)", ".wasm_features(WasmFeatures::COMPONENT_MODEL, false)"] {
        assert!(engine.contains(off), "{off}");
    }
    for path in files_below(&root().join("src")) {
        assert!(!std::fs::read_to_string(&path).unwrap().contains("get_module_export"), "{}", path.display());
    }
}

/// `--version` names what `Cargo.lock` and the interpreter's own lock do.
#[test]
fn versions_are_those_that_are_locked() {
    let wasmtime = format!("name = \"wasmtime\"\nversion = \"{}\"\n", ai_code_executor::WASMTIME_VERSION);
    assert!(read("Cargo.lock").contains(&wasmtime), "{wasmtime}");
    let lock = read("python-wasm/python.wasm.lock");
    let python = lock.lines().find_map(|line| line.strip_prefix("source    python3.13 "));
    assert_eq!(python.unwrap().split_whitespace().next(), Some(ai_code_executor::PYTHON_VERSION));
}
