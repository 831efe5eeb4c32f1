//! Checks the source of a program: returns a [`ValidatedSource`], or the findings that prevent its execution. Pure:
//! no I/O, no clock.
//!
//! It exists for clear messages. It is not the security boundary; WebAssembly is.

mod costly;
mod depth;
pub(crate) mod hints;
mod indent;
mod names;
mod nodes;
mod rules;
mod scopes;
mod syntax;
mod tool_calls;
mod tool_modules;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use ruff_python_ast::PythonVersion;
use ruff_python_parser::{Mode, ParseOptions, parse_unchecked};
use ruff_source_file::{LineIndex, OneIndexed};
use ruff_text_size::{TextRange, TextSize};

use crate::execution::{Finding, Rule};
pub use tool_modules::{ToolFunction, ToolModule, ToolParameter};

/// The largest [`Policy::code_bytes_max`] that a sandbox accepts.
pub const CODE_BYTES_CEILING: usize = 64 << 10;

/// Maximum number of findings for one program. Readers do not read more, and a finding takes more memory than the
/// mistake that causes it.
pub const FINDINGS_MAX: usize = 200;

/// Stack per byte of source. The parser grows its stack by itself, but dropping the syntax tree recurses as deep as
/// the source allows.
const STACK_BYTES_PER_BYTE: usize = 1 << 10;

const STACK_BYTES_MIN: usize = 2 << 20;

/// Modules that programs may import by default.
pub const DEFAULT_IMPORTS: &[&str] = &[
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

/// Names and attributes that programs may not use, regardless of what they are bound to.
pub const REFUSED_NAMES: &[&str] = &[
    "__base__",
    "__bases__",
    "__builtins__",
    "__class__",
    "__closure__",
    "__code__",
    "__defaults__",
    "__dict__",
    "__func__",
    "__getattribute__",
    "__globals__",
    "__import__",
    "__init_subclass__",
    "__kwdefaults__",
    "__loader__",
    "__mro__",
    "__reduce__",
    "__reduce_ex__",
    "__self__",
    "__setattr__",
    "__spec__",
    "__subclasses__",
    "ag_code",
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
    "f_code",
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

/// Rules for a program and its context.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// Maximum size of a program. Larger ones are refused before any other check.
    pub code_bytes_max: usize,
    /// Maximum number of nodes in the program's syntax tree, counted like CPython's `ast.walk`.
    pub ast_nodes_max: usize,
    /// Modules that programs may import. `json` also allows `json.decoder`. A sandbox adds its tool modules.
    pub allowed_imports: BTreeSet<String>,
    /// Tool modules, by name. Calls that are certain to fail are findings. Programs may import a tool module only if
    /// `allowed_imports` contains it too.
    pub tool_modules: BTreeMap<String, Arc<ToolModule>>,
    /// Tool modules that are switched off. The validator accepts their import; in the guest it fails with a message
    /// that says so.
    pub disabled_imports: BTreeSet<String>,
    /// Maximum size of the context as JSON.
    pub context_bytes_max: usize,
    /// Maximum nesting of a context value: a number has depth 0, a list of numbers 1.
    pub context_depth_max: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            code_bytes_max: 10_000,
            ast_nodes_max: 5000,
            allowed_imports: DEFAULT_IMPORTS.iter().map(|&name| name.to_owned()).collect(),
            tool_modules: BTreeMap::new(),
            disabled_imports: BTreeSet::new(),
            context_bytes_max: 1 << 20,
            context_depth_max: 4,
        }
    }
}

/// Returns whether `text` is a Python identifier. Reserved words are identifiers too.
#[must_use]
pub fn is_identifier(text: &str) -> bool {
    let starts = |first: char| first == '_' || unicode_ident::is_xid_start(first);
    text.starts_with(starts) && text.chars().all(unicode_ident::is_xid_continue)
}

impl Policy {
    /// Sets [`Policy::code_bytes_max`](field@Policy::code_bytes_max).
    #[must_use]
    pub fn code_bytes_max(mut self, code_bytes_max: usize) -> Self {
        self.code_bytes_max = code_bytes_max;
        self
    }

    /// Sets [`Policy::ast_nodes_max`](field@Policy::ast_nodes_max).
    #[must_use]
    pub fn ast_nodes_max(mut self, ast_nodes_max: usize) -> Self {
        self.ast_nodes_max = ast_nodes_max;
        self
    }

    /// Sets [`Policy::allowed_imports`](field@Policy::allowed_imports), in place of [`DEFAULT_IMPORTS`].
    #[must_use]
    pub fn allowed_imports(mut self, allowed_imports: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.allowed_imports = allowed_imports.into_iter().map(Into::into).collect();
        self
    }

    /// Sets [`Policy::tool_modules`](field@Policy::tool_modules).
    #[must_use]
    pub fn tool_modules(mut self, tool_modules: BTreeMap<String, Arc<ToolModule>>) -> Self {
        self.tool_modules = tool_modules;
        self
    }

    /// Sets [`Policy::disabled_imports`](field@Policy::disabled_imports).
    #[must_use]
    pub fn disabled_imports(mut self, disabled_imports: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.disabled_imports = disabled_imports.into_iter().map(Into::into).collect();
        self
    }

    /// Sets [`Policy::context_bytes_max`](field@Policy::context_bytes_max).
    #[must_use]
    pub fn context_bytes_max(mut self, context_bytes_max: usize) -> Self {
        self.context_bytes_max = context_bytes_max;
        self
    }

