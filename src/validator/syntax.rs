//! Programs that CPython's parser or compiler would refuse.

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{
    Alias, Comprehension, ExceptHandler, Expr, Identifier, InterpolatedStringElement, Keyword, ModModule,
    Pattern, Stmt, StmtTry,
};
use ruff_python_parser::Parsed;
use ruff_python_parser::semantic_errors::SemanticSyntaxChecker;
use ruff_source_file::LineIndex;
use ruff_text_size::{Ranged, TextSize};

use super::names::bound_by;
use super::rules::{self, Broken};
use super::scopes::{Kind, Scope, Scopes};
use super::{Found, costly, hints, indent};
use crate::execution::Rule;

/// CPython's limit, `CO_MAXBLOCKS`.
const BLOCKS_MAX: usize = 20;

/// CPython 3.13 inlines comprehensions, and writes past the end of an internal array at about 22 nested ones.
const COMPREHENSIONS_MAX: usize = 20;

/// Returns the errors of the parser, at most one for each line, because one mistake causes many errors.
pub(super) fn errors(parsed: &Parsed<ModModule>, source: &str) -> Vec<Found> {
    let errors = parsed.errors().iter().map(|error| (error.location.start(), error.error.to_string()));
    let unsupported =
        parsed.unsupported_syntax_errors().iter().map(|error| (error.range.start(), error.to_string()));
    let mut errors: Vec<_> = errors.chain(unsupported).collect();
    let nul = source.find('\0').and_then(|at| TextSize::try_from(at).ok());
    errors.extend(nul.map(|at| (at, "source code string cannot contain null bytes".to_owned())));
    if errors.is_empty() {
        errors.extend(indent::check(parsed.tokens(), source).map(|(at, why)| (at, why.to_owned())));
    }
    errors.sort();
    let lines = LineIndex::from_source_text(source);
    errors.dedup_by_key(|(at, _)| lines.line_index(*at));
    errors.into_iter().map(|(at, why)| found(at, &why)).collect()
}

/// Returns the errors that CPython's compiler reports and the parser does not.
pub(super) fn compile_errors(body: &[Stmt], source: &str) -> Vec<Found> {
    let mut walk = Walk {
        checker: SemanticSyntaxChecker::new(),
        scopes: Scopes::new(source, body),
        source,
        found: Vec::new(),
    };
    walk.visit_body(body);
    let Walk { scopes, mut found, .. } = walk;
    let errors = scopes.errors.into_inner();
    found.extend(errors.iter().map(|error| self::found(error.range.start(), &error.to_string())));
    found
}

pub(super) fn found(at: TextSize, why: &str) -> Found {
    Found {
        rule: Rule::Syntax,
        at,
        message: format!("Code failed to parse: {why}"),
        hint: hints::for_syntax(why),
    }
}

struct Walk<'a> {
    checker: SemanticSyntaxChecker,
    scopes: Scopes<'a>,
    source: &'a str,
    found: Vec<Found>,
}

impl<'a> Walk<'a> {
    fn refuse(&mut self, at: TextSize, why: &str) {
        self.found.push(found(at, why));
    }

    fn in_scope(&mut self, scope: Scope<'a>, walk: impl FnOnce(&mut Self)) {
        self.scopes.push(scope);
        walk(self);
        self.scopes.pop();
    }

    /// Visits `body`, which is inside `blocks` further blocks; `loops` of them are loops.
    fn in_blocks(&mut self, at: TextSize, blocks: usize, loops: usize, body: &'a [Stmt]) {
        let Some(scope) = self.scopes.current() else { return };
        scope.blocks += blocks;
        scope.loops += loops;
        let is_first_beyond = (BLOCKS_MAX + 1..=BLOCKS_MAX + blocks).contains(&scope.blocks);
        if is_first_beyond {
            self.refuse(at, "too many statically nested blocks");
        }
        self.visit_body(body);
        if let Some(scope) = self.scopes.current() {
            scope.blocks -= blocks;
            scope.loops -= loops;
        }
    }

    fn try_stmt(&mut self, stmt: &'a StmtTry) {
        let at = stmt.start();
        let finally = usize::from(!stmt.finalbody.is_empty());
        let except = usize::from(!stmt.handlers.is_empty());
        self.in_blocks(at, finally + except, 0, &stmt.body);
        self.in_blocks(at, finally, 0, &stmt.orelse);
        for ExceptHandler::ExceptHandler(handler) in &stmt.handlers {
            if let Some(kind) = &handler.type_ {
                self.visit_expr(kind);
            }
            if let Some(name) = &handler.name {
                self.bind(name);
            }
            let around = self.scopes.enter_except(stmt.is_star);
            self.in_blocks(handler.start(), finally + 2, 0, &handler.body);
            self.scopes.leave_except(around);
        }
        self.in_blocks(at, 1, 0, &stmt.finalbody);
    }

