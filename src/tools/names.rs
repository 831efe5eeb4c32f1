//! Makes legal Python names for tools, modules and arguments.

use std::collections::{BTreeSet, HashMap};

use ruff_python_stdlib::keyword::is_keyword;
use ruff_python_stdlib::sys::is_known_standard_library;

use super::ToolErrorKind;
use crate::validator::REFUSED_NAMES;

/// The minor version of the interpreter, CPython 3.
const PYTHON_MINOR: u8 = 13;

/// Names also serve as file names of stubs.
const NAME_CHARS_MAX: usize = 64;

/// Returns the names that every tool module contains beside its tools: the exception classes.
pub(super) fn in_each_module() -> impl Iterator<Item = &'static str> {
    ToolErrorKind::ALL.into_iter().map(ToolErrorKind::name)
}

/// Returns whether modules of this name belong to the interpreter or to this crate.
pub(super) fn is_internal(module: &str) -> bool {
    module.starts_with('_') || module.starts_with("guest_")
}

/// What a name is for; decides which names are not available.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Module,
    /// A function in any module.
    Tool,
    Argument,
}

impl Kind {
    /// Returns whether the name needs a prefix: no suffix could make it legal.
    fn needs_prefix(self, name: &str) -> bool {
        let digit = name.starts_with(|first: char| first.is_ascii_digit());
        name.is_empty() || digit || name.starts_with("__") || (self == Self::Module && is_internal(name))
    }

    fn is_taken(self, name: &str) -> bool {
        match self {
            Self::Module => name == super::DISCOVERY_MODULE || is_known_standard_library(PYTHON_MINOR, name),
            Self::Tool => in_each_module().any(|taken| taken == name),
            Self::Argument => false,
        }
    }
}

/// Returns a Python name for `text` that the grammar and the validator accept and that is not taken.
///
/// Text is cut after 64 characters. Every character but ASCII letters, digits and `_` becomes `_`. A name that would be
/// empty or start with a digit or `__`, or for a module with `_` or `guest_`, gets the prefix `t_` in place of leading
/// underscores. Keywords and refused names get the suffix `_`. Names that are taken get `_2`, `_3`, ….
fn legal(text: &str, kind: Kind, is_given: impl Fn(&str) -> bool) -> String {
    numbered(plain(text, kind), 2, |name| kind.is_taken(name) || is_given(name)).0
}

/// Returns the legal name for `text`, without a number.
fn plain(text: &str, kind: Kind) -> String {
    let legal = |char: char| if char.is_ascii_alphanumeric() { char } else { '_' };
    let mut name: String = text.chars().take(NAME_CHARS_MAX).map(legal).collect();
    if kind.needs_prefix(&name) {
        name = format!("t_{}", name.trim_start_matches('_'));
    }
    if is_keyword(&name) || REFUSED_NAMES.contains(&name.as_str()) {
        name.push('_');
    }
    name
}

/// Returns `name`, or if it is taken, `name` with the first number from `number` on that makes it free. Returns that number
/// too.
fn numbered(name: String, mut number: u32, is_taken: impl Fn(&str) -> bool) -> (String, u32) {
    if !is_taken(&name) {
        return (name, number);
    }
    // A name that starts with `__` would not be legal.
    let name = if name == "_" { "t_" } else { &name };
    while is_taken(&format!("{name}_{number}")) {
        number += 1;
    }
    (format!("{name}_{number}"), number)
}

/// Returns a distinct legal name for each of `texts`, in order. A text that is already legal keeps its name, wherever
/// it is in the list; texts that were changed yield to it. Takes time linear in the texts, although thousands of them may
/// have the same legal name.
pub(super) fn all_legal(texts: &[&str], kind: Kind) -> Vec<String> {
    let is_legal = |text: &&str| legal(text, kind, |_| false) == *text;
    let kept: BTreeSet<&str> = texts.iter().copied().filter(is_legal).collect();
    let mut given: BTreeSet<String> = kept.iter().map(|&text| text.into()).collect();
    // The number at which the search for a free name begins, by name: the smaller ones are taken.
    let mut numbers: HashMap<String, u32> = HashMap::new();
    let mut name = |&text: &&str| {
        if kept.contains(text) {
            return text.to_owned();
        }
        let plain = plain(text, kind);
        let number = numbers.entry(plain.clone()).or_insert(2);
        let (name, free) = numbered(plain, *number, |name| kind.is_taken(name) || given.contains(name));
        *number = free;
        given.insert(name.clone());
        name
    };
    texts.iter().map(&mut name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_legal_and_unique() {
        let cases: [(&str, &[&str], &str); 13] = [
            ("a", &[], "a"),
            ("get-all.items", &[], "get_all_items"),
            ("ünï", &[], "_n_"),
            ("", &[], "t_"),
            ("1st", &[], "t_1st"),
            ("__init__", &[], "t_init__"),
            ("class", &[], "class_"),
            ("None", &[], "None_"),
            ("eval", &[], "eval_"),
            ("os", &[], "os_"),
            ("a", &["a"], "a_2"),
            ("a", &["a", "a_2"], "a_3"),
            ("class", &["class_"], "class__2"),
        ];
        for (text, taken, name) in cases {
            assert_eq!(legal(text, Kind::Argument, |name| taken.contains(&name)), name, "{text}");
        }
        assert_eq!(legal(&"x".repeat(65), Kind::Tool, |_| false), "x".repeat(64));
        for (kind, text, name) in [
            (Kind::Module, "json", "json_2"),
            (Kind::Module, "tools", "tools_2"),
            (Kind::Module, "-io", "t_io"),
            (Kind::Module, "_", "t_"),
            (Kind::Module, "guest_calls", "t_guest_calls"),
            (Kind::Module, "guest-calls", "t_guest_calls"),
            (Kind::Tool, "_io", "_io"),
            (Kind::Tool, "guest_calls", "guest_calls"),
            (Kind::Tool, "ToolError", "ToolError_2"),
        ] {
            assert_eq!(legal(text, kind, |_| false), name, "{text}");
        }
    }

    /// A schema of 64 KiB can have so many arguments.
    #[test]
    fn thousands_of_texts_with_the_same_legal_name_take_no_time() {
        let texts: Vec<String> =
            (0..20_000).map(|n| char::from_u32(0x4e00 + n).unwrap().to_string()).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).chain(["_", "__7"]).collect();
        let begun = std::time::Instant::now();
        let names = all_legal(&texts, Kind::Argument);
        assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
        assert_eq!((names[0].as_str(), names[19_999].as_str()), ("t__2", "t__20001"));
        assert_eq!(names[20_000..], ["_", "t_7"]);
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), texts.len());
    }

    #[test]
    fn legal_names_are_kept() {
        assert_eq!(all_legal(&["_", "ü", "ä", "__2"], Kind::Argument), ["_", "t__2", "t__3", "t_2"]);
        for (texts, names) in [
            (["a.b", "a_b", "a-b"], ["a_b_2", "a_b", "a_b_3"]),
            (["a_b", "a.b", "a-b"], ["a_b", "a_b_2", "a_b_3"]),
            (["a.b", "a_b_2", "a_b"], ["a_b_3", "a_b_2", "a_b"]),
            (["json", "json_2", "class"], ["json_3", "json_2", "class_"]),
        ] {
            assert_eq!(all_legal(&texts, Kind::Module), names, "{texts:?}");
        }
    }
}
