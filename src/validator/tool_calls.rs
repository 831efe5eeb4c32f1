//! Finds calls of tools that are certain to fail: unknown functions, arguments that do not bind, and results that are
//! used without `await`.
//!
//! A program that might work is never refused. Therefore only code that always runs is checked: the statements of the
//! module in order and those of the functions that they call, but nothing inside `if`, loops, `with` or `try`. A tool
//! module is not checked if the program binds its name twice or passes it on.

mod names;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{
    Alias, AnyParameterRef, Comprehension, Expr, ExprAttribute, ExprCall, Identifier,
    InterpolatedStringElement, Parameters, Stmt, StmtFunctionDef, StmtImportFrom,
};
use ruff_text_size::{Ranged, TextSize};

use super::tool_modules::{ToolFunction, ToolModule};
use super::{FINDINGS_MAX, Found, Policy, hints};
use crate::execution::Rule;
use names::{Names, is_no_coroutine_attribute};

/// Returns calls in `body` that are certain to fail, in no particular order, at most [`FINDINGS_MAX`].
pub(super) fn check(body: &[Stmt], policy: &Policy) -> Vec<Found> {
    if policy.tool_modules.is_empty() {
        return Vec::new();
    }
    let names = Names::of(body, &policy.tool_modules);
    if names.may_exit {
        return Vec::new();
    }
    let mut walk = Walk {
        names,
        modules: &policy.tool_modules,
        imported: HashMap::new(),
        tools: HashMap::new(),
        functions: HashMap::new(),
        found: Vec::new(),
        guesses_left: GUESSES_MAX,
        comparisons_left: COMPARISONS_MAX,
    };
    walk.block(body);
    walk.found
}

/// Unknown functions that get a hint.
const GUESSES_MAX: usize = 20;

/// Names with which unknown names are compared for their hints. A comparison takes some microseconds.
const COMPARISONS_MAX: usize = 1000;

/// A tool to which a program refers.
#[derive(Clone, Copy)]
struct ToolRef<'a> {
    module: &'a str,
    name: &'a str,
    function: &'a ToolFunction,
}

/// Visits the code that always runs, in execution order.
struct Walk<'a> {
    names: Names<'a>,
    modules: &'a BTreeMap<String, Arc<ToolModule>>,
    /// Tool modules imported so far, by the name in the program.
    imported: HashMap<&'a str, (&'a str, &'a ToolModule)>,
    /// Functions of tool modules imported so far, by the name in the program.
    tools: HashMap<&'a str, ToolRef<'a>>,
    /// Functions of the program that were defined so far and not called yet.
    functions: HashMap<&'a str, &'a StmtFunctionDef>,
    found: Vec<Found>,
    guesses_left: usize,
    comparisons_left: usize,
}

impl<'a> Walk<'a> {
    /// Stops after a statement that may skip the rest.
    fn block(&mut self, body: &'a [Stmt]) {
        for stmt in body {
            self.visit_stmt(stmt);
            if matches!(stmt, Stmt::Raise(_)) || Leaving::of(std::slice::from_ref(stmt)).returns {
                break;
            }
        }
    }

    fn refuse(&mut self, rule: Rule, at: TextSize, message: String, hint: Option<String>) {
        if self.found.len() < FINDINGS_MAX {
            self.found.push(Found { rule, at, message, hint });
        }
    }

    /// Returns the tool module of this name, if the program cannot have changed it.
    fn module(&self, name: &str) -> Option<(&'a str, &'a ToolModule)> {
        let (name, module) = self.modules.get_key_value(name)?;
        self.names.is_unchanged(name).then_some((name, module))
    }

    fn import(&mut self, alias: &'a Alias) {
        let name = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
        self.forget(name);
        if let Some(module) = self.module(alias.name.as_str()) {
            self.imported.insert(name, module);
        }
    }

    /// Forgets what `name` was imported as.
    fn forget(&mut self, name: &str) {
        self.imported.remove(name);
        self.tools.remove(name);
    }

