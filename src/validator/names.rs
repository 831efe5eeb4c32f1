//! Refuses imports, names and attributes that a program may not use, in every syntactic position.
//!
//! The parser has normalised identifiers (NFKC) as Python does: `ｅｖａｌ` is `eval` here.

use std::collections::HashSet;

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{
    Alias, ExceptHandler, Expr, ExprAttribute, Identifier, Keyword, Parameter, Pattern, PatternKeyword, Stmt,
    StmtImportFrom, TypeParam,
};
use ruff_text_size::{Ranged, TextRange};

use super::hints;
use super::{Found, Policy, REFUSED_NAMES};
use crate::execution::Rule;

/// Returns refused uses in `body`, in no particular order.
pub(super) fn check(body: &[Stmt], policy: &Policy) -> Vec<Found> {
    let mut aliases = AliasesOfRe(HashSet::from(["re"]));
    aliases.visit_body(body);
    let mut names = Names { policy, aliases_of_re: aliases.0, found: Vec::new() };
    names.visit_body(body);
    names.found
}

/// Names under which a program imports `re`: `re.compile` is the only legitimate use of a refused name.
struct AliasesOfRe<'a>(HashSet<&'a str>);

impl<'a> Visitor<'a> for AliasesOfRe<'a> {
    fn visit_alias(&mut self, alias: &'a Alias) {
        if let ("re", Some(name)) = (alias.name.as_str(), &alias.asname) {
            self.0.insert(name.as_str());
        }
    }
}

struct Names<'a> {
    policy: &'a Policy,
    aliases_of_re: HashSet<&'a str>,
    found: Vec<Found>,
}

impl Names<'_> {
    fn name(&mut self, name: &str, range: TextRange) {
        if is_refused(name) {
            let message = format!("Use of '{name}' is not allowed in sandbox");
            self.found.push(Found {
                rule: Rule::Name,
                at: range.start(),
                message,
                hint: Some(hints::for_name(name, self.policy)),
            });
        }
    }

    fn binding(&mut self, identifier: &Identifier) {
        self.name(&identifier.id, identifier.range);
    }

    fn attribute(&mut self, name: &str, range: TextRange) {
        if is_refused(name) {
            let message = format!("Attribute '{name}' is not allowed in sandbox");
            let hint = Some(hints::for_attribute(name));
            self.found.push(Found { rule: Rule::Attribute, at: range.start(), message, hint });
        }
    }

    fn is_re_compile(&self, attribute: &ExprAttribute) -> bool {
        let receiver = attribute.value.as_name_expr();
        attribute.attr.as_str() == "compile"
            && receiver.is_some_and(|name| self.aliases_of_re.contains(name.id.as_str()))
    }

    fn import(&mut self, name: &str, range: TextRange) {
        let root = name.split('.').next().unwrap_or(name);
        if !self.policy.allows_import(name) && !self.policy.disabled_imports.contains(root) {
            let message = format!("Import of '{root}' is not permitted");
            let hint = Some(hints::for_import(name, self.policy));
            self.found.push(Found { rule: Rule::Import, at: range.start(), message, hint });
        }
    }

    fn import_from(&mut self, import: &StmtImportFrom) {
        let at = import.start();
        if import.level > 0 {
            let message = "Relative imports are not permitted".into();
            let hint = Some("A program is one file: import modules by their full name.".into());
            self.found.push(Found { rule: Rule::RelativeImport, at, message, hint });
            return;
        }
        let module = import.module.as_deref().unwrap_or_default();
        let is_submodule =
            |alias: &Alias| self.policy.allowed_imports.contains(&format!("{module}.{}", alias.name));
        if !import.names.iter().all(is_submodule) {
            let range = import.module.as_ref().map_or(import.range, |module| module.range);
            self.import(module, range);
        }
        for alias in &import.names {
            if alias.name.as_str() == "*" {
                let message = format!("Star import from '{module}' is not permitted");
                let hint = Some(format!("Import the names that you need: from {module} import a, b"));
                self.found.push(Found { rule: Rule::StarImport, at, message, hint });
            } else {
                self.attribute(&alias.name.id, alias.name.range);
            }
        }
    }
}

/// Returns the name that a pattern itself binds, without those of its subpatterns.
pub(super) fn bound_by(pattern: &Pattern) -> Option<&Identifier> {
    match pattern {
        Pattern::MatchAs(pattern) => pattern.name.as_ref(),
        Pattern::MatchStar(pattern) => pattern.name.as_ref(),
        Pattern::MatchMapping(pattern) => pattern.rest.as_ref(),
        _ => None,
    }
}

fn is_refused(name: &str) -> bool {
    REFUSED_NAMES.binary_search(&name).is_ok()
}

impl<'a> Visitor<'a> for Names<'_> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => self.binding(&function.name),
            Stmt::ClassDef(class) => self.binding(&class.name),
            Stmt::Global(global) => global.names.iter().for_each(|name| self.binding(name)),
            Stmt::Nonlocal(nonlocal) => nonlocal.names.iter().for_each(|name| self.binding(name)),
            Stmt::Import(import) => {
                import.names.iter().for_each(|alias| self.import(&alias.name.id, alias.name.range));
            }
            Stmt::ImportFrom(import) => self.import_from(import),
            _ => {}
        }
        visitor::walk_stmt(self, stmt);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(name) => self.name(&name.id, name.range),
            Expr::Attribute(attribute) if !self.is_re_compile(attribute) => {
                self.attribute(&attribute.attr.id, attribute.attr.range);
            }
            _ => {}
        }
        visitor::walk_expr(self, expr);
    }

    fn visit_alias(&mut self, alias: &'a Alias) {
        if let Some(name) = &alias.asname {
            self.binding(name);
        }
    }

    fn visit_keyword(&mut self, keyword: &'a Keyword) {
        if let Some(name) = &keyword.arg {
            self.binding(name);
        }
        visitor::walk_keyword(self, keyword);
    }

    fn visit_parameter(&mut self, parameter: &'a Parameter) {
        self.binding(&parameter.name);
        visitor::walk_parameter(self, parameter);
    }

    fn visit_except_handler(&mut self, handler: &'a ExceptHandler) {
        let ExceptHandler::ExceptHandler(clause) = handler;
        if let Some(name) = &clause.name {
            self.binding(name);
        }
        visitor::walk_except_handler(self, handler);
    }

    fn visit_type_param(&mut self, parameter: &'a TypeParam) {
        self.binding(parameter.name());
        visitor::walk_type_param(self, parameter);
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        if let Some(name) = bound_by(pattern) {
            self.binding(name);
        }
        visitor::walk_pattern(self, pattern);
    }

    fn visit_pattern_keyword(&mut self, keyword: &'a PatternKeyword) {
        self.attribute(&keyword.attr.id, keyword.attr.range);
        visitor::walk_pattern_keyword(self, keyword);
    }
}
