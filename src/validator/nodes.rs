//! Counts the nodes of a program's syntax tree as `len(list(ast.walk(ast.parse(source))))` does in CPython.

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{
    Alias, BoolOp, CmpOp, Comprehension, ExceptHandler, Expr, ExprContext, ExprFString, FStringPart,
    InterpolatedStringElement, Keyword, MatchCase, Operator, Parameter, Parameters, Pattern, Stmt, TypeParam,
    UnaryOp, WithItem,
};

/// Returns the number of nodes in a module with this body, including the module itself.
pub(super) fn count(body: &[Stmt]) -> usize {
    let mut counter = Counter(1);
    counter.visit_body(body);
    counter.0
}

struct Counter(usize);

impl Counter {
    /// CPython joins adjacent literals into one node. The text of `{x=}` is a literal too.
    fn f_string(&mut self, string: &ExprFString) {
        let mut in_literal = false;
        for part in &string.value {
            match part {
                FStringPart::Literal(literal) => self.literal(literal, &mut in_literal),
                FStringPart::FString(part) => {
                    part.elements.iter().for_each(|element| self.element(element, &mut in_literal));
                }
            }
        }
    }

    fn element(&mut self, element: &InterpolatedStringElement, in_literal: &mut bool) {
        match element {
            InterpolatedStringElement::Literal(literal) => self.literal(&literal.value, in_literal),
            InterpolatedStringElement::Interpolation(interpolation) => {
                if interpolation.debug_text.is_some() {
                    self.literal("=", in_literal);
                }
                *in_literal = false;
                self.0 += 1;
                self.visit_expr(&interpolation.expression);
                if let Some(spec) = &interpolation.format_spec {
                    self.0 += 1;
                    let mut in_literal = false;
                    spec.elements.iter().for_each(|element| self.element(element, &mut in_literal));
                }
            }
        }
    }

    fn literal(&mut self, text: &str, in_literal: &mut bool) {
        if !text.is_empty() && !*in_literal {
            self.0 += 1;
            *in_literal = true;
        }
    }
}

impl Visitor<'_> for Counter {
    fn visit_stmt(&mut self, stmt: &Stmt) {
        self.0 += 1;
        if let Stmt::If(branches) = stmt {
            // CPython represents `elif` as an `if` inside `else`.
            self.0 += branches.elif_else_clauses.iter().filter(|clause| clause.test.is_some()).count();
        }
        visitor::walk_stmt(self, stmt);
    }

    fn visit_expr(&mut self, expr: &Expr) {
        self.0 += 1;
        match expr {
            Expr::FString(string) => self.f_string(string),
            Expr::Lambda(lambda) => {
                // CPython has an `arguments` node even if there are no parameters.
                self.0 += usize::from(lambda.parameters.is_none());
                visitor::walk_expr(self, expr);
            }
            _ => visitor::walk_expr(self, expr),
        }
    }

    fn visit_expr_context(&mut self, _: &ExprContext) {
        self.0 += 1;
    }

    fn visit_bool_op(&mut self, _: &BoolOp) {
        self.0 += 1;
    }

    fn visit_operator(&mut self, _: &Operator) {
        self.0 += 1;
    }

    fn visit_unary_op(&mut self, _: &UnaryOp) {
        self.0 += 1;
    }

    fn visit_cmp_op(&mut self, _: &CmpOp) {
        self.0 += 1;
    }

    fn visit_comprehension(&mut self, comprehension: &Comprehension) {
        self.0 += 1;
        visitor::walk_comprehension(self, comprehension);
    }

    fn visit_except_handler(&mut self, handler: &ExceptHandler) {
        self.0 += 1;
        visitor::walk_except_handler(self, handler);
    }

    fn visit_parameters(&mut self, parameters: &Parameters) {
        self.0 += 1;
        visitor::walk_parameters(self, parameters);
    }

    fn visit_parameter(&mut self, parameter: &Parameter) {
        self.0 += 1;
        visitor::walk_parameter(self, parameter);
    }

    fn visit_keyword(&mut self, keyword: &Keyword) {
        self.0 += 1;
        visitor::walk_keyword(self, keyword);
    }

    fn visit_alias(&mut self, _: &Alias) {
        self.0 += 1;
    }

    fn visit_with_item(&mut self, item: &WithItem) {
        self.0 += 1;
        visitor::walk_with_item(self, item);
    }

    fn visit_type_param(&mut self, parameter: &TypeParam) {
        self.0 += 1;
        visitor::walk_type_param(self, parameter);
    }

    fn visit_match_case(&mut self, case: &MatchCase) {
        self.0 += 1;
        visitor::walk_match_case(self, case);
    }

    fn visit_pattern(&mut self, pattern: &Pattern) {
        self.0 += 1;
        visitor::walk_pattern(self, pattern);
    }
}