    fn import_from(&mut self, import: &'a StmtImportFrom) {
        for alias in &import.names {
            self.forget(alias.asname.as_ref().unwrap_or(&alias.name).as_str());
        }
        let module = import.module.as_ref().map_or("", Identifier::as_str);
        let Some((module, tools)) = self.module(module).filter(|_| import.level == 0) else { return };
        for alias in &import.names {
            let (name, bound) = (alias.name.as_str(), alias.asname.as_ref().unwrap_or(&alias.name).as_str());
            if let Some((name, function)) = tools.functions.get_key_value(name) {
                if self.names.is_bound_once(bound) {
                    self.tools.insert(bound, ToolRef { module, name, function });
                }
            } else {
                self.known(module, tools, &alias.name);
            }
        }
    }

    /// Adds a finding if the module does not have this name.
    fn known(&mut self, module: &str, tools: &ToolModule, name: &Identifier) {
        // Another rule refuses star imports.
        if tools.has(name.as_str()) || name.as_str() == "*" {
            return;
        }
        let message = format!("Module '{module}' has no function '{name}'");
        let hint = (self.guesses_left > 0).then(|| {
            self.guesses_left -= 1;
            let left = self.comparisons_left.checked_sub(tools.functions.len());
            self.comparisons_left = left.unwrap_or(self.comparisons_left);
            tools.hint(module, name.as_str(), left.is_some())
        });
        self.refuse(Rule::UnknownFunction, name.range.start(), message, hint);
    }

    fn attribute(&mut self, attribute: &'a ExprAttribute) {
        match attribute.value.as_name_expr() {
            Some(name) => {
                if let Some(&(module, tools)) = self.imported.get(name.id.as_str()) {
                    self.known(module, tools, &attribute.attr);
                }
            }
            None if is_no_coroutine_attribute(attribute.attr.as_str()) => self.lost(&attribute.value),
            None => self.visit_expr(&attribute.value),
        }
    }

    /// Returns the tool that `expr` calls, if this execution may call it.
    fn tool(&self, expr: &Expr) -> Option<(ToolRef<'a>, TextSize)> {
        let function = &expr.as_call_expr()?.func;
        let tool = match &**function {
            Expr::Name(name) => self.tools.get(name.id.as_str()).copied(),
            Expr::Attribute(attribute) => {
                let receiver = attribute.value.as_name_expr()?;
                let &(module, tools) = self.imported.get(receiver.id.as_str())?;
                let (name, function) = tools.functions.get_key_value(attribute.attr.as_str())?;
                Some(ToolRef { module, name, function })
            }
            _ => None,
        };
        tool.filter(|tool| tool.function.is_granted).map(|tool| (tool, function.start()))
    }

    /// Visits an expression whose value is not awaited. If `expr` calls a tool, the result is never awaited.
    fn lost(&mut self, expr: &'a Expr) {
        if let Some((tool, at)) = self.tool(expr) {
            let message =
                format!("{}.{}() is not awaited, so the tool is not called", tool.module, tool.name);
            self.refuse(Rule::MissingAwait, at, message, Some(hints::add_await()));
        }
        self.visit_expr(expr);
    }

    /// Visits `name = call()`.
    fn assign(&mut self, target: &'a Expr, value: &'a Expr) {
        let name = target.as_name_expr().map(|name| name.id.as_str());
        match name {
            Some(name) if self.names.is_bound_once(name) && self.names.never_awaits(name) => self.lost(value),
            _ => self.visit_expr(value),
        }
    }

    /// Visits `await value`.
    fn awaited(&mut self, value: &'a Expr) {
        if let Some((tool, at)) = self.tool(value) {
            self.bind(tool, value, at);
        }
        self.visit_expr(value);
        self.enter_if_called(value, true);
    }

