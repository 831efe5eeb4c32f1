//! Source text → [`ValidatedSource`], or the findings that keep it from being run. Pure: no I/O, no clock.
//!
//! This is a sieve for clear messages, not the wall: the wall is WebAssembly.

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

/// The largest [`Policy::code_bytes_max`] that a sandbox takes.
pub const CODE_BYTES_CEILING: usize = 64 << 10;

/// Findings of one program. Nobody reads more, and each takes more memory than the mistake that it is about.
pub const FINDINGS_MAX: usize = 200;

/// Parsing grows its stack by itself; dropping what it made recurses with the size of the source.
const STACK_BYTES_PER_BYTE: usize = 1 << 10;

const STACK_BYTES_MIN: usize = 2 << 20;

/// What programs may import when nothing else is configured.
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

/// Names and attributes that programs may not use, whatever they are bound to.
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

/// What a program, and its context, must be like to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// Larger programs are refused before anything looks at them.
    pub code_bytes_max: usize,
    /// Nodes of the program's syntax tree, as CPython's `ast.walk` counts them.
    pub ast_nodes_max: usize,
    /// What programs may import; `json` stands for `json.decoder` too. Tool modules come on top.
    pub allowed_imports: BTreeSet<String>,
    /// Modules of tools, by name: calls that are certain to fail are findings. They are importable only if
    /// `allowed_imports` has them too.
    pub tool_modules: BTreeMap<String, Arc<ToolModule>>,
    /// Modules of tools that are switched off: importing one passes, and fails in the guest with a message that says so.
    pub disabled_imports: BTreeSet<String>,
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
            allowed_imports: DEFAULT_IMPORTS.iter().map(|&name| name.to_owned()).collect(),
            tool_modules: BTreeMap::new(),
            disabled_imports: BTreeSet::new(),
            context_bytes_max: 1 << 20,
            context_depth_max: 4,
        }
    }
}

/// Whether Python takes `text` for a name; reserved words are identifiers too.
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

    /// Whether `name`, such as `json.decoder`, or a package around it is on the allow-list.
    #[must_use]
    pub fn allows_import(&self, name: &str) -> bool {
        let dots = name.match_indices('.').map(|(dot, _)| dot);
        dots.chain([name.len()]).any(|end| self.allowed_imports.contains(&name[..end]))
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

/// Checks size, nesting, syntax, complexity, then imports, names, attributes and calls of tools. Callers need no stack to speak of: it
/// grows with the source.
///
/// A sandbox does this itself. It is for editors, hooks and servers that check programs without running them.
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
/// All findings, at least one; the first [`FINDINGS_MAX`] of more. Syntax and complexity come first, the others follow in the
/// order of the source.
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

/// A finding, before its place is known as a line and column.
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

/// Lines and columns, from 1, in characters. All are found in one pass: a line may have as many findings as it has
/// characters, and each of them counted from its beginning would be quadratic.
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

    /// Of a finding that it was made for.
    fn line_and_column(&self, at: TextSize) -> (u32, u32) {
        self.0.get(&at).copied().unwrap_or((1, 1))
    }
}
