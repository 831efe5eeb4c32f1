//! Rules of CPython's compiler that concern a single node and that the parser does not check.

use ruff_python_ast::{Expr, ExprContext, InterpolatedStringElement, Keyword, Pattern, Stmt, StmtTry};
use ruff_text_size::{Ranged, TextSize};

/// CPython's limit on the digits of a decimal literal (`sys.int_info.default_max_str_digits`).
const DIGITS_MAX: usize = 4300;

/// Nested format specifications.
const SPECIFICATIONS_MAX: usize = 2;

/// Position and message of a broken rule.
pub(super) type Broken = (TextSize, &'static str);

pub(super) fn stmt(stmt: &Stmt) -> Option<Broken> {
    match stmt {
        Stmt::Expr(stmt) if stmt.value.is_starred_expr() => {
            Some((stmt.start(), "can't use starred expression here"))
        }
        Stmt::Try(stmt) => bare_except(stmt),
        _ => None,
    }
}

fn bare_except(stmt: &StmtTry) -> Option<Broken> {
    let (_, others) = stmt.handlers.split_last()?;
    let mut clauses = others.iter().filter_map(|handler| handler.as_except_handler());
    let bare = clauses.find(|clause| clause.type_.is_none())?;
    Some((bare.start(), "default 'except:' must be last"))
}

pub(super) fn expr(expr: &Expr, source: &str) -> Option<Broken> {
    match expr {
        Expr::Attribute(attribute) if attribute.ctx != ExprContext::Load => {
            let at = attribute.attr.start();
            (attribute.attr.as_str() == "__debug__").then_some((at, "cannot assign to __debug__"))
        }
        Expr::NumberLiteral(number) if number.value.is_int() => {
            let why = "the integer has more than 4300 digits; write it in hexadecimal";
            has_too_many_digits(&source[number.range]).then_some((number.start(), why))
        }
        _ => None,
    }
}

fn has_too_many_digits(literal: &str) -> bool {
    let digits = literal.bytes().filter(|&byte| byte != b'_').count();
    digits > DIGITS_MAX && literal.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
}

pub(super) fn keyword(keyword: &Keyword) -> Option<Broken> {
    let name = keyword.arg.as_ref()?;
    (name.as_str() == "__debug__").then_some((name.start(), "cannot assign to __debug__"))
}

pub(super) fn pattern(pattern: &Pattern) -> Option<Broken> {
    match pattern {
        Pattern::MatchOr(alternatives) => {
            let (_, others) = alternatives.patterns.split_last()?;
            let catch_all = others.iter().find(|alternative| alternative.is_irrefutable())?;
            Some((catch_all.start(), "this pattern makes remaining patterns unreachable"))
        }
        Pattern::MatchValue(value) if value.value.is_f_string_expr() => {
            Some((value.start(), "patterns may only match literals and attribute lookups"))
        }
        _ => None,
    }
}

pub(super) fn interpolation(element: &InterpolatedStringElement) -> Option<Broken> {
    let interpolation = element.as_interpolation()?;
    if interpolation.expression.is_starred_expr() {
        return Some((interpolation.expression.start(), "can't use starred expression here"));
    }
    let is_deep = specifications(element) > SPECIFICATIONS_MAX;
    is_deep.then_some((element.start(), "f-string: expressions nested too deeply"))
}

/// Returns the depth of nested format specifications with interpolations. The recursion is bounded: the nesting of
/// brackets was checked before.
fn specifications(element: &InterpolatedStringElement) -> usize {
    let Some(interpolation) = element.as_interpolation() else { return 0 };
    let Some(specification) = &interpolation.format_spec else { return 0 };
    let inside = specification.elements.iter().filter(|element| element.is_interpolation());
    inside.map(|element| 1 + specifications(element)).max().unwrap_or_default()
}
