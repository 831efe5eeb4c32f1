//! Findings of the validator and their positions.

use ai_code_executor::validator::{CODE_BYTES_CEILING, FINDINGS_MAX, OWN_NAMES, REFUSED_NAMES, validate};
use ai_code_executor::{Finding, Policy};
use rustix::time::{ClockId, clock_gettime};

fn findings(program: &str) -> Vec<Finding> {
    validate(program.into(), &Policy::default()).err().unwrap_or_default()
}

/// Formats findings as `line:column code`.
fn places(program: &str) -> String {
    let place = |finding: &Finding| format!("{}:{} {}", finding.line, finding.column, finding.rule.code());
    findings(program).iter().map(place).collect::<Vec<_>>().join(", ")
}

/// Nests `header` in itself `times` times.
fn nested(header: &str, times: usize) -> String {
    let line = |depth| format!("{}{}\n", " ".repeat(depth), if depth < times { header } else { "pass" });
    (0..=times).map(line).collect::<Vec<_>>().concat()
}

#[test]
fn valid_programs_pass() {
    let programs = [
        "1",
        "# only a comment",
        "\u{feff}print('a byte order mark')",
        "x = await f()",
        "[await f(x) async for x in y]",
        "type X[T] = list[T]",
        "match 1:\n    case 1: pass",
        "f'{1+1!r:>{10}}'",
        "'((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((('",
        "import re\nre.compile('a+')",
        "import re as patterns\npatterns.compile('a+')",
        "import json.decoder, collections.abc as shapes",
        "import urllib.parse",
        "from urllib import parse",
        "from urllib.parse import quote",
        "class A:\n    def __init__(self): self.x = 1\n    def __repr__(self): return f'{self.x}'",
        "if __name__ == '__main__':\n    print(__doc__)",
        "isinstance(1, type(2)), hasattr(1, 'real'), getattr(1, 'imag')",
        "'os.system and __class__ in a text'",
        "def f():\n    global counter\n    counter = 1",
        "type(1).__name__, (1).__class__.__name__, x.y().__class__.__qualname__",
        "import sys\nsys.stdout.write('x'); sys.exit()",
        "import sys as system\nfrom sys import argv, exit\nexit(system.argv)",
        "import logging, traceback, inspect, ast, warnings, weakref, contextvars, argparse, timeit, queue, binascii",
        "import codecs, tomllib, xml.etree.ElementTree as ET\nfrom concurrent.futures import ThreadPoolExecutor",
        "for i in range(3):\n    try: pass\n    except* ValueError:\n        for j in range(3):\n            break",
    ];
    for program in programs {
        assert_eq!(findings(program), [], "{program}");
    }
}

#[test]
fn each_rule_reports_its_position() {
    let large = "x".repeat(10_001);
    let complex = "x\n".repeat(2000);
    let cases = [
        ("", "1:1 empty"),
        (" \n\t", "1:1 empty"),
        (large.as_str(), "1:1 too_large"),
        (complex.as_str(), "1:1 too_complex"),
        ("import os", "1:8 import_not_permitted"),
        ("x = 1\nfrom os.path import join", "2:6 import_not_permitted"),
        ("import json, requests as r", "1:14 import_not_permitted"),
        ("import urllib", "1:8 import_not_permitted"),
        ("import urllib.request", "1:8 import_not_permitted"),
        ("from urllib import parse, request", "1:6 import_not_permitted"),
        ("from . import x", "1:1 relative_import"),
        ("from .json import x", "1:1 relative_import"),
        ("from math import *", "1:1 star_import"),
        ("eval('1')", "1:1 name_not_allowed"),
        ("x.__class__", "1:3 attribute_not_allowed"),
        ("é.__class__", "1:3 attribute_not_allowed"),
        ("compile('1')", "1:1 name_not_allowed"),
        ("import json\njson.compile", "2:6 attribute_not_allowed"),
        ("import io\nwith io.open('x') as f: pass", "2:9 attribute_not_allowed"),
        ("from io import open", "1:16 attribute_not_allowed"),
        ("from sys import argv, path", "1:6 import_not_permitted"),
        ("import sys.monitoring", "1:8 import_not_permitted"),
        ("import sys\nsys.modules, sys.argv", "2:5 attribute_not_allowed"),
        ("sys.argv", "1:1 name_not_allowed"),
    ];
    for (program, expected) in cases {
        assert_eq!(places(program), expected, "{}", program.chars().take(60).collect::<String>());
    }
}

