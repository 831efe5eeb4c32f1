//! Syntax nodes for which ruff's check of CPython's compile-time rules takes quadratic time.
//!
//! Ordinary programs do not contain them. They are not checked here; the guest's compiler reports their errors.

use ruff_python_ast::{Comprehension, Expr, Stmt};

/// Ruff compares each type parameter with all before it.
const TYPE_PARAMETERS_MAX: usize = 100;

/// Ruff collects the bound names of a comprehension again for each of its conditions.
const TARGETS_COLLECTED_MAX: usize = 10_000;

pub(super) fn stmt(stmt: &Stmt) -> bool {
    let parameters = match stmt {
        Stmt::FunctionDef(function) => function.type_params.as_deref(),
        Stmt::ClassDef(class) => class.type_params.as_deref(),
        Stmt::TypeAlias(alias) => alias.type_params.as_deref(),
        _ => None,
    };
    parameters.is_some_and(|parameters| parameters.len() > TYPE_PARAMETERS_MAX)
}

pub(super) fn expr(expr: &Expr) -> bool {
    let generators = match expr {
        Expr::ListComp(comprehension) => &comprehension.generators,
        Expr::SetComp(comprehension) => &comprehension.generators,
        Expr::DictComp(comprehension) => &comprehension.generators,
        Expr::Generator(comprehension) => &comprehension.generators,
        _ => return false,
    };
    let conditions: usize = generators.iter().map(|generator| generator.ifs.len()).sum();
    conditions * targets(generators) > TARGETS_COLLECTED_MAX
}

fn targets(generators: &[Comprehension]) -> usize {
    generators.iter().map(|generator| names(&generator.target)).sum()
}

/// Returns an upper bound of the number of names that a target binds.
fn names(target: &Expr) -> usize {
    match target {
        Expr::Tuple(tuple) => tuple.elts.iter().map(names).sum(),
        Expr::List(list) => list.elts.iter().map(names).sum(),
        _ => 1,
    }
}
