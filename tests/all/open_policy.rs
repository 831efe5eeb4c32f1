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
        ("import numpy as np", "ModuleNotFoundError: No module named 'numpy'", "Only the standard library"),
        (
            "import threading\nthreading.Thread(target=print).start()",
            "RuntimeError: can't start new thread",
            "ThreadPoolExecutor",
        ),
        (
            "import subprocess\nsubprocess.run(['ls'])",
            "AttributeError: subprocess.run does not exist in this sandbox",
            "There are no processes",
        ),
        (
            "import socket\nsocket.socket()",
            "OSError: sockets do not exist in this sandbox",
            "There is no network",
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
