//! Formats findings for people: on a terminal with the source lines, elsewhere one line for each.

use std::io::{self, IsTerminal};
use std::ops::Range;

use ai_code_executor::Finding;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::config::is_plain;

/// Formats findings for standard error.
pub(super) fn for_standard_error(file: &str, program: &str, findings: &[Finding]) -> String {
    if io::stderr().is_terminal() { pictures(file, program, findings) } else { lines(file, findings) }
}

/// Formats findings for standard output.
pub(super) fn for_standard_output(file: &str, program: &str, findings: &[Finding]) -> String {
    if io::stdout().is_terminal() { pictures(file, program, findings) } else { lines(file, findings) }
}

/// Formats a line for each finding, and one more for its hint.
fn lines(file: &str, findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let Finding { rule, message, line, column, hint, .. } = finding;
        let hint = hint.as_ref().map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
        format!("{file}:{line}:{column}: {} {message}{hint}", rule.code())
    };
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Shows each finding below its source line.
fn pictures(file: &str, program: &str, findings: &[Finding]) -> String {
    draw(file, program, findings, &if is_plain() { Renderer::plain() } else { Renderer::styled() })
}

fn draw(file: &str, program: &str, findings: &[Finding], renderer: &Renderer) -> String {
    // Positions of findings do not count a byte order mark.
    let program = program.strip_prefix('\u{feff}').unwrap_or(program);
    let picture = |finding: &Finding| {
        let span = span_of(program, finding);
        let source = Snippet::source(program).path(file).annotation(AnnotationKind::Primary.span(span));
        let title = Level::ERROR.primary_title(finding.message.as_str()).id(finding.rule.code());
        let mut groups = vec![title.element(source)];
        groups
            .extend(finding.hint.as_deref().map(|hint| Group::with_title(Level::HELP.secondary_title(hint))));
        renderer.render(&groups)
    };
    findings.iter().map(picture).collect::<Vec<_>>().join("\n\n")
}

/// Returns the byte range of the name or character at a finding's position.
fn span_of(program: &str, finding: &Finding) -> Range<usize> {
    let line = line_starts(program).nth(finding.line.saturating_sub(1) as usize).unwrap_or(program.len());
    let column = finding.column.saturating_sub(1) as usize;
    let start = program[line..].char_indices().nth(column).map_or(program.len(), |(at, _)| line + at);
    let rest = &program[start..];
    let is_name = |char: char| char.is_alphanumeric() || char == '_';
    let name = rest.find(|char| !is_name(char)).unwrap_or(rest.len());
    let first = rest.chars().next().filter(|char| !matches!(char, '\r' | '\n')).map_or(0, char::len_utf8);
    start..start + name.max(first)
}

/// Returns the offsets at which lines begin. As in Python, `\r` ends a line too.
fn line_starts(program: &str) -> impl Iterator<Item = usize> {
    let ends = program.char_indices().filter(|&(at, char)| match char {
        '\n' => true,
        '\r' => !program[at + 1..].starts_with('\n'),
        _ => false,
    });
    std::iter::once(0).chain(ends.map(|(at, _)| at + 1))
}

#[cfg(test)]
mod tests {
    use ai_code_executor::{Policy, validator};

    use super::*;

    fn found(program: &str) -> Vec<Finding> {
        validator::validate(program.into(), &Policy::default()).unwrap_err()
    }

    #[test]
    fn a_finding_points_at_its_line() {
        let program = "x = 1\né = ().__class__\n";
        let picture = draw("a.py", program, &found(program), &Renderer::plain());
        let expected = "\
error[attribute_not_allowed]: Attribute '__class__' is not allowed in sandbox
 --> a.py:2:8
  |
2 | é = ().__class__
  |        ^^^^^^^^^
  |
help: Use type(x), or x.__class__.__name__ for its name.";
        assert_eq!(picture, expected);
        let coloured = draw("a.py", program, &found(program), &Renderer::styled());
        assert!(coloured.contains("\x1b["), "{coloured}");
    }

    #[test]
    fn every_position_can_be_shown() {
        for program in [
            "",
            "x = (",
            "x = 1\r\ny = = 2",
            "a\rimport os",
            "\u{feff}import os",
            "import os\n",
            "\u{c}eval",
            "x\0",
        ] {
            for finding in found(program) {
                let source = program.strip_prefix('\u{feff}').unwrap_or(program);
                let span = span_of(source, &finding);
                assert!(source.get(span).is_some(), "{program:?} {finding:?}");
            }
            assert!(!draw("-", program, &found(program), &Renderer::styled()).is_empty());
        }
        let at = |program: &str| {
            let finding = found(program).remove(0);
            let source = program.strip_prefix('\u{feff}').unwrap_or(program).to_owned();
            source[span_of(&source, &finding)].to_owned()
        };
        assert_eq!(at("a\rimport os"), "os");
        assert_eq!(at("\u{feff}import os"), "os");
        assert_eq!(at("x = 1\r\ny = = 2"), "=");
    }
}
