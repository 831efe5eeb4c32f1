//! Programs for the validator. Its answer must always be the same, and each finding must be at a position in the
//! program.
//!
//! Each input is used twice: as the text of a program, and as the choices of a generator of programs.

#![no_main]

mod python;

use std::sync::{Arc, LazyLock};

use ai_code_executor::validator::{CODE_BYTES_CEILING, ToolFunction, ToolModule, ToolParameter, validate};
use ai_code_executor::{Finding, Policy};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        check(text, &POLICY);
    }
    check(&python::program(bytes), &POLICY);
});

/// Frequent modules are those of tools, so that calls of theirs are checked.
static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let parameter = |(name, is_required): (&str, bool)| ToolParameter { name: name.into(), is_required };
    let parameters = [("x", true), ("y", false)].map(parameter).into();
    let function = ToolFunction { parameters, takes_more: false, is_granted: true };
    let functions = ["loads", "f", "sleep", "sqrt"].map(|name| (name.to_owned(), function.clone())).into();
    let module = Arc::new(ToolModule { functions, other_names: Vec::new() });
    let tool_modules = ["json", "math", "re", "data"].map(|name| (name.to_owned(), module.clone())).into();
    Policy::default().code_bytes_max(CODE_BYTES_CEILING).tool_modules(tool_modules)
});

fn findings(program: &str, policy: &Policy) -> Vec<Finding> {
    match validate(program.to_owned(), policy) {
        Ok(source) => {
            assert_eq!(source.as_str(), program.strip_prefix('\u{feff}').unwrap_or(program));
            Vec::new()
        }
        Err(findings) => {
            assert!(!findings.is_empty(), "refused without a finding: {program:?}");
            findings
        }
    }
}

fn check(program: &str, policy: &Policy) {
    let found = findings(program, policy);
    assert_eq!(findings(program, policy), found, "{program:?}");
    let program = program.strip_prefix('\u{feff}').unwrap_or(program);
    let lines = lines(program);
    for finding in &found {
        let chars = lines.get(finding.line as usize - 1).map(|line| line.chars().count());
        // A finding may be at the end of a line.
        assert!(
            chars.is_some_and(|chars| (1..=chars + 1).contains(&(finding.column as usize))),
            "{finding:?} is not in {program:?}"
        );
        assert!(!finding.message.is_empty(), "{finding:?}");
    }
    if found.is_empty() && program.len() + 20 < policy.code_bytes_max {
        let longer = format!("\n{program}\n# the end\n");
        assert_eq!(findings(&longer, policy), [], "{longer:?}");
    }
}

/// Splits a program into lines as Python does, and keeps the line ends.
fn lines(program: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = program;
    while let Some(end) = rest.find(['\n', '\r']) {
        let end = end + if rest[end..].starts_with("\r\n") { 2 } else { 1 };
        lines.push(&rest[..end]);
        rest = &rest[end..];
    }
    lines.push(rest);
    lines
}
