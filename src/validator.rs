//! Source text → [`ValidatedSource`], or the findings that keep it from being run. Pure: no I/O, no clock.
//!
//! This is a sieve for clear messages, not the wall: the wall is WebAssembly.

use ruff_python_ast::PythonVersion;
use ruff_python_ast::token::{Token, TokenKind};
use ruff_python_parser::{Mode, ParseOptions, parse_unchecked};
use ruff_text_size::{Ranged, TextSize};

use std::collections::BTreeSet;

use crate::execution::{Finding, Rule};

/// Nested brackets. CPython's tokenizer allows 200, but the stack of its parser in the guest ends at about 140.
const NESTING_MAX: usize = 100;

/// The largest [`Policy::code_bytes_max`] that a sandbox takes.
pub const CODE_BYTES_CEILING: usize = 64 << 10;

/// What programs may import when nothing else is configured.
pub const DEFAULT_IMPORTS: [&str; 49] = [
    "__future__",
    "abc",
    "array",
    "asyncio",
    "base64",
    "bisect",
    "calendar",
    "cmath",
    "collections",
    "colorsys",
    "contextlib",
    "copy",
    "csv",
    "dataclasses",
    "datetime",
    "decimal",
    "difflib",
    "enum",
    "fractions",
    "functools",
    "graphlib",
    "hashlib",
    "heapq",
    "hmac",
    "html",
    "io",
    "ipaddress",
    "itertools",
    "json",
    "keyword",
    "math",
    "numbers",
    "operator",
    "pprint",
    "random",
    "re",
    "secrets",
    "statistics",
    "string",
    "struct",
    "textwrap",
    "time",
    "types",
    "typing",
    "unicodedata",
    "urllib.parse",
    "uuid",
    "zlib",
    "zoneinfo",
];

/// Names and attributes that programs may not use, whatever they are bound to.
pub const REFUSED_NAMES: [&str; 47] = [
    "__base__",
    "__bases__",
    "__builtins__",
    "__class__",
    "__closure__",
    "__code__",
    "__dict__",
    "__func__",
    "__getattribute__",
    "__globals__",
    "__import__",
    "__init_subclass__",
    "__loader__",
    "__mro__",
    "__reduce__",
    "__reduce_ex__",
    "__self__",
    "__setattr__",
    "__spec__",
    "__subclasses__",
    "ag_frame",
    "breakpoint",
    "compile",
    "cr_code",
    "cr_frame",
    "dir",
    "eval",
    "exec",
    "exit",
    "f_back",
    "f_builtins",
    "f_globals",
    "f_locals",
    "gi_code",
    "gi_frame",
    "globals",
    "help",
    "input",
    "locals",
    "open",
    "os",
    "quit",
    "subprocess",
    "sys",
    "tb_frame",
    "tb_next",
    "vars",
];

/// What a program, and its context, must be like to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Larger programs are refused before anything looks at them.
    pub code_bytes_max: usize,
    /// Nodes of the program's syntax tree, as CPython's `ast.walk` counts them.
    pub ast_nodes_max: usize,
    /// What programs may import; `json` stands for `json.decoder` too. Tool modules come on top.
    pub allowed_imports: BTreeSet<String>,
    /// The context as JSON.
    pub context_bytes_max: usize,
    /// Nesting of a context value: a number has depth 0, a list of numbers 1.
    pub context_depth_max: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            code_bytes_max: 10_000,
            ast_nodes_max: 5000,
            allowed_imports: DEFAULT_IMPORTS.map(str::to_owned).into(),
            context_bytes_max: 1 << 20,
            context_depth_max: 4,
        }
    }
}

/// A program that passed: the only kind that reaches the sandbox.
#[derive(Clone, Debug)]
pub struct ValidatedSource(String);

impl ValidatedSource {
    /// A program that nothing has looked at, for a sandbox whose validator is off.
    pub(crate) fn unchecked(source: String) -> Self {
        Self(source)
    }

