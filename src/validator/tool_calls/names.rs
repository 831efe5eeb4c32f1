//! Collects how a program uses its names in all scopes, to decide whether a name always means the tool module or
//! function that it was imported as.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{
    Alias, Comprehension, ExceptHandler, Expr, ExprAttribute, ExprContext, Identifier,
    InterpolatedStringElement, Parameter, Pattern, Stmt, TypeParam,
};
use ruff_python_stdlib::builtins::is_python_builtin;

use super::super::names::bound_by;
use super::super::tool_modules::ToolModule;

/// Minor version of the guest's CPython 3.
const PYTHON_MINOR: u8 = 13;

/// Names with which a program can end early and successfully.
const EXITS: [&str; 7] = ["SystemExit", "_exit", "argparse", "exit", "quit", "sys", "unittest"];

/// Attributes of a coroutine. A program that uses one handles the coroutine itself.
const COROUTINE_ATTRIBUTES: [&str; 3] = ["close", "send", "throw"];

/// Builtin functions that neither await nor keep a coroutine passed to them.
const NEVER_AWAITING: [&str; 14] = [
    "bool",
    "dict",
    "enumerate",
    "float",
    "int",
    "iter",
    "len",
    "list",
    "print",
    "repr",
    "set",
    "sorted",
    "str",
    "tuple",
];

/// How a whole program uses its names.
#[derive(Default)]
pub(super) struct Names<'a> {
    /// Number of statements and parameters that bind a name. A repeated import of the same object is not counted.
    bindings: HashMap<&'a str, u32>,
    /// The imports behind a name: each a tool module, and the name in it.
    imports: HashMap<&'a str, Vec<(&'a str, Option<&'a str>)>>,
    /// Names that are used other than as `name.attribute`, or whose attributes are assigned.
    loose: HashSet<&'a str>,
    /// Names used where a coroutine in them could be awaited or passed on.
    kept: HashSet<&'a str>,
    called: HashSet<&'a str>,
    /// The program calls a function that it does not bind, which an earlier program may have defined.
    calls_foreign: bool,
    /// The program binds one of [`NEVER_AWAITING`].
    replaces_builtin: bool,
    /// Modules that the program may have changed.
    changed: HashSet<&'a str>,
    /// The program may end early and successfully.
    pub(super) may_exit: bool,
}

impl<'a> Names<'a> {
    pub(super) fn of(body: &'a [Stmt], modules: &BTreeMap<String, Arc<ToolModule>>) -> Self {
        let mut collector = Collector { names: Self::default(), modules };
        collector.visit_body(body);
        let mut names = collector.names;
        for (name, imports) in &names.imports {
            if names.loose.contains(name) || names.bindings.get(name) != Some(&1) {
                names
                    .changed
                    .extend(imports.iter().filter(|(_, name)| name.is_none()).map(|(module, _)| module));
            }
        }
        let is_foreign =
            |name: &&str| !names.bindings.contains_key(name) && !is_python_builtin(name, PYTHON_MINOR, false);
        names.calls_foreign = names.called.iter().any(is_foreign);
        names.replaces_builtin = NEVER_AWAITING.iter().any(|name| names.bindings.contains_key(name));
        names
    }

    /// Returns whether the program binds `name` exactly once in all of its scopes.
    pub(super) fn is_bound_once(&self, name: &str) -> bool {
        self.bindings.get(name) == Some(&1)
    }

    /// Returns whether the program cannot have changed `module`.
    pub(super) fn is_unchanged(&self, module: &str) -> bool {
        !self.changed.contains(module)
    }

    /// Returns whether nothing awaits a coroutine bound to `name` or passes it on.
    pub(super) fn never_awaits(&self, name: &str) -> bool {
        // A foreign function may use the name.
        !self.kept.contains(name) && !self.calls_foreign && !self.replaces_builtin
    }

    /// Returns whether `name` is a builtin that neither awaits nor keeps its arguments.
    pub(super) fn is_never_awaiting(&self, name: &str) -> bool {
        NEVER_AWAITING.contains(&name) && !self.bindings.contains_key(name)
    }
}

/// Returns whether reading this attribute of a coroutine fails.
pub(super) fn is_no_coroutine_attribute(name: &str) -> bool {
    !COROUTINE_ATTRIBUTES.contains(&name) && !name.starts_with("cr_") && !name.starts_with("__")
}

struct Collector<'a, 'm> {
    names: Names<'a>,
    modules: &'m BTreeMap<String, Arc<ToolModule>>,
}