#[test]
fn every_form_of_a_refused_name_is_found() {
    let cases = [
        ("ｅｖａｌ('1')", "1:1 name_not_allowed"),
        ("x.ｓｙｓ", "1:3 attribute_not_allowed"),
        ("f(vars=1)", "1:3 name_not_allowed"),
        ("def exec(): pass", "1:5 name_not_allowed"),
        ("class vars: pass", "1:7 name_not_allowed"),
        ("def f(sys): pass", "1:7 name_not_allowed"),
        ("lambda sys: 1", "1:8 name_not_allowed"),
        ("def f(*quit, **sys): pass", "1:8 name_not_allowed, 1:16 name_not_allowed"),
        ("def f[vars](): pass", "1:7 name_not_allowed"),
        ("class A[*vars]: pass", "1:10 name_not_allowed"),
        ("type vars = int", "1:6 name_not_allowed"),
        ("import json as vars", "1:16 name_not_allowed"),
        ("from json import sys", "1:18 attribute_not_allowed"),
        ("from json import loads as vars", "1:27 name_not_allowed"),
        ("try: pass\nexcept E as vars: pass", "2:13 name_not_allowed"),
        ("try: pass\nexcept* E as vars: pass", "2:14 name_not_allowed"),
        ("with f() as vars: pass", "1:13 name_not_allowed"),
        ("for vars in x: pass", "1:5 name_not_allowed"),
        ("[1 for vars in x]", "1:8 name_not_allowed"),
        ("(vars := 1)", "1:2 name_not_allowed"),
        ("vars: int = 1", "1:1 name_not_allowed"),
        ("vars += 1", "1:1 name_not_allowed"),
        ("del vars", "1:5 name_not_allowed"),
        ("def f():\n    global vars", "2:12 name_not_allowed"),
        (
            "def f():\n    vars = 1\n    def g():\n        nonlocal vars",
            "2:5 name_not_allowed, 4:18 name_not_allowed",
        ),
        ("match x:\n    case vars: pass", "2:10 name_not_allowed"),
        ("match x:\n    case [*vars]: pass", "2:12 name_not_allowed"),
        ("match x:\n    case {**vars}: pass", "2:13 name_not_allowed"),
        ("match x:\n    case int() as vars: pass", "2:19 name_not_allowed"),
        ("match x:\n    case A(__class__=1): pass", "2:12 attribute_not_allowed"),
        ("match x:\n    case os.path: pass", "2:10 name_not_allowed"),
        ("f'{x.__class__}'", "1:6 attribute_not_allowed"),
        ("f'{1:{eval}}'", "1:7 name_not_allowed"),
        ("f'{eval=}'", "1:4 name_not_allowed"),
        ("@os.register\ndef f(): pass", "1:2 name_not_allowed"),
        (
            "def f(x: os = eval) -> sys: pass",
            "1:10 name_not_allowed, 1:15 name_not_allowed, 1:24 name_not_allowed",
        ),
        ("class A(metaclass=eval): pass", "1:19 name_not_allowed"),
        ("def __init_subclass__(cls): pass", "1:5 name_not_allowed"),
        ("def f(): object.__setattr__(x, 'y', 1)", "1:17 attribute_not_allowed"),
        ("class A:\n    def f(self): A.__setattr__(self, 'y', 1)", "2:20 attribute_not_allowed"),
        ("x.__class__.__name__ = 'y'", "1:3 attribute_not_allowed"),
        ("x.__class__.__bases__", "1:3 attribute_not_allowed, 1:13 attribute_not_allowed"),
    ];
    for (program, expected) in cases {
        assert_eq!(places(program), expected, "{program}");
    }
    for name in REFUSED_NAMES {
        assert_eq!(places(name), "1:1 name_not_allowed", "{name}");
        let attribute = if OWN_NAMES.contains(name) { "" } else { "1:3 attribute_not_allowed" };
        assert_eq!(places(&format!("x.{name}")), attribute, "{name}");
    }
}

