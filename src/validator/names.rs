//! Refuses imports, names and attributes that a program may not use, in every syntactic position.
//!
//! The parser has normalised identifiers (NFKC) as Python does: `ｅｖａｌ` is `eval` here.

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{
    Alias, AnyParameterRef, Comprehension, ExceptHandler, Expr, ExprAttribute, ExprContext, Identifier,
    Keyword, Parameters, Pattern, PatternKeyword, Stmt, StmtClassDef, StmtFunctionDef, StmtImportFrom,
    TypeParam, TypeParams,
};
use ruff_text_size::{Ranged, TextRange, TextSize};

use super::hints;
use super::modules::Modules;
use super::own_names::{ScopeKind, Scopes};
use super::policy::SYS_NAMES;
use super::{Found, OWN_NAMES, Policy, REFUSED_NAMES};
use crate::execution::Rule;

/// Returns refused uses in `body`, in no particular order.
pub(super) fn check(body: &[Stmt], policy: &Policy) -> Vec<Found> {
    let mut names =
        Names { policy, modules: Modules::of(body), scopes: Scopes::new(), classes: 0, found: Vec::new() };
    policy.variables.iter().for_each(|name| names.scopes.bind(name));
    names.visit_body(body);
    for (name, at) in names.scopes.unbound_uses() {
        names.found.push(refused_name(name, at, policy));
    }
    names.found
}

/// Methods that a class may define, and call on `super()`, although their names are refused elsewhere.
const METHODS: [&str; 2] = ["__init_subclass__", "__setattr__"];

/// Attributes that may follow `__class__`.
const NAMES_OF_CLASSES: [&str; 2] = ["__name__", "__qualname__"];

struct Names<'a> {
    policy: &'a Policy,
    modules: Modules<'a>,
    scopes: Scopes,
    /// Classes around the current node.
    classes: usize,
    found: Vec<Found>,
}

impl<'a> Names<'a> {
    /// Checks a name that programs may not bind either.
    fn name(&mut self, name: &str, range: TextRange) {
        let is_bound = self.modules.has_sys() || self.policy.variables.contains("sys");
        let is_imported = name == "sys" && is_bound && self.policy.allows_import("sys");
        if is_refused(name) && !is_own(name) && !is_imported {
            self.found.push(refused_name(name, range.start(), self.policy));
        }
    }

    fn binding(&mut self, identifier: &Identifier) {
        self.name(&identifier.id, identifier.range);
        self.scopes.bind(&identifier.id);
    }

    /// Checks the name of a function or class. A method may be called `__setattr__`.
    fn definition(&mut self, name: &Identifier) {
        if !(self.scopes.is_class() && METHODS.contains(&name.as_str())) {
            self.binding(name);
        }
    }

    fn attribute(&mut self, name: &str, range: TextRange) {
        if is_refused(name) && !is_own(name) {
            self.refuse_attribute(name, range, hints::for_attribute(name));
        }
    }

    fn refuse_attribute(&mut self, name: &str, range: TextRange, hint: String) {
        let message = format!("Attribute '{name}' is not allowed in sandbox");
        self.found.push(Found { rule: Rule::Attribute, at: range.start(), message, hint: Some(hint) });
    }

    fn attribute_of(&mut self, attribute: &ExprAttribute) {
        let (name, range) = (attribute.attr.id.as_str(), attribute.attr.range);
        match self.modules.get(&attribute.value) {
            // A module has no attributes of the program's own.
            Some(module) if is_own(name) && !is_function_of(module, name) => {
                self.refuse_attribute(name, range, hints::for_attribute(name));
            }
            Some("sys") if !SYS_NAMES.contains(&name) && self.policy.allows_import("sys") => {
                self.refuse_attribute(name, range, hints::for_sys(name));
            }
            _ if METHODS.contains(&name) && self.classes > 0 && is_class_above(&attribute.value) => {}
            _ => self.attribute(name, range),
        }
    }

