//! The policy `open`: programs are ordinary Python.

use ai_code_executor::{Execution, Outcome, Policy, Sandbox};
use serde_json::{Value, json};

use crate::support::{Service, cache_dir, open_sandbox, value_of};

#[tokio::test]
async fn what_the_strict_policy_refuses_is_ordinary_python() {
    let cases: [(&str, Value); 14] = [
        ("import os\nos.path.join('a', 'b'), os.sep", json!(["a/b", "/"])),
        ("import sys\n[sys.modules['sys'] is sys, sys.platform]", json!([true, "wasi"])),
        ("eval('1 + 1') + len(compile('2', 'x', 'eval').co_code) * 0", json!(2)),
        ("exec('x = 5')\nglobals()['x'] + vars()['x'] + locals()['x']", json!(15)),
        (
            "class A: x = 1\n[A().__class__ is A, A.__mro__[1] is object, sorted(A().__dict__), 'x' in dir(A)]",
            json!([true, true, [], true]),
        ),
        (
            "def f(a=1): return a\n[f.__defaults__[0], f.__code__.co_argcount, f.__globals__ is globals()]",
            json!([1, 1, true]),
        ),
        ("class A: pass\nclass B(A): pass\n[c.__name__ for c in A.__subclasses__()]", json!(["B"])),
        (
            "'{0.__class__.__mro__[0].__name__}'.format(1), getattr(1, '__class__') is int",
            json!(["int", true]),
        ),
        ("import inspect\ninspect.currentframe().f_lineno", json!(2)),
        ("from math import *\nsqrt(floor(pi) + 1)", json!(2.0)),
        (
            "import pathlib, shlex, pickle, email.message\n[str(pathlib.PurePath('a') / 'b'), pickle.loads(pickle.dumps(1))]",
            json!(["a/b", 1]),
        ),
        (
            "import random\na = random.random()\nrandom.seed(1)\n[a != random.random(), round(random.random(), 3)]",
            json!([true, 0.847]),
        ),
        ("try:\n    exit(0)\nexcept SystemExit as error:\n    error.code", json!(0)),
        (
            "import builtins, gc, json\n[builtins.len is len, gc.isenabled(), json.codecs.__name__]",
            json!([true, true, "codecs"]),
        ),
    ];
    for (program, expected) in cases {
        let report = open_sandbox().run(Execution::new(program)).await.unwrap();
        assert_eq!(value_of(&report), expected, "{program}: {:?}", report.error);
    }
}

#[tokio::test]
async fn databases_in_memory_have_all_of_sqlite() {
    let cases: [(&str, Value); 6] = [
        (
            "db.executemany('INSERT INTO t VALUES (?, ?)', [('hall', 20.5), ('attic', 17.0)])\n\
             db.row_factory = sqlite3.Row\n\
             [dict(row) for row in db.execute('SELECT * FROM t ORDER BY c')]",
            json!([{"name": "attic", "c": 17.0}, {"name": "hall", "c": 20.5}]),
        ),
        (
            "try:\n    with db:\n        db.execute(\"INSERT INTO t VALUES ('x', 1)\")\n        1 / 0\n\
             except ZeroDivisionError:\n    db.execute('SELECT count(*) FROM t').fetchone()[0]",
            json!(0),
        ),
        (
            "db.create_function('twice', 1, lambda x: 2 * x)\n\
             [*db.execute(\"SELECT twice(21), round(sqrt(2), 3), json_extract('{\\\"a\\\": [5]}', '$.a[0]')\")][0]",
            json!([42, 1.414, 5]),
        ),
        (
            "db.executescript(\"CREATE VIRTUAL TABLE f USING fts5(x); INSERT INTO f VALUES ('warm kitchen'), ('cold hall')\")\n\
             [row[0] for row in db.execute(\"SELECT x FROM f WHERE f MATCH 'kit*'\")]",
            json!(["warm kitchen"]),
        ),
        (
            "db.execute(\"INSERT INTO t VALUES ('x', 1)\")\ndb.commit()\nother = sqlite3.connect(':memory:')\n\
             other.deserialize(db.serialize())\n[other.execute('SELECT c FROM t').fetchone()[0], len([*db.iterdump()])]",
            json!([1.0, 4]),
        ),
        (
            "rows = [db.execute('SELECT random(), hex(randomblob(4))').fetchone() for _ in range(2)]\nlen({*rows})",
            json!(2),
        ),
    ];
    for (program, expected) in cases {
        let code = format!(
            "import sqlite3\ndb = sqlite3.connect(':memory:')\ndb.execute('CREATE TABLE t (name TEXT, c REAL)')\n{program}"
        );
        let report = open_sandbox().run(Execution::new(code)).await.unwrap();
        assert_eq!(value_of(&report), expected, "{program}: {:?}", report.error);
    }
}

