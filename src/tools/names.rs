//! Names of tools, modules and arguments as Python takes them.

use std::collections::BTreeSet;

use ruff_python_stdlib::keyword::is_keyword;
use ruff_python_stdlib::sys::is_known_standard_library;

use crate::validator::REFUSED_NAMES;

/// The minor version of the interpreter's CPython 3.
const PYTHON_MINOR: u8 = 13;

/// Names are file names too, those of stubs.
const NAME_CHARS_MAX: usize = 64;

/// What every module of tools has beside its tools.
const IN_EACH_MODULE: [&str; 4] = ["ToolError", "ToolTimeout", "ToolDenied", "ToolArgumentError"];

/// A Python name for `text` that grammar and validator accept, and that is not taken.
///
/// What is longer than 64 characters is cut. Every character but ASCII letters, digits and `_` becomes `_`; `t_` goes in front (in place of leading underscores)
/// of what would be empty, start with a digit or with `__`; reserved and refused words get a trailing `_`; what is
/// taken gets `_2`, `_3`, ….
pub(super) fn legal(text: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let plain = |char: char| if char.is_ascii_alphanumeric() { char } else { '_' };
    let mut name: String = text.chars().take(NAME_CHARS_MAX).map(plain).collect();
    if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) || name.starts_with("__") {
        name = format!("t_{}", name.trim_start_matches('_'));
    }
    if is_keyword(&name) || REFUSED_NAMES.contains(&name.as_str()) {
        name.push('_');
    }
    if !is_taken(&name) {
        return name;
    }
    let mut number = 2_u32;
    while is_taken(&format!("{name}_{number}")) {
        number += 1;
    }
    format!("{name}_{number}")
}

/// A name of its own for each of `texts`, in their order. A text that is a legal name keeps it, wherever it stands: what
/// is made legal takes another.
pub(super) fn all_legal(texts: &[&str], is_taken: impl Fn(&str) -> bool) -> Vec<String> {
    let is_legal = |text: &str| legal(text, &is_taken) == text;
    let mut given: BTreeSet<String> =
        texts.iter().filter(|text| is_legal(text)).map(|&text| text.into()).collect();
    let mut name = |&text: &&str| {
        if given.contains(text) {
            return text.to_owned();
        }
        let name = legal(text, |name| is_taken(name) || given.contains(name));
        given.insert(name.clone());
        name
    };
    texts.iter().map(&mut name).collect()
}

/// Whether a module of tools cannot have this name, because the interpreter or this crate has a module of it.
pub(super) fn is_module_taken(name: &str) -> bool {
    let internal = name.starts_with('_') || name.starts_with("guest_");
    internal || name == super::DISCOVERY_MODULE || is_known_standard_library(PYTHON_MINOR, name)
}

/// Whether a tool cannot have this name in whatever module.
pub(super) fn is_tool_taken(name: &str) -> bool {
    IN_EACH_MODULE.contains(&name)
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
            assert_eq!(legal(text, |name| taken.contains(&name)), name, "{text}");
        }
        assert_eq!(legal(&"x".repeat(65), |_| false), "x".repeat(64));
        assert_eq!(legal("json", is_module_taken), "json_2");
        assert_eq!(legal("tools", is_module_taken), "tools_2");
        assert_eq!(legal("ToolError", is_tool_taken), "ToolError_2");
    }

    #[test]
    fn a_name_that_is_legal_goes_to_whoever_has_it() {
        for (texts, names) in [
            (["a.b", "a_b", "a-b"], ["a_b_2", "a_b", "a_b_3"]),
            (["a_b", "a.b", "a-b"], ["a_b", "a_b_2", "a_b_3"]),
            (["a.b", "a_b_2", "a_b"], ["a_b_3", "a_b_2", "a_b"]),
            (["json", "json_2", "class"], ["json_3", "json_2", "class_"]),
        ] {
            assert_eq!(all_legal(&texts, is_module_taken), names, "{texts:?}");
        }
    }
}
