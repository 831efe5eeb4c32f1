//! How deep a program's expressions nest, read off its tokens in one pass without recursion.
//!
//! CPython's own parser and compiler recurse; their stack in the guest ends at about 140 brackets, 1,900 operators in
//! a chain or 22 comprehensions within each other. What passes here is far from that.

use ruff_python_ast::token::{Token, TokenKind};
use ruff_text_size::{Ranged, TextSize};

/// Brackets within brackets. Native CPython allows 200.
const BRACKETS_MAX: usize = 100;

/// Operators, attributes and calls that can lie on one path through an expression, brackets around it included.
const CHAIN_MAX: usize = 1000;

/// `elif` after `elif`, which CPython nests.
const ELIF_MAX: usize = 1000;

/// Where a program nests too deep, and why that is refused.
pub(super) fn check(tokens: &[Token]) -> Option<(TextSize, &'static str)> {
    let mut depth = Depth::default();
    tokens.iter().find_map(|token| depth.step(token.kind()).map(|why| (token.start(), why)))
}

/// `open` has the length of the chain around each bracket that is open; `chain` is the current one, `path` their sum.
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
                // Calls and subscripts can be chained themselves.
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
