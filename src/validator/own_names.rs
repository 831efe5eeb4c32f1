//! Finds out which uses of a name such as `open` mean something that the program itself has bound.

use ruff_text_size::TextSize;

use super::OWN_NAMES;

/// The scopes of a program, with what each binds of [`OWN_NAMES`].
pub(super) struct Scopes {
    all: Vec<Scope>,
    current: usize,
    uses: Vec<Use>,
}

/// A set of [`OWN_NAMES`], one bit each.
type Bits = u16;

struct Scope {
    kind: ScopeKind,
    /// The scope around it; the module's is its own.
    parent: usize,
    bound: Bits,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ScopeKind {
    /// A module, a function, or the type parameters of one.
    Function,
    /// Its names are not visible in functions within it.
    Class,
    /// Only its targets are bound in it; `:=` binds around it.
    Comprehension,
}

struct Use {
    name: usize,
    at: TextSize,
    scope: usize,
}

impl Scopes {
    /// Starts in the module's scope.
    pub(super) fn new() -> Self {
        Self {
            all: vec![Scope { kind: ScopeKind::Function, parent: 0, bound: 0 }],
            current: 0,
            uses: Vec::new(),
        }
    }

    pub(super) fn enter(&mut self, kind: ScopeKind) {
        self.all.push(Scope { kind, parent: self.current, bound: 0 });
        self.current = self.all.len() - 1;
    }

    pub(super) fn leave(&mut self) {
        self.current = self.all[self.current].parent;
    }

    /// Returns whether the current scope is the body of a class.
    pub(super) fn is_class(&self) -> bool {
        self.all[self.current].kind == ScopeKind::Class
    }

    /// Notes that the current scope binds `name`. Does nothing if programs may not bind it.
    pub(super) fn bind(&mut self, name: &str) {
        self.bind_in(self.current, name);
    }

    /// Notes that `:=` binds `name`: in the scope around all comprehensions.
    pub(super) fn bind_around_comprehensions(&mut self, name: &str) {
        let mut scope = self.current;
        while self.all[scope].kind == ScopeKind::Comprehension {
            scope = self.all[scope].parent;
        }
        self.bind_in(scope, name);
    }

    /// Notes that the module binds `name`, because a function declares it global.
    pub(super) fn bind_in_module(&mut self, name: &str) {
        self.bind_in(0, name);
    }

    fn bind_in(&mut self, scope: usize, name: &str) {
        if let Ok(index) = OWN_NAMES.binary_search(&name) {
            self.all[scope].bound |= 1 << index;
        }
    }

    /// Notes a use of `name` in the current scope. Does nothing if it is not one of [`OWN_NAMES`].
    pub(super) fn note_use(&mut self, name: &str, at: TextSize) {
        if let Ok(name) = OWN_NAMES.binary_search(&name) {
            self.uses.push(Use { name, at, scope: self.current });
        }
    }

    /// Returns the uses of names that no scope around them binds. Call it when all of the program was visited: a scope
    /// may bind a name after its use.
    pub(super) fn unbound_uses(&self) -> impl Iterator<Item = (&'static str, TextSize)> {
        // What the scopes within a scope see of it and of those around it. Each scope comes after the one around it.
        let mut inherited: Vec<Bits> = Vec::with_capacity(self.all.len());
        let mut visible = Vec::with_capacity(self.all.len());
        for scope in &self.all {
            let around = inherited.get(scope.parent).copied().unwrap_or_default();
            visible.push(around | scope.bound);
            inherited.push(if scope.kind == ScopeKind::Class { around } else { around | scope.bound });
        }
        let is_unbound = move |each: &&Use| visible[each.scope] & (1 << each.name) == 0;
        self.uses.iter().filter(is_unbound).map(|each| (OWN_NAMES[each.name], each.at))
    }
}
