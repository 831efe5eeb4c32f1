//! Stubs as files, in directories that may hold other users' files.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use ai_code_executor::Catalogue;
use serde_json::json;

use crate::catalogue::{assert_parses, hostile_tools, tool};
use crate::support::files_below;

/// Returns the files in a directory, by relative path.
fn names_below(folder: &Path) -> Vec<String> {
    let relative = |path: &Path| path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
    files_below(folder).iter().map(|path| relative(path)).collect()
}

#[test]
fn the_tree_has_the_stubs_of_the_current_tools() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("made/by/us");
    let kind = json!({"kind": {"enum": ["a", "b"]}});
    let catalogue =
        Catalogue::new(vec![tool("data.get", "Gets \"\"\"", &kind), tool("data.put", "", &json!({}))])
            .unwrap();
    catalogue.write_tree(&dir).unwrap();
    let names = ["servers/data/__init__.pyi", "servers/data/get.pyi", "servers/data/put.pyi"];
    assert_eq!(names_below(&dir), names);
    let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    for name in names {
        assert_parses(&read(name));
    }
    let init = "from .get import get as get\nfrom .put import put as put\n\n__all__ = [\n    \"get\",\n    \"put\",\n]\n";
    assert!(read(names[0]).ends_with(init), "{}", read(names[0]));
    assert!(
        read(names[1]).starts_with("from typing import Literal\n\nasync def get(kind: Literal['a', 'b']")
    );
    Catalogue::new(vec![tool("home.x", "", &json!({}))]).unwrap().write_tree(&dir).unwrap();
    assert_eq!(names_below(&dir), ["servers/home/__init__.pyi", "servers/home/x.pyi"]);
    Catalogue::new(hostile_tools()).unwrap().write_tree(&dir).unwrap();
    for path in files_below(&dir) {
        assert_parses(&fs::read_to_string(path).unwrap());
    }
    Catalogue::default().write_tree(&dir).unwrap();
    assert_eq!(names_below(&dir), Vec::<String>::new());
}

#[test]
fn services_that_share_a_directory_leave_one_complete_tree() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for service in 0..4 {
            let dir = folder.path();
            scope.spawn(move || {
                let tools = (0..10).map(|number| tool(&format!("m{service}.t{number}"), "", &json!({})));
                let catalogue = Catalogue::new(tools.collect()).unwrap();
                (0..20).for_each(|_| catalogue.write_tree(dir).unwrap());
            });
        }
    });
    let modules = fs::read_dir(folder.path().join("servers")).unwrap().count();
    assert_eq!((modules, names_below(folder.path()).len()), (1, 11), "{:?}", names_below(folder.path()));
}

/// Prepares a directory that must be refused.
type Spoil<'a> = &'a dyn Fn(&Path);

#[test]
fn foreign_files_are_left_alone() {
    let catalogue = Catalogue::new(vec![tool("a.b", "", &json!({}))]).unwrap();
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("precious.pyi"), "1").unwrap();
    let cases: [(&str, Spoil<'_>); 5] = [
        ("servers is not a directory", &|dir| symlink(other.path(), dir.join("servers")).unwrap()),
        ("servers is not a directory", &|dir| fs::write(dir.join("servers"), "1").unwrap()),
        ("main.py is not a stub", &|dir| {
            fs::create_dir(dir.join("servers")).unwrap();
            fs::write(dir.join("servers/main.py"), "1").unwrap();
        }),
        ("link is not a stub", &|dir| {
            fs::create_dir(dir.join("servers")).unwrap();
            symlink(other.path(), dir.join("servers/link")).unwrap();
        }),
        ("can be written by other users", &|dir| {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o777)).unwrap();
        }),
    ];
    for (why, spoil) in cases {
        let folder = tempfile::tempdir().unwrap();
        spoil(folder.path());
        let before = names_below(folder.path());
        let error = catalogue.write_tree(folder.path()).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("MCP_WORKSPACE_DIR"), "{error}");
        assert_eq!(names_below(folder.path()), before);
    }
    let folder = tempfile::tempdir().unwrap();
    symlink(other.path(), folder.path().join("link")).unwrap();
    let error = catalogue.write_tree(&folder.path().join("link")).unwrap_err().to_string();
    assert!(error.contains("is not a directory"), "{error}");
    assert_eq!(names_below(other.path()), ["precious.pyi"]);
}
