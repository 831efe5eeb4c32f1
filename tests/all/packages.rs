//! Packages: a directory of pure Python that becomes a part of the image.

use std::fs;
use std::path::Path;

use ai_code_executor::{Error, Execution, Packages, Policy, Sandbox, Tool};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{cache_dir, executor, value_of};

/// Writes files into a new directory.
fn directory(files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (path, content) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    dir
}

fn greetings() -> TempDir {
    directory(&[
        (
            "greet/__init__.py",
            "import os, random, sys\nfrom .words import hello\nnumber = random.random()\ndef data():\n    \
             with open(os.path.join(os.path.dirname(__file__), 'data.txt')) as file:\n        return file.read()\n",
        ),
        ("greet/words.py", "def hello(name): return f'hello {name}'\n"),
        ("greet/later.py", "loaded = True\n"),
        ("greet/data.txt", "data of the package"),
        ("greet-1.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: Greet\nVersion: 1.2\n\nVersion: 9\n"),
        ("single.py", "value = 7\n"),
        ("needs_more.py", "import nothing_like_that\n"),
        ("_private.py", "raise SystemExit\n"),
        ("bin/tool.py", "raise RuntimeError\n"),
        ("greet/__pycache__/words.cpython-311.pyc", "no bytecode"),
    ])
}

fn sandbox(dir: &Path, policy: Policy) -> Sandbox {
    let packages = Packages::read(dir).unwrap();
    Sandbox::builder().packages(packages).policy(policy).cache_dir(cache_dir()).build().unwrap()
}

async fn value(sandbox: &Sandbox, code: &str) -> Value {
    let report = sandbox.run(Execution::new(code)).await.unwrap();
    assert!(report.error.is_none(), "{code}: {:?}", report.error);
    value_of(&report)
}

#[tokio::test]
async fn packages_are_importable_under_both_policies() {
    let dir = greetings();
    for policy in [Policy::default(), Policy::open()] {
        let sandbox = sandbox(dir.path(), policy);
        let code = "import greet, single\nfrom greet.later import loaded\n\
                    [greet.hello('you'), greet.data(), single.value, loaded]";
        assert_eq!(value(&sandbox, code).await, json!(["hello you", "data of the package", 7, true]));
        let failed = sandbox.run(Execution::new("import needs_more")).await.unwrap().error.unwrap();
        assert_eq!(failed.to_string(), "ModuleNotFoundError: No module named 'nothing_like_that'");
    }
}

/// The first lines of `sympy.external.gmpy`, and a package that does without `ctypes`.
#[tokio::test]
async fn only_the_package_that_cannot_do_without_ctypes_finds_it() {
    let dir = directory(&[
        ("sympy/__init__.py", "from .external import SIZE\n"),
        ("sympy/external.py", "from ctypes import c_long, sizeof\nSIZE = sizeof(c_long)\n"),
        ("without.py", "try:\n    import ctypes\n    found = True\nexcept ImportError:\n    found = False\n"),
    ]);
    for policy in [Policy::default(), Policy::open()] {
        let sandbox = sandbox(dir.path(), policy);
        let code =
            "import sympy, without, numpy\n[sympy.SIZE, without.found, numpy.arange(3).ctypes.data > 0]";
        assert_eq!(value(&sandbox, code).await, json!([4, false, true]));
        let report = sandbox.run(Execution::new("import ctypes")).await;
        assert!(report.is_err() || report.unwrap().error.is_some());
    }
}

/// What is left of a package that failed would keep its submodules from becoming attributes.
#[tokio::test]
async fn a_package_that_fails_while_the_image_is_made_is_imported_anew() {
    let source = "import os\nfrom . import part\nif not os.path.exists('/work/there'):\n    raise ImportError('not yet')\n";
    let dir = directory(&[("late/__init__.py", source), ("late/part.py", "number = 7\n")]);
    let sandbox = sandbox(dir.path(), Policy::open());
    let code = "open('/work/there', 'w').close()\nimport late\nlate.part.number";
    assert_eq!(value(&sandbox, code).await, json!(7));
}