#[tokio::test]
async fn random_numbers_of_databases_differ_between_runs() {
    let program = "import sqlite3\nsqlite3.connect(':memory:').execute('SELECT random()').fetchone()[0]";
    let first = open_sandbox().run(Execution::new(program)).await.unwrap();
    let second = open_sandbox().run(Execution::new(program)).await.unwrap();
    assert!(value_of(&first).is_i64(), "{:?}", first.error);
    assert_ne!(value_of(&first), value_of(&second));
}

#[tokio::test]
async fn what_does_not_exist_raises_what_python_raises_elsewhere() {
    let cases = [
        (
            "open('/tmp/x.txt')",
            "FileNotFoundError: [Errno 44] No such file or directory: '/tmp/x.txt'",
            "Only files that came with the request",
        ),
        ("input()", "EOFError: EOF when reading a line", ""),
        ("import nonsense", "ModuleNotFoundError: No module named 'nonsense'", ""),
        ("import requests", "ModuleNotFoundError: No module named 'requests'", "There is no network"),
        (
            "import pandas as pd",
            "ModuleNotFoundError: No module named 'pandas'",
            "Only numpy and the standard library",
        ),
        (
            "import threading\nthreading.Thread(target=print).start()",
            "RuntimeError: can't start new thread",
            "ThreadPoolExecutor",
        ),
        (
            "import subprocess\nsubprocess.run(['ls'])",
            "OSError: processes do not exist in this sandbox",
            "There are no processes",
        ),
        (
            "import socket\nsocket.socket()",
            "OSError: sockets do not exist in this sandbox",
            "There is no network",
        ),
        (
            "import subprocess\nsubprocess.getoutput('ls')",
            "AttributeError: subprocess.getoutput does not exist in this sandbox",
            "There are no processes",
        ),
        ("os.getcwd()", "NameError: name 'os' is not defined", "Did you forget to import 'os'"),
        ("exit(3)", "SystemExit: 3", ""),
        ("eval('1 +')", "SyntaxError: invalid syntax", ""),
    ];
    for (program, message, hint) in cases {
        let report = open_sandbox().run(Execution::new(program)).await.unwrap();
        let error = report.error.unwrap_or_default();
        assert_eq!((report.outcome, error.to_string().as_str()), (Outcome::Failure, message), "{program}");
        assert!(error.hint.clone().unwrap_or_default().contains(hint), "{program}: {:?}", error.hint);
    }
}

#[tokio::test]
async fn disabled_tools_are_reported() {
    let policy = Policy::open().disabled_imports(["data"]);
    let sandbox = Sandbox::builder().policy(policy).cache_dir(cache_dir()).build().unwrap();
    let report = sandbox.run(Execution::new("import data")).await.unwrap();
    let said = report.error.map(|error| error.to_string());
    assert_eq!(said.as_deref(), Some("ImportError: Network tools are disabled on this executor"));
}

#[test]
fn the_service_takes_its_policy_from_the_setting() {
    let program = json!({"code": "[eval('1 + 1'), ().__class__.__name__]"});
    let open = Service::start(&[("POLICY", "open")]);
    assert_eq!(open.get("/health").1["policy"], "open");
    let (status, answer) = open.execute(&program);
    assert_eq!((status, &answer["return_value"]), (200, &json!([2, "tuple"])), "{answer}");
    let strict = Service::start(&[]);
    assert_eq!(strict.get("/health").1["policy"], "strict");
    let (status, answer) = strict.execute(&program);
    assert_eq!((status, &answer["code"]), (400, &json!("name_not_allowed")), "{answer}");
}
