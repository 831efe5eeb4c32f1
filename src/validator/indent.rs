//! Checks indentation as CPython's tokenizer does: tabs and spaces must be consistent for every tab width.

use ruff_python_ast::token::{Token, TokenKind};
use ruff_text_size::{Ranged, TextSize};

/// CPython's `MAXINDENT`, including the top level.
const LEVELS_MAX: usize = 99;

/// Indentation of a line, with tabs of 8 columns and with tabs of one.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Width {
    wide: usize,
    narrow: usize,
}

/// Returns the first line whose indentation CPython refuses and the parser accepts.
pub(super) fn check(tokens: &[Token], source: &str) -> Option<(TextSize, &'static str)> {
    let mut levels = vec![Width::default()];
    let mut is_line_start = true;
    for token in tokens {
        match token.kind() {
            TokenKind::Newline => is_line_start = true,
            TokenKind::NonLogicalNewline | TokenKind::Comment | TokenKind::Indent | TokenKind::Dedent => {}
            TokenKind::EndOfFile => break,
            _ if is_line_start => {
                is_line_start = false;
                let why = enter(&mut levels, width_before(token.start(), source));
                if let Some(why) = why {
                    return Some((token.start(), why));
                }
            }
            _ => {}
        }
    }
    None
}

fn enter(levels: &mut Vec<Width>, line: Width) -> Option<&'static str> {
    while levels.last().is_some_and(|level| level.wide > line.wide) {
        levels.pop();
    }
    let level = levels.last().copied().unwrap_or_default();
    if line.wide == level.wide {
        (line.narrow != level.narrow).then_some(INCONSISTENT)
    } else if line.narrow <= level.narrow {
        Some(INCONSISTENT)
    } else {
        levels.push(line);
        (levels.len() > LEVELS_MAX).then_some("too many levels of indentation")
    }
}

const INCONSISTENT: &str = "inconsistent use of tabs and spaces in indentation";

fn width_before(start: TextSize, source: &str) -> Width {
    let before = &source[..start.to_usize()];
    let line = before.rfind(['\n', '\r']).map_or(before, |newline| &before[newline + 1..]);
    line.bytes().fold(Width::default(), |width, byte| match byte {
        b'\t' => Width { wide: (width.wide / 8 + 1) * 8, narrow: width.narrow + 1 },
        b'\x0c' => Width::default(),
        _ => Width { wide: width.wide + 1, narrow: width.narrow + 1 },
    })
}
