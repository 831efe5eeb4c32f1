//! Generates programs from choices. Most of them parse, and some nest deeper than any person would write.

use libfuzzer_sys::arbitrary::Unstructured;

const NAMES: [&str; 24] = [
    "x",
    "y",
    "_",
    "self",
    "print",
    "len",
    "data",
    "é",
    "ｅｖａｌ",
    "match",
    "case",
    "type",
    "eval",
    "open",
    "os",
    "__class__",
    "__dunder__",
    "__name__",
    "json",
    "ª",
    "𝔵",
    "x1",
    "soft",
    "T",
];
const MODULES: [&str; 8] =
    ["json", "os", "urllib.parse", "collections.abc", "__future__", "sys", "math", "é.x"];
const TEXTS: [&str; 10] = [
    "''",
    "\"\"\"a\nb\"\"\"",
    "r'\\d'",
    "b'\\xff'",
    "'\\N{EM DASH}'",
    "'é\\\n'",
    "u'x'",
    "rb'\\\\'",
    "'\\u00e9'",
    "''''''",
];
const NUMBERS: [&str; 9] = ["0", "1", "1_000", "0xff", "1e300", "1j", "0b1", "1.", "00"];
const BINARY: [&str; 20] = [
    "+", "-", "*", "@", "/", "//", "%", "**", "<<", ">>", "&", "|", "^", "and", "or", "<", "==", "is not",
    "not in", "in",
];
const PREFIXES: [&str; 5] = ["not ", "-", "~", "await ", "+"];
const SUFFIXES: [&str; 6] = [".x", "[0]", "()", ".__class__", "[1:2, ...]", "(*x, **y, z=1)"];
const BLOCKS: [&str; 13] = [
    "if ",
    "while ",
    "for x in ",
    "with ",
    "def",
    "async def",
    "class",
    "try",
    "try*",
    "match ",
    "async for x in ",
    "async with ",
    "for x, *y in ",
];
const FORMATS: [(&str, &str); 5] =
    [("f'{", "}'"), ("f'''x{", "!r:>{10}}'''"), ("rf'{{{", "=}'"), ("f\"{", "}\""), ("f'{", ":%Y}'")];
const SIMPLE: [&str; 12] = [
    "pass",
    "break",
    "continue",
    "return",
    "yield",
    "raise",
    "global x",
    "nonlocal x",
    "del x, (y.z)",
    "import json",
    "from math import pi as x",
    "type X[T: int, *Ts, **P] = T",
];

/// The depth to which statements and expressions are nested recursively, so that the generator has enough stack.
const DEPTH_MAX: usize = 40;

/// The most repetitions of a text that nests an expression.
const REPEATED_MAX: usize = 400;

/// Generates a program.
pub fn program(bytes: &[u8]) -> String {
    let mut maker = Maker { choices: Unstructured::new(bytes), text: String::new() };
    while !maker.choices.is_empty() && maker.text.len() < 32 << 10 {
        maker.statement(0);
    }
    maker.text
}

struct Maker<'a> {
    choices: Unstructured<'a>,
    text: String,
}