#[test]
fn names_of_the_programs_own_may_be_called_like_builtins() {
    let programs = [
        "class File:\n    def open(self): return self.open\n    def dir(self): pass\nFile().open().dir()",
        "def f(input, *, help=None): return input or help\nf(1, help=2)",
        "def f(*os, **exit): return os, exit",
        "lambda dir: dir",
        "def help(): pass\nhelp()",
        "class os: pass\nos()",
        "import json as os\nos.dumps(1)",
        "from json import loads as eval\neval('1')",
        "from re import compile\ncompile('a')",
        "input = [1]\ndef f(): return input\ndef g():\n    global dir\n    dir = 1\ndir, f",
        "def f():\n    def g():\n        return open\n    open = 1\n    return g",
        "try: pass\nexcept E as input: print(input)",
        "with f() as open, g() as (dir, os): open(dir, os)",
        "for open in x: open",
        "[eval for eval in x], {dir: os for dir, os in x}, [1 for x in y if (help := x)], help",
        "match x:\n    case [exit, *os]: exit, os\n    case {'x': dir, **input}: dir, input\n    case A(open=1): pass",
        "def f[compile](x: compile): pass",
        "parser.add_argument('--x', help='y')",
        "class A:\n    input = 1\n    x = input",
        "del open",
        "import re as patterns\npatterns.compile('a')",
        "import io\ndef f(io): return io.open",
        "class A:\n    def __setattr__(self, n, v): object.__setattr__(self, n, v), super().__setattr__(n, v)",
        "class A(type):\n    def __setattr__(cls, n, v): type.__setattr__(cls, n, v)",
        "class A:\n    def __init_subclass__(cls, **kw): super().__init_subclass__(**kw)",
    ];
    for program in programs {
        assert_eq!(findings(program), [], "{program}");
    }
    let policy = Policy::default().variables(["input", "rooms"]);
    assert!(validate("def f(): return input, rooms".into(), &policy).is_ok());
    assert!(validate("input, open".into(), &policy).is_err());
    let refused = [
        ("class File:\n    def open(self): return open(self)", "2:28 name_not_allowed"),
        ("class A:\n    input = 1\n    def f(self): return input", "3:25 name_not_allowed"),
        ("def f(open): pass\nopen(1)", "2:1 name_not_allowed"),
        ("def f(open=open): pass", "1:12 name_not_allowed"),
        ("[open for open in open]", "1:19 name_not_allowed"),
        ("def f(x: compile): pass", "1:10 name_not_allowed"),
        ("f(open=open)", "1:8 name_not_allowed"),
        ("lambda: input()", "1:9 name_not_allowed"),
        ("def f():\n    dir = 1\ndir(f)", "3:1 name_not_allowed"),
    ];
    for (program, expected) in refused {
        assert_eq!(places(program), expected, "{program}");
    }
}