    fn bind(&mut self, tool: ToolRef<'a>, call: &'a Expr, at: TextSize) {
        let Some(ExprCall { arguments, .. }) = call.as_call_expr() else { return };
        let names: Option<Vec<&str>> =
            arguments.keywords.iter().map(|keyword| Some(keyword.arg.as_ref()?.as_str())).collect();
        // The values of `*` and `**` are known only at run time.
        let Some(names) = names.filter(|_| !arguments.args.iter().any(Expr::is_starred_expr)) else { return };
        let path = format!("{}.{}", tool.module, tool.name);
        if let Some(why) = tool.function.refuses(&path, arguments.args.len(), &names) {
            self.refuse(Rule::WrongArguments, at, why, Some(tool.function.usage(&path)));
        }
    }

    /// Continues in the function that `expr` calls, if the program defines it and the call runs its body.
    fn enter_if_called(&mut self, expr: &Expr, is_awaited: bool) {
        let called = expr.as_call_expr().and_then(|call| call.func.as_name_expr());
        let Some(name) = called.map(|name| name.id.as_str()) else { return };
        if self.functions.get(name).is_some_and(|function| function.is_async == is_awaited)
            && let Some(function) = self.functions.remove(name)
        {
            self.scope(&function.body);
        }
    }

    /// Visits the body of a function. Names that it imports or defines are not known after it.
    fn scope(&mut self, body: &'a [Stmt]) {
        let imports = body.iter().any(|stmt| stmt.is_import_stmt() || stmt.is_import_from_stmt());
        let outer = imports.then(|| (self.imported.clone(), self.tools.clone()));
        self.block(body);
        if let Some((imported, tools)) = outer {
            (self.imported, self.tools) = (imported, tools);
        }
        for stmt in body {
            if let Stmt::FunctionDef(function) = stmt {
                self.functions.remove(function.name.as_str());
            }
        }
    }

    fn call(&mut self, call: &'a ExprCall, expr: &'a Expr) {
        self.visit_expr(&call.func);
        let name = call.func.as_name_expr().map(|name| name.id.as_str());
        if name.is_some_and(|name| self.names.is_never_awaiting(name)) {
            call.arguments.args.iter().for_each(|argument| self.lost(argument));
        } else {
            call.arguments.args.iter().for_each(|argument| self.visit_expr(argument));
        }
        call.arguments.keywords.iter().for_each(|keyword| self.visit_expr(&keyword.value));
        self.enter_if_called(expr, false);
        let runs_its_argument = is_asyncio_run(&call.func) && self.names.is_bound_once("asyncio");
        if let (true, [main]) = (runs_its_argument, &*call.arguments.args) {
            self.enter_if_called(main, true);
        }
    }

    fn define(&mut self, function: &'a StmtFunctionDef) {
        function.decorator_list.iter().for_each(|decorator| self.visit_expr(&decorator.expression));
        self.defaults(&function.parameters);
        let name = function.name.as_str();
        let is_plain = function.decorator_list.is_empty() && !Leaving::of(&function.body).yields;
        if is_plain && self.names.is_bound_once(name) {
            self.functions.insert(name, function);
        }
    }

    fn defaults(&mut self, parameters: &'a Parameters) {
        let defaults = parameters.iter().filter_map(AnyParameterRef::default);
        defaults.for_each(|default| self.visit_expr(default));
    }

    /// Visits the first iterable of a comprehension. Everything else may be evaluated zero times.
    fn first_of(&mut self, generators: &'a [Comprehension]) {
        generators.iter().take(1).for_each(|generator| self.lost(&generator.iter));
    }
}

fn is_asyncio_run(function: &Expr) -> bool {
    function.as_attribute_expr().is_some_and(|attribute| {
        let receiver = attribute.value.as_name_expr();
        attribute.attr.as_str() == "run" && receiver.is_some_and(|name| name.id.as_str() == "asyncio")
    })
}