impl Maker<'_> {
    /// Chooses a number below `bound`. Once there are no bytes left, it is always 0.
    fn below(&mut self, bound: usize) -> usize {
        self.choices.int_in_range(0..=bound - 1).unwrap_or_default()
    }

    fn one_of(&mut self, texts: &[&'static str]) -> &'static str {
        texts[self.below(texts.len())]
    }

    fn put(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn put_one_of(&mut self, texts: &[&'static str]) {
        let text = self.one_of(texts);
        self.put(text);
    }

    fn line(&mut self, depth: usize) {
        // A tab, rarely, tests that indentation is measured as CPython does.
        let indent = if self.below(256) == 255 { "\t" } else { " " };
        self.text.extend(std::iter::repeat_n(indent, depth));
    }

    fn statement(&mut self, depth: usize) {
        self.line(depth);
        match self.below(12) {
            0 => self.put_one_of(&SIMPLE),
            1 | 2 if depth < DEPTH_MAX => return self.block(depth),
            3 => {
                self.put_one_of(&["import ", "from . import x; import ", "from json import *; import "]);
                self.put_one_of(&MODULES);
            }
            4 => {
                self.put_one_of(&[
                    "x, *y = ",
                    "(x.y)[0] = ",
                    "x = y = ",
                    "x += ",
                    "x.y: int = ",
                    "x: ",
                    "[x, (y)] = ",
                ]);
                self.expression(0);
            }
            5 => {
                self.put_one_of(&["return ", "raise ", "assert ", "yield ", "x = yield from "]);
                self.expression(0);
            }
            6 if depth < DEPTH_MAX => {
                self.put("@");
                self.expression(0);
                self.put("\n");
                self.line(depth);
                return self.definition(depth, "def");
            }
            _ => self.expression(0),
        }
        self.put_one_of(&["\n", "\n", "\n", "; pass\n", "  # x\n", "\r\n", " \\\n\n", "\r", "\x0c\n"]);
    }

    fn block(&mut self, depth: usize) {
        let block = self.one_of(&BLOCKS);
        match block {
            "def" | "async def" | "class" => return self.definition(depth, block),
            "try" | "try*" => {
                self.put("try:\n");
                self.body(depth);
                self.line(depth);
                let star = if block == "try*" { "*" } else { "" };
                self.put(&format!("except{star} "));
                self.expression(1);
                self.put_one_of(&[":\n", " as x:\n"]);
                self.body(depth);
                if self.below(2) == 1 {
                    self.line(depth);
                    self.put("finally:\n");
                    self.body(depth);
                }
            }
            "match " => {
                self.put(block);
                self.expression(0);
                self.put(":\n");
                for _ in 0..=self.below(3) {
                    self.line(depth + 1);
                    self.put("case ");
                    self.pattern(0);
                    self.put_one_of(&[":\n", " if x:\n", " as y:\n"]);
                    self.body(depth + 1);
                }
            }
            _ => {
                self.put(block);
                self.expression(0);
                self.put(":\n");
                self.body(depth);
                for _ in 0..if block == "if " { self.below(3) } else { 0 } {
                    self.line(depth);
                    self.put("elif x:\n");
                    self.body(depth);
                }
                if self.below(4) == 3 {
                    self.line(depth);
                    self.put("else:\n");
                    self.body(depth);
                }
            }
        }
    }

    fn definition(&mut self, depth: usize, kind: &str) {
        self.put(kind);
        self.put(" ");
        self.put_one_of(&NAMES);
        self.put_one_of(&["", "[T]", "[T: int = 1, *Ts = *x, **P]"]);
        if kind == "class" {
            self.put_one_of(&["", "(x, metaclass=y)", "()"]);
        } else {
            self.put_one_of(&["()", "(x, /, y=1, *z, w, **k)", "(*, x: int = 1) -> y", "(x, x)"]);
        }
        self.put(":\n");
        self.body(depth);
    }

    fn body(&mut self, depth: usize) {
        for _ in 0..=self.below(2) {
            self.statement(depth + 1);
        }
    }

    fn pattern(&mut self, depth: usize) {
        if depth > 6 {
            return self.put("_");
        }
        match self.below(8) {
            0 => self.put_one_of(&["1", "-1+2j", "None", "'x'", "x.y"]),
            1 => self.around("[", "*_]", |maker| maker.pattern(depth + 1)),
            2 => self.around("{'x': ", "**y}", |maker| maker.pattern(depth + 1)),
            3 => self.around("A(", "k=1)", |maker| maker.pattern(depth + 1)),
            4 => {
                self.pattern(depth + 1);
                self.put(" | ");
                self.pattern(depth + 1);
            }
            _ => self.put_one_of(&NAMES),
        }
    }

    fn around(&mut self, before: &str, after: &str, inner: impl FnOnce(&mut Self)) {
        self.put(before);
        inner(self);
        self.put(", ");
        self.put(after);
    }

    /// Adds an expression that can be an operand of any operator.
    fn operand(&mut self, depth: usize) {
        if self.below(2) == 0 {
            return self.put_one_of(&NAMES);
        }
        self.put("(");
        self.expression(depth);
        self.put(")");
    }

    fn expression(&mut self, depth: usize) {
        if depth > DEPTH_MAX || self.choices.is_empty() {
            return self.put_one_of(&NAMES);
        }
        let depth = depth + 1;
        match self.below(20) {
            0 => self.put_one_of(&NUMBERS),
            1 => self.put_one_of(&TEXTS),
            2 => {
                self.put_one_of(&PREFIXES);
                self.operand(depth);
            }
            3 | 4 => {
                self.operand(depth);
                let operator = self.one_of(&BINARY);
                self.put(&format!(" {operator} "));
                self.operand(depth);
            }
            5 | 6 => {
                self.operand(depth);
                self.put_one_of(&SUFFIXES);
            }
            7 => self.enclosed(depth),
            8 => self.comprehension(depth),
            9 => {
                let (before, after) = FORMATS[self.below(FORMATS.len())];
                self.put(before);
                self.operand(depth);
                self.put(after);
            }
            10 => {
                self.put("(x := ");
                self.expression(depth);
                self.put(")");
            }
            11 => {
                self.operand(depth);
                self.put(" if x else ");
                self.operand(depth);
            }
            12 => {
                self.put_one_of(&[
                    "(lambda x, *y: ",
                    "(lambda *, k=1: ",
                    "(yield ",
                    "(yield from ",
                    "(await ",
                ]);
                self.operand(depth);
                self.put(")");
            }
            13 => self.repeated(depth),
            _ => self.put_one_of(&NAMES),
        }
    }

    fn enclosed(&mut self, depth: usize) {
        let (open, close) = [("(", ")"), ("[", "]"), ("{", "}"), ("f(", ")"), ("x[", "]")][self.below(5)];
        self.put(open);
        for _ in 0..=self.below(3) {
            if self.below(8) == 7 {
                self.put("*");
            }
            self.operand(depth);
            self.put(", ");
        }
        self.put(close);
    }

    fn comprehension(&mut self, depth: usize) {
        let (open, close) = [("[", "]"), ("{", "}"), ("(", ")"), ("{x: ", "}")][self.below(4)];
        self.put(open);
        self.operand(depth);
        for _ in 0..=self.below(3) {
            self.put_one_of(&[" for x in ", " async for x in ", " for x, *y in "]);
            self.operand(depth);
        }
        self.put_one_of(&["", " if x"]);
        self.put(close);
    }

    /// Adds an expression that is nested in itself, or repeated after itself, many times.
    fn repeated(&mut self, depth: usize) {
        let (before, after) = [
            ("(", ")"),
            ("[", "]"),
            ("{", "}"),
            ("", ".x"),
            ("", "()"),
            ("not ", ""),
            ("-", ""),
            ("lambda: ", ""),
            ("x if x else ", ""),
            ("x + ", ""),
            ("x ** ", ""),
            ("f(", ")"),
            ("[x for x in ", "]"),
            ("", "[0]"),
            ("x and ", ""),
            ("x < ", ""),
            ("(await ", ")"),
            ("(x := ", ")"),
            ("{0: ", "}"),
            ("f(*", ")"),
        ][self.below(20)];
        let times = 1 + if self.below(8) == 7 { self.below(REPEATED_MAX) } else { self.below(6) };
        self.put("(");
        self.put(&before.repeat(times));
        self.operand(depth);
        self.put(&after.repeat(times));
        self.put(")");
    }
}