impl<'a> Collector<'a, '_> {
    fn bind(&mut self, name: &'a str) {
        *self.names.bindings.entry(name).or_default() += 1;
    }

    fn bind_all(&mut self, identifiers: &'a [Identifier]) {
        for name in identifiers {
            self.bind(name.as_str());
        }
    }

    fn import(&mut self, name: &'a str, module: &'a str, function: Option<&'a str>) {
        let imported = (module, function);
        if !self.names.imports.get(name).is_some_and(|imports| imports.contains(&imported)) {
            self.bind(name);
            if self.modules.contains_key(module) {
                self.names.imports.entry(name).or_default().push(imported);
            }
        }
    }

    fn look_for_exits(&mut self, name: &str) {
        self.names.may_exit |= EXITS.contains(&name);
    }

    fn attribute(&mut self, attribute: &'a ExprAttribute) {
        self.look_for_exits(attribute.attr.as_str());
        let Some(receiver) = attribute.value.as_name_expr() else { return self.visit_expr(&attribute.value) };
        let name = receiver.id.as_str();
        self.look_for_exits(name);
        if attribute.ctx != ExprContext::Load {
            self.names.loose.insert(name);
        }
        if !is_no_coroutine_attribute(attribute.attr.as_str()) {
            self.names.kept.insert(name);
        }
    }

    /// Visits an expression that discards a coroutine without awaiting it.
    fn losing(&mut self, expr: &'a Expr) {
        match expr.as_name_expr() {
            Some(name) => drop(self.names.loose.insert(name.id.as_str())),
            None => self.visit_expr(expr),
        }
    }
}

impl<'a> Visitor<'a> for Collector<'a, '_> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => self.bind(function.name.as_str()),
            Stmt::ClassDef(class) => self.bind(class.name.as_str()),
            Stmt::Global(global) => self.bind_all(&global.names),
            Stmt::Nonlocal(nonlocal) => self.bind_all(&nonlocal.names),
            Stmt::ImportFrom(import) => {
                let module = import.module.as_ref().map_or("", Identifier::as_str);
                self.look_for_exits(module);
                for alias in &import.names {
                    let name = alias.asname.as_ref().unwrap_or(&alias.name);
                    self.look_for_exits(alias.name.as_str());
                    self.import(name.as_str(), module, Some(alias.name.as_str()));
                }
                return;
            }
            Stmt::For(statement) => {
                self.losing(&statement.iter);
                self.visit_expr(&statement.target);
                self.visit_body(&statement.body);
                self.visit_body(&statement.orelse);
                return;
            }
            _ => {}
        }
        visitor::walk_stmt(self, stmt);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Attribute(attribute) => return self.attribute(attribute),
            Expr::Subscript(subscript) => {
                self.losing(&subscript.value);
                return self.visit_expr(&subscript.slice);
            }
            Expr::Call(call) => {
                let Some(function) = call.func.as_name_expr() else { return visitor::walk_expr(self, expr) };
                let name = function.id.as_str();
                self.names.called.insert(name);
                self.visit_expr(&call.func);
                // Whether the name is rebound is known only at the end.
                if NEVER_AWAITING.contains(&name) {
                    call.arguments.args.iter().for_each(|argument| self.losing(argument));
                    call.arguments.keywords.iter().for_each(|keyword| self.visit_expr(&keyword.value));
                    return;
                }
                return self.visit_arguments(&call.arguments);
            }
            Expr::Name(name) => {
                self.look_for_exits(name.id.as_str());
                if name.ctx == ExprContext::Load {
                    self.names.loose.insert(name.id.as_str());
                    self.names.kept.insert(name.id.as_str());
                } else {
                    self.bind(name.id.as_str());
                }
            }
            _ => {}
        }
        visitor::walk_expr(self, expr);
    }

    fn visit_comprehension(&mut self, comprehension: &'a Comprehension) {
        self.losing(&comprehension.iter);
        self.visit_expr(&comprehension.target);
        comprehension.ifs.iter().for_each(|condition| self.visit_expr(condition));
    }

    fn visit_interpolated_string_element(&mut self, element: &'a InterpolatedStringElement) {
        match element {
            InterpolatedStringElement::Interpolation(interpolation) => {
                self.losing(&interpolation.expression);
                let spec = interpolation.format_spec.iter().flat_map(|spec| &spec.elements);
                spec.for_each(|element| self.visit_interpolated_string_element(element));
            }
            InterpolatedStringElement::Literal(_) => {}
        }
    }

    fn visit_alias(&mut self, alias: &'a Alias) {
        let module = alias.name.as_str();
        let root = module.split('.').next().unwrap_or(module);
        self.look_for_exits(root);
        match &alias.asname {
            Some(name) => self.import(name.as_str(), module, None),
            None => self.import(root, root, None),
        }
    }

    fn visit_parameter(&mut self, parameter: &'a Parameter) {
        self.bind(parameter.name.as_str());
        visitor::walk_parameter(self, parameter);
    }

    fn visit_except_handler(&mut self, handler: &'a ExceptHandler) {
        let ExceptHandler::ExceptHandler(clause) = handler;
        if let Some(name) = &clause.name {
            self.bind(name.as_str());
        }
        visitor::walk_except_handler(self, handler);
    }

    fn visit_type_param(&mut self, parameter: &'a TypeParam) {
        self.bind(parameter.name().as_str());
        visitor::walk_type_param(self, parameter);
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        if let Some(name) = bound_by(pattern) {
            self.bind(name.as_str());
        }
        visitor::walk_pattern(self, pattern);
    }
}