    fn refuse_import(&mut self, name: &str, range: TextRange, hint: String) {
        let root = name.split('.').next().unwrap_or(name);
        let message = format!("Import of '{root}' is not permitted");
        self.found.push(Found { rule: Rule::Import, at: range.start(), message, hint: Some(hint) });
    }

    fn import(&mut self, name: &str, range: TextRange) {
        let root = name.split('.').next().unwrap_or(name);
        if !self.policy.allows_import(name) && !self.policy.disabled_imports.contains(root) {
            self.refuse_import(name, range, hints::for_import(name, self.policy));
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
        let range = import.module.as_ref().map_or(import.range, |module| module.range);
        let is_submodule =
            |alias: &Alias| self.policy.allowed_imports.contains(&format!("{module}.{}", alias.name));
        if !import.names.iter().all(is_submodule) {
            self.import(module, range);
        }
        let is_large =
            |alias: &&Alias| !SYS_NAMES.contains(&alias.name.as_str()) && alias.name.as_str() != "*";
        if module == "sys"
            && self.policy.allows_import(module)
            && let Some(alias) = import.names.iter().find(is_large)
        {
            self.refuse_import(module, range, hints::for_sys(&alias.name));
        }
        for alias in &import.names {
            self.imported_name(module, alias, at);
        }
    }

    fn imported_name(&mut self, module: &str, alias: &Alias, at: TextSize) {
        let name = &alias.name;
        if name.as_str() == "*" {
            let message = format!("Star import from '{module}' is not permitted");
            let hint = Some(format!("Import the names that you need: from {module} import a, b"));
            self.found.push(Found { rule: Rule::StarImport, at, message, hint });
        } else if is_own(name) && !is_function_of(module, name) {
            self.refuse_attribute(name, name.range, hints::for_attribute(name));
        } else {
            self.attribute(name, name.range);
        }
        if alias.asname.is_none() {
            self.scopes.bind(name);
        }
    }

    fn function(&mut self, function: &'a StmtFunctionDef) {
        function.decorator_list.iter().for_each(|decorator| self.visit_decorator(decorator));
        self.definition(&function.name);
        self.in_scope_of(function.type_params.as_deref(), |names| {
            names.defaults_and_annotations(&function.parameters);
            function.returns.iter().for_each(|returns| names.visit_annotation(returns));
            names.scopes.enter(ScopeKind::Function);
            names.parameters(&function.parameters);
            names.visit_body(&function.body);
            names.scopes.leave();
        });
    }

    fn class(&mut self, class: &'a StmtClassDef) {
        class.decorator_list.iter().for_each(|decorator| self.visit_decorator(decorator));
        self.definition(&class.name);
        self.in_scope_of(class.type_params.as_deref(), |names| {
            class.arguments.iter().for_each(|arguments| names.visit_arguments(arguments));
            names.scopes.enter(ScopeKind::Class);
            names.classes += 1;
            names.visit_body(&class.body);
            names.classes -= 1;
            names.scopes.leave();
        });
    }

    /// Calls `visit` in a scope that binds the type parameters.
    fn in_scope_of(&mut self, parameters: Option<&'a TypeParams>, visit: impl FnOnce(&mut Self)) {
        let Some(parameters) = parameters else { return visit(self) };
        self.scopes.enter(ScopeKind::Function);
        self.visit_type_params(parameters);
        visit(self);
        self.scopes.leave();
    }

    /// Visits what is evaluated outside of the function.
    fn defaults_and_annotations(&mut self, parameters: &'a Parameters) {
        for parameter in parameters {
            parameter.default().into_iter().for_each(|default| self.visit_expr(default));
            parameter.annotation().into_iter().for_each(|annotation| self.visit_annotation(annotation));
        }
    }

    fn parameters(&mut self, parameters: &'a Parameters) {
        parameters.iter().map(AnyParameterRef::name).for_each(|name| self.binding(name));
    }

    fn comprehension(&mut self, generators: &'a [Comprehension], values: impl IntoIterator<Item = &'a Expr>) {
        // The first iterable is evaluated outside.
        generators.iter().take(1).for_each(|generator| self.visit_expr(&generator.iter));
        self.scopes.enter(ScopeKind::Comprehension);
        for (number, generator) in generators.iter().enumerate() {
            if number > 0 {
                self.visit_expr(&generator.iter);
            }
            self.visit_expr(&generator.target);
            generator.ifs.iter().for_each(|condition| self.visit_expr(condition));
        }
        values.into_iter().for_each(|value| self.visit_expr(value));
        self.scopes.leave();
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

fn refused_name(name: &str, at: TextSize, policy: &Policy) -> Found {
    let message = format!("Use of '{name}' is not allowed in sandbox");
    Found { rule: Rule::Name, at, message, hint: Some(hints::for_name(name, policy)) }
}

fn is_refused(name: &str) -> bool {
    REFUSED_NAMES.binary_search(&name).is_ok()
}

fn is_own(name: &str) -> bool {
    OWN_NAMES.binary_search(&name).is_ok()
}

/// Returns whether a module has a legitimate function of this name.
fn is_function_of(module: &str, name: &str) -> bool {
    (module, name) == ("re", "compile") || (module, name) == ("sys", "exit")
}

/// Returns whether the expression is `object`, `type` or `super()`, whose methods a method of a class extends.
fn is_class_above(expr: &Expr) -> bool {
    let is_named = |expr: &Expr, names: &[&str]| {
        expr.as_name_expr().is_some_and(|name| names.contains(&name.id.as_str()))
    };
    is_named(expr, &["object", "type"])
        || expr.as_call_expr().is_some_and(|call| is_named(&call.func, &["super"]))
}

/// Returns the object of `X.__class__` in `X.__class__.__name__`.
fn named_class(attribute: &ExprAttribute) -> Option<&Expr> {
    let class = attribute.value.as_attribute_expr()?;
    let is_name = NAMES_OF_CLASSES.contains(&attribute.attr.as_str()) && attribute.ctx == ExprContext::Load;
    (is_name && class.attr.as_str() == "__class__").then_some(&*class.value)
}

impl<'a> Visitor<'a> for Names<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => return self.function(function),
            Stmt::ClassDef(class) => return self.class(class),
            Stmt::TypeAlias(alias) => {
                self.visit_expr(&alias.name);
                return self
                    .in_scope_of(alias.type_params.as_deref(), |names| names.visit_expr(&alias.value));
            }
            Stmt::Global(global) => {
                for name in &global.names {
                    self.name(&name.id, name.range);
                    self.scopes.bind_in_module(&name.id);
                }
            }
            Stmt::Nonlocal(nonlocal) => {
                nonlocal.names.iter().for_each(|name| self.name(&name.id, name.range));
            }
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
            Expr::Name(name) => {
                self.name(&name.id, name.range);
                if name.ctx == ExprContext::Load {
                    self.scopes.note_use(&name.id, name.range.start());
                } else {
                    self.scopes.bind(&name.id);
                }
            }
            Expr::Attribute(attribute) => {
                if let Some(object) = named_class(attribute) {
                    return self.visit_expr(object);
                }
                self.attribute_of(attribute);
            }
            Expr::Named(named) => {
                if let Expr::Name(name) = &*named.target {
                    self.scopes.bind_around_comprehensions(&name.id);
                }
            }
            Expr::Lambda(lambda) => {
                lambda.parameters.iter().for_each(|parameters| self.defaults_and_annotations(parameters));
                self.scopes.enter(ScopeKind::Function);
                lambda.parameters.iter().for_each(|parameters| self.parameters(parameters));
                self.visit_expr(&lambda.body);
                return self.scopes.leave();
            }
            Expr::ListComp(made) => return self.comprehension(&made.generators, [&*made.elt]),
            Expr::SetComp(made) => return self.comprehension(&made.generators, [&*made.elt]),
            Expr::Generator(made) => return self.comprehension(&made.generators, [&*made.elt]),
            Expr::DictComp(made) => {
                let values = made.key.iter().chain([&made.value]).map(|value| &**value);
                return self.comprehension(&made.generators, values);
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
            self.name(&name.id, name.range);
        }
        visitor::walk_keyword(self, keyword);
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