#[test]
fn the_open_policy_refuses_nothing_but_what_cannot_run() {
    let policy = Policy::open().code_bytes_max(100).ast_nodes_max(30);
    let places = |program: &str| {
        let found = validate(program.into(), &policy).err().unwrap_or_default();
        found.iter().map(|finding| finding.rule.code()).collect::<Vec<_>>().join(", ")
    };
    for program in [
        "import os, sys, nonsense\nfrom math import *\nfrom . import x",
        "eval('1'), open('x'), x.__class__.__bases__, f.__globals__, vars(), globals()",
    ] {
        assert_eq!(places(program), "", "{program}");
    }
    let (long, complex, deep) = ("x".repeat(101), "x\n".repeat(40), "(".repeat(150));
    let cases: [(&str, &str); 4] = [
        (&long, "too_large"),
        (&complex, "too_complex"),
        ("x = = 1", "syntax_error"),
        (&deep, "syntax_error"),
    ];
    for (program, expected) in cases {
        let policy = policy.clone().code_bytes_max(if expected == "too_large" { 100 } else { 1000 });
        let found = validate(program.into(), &policy).unwrap_err();
        assert_eq!(found[0].rule.code(), expected, "{program}");
    }
}

#[test]
fn programs_that_do_not_compile_are_syntax_errors() {
    let deep = format!("x = 1\n{}1{}", "(".repeat(150), ")".repeat(150));
    let hidden = format!("{}1{}", "( # )\n".repeat(150), ")".repeat(150));
    let chain = format!("x = {}1", "1+".repeat(1100));
    let calls = format!("f{}", "()".repeat(1100));
    let blocks = nested("for x in y:", 21);
    let comprehensions = format!("{}1{}", "[".repeat(23), " for x in y]".repeat(23));
    let integer = format!("x = {}", "1".repeat(4301));
    let cases = [
        ("x = 1\nx = = 2", 2, 5),
        ("é = 'ö' + )", 1, 11),
        ("x = t'{1}'", 1, 5),
        (&deep, 2, 101),
        (&hidden, 101, 1),
        (&chain, 1, 2006),
        (&calls, 1, 2003),
        (&blocks, 21, 21),
        (&comprehensions, 1, 50),
        (&integer, 1, 5),
        ("x\0", 1, 2),
        ("return 1", 1, 1),
        ("x = 1\nbreak", 2, 1),
        ("def f(a, a): pass", 1, 10),
        ("nonlocal x", 1, 1),
        ("def f():\n    nonlocal x", 2, 14),
        ("def f():\n    x = 1\n    global x", 2, 5),
        ("lambda: await x", 1, 9),
        ("def f(): await x", 1, 10),
        ("class A: await x", 1, 10),
        ("yield 1", 1, 1),
        ("[(yield 1) for x in y]", 1, 3),
        ("x = *y", 1, 5),
        ("*x", 1, 1),
        ("f(a=1, a=2)", 1, 8),
        ("f(__debug__=1)", 1, 3),
        ("try: pass\nexcept: pass\nexcept E: pass", 2, 1),
        ("match x:\n    case _ | 1: pass", 2, 10),
        ("try: pass\nexcept* E: return", 2, 12),
        ("def f():\n\t\tx\n\t\tif y:\n\t        z", 4, 10),
        ("from __future__ import braces", 1, 24),
        ("x = 1\nfrom __future__ import annotations", 2, 1),
        ("'\\N{no such character}'", 1, 5),
    ];
    for (program, line, column) in cases {
        let shown: String = program.chars().take(60).collect();
        let found = findings(program);
        assert!(!found.is_empty(), "{shown} passed");
        let first = &found[0];
        assert!(first.message.starts_with("Code failed to parse: "), "{shown}: {}", first.message);
        assert_eq!(
            (first.rule.code(), first.line, first.column),
            ("syntax_error", line, column),
            "{shown}: {}",
            first.message
        );
    }
}

