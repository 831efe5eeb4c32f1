//! Problems of a program that is not run.

use std::fmt;

/// A problem that prevents a program from being run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The rule that the program breaks.
    pub rule: Rule,
    /// What is wrong, in one sentence.
    pub message: String,
    /// Line in the program, counted from 1.
    pub line: u32,
    /// Column in that line, in characters, counted from 1.
    pub column: u32,
    /// How to fix it, if known.
    pub hint: Option<String>,
}

/// A rule that the validator enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// The program must not be empty.
    Empty,
    /// The size of the program is limited.
    Size,
    /// CPython must be able to compile the program.
    Syntax,
    /// The number of AST nodes is limited.
    Complexity,
    /// Only modules on the allow-list may be imported.
    Import,
    /// Relative imports are refused: there is no package that they could refer to.
    RelativeImport,
    /// Star imports are refused: names must be imported one by one.
    StarImport,
    /// Some names are refused.
    Name,
    /// Some attributes are refused.
    Attribute,
    /// Functions of a tool module must exist to be used.
    UnknownFunction,
    /// The arguments of a tool call must match the tool's parameters.
    WrongArguments,
    /// The result of a tool call must be awaited before it is used.
    MissingAwait,
}

impl Rule {
    pub(crate) const ALL: [Self; 12] = [
        Self::Empty,
        Self::Size,
        Self::Syntax,
        Self::Complexity,
        Self::Import,
        Self::RelativeImport,
        Self::StarImport,
        Self::Name,
        Self::Attribute,
        Self::UnknownFunction,
        Self::WrongArguments,
        Self::MissingAwait,
    ];

    /// Returns the stable code for answers, logs and the output of `check`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Size => "too_large",
            Self::Syntax => "syntax_error",
            Self::Complexity => "too_complex",
            Self::Import => "import_not_permitted",
            Self::RelativeImport => "relative_import",
            Self::StarImport => "star_import",
            Self::Name => "name_not_allowed",
            Self::Attribute => "attribute_not_allowed",
            Self::UnknownFunction => "unknown_function",
            Self::WrongArguments => "wrong_arguments",
            Self::MissingAwait => "missing_await",
        }
    }

    /// Returns whether the rule is about security: a program that breaks it requests something forbidden. A program
    /// that breaks one of the other rules is merely unusable.
    #[must_use]
    pub fn is_security(self) -> bool {
        match self {
            Self::Import | Self::RelativeImport | Self::StarImport | Self::Name | Self::Attribute => true,
            Self::Empty
            | Self::Size
            | Self::Syntax
            | Self::Complexity
            | Self::UnknownFunction
            | Self::WrongArguments
            | Self::MissingAwait => false,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
