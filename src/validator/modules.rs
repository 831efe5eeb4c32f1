//! Finds out which of a program's names stand for modules.

use std::collections::{HashMap, HashSet};

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{ExceptHandler, Expr, ExprContext, Identifier, Parameter, Pattern, Stmt};

use super::names::bound_by;

/// Names that a program binds by importing a module, and in no other way: the names of the modules, by the program's.
pub(super) struct Modules<'a> {
    imported: HashMap<&'a str, &'a str>,
    bound_otherwise: HashSet<&'a str>,
}

impl<'a> Modules<'a> {
    pub(super) fn of(body: &'a [Stmt]) -> Self {
        let mut modules = Self { imported: HashMap::new(), bound_otherwise: HashSet::new() };
        modules.visit_body(body);
        modules
    }

    /// Returns the module that a name stands for.
    pub(super) fn get(&self, expr: &Expr) -> Option<&'a str> {
        let name = expr.as_name_expr()?.id.as_str();
        self.imported.get(name).filter(|_| !self.bound_otherwise.contains(name)).copied()
    }

    /// Returns whether the program imports `sys` under its own name.
    pub(super) fn has_sys(&self) -> bool {
        self.imported.get("sys").is_some_and(|module| *module == "sys")
    }
}

impl<'a> Visitor<'a> for Modules<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::Import(import) => {
                for alias in &import.names {
                    let module = alias.name.as_str();
                    let root = module.split('.').next().unwrap_or(module);
                    let (name, module) =
                        alias.asname.as_ref().map_or((root, root), |name| (name.as_str(), module));
                    if self.imported.insert(name, module).is_some_and(|other| other != module) {
                        self.bound_otherwise.insert(name);
                    }
                }
            }
            Stmt::ImportFrom(import) => {
                let names = import.names.iter().map(|alias| alias.asname.as_ref().unwrap_or(&alias.name));
                self.bound_otherwise.extend(names.map(Identifier::as_str));
            }
            Stmt::FunctionDef(function) => drop(self.bound_otherwise.insert(function.name.as_str())),
            Stmt::ClassDef(class) => drop(self.bound_otherwise.insert(class.name.as_str())),
            _ => {}
        }
        visitor::walk_stmt(self, stmt);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        if let Some(name) = expr.as_name_expr().filter(|name| name.ctx == ExprContext::Store) {
            self.bound_otherwise.insert(name.id.as_str());
        }
        visitor::walk_expr(self, expr);
    }

    fn visit_parameter(&mut self, parameter: &'a Parameter) {
        self.bound_otherwise.insert(parameter.name.as_str());
        visitor::walk_parameter(self, parameter);
    }

    fn visit_except_handler(&mut self, handler: &'a ExceptHandler) {
        let ExceptHandler::ExceptHandler(clause) = handler;
        self.bound_otherwise.extend(clause.name.as_deref());
        visitor::walk_except_handler(self, handler);
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        self.bound_otherwise.extend(bound_by(pattern).map(Identifier::as_str));
        visitor::walk_pattern(self, pattern);
    }
}