/// Visits the parts of a node that are always evaluated with it.
impl<'a> Visitor<'a> for Walk<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::Import(import) => import.names.iter().for_each(|alias| self.import(alias)),
            Stmt::ImportFrom(import) => self.import_from(import),
            Stmt::FunctionDef(function) => self.define(function),
            Stmt::ClassDef(class) => {
                class.decorator_list.iter().for_each(|decorator| self.visit_expr(&decorator.expression));
                class.arguments.iter().for_each(|arguments| self.visit_arguments(arguments));
            }
            Stmt::Expr(statement) => self.lost(&statement.value),
            Stmt::Assign(assign) => match assign.targets.as_slice() {
                [target] => self.assign(target, &assign.value),
                _ => self.visit_expr(&assign.value),
            },
            Stmt::AnnAssign(assign) => {
                assign.value.iter().for_each(|value| self.assign(&assign.target, value));
            }
            Stmt::AugAssign(assign) => self.visit_expr(&assign.value),
            Stmt::Return(statement) => statement.value.iter().for_each(|value| self.visit_expr(value)),
            Stmt::For(statement) => self.lost(&statement.iter),
            Stmt::If(statement) => self.lost(&statement.test),
            Stmt::While(statement) => self.lost(&statement.test),
            Stmt::Assert(statement) => self.lost(&statement.test),
            Stmt::With(with) => {
                with.items.iter().take(1).for_each(|item| self.visit_expr(&item.context_expr));
            }
            Stmt::Match(statement) => self.visit_expr(&statement.subject),
            Stmt::Raise(raise) => raise.exc.iter().for_each(|error| self.visit_expr(error)),
            Stmt::Delete(_)
            | Stmt::Try(_)
            | Stmt::TypeAlias(_)
            | Stmt::Global(_)
            | Stmt::Nonlocal(_)
            | Stmt::Pass(_)
            | Stmt::Break(_)
            | Stmt::Continue(_)
            | Stmt::IpyEscapeCommand(_) => {}
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Await(expr) => self.awaited(&expr.value),
            Expr::Call(call) => self.call(call, expr),
            Expr::Attribute(attribute) => self.attribute(attribute),
            Expr::Subscript(subscript) => {
                self.lost(&subscript.value);
                self.visit_expr(&subscript.slice);
            }
            Expr::BoolOp(operation) => {
                operation.values.iter().take(1).for_each(|value| self.visit_expr(value));
            }
            Expr::If(choice) => self.visit_expr(&choice.test),
            Expr::Compare(compare) => {
                self.visit_expr(&compare.left);
                compare.comparators.iter().take(1).for_each(|value| self.visit_expr(value));
            }
            Expr::ListComp(comprehension) => self.first_of(&comprehension.generators),
            Expr::SetComp(comprehension) => self.first_of(&comprehension.generators),
            Expr::DictComp(comprehension) => self.first_of(&comprehension.generators),
            Expr::Generator(generator) => self.first_of(&generator.generators),
            Expr::Lambda(lambda) => lambda.parameters.iter().for_each(|parameters| self.defaults(parameters)),
            _ => visitor::walk_expr(self, expr),
        }
    }

    fn visit_interpolated_string_element(&mut self, element: &'a InterpolatedStringElement) {
        if let InterpolatedStringElement::Interpolation(interpolation) = element {
            self.lost(&interpolation.expression);
            let spec = interpolation.format_spec.iter().flat_map(|spec| &spec.elements);
            spec.for_each(|element| self.visit_interpolated_string_element(element));
        }
    }
}

/// Whether a function's own statements return or yield. Nested functions do not count.
#[derive(Default)]
struct Leaving {
    returns: bool,
    yields: bool,
}

impl Leaving {
    fn of(body: &[Stmt]) -> Self {
        let mut leaving = Self::default();
        leaving.visit_body(body);
        leaving
    }
}

impl Visitor<'_> for Leaving {
    fn visit_stmt(&mut self, stmt: &Stmt) {
        if !matches!(stmt, Stmt::FunctionDef(_) | Stmt::ClassDef(_)) {
            self.returns |= stmt.is_return_stmt();
            visitor::walk_stmt(self, stmt);
        }
    }

    fn visit_expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Yield(_) | Expr::YieldFrom(_) => self.yields = true,
            Expr::Lambda(_) => {}
            _ => visitor::walk_expr(self, expr),
        }
    }
}
