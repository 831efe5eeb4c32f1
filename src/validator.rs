//! Checks the source of a program: returns a [`ValidatedSource`], or the findings that prevent its execution. Pure:
//! no I/O, no clock.
//!
//! It exists for clear messages. It is not the security boundary; WebAssembly is.

mod costly;
mod depth;
pub(crate) mod hints;
mod indent;
mod modules;
mod names;
mod nodes;
mod own_names;
mod policy;
mod rules;
mod scopes;
mod syntax;
mod tool_calls;
mod tool_modules;

use std::collections::HashMap;

use ruff_python_ast::PythonVersion;
use ruff_python_parser::{Mode, ParseOptions, parse_unchecked};
use ruff_source_file::{LineIndex, OneIndexed};
use ruff_text_size::{TextRange, TextSize};

use crate::execution::{Finding, Rule};
pub use policy::{CODE_BYTES_CEILING, DEFAULT_IMPORTS, OWN_NAMES, Policy, PolicyKind, REFUSED_NAMES};
pub use tool_modules::{ToolFunction, ToolModule, ToolParameter};

/// Maximum number of findings for one program. Readers do not read more, and a finding takes more memory than the
/// mistake that causes it.
pub const FINDINGS_MAX: usize = 200;

/// Stack per byte of source. The parser grows its stack by itself, but dropping the syntax tree recurses as deep as
/// the source allows.
const STACK_BYTES_PER_BYTE: usize = 1 << 10;

const STACK_BYTES_MIN: usize = 2 << 20;

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

/// Returns whether `text` is a Python identifier. Reserved words are identifiers too.
#[must_use]
pub fn is_identifier(text: &str) -> bool {
    let starts = |first: char| first == '_' || unicode_ident::is_xid_start(first);
    text.starts_with(starts) && text.chars().all(unicode_ident::is_xid_continue)
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
    let mut refused = match policy.kind {
        PolicyKind::Strict => names::check(body, policy),
        PolicyKind::Open => Vec::new(),
    };
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
