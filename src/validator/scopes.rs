//! Tracks a program's scopes during the walk, for ruff's check of CPython's compile-time rules.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{
    Alias, ExceptHandler, Expr, ExprContext, Parameters, Pattern, PythonVersion, Stmt, StmtFunctionDef,
};
use ruff_python_parser::semantic_errors::{LazyImportContext, SemanticSyntaxContext, SemanticSyntaxError};
use ruff_text_size::{TextRange, TextSize};

use super::names::bound_by;

/// Scopes around the current node, outermost first, and the errors found so far.
pub(super) struct Scopes<'a> {
    source: &'a str,
    stack: Vec<Scope<'a>>,
    pub(super) errors: RefCell<Vec<SemanticSyntaxError>>,
}

pub(super) struct Scope<'a> {
    kind: Kind,
    parameters: HashSet<&'a str>,
    /// Type parameters of the function itself. In Python they are in a scope directly around it.
    type_parameters: HashSet<&'a str>,
    symbols: Symbols<'a>,
    /// Loops around the current statement, in this scope.
    pub(super) loops: usize,
    /// Blocks around the current statement that CPython counts, in this scope.
    pub(super) blocks: usize,
    /// Value of `loops` at the innermost `except*` clause around the statement.
    loops_around_except_star: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Module,
    Class,
    Function {
        is_async: bool,
    },
    Lambda,
    /// A list, set or dict comprehension.
    Comprehension,
    Generator,
}

impl<'a> Scopes<'a> {
    /// Starts with the module's scope.
    pub(super) fn new(source: &'a str, body: &'a [Stmt]) -> Self {
        let module = Scope { symbols: Symbols::of(body), ..Scope::new(Kind::Module) };
        Self { source, stack: vec![module], errors: RefCell::default() }
    }

    pub(super) fn push(&mut self, scope: Scope<'a>) {
        self.stack.push(scope);
    }

    pub(super) fn pop(&mut self) {
        self.stack.pop();
    }

    /// Returns the innermost scope. The module's scope is never popped.
    pub(super) fn current(&mut self) -> Option<&mut Scope<'a>> {
        self.stack.last_mut()
    }

    /// Returns the number of comprehensions directly nested in each other, including the current one.
    pub(super) fn comprehensions(&self) -> usize {
        self.stack.iter().rev().take_while(|scope| scope.kind == Kind::Comprehension).count()
    }

    /// Enters the body of an `except` clause. Returns the state for [`Self::leave_except`].
    pub(super) fn enter_except(&mut self, is_star: bool) -> Option<usize> {
        let scope = self.stack.last_mut()?;
        let around = scope.loops_around_except_star;
        if is_star {
            scope.loops_around_except_star = Some(scope.loops);
        }
        around
    }

    pub(super) fn leave_except(&mut self, around: Option<usize>) {
        if let Some(scope) = self.stack.last_mut() {
            scope.loops_around_except_star = around;
        }
    }

    /// Returns why this statement is refused, if it jumps out of an `except*` clause.
    pub(super) fn jump_out_of_except_star(&self, stmt: &Stmt) -> Option<&'static str> {
        let scope = self.stack.last()?;
        let loops_around = scope.loops_around_except_star?;
        let leaves = match stmt {
            Stmt::Return(_) => true,
            Stmt::Break(_) | Stmt::Continue(_) => scope.loops == loops_around,
            _ => false,
        };
        leaves.then_some("'break', 'continue' and 'return' cannot appear in an except* block")
    }

    /// Returns whether `nonlocal name` would find a type parameter.
    pub(super) fn finds_type_parameter(&self, name: &str) -> bool {
        let Some((current, around)) = self.stack.split_last() else { return false };
        let nearest =
            around.iter().rev().find(|scope| scope.binds(name) || scope.type_parameters.contains(name));
        current.type_parameters.contains(name) || nearest.is_some_and(|scope| !scope.binds(name))
    }

    /// Returns why a name may not be used here, if the scope declares it nonlocal further down.
    pub(super) fn nonlocal_later(&self, name: &str, at: TextSize) -> Option<&'static str> {
        let declared = self.stack.last()?.symbols.nonlocals.get(name)?;
        (at < declared.start()).then_some("name is used prior to nonlocal declaration")
    }

    /// Like [`Self::nonlocal_later`], for a name bound by something other than an assignment to a variable, and for
    /// `global` too.
    pub(super) fn declared_later(&self, name: &str, at: TextSize) -> Option<&'static str> {
        let declared = self.stack.last()?.symbols.globals.get(name);
        let is_early = declared.is_some_and(|declared| at < declared.start());
        let global = is_early.then_some("name is assigned to before global declaration");
        global.or_else(|| self.nonlocal_later(name, at))
    }

    fn kind(&self) -> Kind {
        self.stack.last().map_or(Kind::Module, |scope| scope.kind)
    }

    /// Returns the kind of the innermost scope that is not a comprehension.
    fn kind_around_comprehensions(&self) -> Kind {
        let mut kinds = self.stack.iter().rev().map(|scope| scope.kind);
        kinds.find(|kind| !matches!(kind, Kind::Comprehension | Kind::Generator)).unwrap_or(Kind::Module)
    }
}

