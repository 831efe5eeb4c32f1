//! What programs may contain, and how large they may be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ToolModule;

/// The largest [`Policy::code_bytes_max`] that a sandbox accepts.
pub const CODE_BYTES_CEILING: usize = 64 << 10;

/// Modules that programs may import by default.
pub const DEFAULT_IMPORTS: &[&str] = &[
    "__future__",
    "abc",
    "argparse",
    "array",
    "ast",
    "asyncio",
    "base64",
    "binascii",
    "bisect",
    "calendar",
    "cmath",
    "codecs",
    "collections",
    "colorsys",
    "concurrent.futures",
    "contextlib",
    "contextvars",
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
    "inspect",
    "io",
    "ipaddress",
    "itertools",
    "json",
    "keyword",
    "logging",
    "math",
    "numbers",
    "numpy",
    "operator",
    "pprint",
    "queue",
    "random",
    "re",
    "secrets",
    "statistics",
    "string",
    "struct",
    "sys",
    "textwrap",
    "time",
    "timeit",
    "tomllib",
    "traceback",
    "types",
    "typing",
    "unicodedata",
    "urllib.parse",
    "uuid",
    "warnings",
    "weakref",
    "xml.etree",
    "zlib",
    "zoneinfo",
];

/// Names and attributes that programs may not use, regardless of what they are bound to. There are three exceptions:
/// [`OWN_NAMES`]; `sys`, where it may be imported; and in classes, what a class needs for `__setattr__` and
/// `__init_subclass__` of its own.
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

/// Those of [`REFUSED_NAMES`] that programs may use for things of their own: for attributes, and as names that they
/// bind themselves.
pub const OWN_NAMES: &[&str] = &["compile", "dir", "eval", "exit", "help", "input", "open", "os"];

/// The part of `sys` that programs see. `guest/views.py` has the same list.
pub(super) const SYS_NAMES: &[&str] =
    &["argv", "exit", "getsizeof", "maxsize", "setrecursionlimit", "stderr", "stdout", "version_info"];

/// What a policy refuses. Limits on size, nesting and syntax apply to both kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyKind {
    /// Imports that are not on the allow-list, and [`REFUSED_NAMES`].
    #[default]
    Strict,
    /// Nothing: programs are ordinary Python, with every module of the interpreter.
    Open,
}

impl PolicyKind {
    /// Returns its name in settings and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Open => "open",
        }
    }
}

/// Rules for a program and its context.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// What is refused.
    pub kind: PolicyKind,
    /// Maximum size of a program. Larger ones are refused before any other check.
    pub code_bytes_max: usize,
    /// Maximum number of nodes in the program's syntax tree, counted like CPython's `ast.walk`.
    pub ast_nodes_max: usize,
    /// Modules that programs may import. `json` also allows `json.decoder`. A sandbox adds its tool modules. Under
    /// [`PolicyKind::Open`], programs may import others too, and these are ready in the image.
    pub allowed_imports: BTreeSet<String>,
    /// Tool modules, by name. Calls that are certain to fail are findings. Programs may import a tool module only if
    /// `allowed_imports` contains it too.
    pub tool_modules: BTreeMap<String, Arc<ToolModule>>,
    /// Tool modules that are switched off. The validator accepts their import; in the guest it fails with a message
    /// that says so.
    pub disabled_imports: BTreeSet<String>,
    /// Variables that exist before the program begins. Programs may use `sys` and those in [`OWN_NAMES`]. A sandbox adds
    /// the keys of an execution's context, and all these names if it continues a state.
    pub variables: BTreeSet<String>,
    /// Maximum size of the context as JSON.
    pub context_bytes_max: usize,
    /// Maximum nesting of a context value: a number has depth 0, a list of numbers 1.
    pub context_depth_max: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            kind: PolicyKind::Strict,
            code_bytes_max: 10_000,
            ast_nodes_max: 5000,
            allowed_imports: DEFAULT_IMPORTS.iter().map(|&name| name.to_owned()).collect(),
            tool_modules: BTreeMap::new(),
            disabled_imports: BTreeSet::new(),
            variables: BTreeSet::new(),
            context_bytes_max: 1 << 20,
            context_depth_max: 4,
        }
    }
}

impl Policy {
    /// Returns the default policy of the kind [`PolicyKind::Open`].
    #[must_use]
    pub fn open() -> Self {
        Self { kind: PolicyKind::Open, ..Self::default() }
    }

    /// Sets [`Policy::kind`](field@Policy::kind).
    #[must_use]
    pub fn kind(mut self, kind: PolicyKind) -> Self {
        self.kind = kind;
        self
    }

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

    /// Sets [`Policy::variables`](field@Policy::variables).
    #[must_use]
    pub fn variables(mut self, variables: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.variables = variables.into_iter().map(Into::into).collect();
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

    /// Returns whether `name`, such as `json.decoder`, or a package that contains it is on the allow-list. Nothing
    /// below `sys` is.
    #[must_use]
    pub fn allows_import(&self, name: &str) -> bool {
        if name.starts_with("sys.") {
            return false;
        }
        let dots = name.match_indices('.').map(|(dot, _)| dot);
        dots.chain([name.len()]).any(|end| self.allowed_imports.contains(&name[..end]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted_and_the_guest_shows_the_same_part_of_sys() {
        // They are searched by halves.
        assert!(REFUSED_NAMES.is_sorted() && OWN_NAMES.is_sorted());
        assert!(OWN_NAMES.iter().all(|name| REFUSED_NAMES.contains(name)));
        let views = include_str!("../../guest/views.py");
        assert!(views.contains(&format!("\"{}\"", SYS_NAMES.join(" "))));
    }
}