    /// The program's text, unchanged.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Checks size, syntax and nesting, in this order, and stops at the first stage that finds something.
///
/// Parsing grows its stack as it needs; dropping the tree recurses with the size of the source, so the caller's thread
/// needs about a MiB of stack per KiB of source.
///
/// # Errors
///
/// The findings, at least one, ordered by their place in the source.
pub fn validate(source: String, policy: &Policy) -> Result<ValidatedSource, Vec<Finding>> {
    check_size(&source, policy).map_err(|finding| vec![finding])?;
    let findings = parse_findings(&source);
    if findings.is_empty() { Ok(ValidatedSource(source)) } else { Err(findings) }
}

fn check_size(source: &str, policy: &Policy) -> Result<(), Finding> {
    let refuse = |rule, message| Err(Finding { rule, message, line: 1, column: 1, hint: None });
    let (bytes, limit) = (source.len(), policy.code_bytes_max);
    if source.trim().is_empty() {
        refuse(Rule::Empty, "Code payload is empty".into())
    } else if bytes > limit {
        refuse(Rule::Size, format!("Code payload is {bytes} bytes; limit is {limit} bytes"))
    } else {
        Ok(())
    }
}

fn parse_findings(source: &str) -> Vec<Finding> {
    let options = ParseOptions::from(Mode::Module).with_target_version(PythonVersion::PY313);
    let parsed = parse_unchecked(source, options);
    let errors = parsed.errors().iter().map(|error| (error.location.start(), error.error.to_string()));
    let unsupported =
        parsed.unsupported_syntax_errors().iter().map(|error| (error.range.start(), error.to_string()));
    let mut found: Vec<_> = errors.chain(unsupported).collect();
    found.sort();
    let finding = |(start, why): (TextSize, String)| {
        finding_at(source, start.to_usize(), Rule::Syntax, format!("Code failed to parse: {why}"))
    };
    if found.is_empty() {
        found.extend(too_deep(parsed.tokens()));
    }
    found.into_iter().map(finding).collect()
}

/// The first bracket that is nested too deep.
fn too_deep(tokens: &[Token]) -> Option<(TextSize, String)> {
    let mut depth = 0_usize;
    for token in tokens {
        match token.kind() {
            TokenKind::Lpar | TokenKind::Lsqb | TokenKind::Lbrace => depth += 1,
            TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > NESTING_MAX {
            return Some((token.start(), "too many nested parentheses".into()));
        }
    }
    None
}

fn finding_at(source: &str, offset: usize, rule: Rule, message: String) -> Finding {
    let before = source.get(..offset).unwrap_or(source);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).saturating_add(1);
    Finding {
        rule,
        message,
        line: count(before.bytes().filter(|&byte| byte == b'\n').count()),
        column: count(before[line_start..].chars().count()),
        hint: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(source: &str) -> Vec<Finding> {
        validate(source.into(), &Policy::default()).err().unwrap_or_default()
    }

    #[test]
    fn honest_programs_pass() {
        let programs = [
            "1",
            "# only a comment",
            "x = await f()",
            "type X[T] = list[T]",
            "match 1:\n    case 1: pass",
            "f'{1+1!r:>{10}}'",
            "'((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((('",
        ];
        for program in programs {
            assert_eq!(findings(program), [], "{program}");
        }
    }

    #[test]
    fn each_refusal_names_its_place() {
        let deep = format!("x = 1\n{}1{}", "(".repeat(150), ")".repeat(150));
        let hidden = format!("{}1{}", "( # )\n".repeat(150), ")".repeat(150));
        let large = "x".repeat(10_001);
        let cases = [
            ("", "empty", 1, 1),
            (" \n\t", "empty", 1, 1),
            (large.as_str(), "too_large", 1, 1),
            ("x = 1\nx = = 2", "syntax_error", 2, 5),
            ("é = 'ö' + )", "syntax_error", 1, 11),
            ("x = t'{1}'", "syntax_error", 1, 5),
            (deep.as_str(), "syntax_error", 2, 101),
            (hidden.as_str(), "syntax_error", 101, 1),
        ];
        for (program, code, line, column) in cases {
            let first = findings(program).remove(0);
            assert_eq!((first.rule.code(), first.line, first.column), (code, line, column));
        }
    }

    #[test]
    fn recursive_programs_of_the_largest_size_fit_the_stack() {
        let chains = ["-", "not ", "lambda:", "x.", "1+", "x if y else ", "await ", "x**", "[", "f(", "a="];
        let check = move || {
            for chain in chains {
                let program = chain.repeat(CODE_BYTES_CEILING / chain.len() - 1) + "1";
                drop(validate(program, &Policy { code_bytes_max: CODE_BYTES_CEILING, ..Policy::default() }));
            }
        };
        let stack = crate::sandbox::GUEST_THREAD_STACK_BYTES;
        let thread = std::thread::Builder::new().stack_size(stack).spawn(check);
        thread.unwrap().join().unwrap();
    }
}