#[tokio::test]
async fn packages_cannot_be_changed_and_lead_nowhere_under_the_strict_policy() {
    let dir = greetings();
    let open = sandbox(dir.path(), Policy::open());
    let code = "
import importlib.metadata, os, sys
seen = [importlib.metadata.version('greet'), 'greet.words' in sys.modules, 'greet.later' in sys.modules]
for change in [lambda: open('/packages/x.py', 'w'), lambda: os.remove('/packages/single.py'),
               lambda: os.rename('/packages/greet', '/tmp/greet'), lambda: os.chmod('/packages/single.py', 0o777)]:
    try:
        change()
    except OSError as error:
        seen.append(error.strerror)
seen";
    let read_only = "Read-only file system";
    let expected = json!(["1.2", true, false, read_only, read_only, read_only, read_only]);
    assert_eq!(value(&open, code).await, expected);

    let strict = sandbox(dir.path(), Policy::default());
    for code in ["import greet\ngreet.sys", "import greet\ngreet.os"] {
        let refused = strict.run(Execution::new(code)).await;
        assert!(refused.is_err() || refused.unwrap().error.is_some(), "{code}");
    }
    let refused = strict.run(Execution::new("import _private")).await;
    assert!(matches!(refused, Err(Error::Rejected(_))), "{refused:?}");
    // What a package computed when the image was made is the same in each execution.
    let code = "import greet\ngreet.number";
    assert_eq!(value(&strict, code).await, value(&strict, code).await);
}

#[test]
fn what_is_in_a_directory_is_listed() {
    let dir = greetings();
    let packages = Packages::read(dir.path()).unwrap();
    assert_eq!(packages.modules().collect::<Vec<_>>(), ["greet", "needs_more", "single"]);
    let [greet] = packages.distributions() else { panic!("{packages:?}") };
    assert_eq!((greet.name.as_str(), greet.version.as_str()), ("Greet", "1.2"));

    let output = |arguments: &[&str]| {
        let output = executor().args(arguments).env("PACKAGES", dir.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(output(&["packages"]), "Greet 1.2\n");
    assert!(output(&["tools", "--format", "prompt"]).contains(" greet,"));
    assert!(
        output(&["tools", "--format", "prompt", "--policy", "open"]).contains("standard library, greet,")
    );
    assert_eq!(
        executor().arg("packages").output().unwrap().stdout,
        b"There are no packages: PACKAGES names a directory made by `pip install --target`.\n"
    );
}

#[test]
fn unusable_directories_are_refused_by_name() {
    let native =
        directory(&[("fast/__init__.py", ""), ("fast/_speed.cpython-313-x86_64-linux-gnu.so", "\u{7f}ELF")]);
    let library = directory(&[("x.libs/libz.so.1", "")]);
    let nowhere = native.path().join("nowhere");
    for (dir, expected) in [
        (native.path(), "fast/_speed.cpython-313-x86_64-linux-gnu.so is machine code"),
        (library.path(), "x.libs/libz.so.1 is machine code"),
        (nowhere.as_path(), "No such file or directory"),
    ] {
        let error = Packages::read(dir).unwrap_err();
        assert!(matches!(error, Error::Config { .. }) && error.to_string().contains(expected), "{error}");
        let output = executor().args(["packages", "--packages"]).arg(dir).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(2) && said.contains("PACKAGES") && said.contains(expected),
            "{said}"
        );
    }
    let dir = directory(&[("data.py", "")]);
    let tool = Tool::new("data", "get", |_| async { Ok(json!(1)) });
    let clash = Sandbox::builder().packages(Packages::read(dir.path()).unwrap()).tool(tool).build().map(drop);
    let expected = "'data' is a module of tools and of the packages; rename one of them";
    assert_eq!(clash.unwrap_err().to_string(), expected);
}