impl<'a> Scope<'a> {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            parameters: HashSet::new(),
            type_parameters: HashSet::new(),
            symbols: Symbols::default(),
            loops: 0,
            blocks: 0,
            loops_around_except_star: None,
        }
    }

    pub(super) fn class(body: &'a [Stmt]) -> Self {
        Self { symbols: Symbols::of(body), ..Self::new(Kind::Class) }
    }

    pub(super) fn lambda(parameters: &'a Parameters) -> Self {
        Self { parameters: names_of(parameters), ..Self::new(Kind::Lambda) }
    }

    pub(super) fn function(function: &'a StmtFunctionDef) -> Self {
        let type_parameters = function.type_params.iter().flat_map(|parameters| parameters.iter());
        Self {
            parameters: names_of(&function.parameters),
            type_parameters: type_parameters.map(|parameter| parameter.name().as_str()).collect(),
            symbols: Symbols::of(&function.body),
            ..Self::new(Kind::Function { is_async: function.is_async })
        }
    }

    /// Returns whether `nonlocal` in a nested function finds `name` here.
    fn binds(&self, name: &str) -> bool {
        let is_function = matches!(self.kind, Kind::Function { .. });
        let bound = self.parameters.contains(name) || self.symbols.bound.contains(name);
        let implicit = self.kind == Kind::Class && name == "__class__";
        implicit || (is_function && bound && !self.symbols.globals.contains_key(name))
    }
}

fn names_of(parameters: &Parameters) -> HashSet<&str> {
    parameters.iter().map(|parameter| parameter.name().as_str()).collect()
}

impl SemanticSyntaxContext for Scopes<'_> {
    fn future_annotations_or_stub(&self) -> bool {
        false
    }

    fn lazy_import_context(&self) -> Option<LazyImportContext> {
        None
    }

    fn python_version(&self) -> PythonVersion {
        PythonVersion::PY313
    }

    fn source(&self) -> &str {
        self.source
    }

    fn global(&self, name: &str) -> Option<TextRange> {
        self.stack.last().and_then(|scope| scope.symbols.globals.get(name).copied())
    }

    fn has_nonlocal_binding(&self, name: &str) -> bool {
        let around = self.stack.len().saturating_sub(1);
        self.stack[..around].iter().any(|scope| scope.binds(name))
    }

    /// A module may use `await` like an async function: the guest compiles it so.
    fn in_async_context(&self) -> bool {
        matches!(self.kind_around_comprehensions(), Kind::Function { is_async: true } | Kind::Module)
    }

    fn in_await_allowed_context(&self) -> bool {
        self.kind_around_comprehensions() != Kind::Class
    }

    fn in_yield_allowed_context(&self) -> bool {
        matches!(self.kind(), Kind::Function { .. } | Kind::Lambda)
    }

    fn in_sync_comprehension(&self) -> bool {
        false
    }

    fn in_class_body_comprehension(&self) -> bool {
        self.kind_around_comprehensions() == Kind::Class
    }

    fn in_module_scope(&self) -> bool {
        self.kind() == Kind::Module
    }

    fn in_function_scope(&self) -> bool {
        matches!(self.kind(), Kind::Function { .. })
    }

    fn in_generator_context(&self) -> bool {
        self.kind() == Kind::Generator
    }

    fn in_notebook(&self) -> bool {
        // As in a notebook, `await` is allowed at the top level.
        true
    }

    fn report_semantic_error(&self, error: SemanticSyntaxError) {
        self.errors.borrow_mut().push(error);
    }

    fn in_loop_context(&self) -> bool {
        self.stack.last().is_some_and(|scope| scope.loops > 0)
    }

    fn is_bound_parameter(&self, name: &str) -> bool {
        self.stack.last().is_some_and(|scope| scope.parameters.contains(name))
    }
}

/// Names that a scope's own statements declare and bind.
#[derive(Default)]
struct Symbols<'a> {
    globals: HashMap<&'a str, TextRange>,
    nonlocals: HashMap<&'a str, TextRange>,
    bound: HashSet<&'a str>,
    /// Inside a comprehension, only `:=` binds a name in the scope around it.
    in_comprehension: bool,
}

impl<'a> Symbols<'a> {
    fn of(body: &'a [Stmt]) -> Self {
        let mut symbols = Self::default();
        symbols.visit_body(body);
        symbols
    }
}

impl<'a> Visitor<'a> for Symbols<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            // The body is another scope.
            Stmt::FunctionDef(function) => drop(self.bound.insert(function.name.as_str())),
            Stmt::ClassDef(class) => drop(self.bound.insert(class.name.as_str())),
            Stmt::Global(global) => {
                for name in &global.names {
                    self.globals.entry(name.as_str()).or_insert(global.range);
                }
            }
            Stmt::Nonlocal(nonlocal) => {
                for name in &nonlocal.names {
                    self.nonlocals.entry(name.as_str()).or_insert(nonlocal.range);
                }
            }
            _ => visitor::walk_stmt(self, stmt),
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(name) if name.ctx != ExprContext::Load && !self.in_comprehension => {
                self.bound.insert(name.id.as_str());
            }
            Expr::Named(named) => {
                if let Expr::Name(name) = &*named.target {
                    self.bound.insert(name.id.as_str());
                }
                self.visit_expr(&named.value);
            }
            Expr::Lambda(_) => {}
            Expr::ListComp(_) | Expr::SetComp(_) | Expr::DictComp(_) | Expr::Generator(_) => {
                let around = std::mem::replace(&mut self.in_comprehension, true);
                visitor::walk_expr(self, expr);
                self.in_comprehension = around;
            }
            _ => visitor::walk_expr(self, expr),
        }
    }

    fn visit_alias(&mut self, alias: &'a Alias) {
        let name = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
        self.bound.insert(name.split('.').next().unwrap_or(name));
    }

    fn visit_except_handler(&mut self, handler: &'a ExceptHandler) {
        let ExceptHandler::ExceptHandler(clause) = handler;
        self.bound.extend(clause.name.as_deref());
        visitor::walk_except_handler(self, handler);
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        self.bound.extend(bound_by(pattern).map(ruff_python_ast::Identifier::as_str));
        visitor::walk_pattern(self, pattern);
    }
}
