//! Limits how deep a program's expressions nest. Reads the tokens in one pass, without recursion.
//!
//! CPython's own parser and compiler recurse. Their stack in the guest overflows at about 140 brackets, 1,900
//! operators in a chain or 22 nested comprehensions. The limits here are far below that.

use ruff_python_ast::token::{Token, TokenKind};
use ruff_text_size::{Ranged, TextSize};

/// Nested brackets. Native CPython allows 200.
const BRACKETS_MAX: usize = 100;

/// Operators, attributes and calls on one path through an expression, including those around its brackets.
const CHAIN_MAX: usize = 1000;

/// `elif` clauses of one `if`, which CPython nests.
const ELIF_MAX: usize = 1000;

/// Returns the position at which a program nests too deep, and the reason to refuse it.
pub(super) fn check(tokens: &[Token]) -> Option<(TextSize, &'static str)> {
    let mut depth = Depth::default();
    tokens.iter().find_map(|token| depth.step(token.kind()).map(|why| (token.start(), why)))
}

/// Counts chains of operators. `open` holds the length of the chain around each open bracket, `chain` is the current
/// chain, `path` the sum of those in `open`.
#[derive(Default)]
struct Depth {
    open: Vec<usize>,
    chain: usize,
    path: usize,
    elifs: usize,
}

impl Depth {
    fn step(&mut self, token: TokenKind) -> Option<&'static str> {
        match token {
            TokenKind::Lpar | TokenKind::Lsqb | TokenKind::Lbrace => {
                self.open.push(self.chain);
                self.path += self.chain;
                self.chain = 0;
            }
            TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace => {
                // Calls and subscripts are links of the chain too.
                let around = self.open.pop().unwrap_or_default();
                self.path -= around.min(self.path);
                self.chain = around + 1;
            }
            TokenKind::Comma | TokenKind::Semi | TokenKind::Newline => self.chain = 0,
            TokenKind::Elif => self.elifs += 1,
            TokenKind::If if self.open.is_empty() && self.chain == 0 => self.elifs = 0,
            _ if is_operator(token) => self.chain += 1,
            _ => {}
        }
        if self.open.len() > BRACKETS_MAX {
            Some("too many nested parentheses")
        } else if self.path + self.chain > CHAIN_MAX {
            Some("too many operators in one expression")
        } else if self.elifs > ELIF_MAX {
            Some("too many elif clauses")
        } else {
            None
        }
    }
}

fn is_operator(token: TokenKind) -> bool {
    let is_keyword = matches!(
        token,
        TokenKind::Await
            | TokenKind::Else
            | TokenKind::If
            | TokenKind::Lambda
            | TokenKind::Not
            | TokenKind::Yield
    );
    is_keyword || (token.is_operator() && !matches!(token, TokenKind::Equal | TokenKind::Colon))
}