#[test]
fn messages_match_the_contract_and_hints_suggest_a_fix() {
    let cases = [
        ("", "Code payload is empty", ""),
        ("import os.path", "Import of 'os' is not permitted", "There are no files"),
        ("import requests", "Import of 'requests' is not permitted", "call the tools"),
        ("import pandas", "Import of 'pandas' is not permitted", "Only numpy and the standard library"),
        (
            "import nonsense",
            "Import of 'nonsense' is not permitted",
            "Importable here: collections, csv, datetime, itertools, json, math, numpy, re, statistics and 57 more of the \
             standard library. Write what they lack in the program itself.",
        ),
        ("import jsn", "Import of 'jsn' is not permitted", "Did you mean 'json'? Importable here: "),
        ("x.f_back", "Attribute 'f_back' is not allowed in sandbox", "Pass the values as arguments"),
        ("import urllib", "Import of 'urllib' is not permitted", "Import urllib.parse instead."),
        (
            "import concurrent",
            "Import of 'concurrent' is not permitted",
            "Import concurrent.futures instead.",
        ),
        ("from sys import path", "Import of 'sys' is not permitted", "Use import statements"),
        ("from sys import argv, flags", "Import of 'sys' is not permitted", "Of sys there are argv, exit,"),
        ("from xml.sax import handler", "Import of 'xml' is not permitted", "xml.etree.ElementTree"),
        ("from .. import x", "Relative imports are not permitted", "full name"),
        ("from math import *", "Star import from 'math' is not permitted", "from math import a, b"),
        ("open('x')", "Use of 'open' is not allowed in sandbox", "There are no files"),
        ("x.__class__", "Attribute '__class__' is not allowed in sandbox", "type(x)"),
        ("x = (", "Code failed to parse: ", ""),
        ("def f():\n    await g()", "Code failed to parse: ", "Write `async def`"),
        ("def f():\n    async with g(): pass", "Code failed to parse: ", "Write `async def`"),
        ("def f():\n    return [x async for x in g()]", "Code failed to parse: ", "Write `async def`"),
    ];
    for (program, message, hint) in cases {
        let first = findings(program).remove(0);
        assert!(first.message.starts_with(message), "{program}: {}", first.message);
        assert!(first.hint.as_deref().unwrap_or_default().contains(hint), "{program}: {:?}", first.hint);
    }
    let policy = Policy::default().code_bytes_max(10).ast_nodes_max(3);
    let message = |program: &str| validate(program.into(), &policy).unwrap_err().remove(0).message;
    assert_eq!(message("'elf bytes'"), "Code payload is 11 bytes; limit is 10 bytes");
    assert_eq!(message("x + y"), "Code is too complex (8 AST nodes); limit is 3");
}

#[test]
fn all_findings_are_reported_together() {
    let program = "import os, re\nimport requests\nx = ().__class__\nwith open('y') as vars:\n    pass";
    let expected = "1:8 import_not_permitted, 2:8 import_not_permitted, 3:8 attribute_not_allowed, \
                    4:6 name_not_allowed, 4:19 name_not_allowed";
    assert_eq!(places(program), expected);
    assert_eq!(places("import os\nx = = 1"), "2:5 syntax_error, 1:8 import_not_permitted");
    assert_eq!(places("x = = 1\ny = = 2"), "1:5 syntax_error, 2:5 syntax_error");
}

#[test]
fn allowing_a_package_allows_its_submodules() {
    let policy = Policy::default().allowed_imports(["a.b", "c"]);
    let allowed = |program: &str| validate(program.into(), &policy).is_ok();
    for program in [
        "import a.b",
        "import a.b.x",
        "from a import b",
        "from a.b import x",
        "import c.d.e",
        "from c import x",
    ] {
        assert!(allowed(program), "{program}");
    }
    for program in ["import a", "import a.c", "from a import b, c", "import b", "import cc", "import json"] {
        assert!(!allowed(program), "{program}");
    }
}

#[test]
fn imports_of_disabled_modules_pass_the_validator() {
    let policy = Policy::default().disabled_imports(["data"]);
    let findings = |program: &str| validate(program.into(), &policy).err().unwrap_or_default();
    assert_eq!(findings("import data\nfrom data import get_devices"), []);
    let hint = findings("import shelve").remove(0).hint.unwrap();
    assert!(hint.starts_with("Importable here: ") && !hint.contains("data"), "{hint}");
}