    fn comprehension(&mut self, kind: Kind, generators: &'a [Comprehension], elements: &[&'a Expr]) {
        let Some((first, rest)) = generators.split_first() else { return };
        self.visit_expr(&first.iter);
        self.in_scope(Scope::new(kind), |walk| {
            if walk.scopes.comprehensions() == COMPREHENSIONS_MAX + 1 {
                walk.refuse(first.start(), "too many nested comprehensions");
            }
            walk.visit_expr(&first.target);
            first.ifs.iter().for_each(|condition| walk.visit_expr(condition));
            for generator in rest {
                walk.visit_comprehension(generator);
            }
            for element in elements {
                walk.visit_expr(element);
            }
        });
    }

    fn check_stmt(&mut self, stmt: &'a Stmt) {
        // The checker mistakes `.__future__` for `__future__`. Relative imports are refused anyway.
        let is_relative = matches!(stmt, Stmt::ImportFrom(import) if import.level > 0);
        if !is_relative && !costly::stmt(stmt) {
            self.checker.visit_stmt(stmt, &self.scopes);
        }
        if let Stmt::Nonlocal(nonlocal) = stmt {
            let is_type_parameter = |name: &&Identifier| self.scopes.finds_type_parameter(name.as_str());
            let name = nonlocal.names.iter().find(is_type_parameter);
            self.refuse_broken(
                name.map(|name| (name.start(), "nonlocal binding not allowed for type parameter")),
            );
        }
        let why = self.scopes.jump_out_of_except_star(stmt);
        self.refuse_broken(why.map(|why| (stmt.start(), why)));
        self.refuse_broken(rules::stmt(stmt));
    }

    fn refuse_broken(&mut self, broken: Option<Broken>) {
        if let Some((at, why)) = broken {
            self.refuse(at, why);
        }
    }

    fn bind(&mut self, name: &'a Identifier) {
        let why = self.scopes.declared_later(name.as_str(), name.start());
        self.refuse_broken(why.map(|why| (name.start(), why)));
    }
}

impl<'a> Visitor<'a> for Walk<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        self.check_stmt(stmt);
        let at = stmt.start();
        match stmt {
            Stmt::FunctionDef(function) => {
                self.bind(&function.name);
                function.decorator_list.iter().for_each(|decorator| self.visit_decorator(decorator));
                if let Some(parameters) = &function.type_params {
                    self.visit_type_params(parameters);
                }
                self.visit_parameters(&function.parameters);
                function.returns.iter().for_each(|annotation| self.visit_annotation(annotation));
                self.in_scope(Scope::function(function), |walk| walk.visit_body(&function.body));
            }
            Stmt::ClassDef(class) => {
                self.bind(&class.name);
                class.decorator_list.iter().for_each(|decorator| self.visit_decorator(decorator));
                if let Some(parameters) = &class.type_params {
                    self.visit_type_params(parameters);
                }
                if let Some(arguments) = &class.arguments {
                    self.visit_arguments(arguments);
                }
                self.in_scope(Scope::class(&class.body), |walk| walk.visit_body(&class.body));
            }
            Stmt::For(stmt) => {
                self.visit_expr(&stmt.iter);
                self.visit_expr(&stmt.target);
                self.in_blocks(at, 1, 1, &stmt.body);
                self.visit_body(&stmt.orelse);
            }
            Stmt::While(stmt) => {
                self.visit_expr(&stmt.test);
                self.in_blocks(at, 1, 1, &stmt.body);
                self.visit_body(&stmt.orelse);
            }
            Stmt::With(stmt) => {
                stmt.items.iter().for_each(|item| self.visit_with_item(item));
                self.in_blocks(at, stmt.items.len(), 0, &stmt.body);
            }
            Stmt::Try(stmt) => self.try_stmt(stmt),
            _ => visitor::walk_stmt(self, stmt),
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        if !costly::expr(expr) {
            self.checker.visit_expr(expr, &self.scopes);
        }
        self.refuse_broken(rules::expr(expr, self.source));
        match expr {
            Expr::Lambda(lambda) => {
                let scope = match &lambda.parameters {
                    Some(parameters) => {
                        self.visit_parameters(parameters);
                        Scope::lambda(parameters)
                    }
                    None => Scope::new(Kind::Lambda),
                };
                self.in_scope(scope, |walk| walk.visit_expr(&lambda.body));
            }
            Expr::ListComp(comp) => self.comprehension(Kind::Comprehension, &comp.generators, &[&comp.elt]),
            Expr::SetComp(comp) => self.comprehension(Kind::Comprehension, &comp.generators, &[&comp.elt]),
            Expr::Generator(comp) => self.comprehension(Kind::Generator, &comp.generators, &[&comp.elt]),
            Expr::DictComp(comp) => {
                let elements: Vec<&Expr> = comp.key.as_deref().into_iter().chain([&*comp.value]).collect();
                self.comprehension(Kind::Comprehension, &comp.generators, &elements);
            }
            Expr::Name(name) => {
                let why = self.scopes.nonlocal_later(name.id.as_str(), name.start());
                self.refuse_broken(why.map(|why| (name.start(), why)));
            }
            _ => visitor::walk_expr(self, expr),
        }
    }

    fn visit_alias(&mut self, alias: &'a Alias) {
        self.bind(alias.asname.as_ref().unwrap_or(&alias.name));
    }

    fn visit_keyword(&mut self, keyword: &'a Keyword) {
        self.refuse_broken(rules::keyword(keyword));
        visitor::walk_keyword(self, keyword);
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        self.refuse_broken(rules::pattern(pattern));
        if let Some(name) = bound_by(pattern) {
            self.bind(name);
        }
        visitor::walk_pattern(self, pattern);
    }

    fn visit_interpolated_string_element(&mut self, element: &'a InterpolatedStringElement) {
        self.refuse_broken(rules::interpolation(element));
        visitor::walk_interpolated_string_element(self, element);
    }
}