    /// Sets [`Policy::context_depth_max`](field@Policy::context_depth_max).
    #[must_use]
    pub fn context_depth_max(mut self, context_depth_max: usize) -> Self {
        self.context_depth_max = context_depth_max;
        self
    }

    /// Returns whether `name`, such as `json.decoder`, or a package that contains it is on the allow-list.
    #[must_use]
    pub fn allows_import(&self, name: &str) -> bool {
        let dots = name.match_indices('.').map(|(dot, _)| dot);
        dots.chain([name.len()]).any(|end| self.allowed_imports.contains(&name[..end]))
    }
}

/// A program that passed the validator. A sandbox runs no other kind.
#[derive(Clone, Debug)]
pub struct ValidatedSource(String);

impl ValidatedSource {
    /// Wraps an unchecked program, for a sandbox whose validator is off.
    pub(crate) fn unchecked(source: String) -> Self {
        Self(source)
    }

    /// Returns the program's text. [`validate`] changes nothing but to remove a byte order mark.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Checks a program: size, nesting, syntax and complexity, then imports, names, attributes and calls of tools.
///
/// The validator allocates the stack that it needs, so the caller's stack may be small.
///
/// A sandbox calls it for every program. Call it in editors, hooks and servers that check programs without running
/// them.
///
/// ```
/// use ai_code_executor::validator::validate;
/// use ai_code_executor::{Policy, Rule};
///
/// let findings = validate("import os".into(), &Policy::default()).unwrap_err();
/// assert_eq!((findings[0].rule, findings[0].line), (Rule::Import, 1));
/// ```
///
/// # Errors
///
/// Returns all findings, at least one and at most [`FINDINGS_MAX`]. Those about syntax and complexity come first; the
/// others follow in source order.
pub fn validate(source: String, policy: &Policy) -> Result<ValidatedSource, Vec<Finding>> {
    let source = match source.strip_prefix('\u{feff}') {
        Some(without_byte_order_mark) => without_byte_order_mark.to_owned(),
        None => source,
    };
    check_size(&source, policy).map_err(|finding| vec![finding])?;
    let stack_bytes = STACK_BYTES_MIN + source.len() * STACK_BYTES_PER_BYTE;
    let mut found = stacker::maybe_grow(stack_bytes, stack_bytes, || check(&source, policy));
    found.truncate(FINDINGS_MAX);
    if found.is_empty() {
        return Ok(ValidatedSource(source));
    }
    let places = Places::new(&source, &found);
    Err(found.into_iter().map(|found| found.locate(&places)).collect())
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

fn check(source: &str, policy: &Policy) -> Vec<Found> {
    let options = ParseOptions::from(Mode::Module).with_target_version(PythonVersion::PY313);
    let Some(parsed) = parse_unchecked(source, options).try_into_module() else {
        return Vec::new();
    };
    if let Some((at, why)) = depth::check(parsed.tokens()) {
        return vec![syntax::found(at, why)];
    }
    let body = parsed.suite();
    let mut found = syntax::errors(&parsed, source);
    if found.is_empty() {
        found = syntax::compile_errors(body, source);
    }
    if found.is_empty() {
        found.extend(too_complex(nodes::count(body), policy.ast_nodes_max));
    }
    let mut refused = names::check(body, policy);
    if found.iter().all(|found| found.rule != Rule::Syntax) {
        refused.append(&mut tool_calls::check(body, policy));
    }
    refused.sort_by_key(|found| found.at);
    found.append(&mut refused);
    found
}

fn too_complex(nodes: usize, limit: usize) -> Option<Found> {
    let message = format!("Code is too complex ({nodes} AST nodes); limit is {limit}");
    let hint = Some("Move data into context, and write loops in place of repeated statements.".into());
    (nodes > limit).then(|| Found { rule: Rule::Complexity, at: TextSize::new(0), message, hint })
}

/// A finding whose position is an offset, not yet a line and a column.
struct Found {
    rule: Rule,
    at: TextSize,
    message: String,
    hint: Option<String>,
}

impl Found {
    fn locate(self, places: &Places) -> Finding {
        let (line, column) = places.line_and_column(self.at);
        Finding { rule: self.rule, message: self.message, line, column, hint: self.hint }
    }
}

/// Lines and columns of findings, from 1, in characters. All are computed in one pass: counting each column from the
/// start of its line would be quadratic for a line with many findings.
struct Places(HashMap<TextSize, (u32, u32)>);

impl Places {
    fn new(source: &str, found: &[Found]) -> Self {
        let lines = LineIndex::from_source_text(source);
        let mut all: Vec<TextSize> = found.iter().map(|found| found.at).collect();
        all.sort_unstable();
        let mut places = HashMap::new();
        let (mut line, mut column, mut from) = (OneIndexed::MIN, 1, TextSize::new(0));
        for at in all {
            if lines.line_index(at) != line {
                line = lines.line_index(at);
                (column, from) = (1, lines.line_start(line, source));
            }
            column += source[TextRange::new(from, at)].chars().count();
            from = at;
            let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            places.insert(at, (number(line.get()), number(column)));
        }
        Self(places)
    }

    /// Returns the position of a finding that was passed to [`Places::new`].
    fn line_and_column(&self, at: TextSize) -> (u32, u32) {
        self.0.get(&at).copied().unwrap_or((1, 1))
    }
}