/// Parsing and dropping a tree recurse as deep as the tree; a test thread has a stack of 2 MiB.
#[test]
fn largest_hostile_programs_do_not_overflow_the_stack() {
    let policy = Policy::default().code_bytes_max(CODE_BYTES_CEILING).ast_nodes_max(usize::MAX);
    let chains = [
        "-",
        "not ",
        "lambda:",
        "x.",
        "1+",
        "x if y else ",
        "await ",
        "x**",
        "[",
        "f(",
        "a=",
        "x:=",
        "*",
        "@",
        "f'{",
        "(#)\n",
    ];
    for chain in chains {
        let program = chain.repeat(CODE_BYTES_CEILING / chain.len() - 1) + "1";
        drop(validate(program, &policy));
    }
    let wide = [
        "x\n",
        "os\n",
        "x,",
        "f(os);",
        "if x:x\n",
        "def f():0\n",
        "import os\n",
        "x = = 1\n",
        "()",
        "os.sys\n",
        "class A:\n def f(open):open\n",
        "lambda os:os;",
        "[os for os in os];",
        "elif x:\n",
        "'",
    ];
    for line in wide {
        drop(validate(line.repeat(CODE_BYTES_CEILING / line.len()), &policy));
    }
    assert_eq!(validate(nested("if x:", 350), &policy).unwrap_err()[0].line, 100);
}

/// In a line with many findings, computing the position, message and hint of each takes as long as for the first.
#[test]
fn four_times_the_program_takes_four_times_the_work() {
    let repeated = |pattern: &str, bytes: usize| pattern.repeat(bytes / pattern.len());
    let numbered = |bytes: usize| (0..bytes / 6).map(|n| format!("T{n},")).collect::<Vec<_>>().concat();
    let programs: [(&str, &dyn Fn(usize) -> String); 11] = [
        ("unknown characters", &|bytes| repeated("$", bytes)),
        ("on lines of their own", &|bytes| repeated("?\r", bytes)),
        ("after a letter of two bytes", &|bytes| "é;".to_owned() + &repeated("$;", bytes - 3)),
        ("no statements", &|bytes| repeated("x y;", bytes)),
        ("what cannot be compiled", &|bytes| repeated("await = 1;", bytes)),
        ("names", &|bytes| "é;".to_owned() + &repeated("os;", bytes - 3)),
        ("attributes", &|bytes| "é;".to_owned() + &repeated("a.sys;", bytes - 3)),
        ("names, then imports", &|bytes| repeated("os;", bytes / 2) + &repeated("import os;", bytes / 2)),
        ("imported names", &|bytes| format!("from é import {}x", repeated("os,", bytes - 20))),
        ("type parameters", &|bytes| format!("def f[{}](): pass", numbered(bytes - 20))),
        ("conditions on many names", &|bytes| {
            format!("[1 for ({}) in y {}]", numbered(bytes - bytes / 12), "if z ".repeat(bytes / 80))
        }),
    ];
    let policy = Policy::default().code_bytes_max(CODE_BYTES_CEILING).ast_nodes_max(usize::MAX);
    let work = |program: &str| {
        let once = || {
            let program = program.to_owned();
            let before = thread_cpu_nanos();
            drop(validate(program, &policy));
            thread_cpu_nanos() - before
        };
        (0..5).map(|_| once()).min().unwrap()
    };
    for (what, program) in programs {
        // In tenths: linear is 40, quadratic 160. Other load on the machine shows in CPU time too, so one good try
        // suffices.
        let ratio = || 10 * work(&program(CODE_BYTES_CEILING)) / work(&program(CODE_BYTES_CEILING / 4));
        assert!((0..5).any(|_| (20..80).contains(&ratio())), "{what}: {}", ratio());
    }
}

fn thread_cpu_nanos() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// The list is for people and takes memory, so a program of mistakes alone must not multiply its size.
#[test]
fn findings_are_bounded_in_number() {
    for program in ["\"\n".repeat(4000), "import os\n".repeat(900), "eval;".repeat(1900)] {
        let findings = validate(program, &Policy::default()).unwrap_err();
        assert_eq!(findings.len(), FINDINGS_MAX);
    }
}
