//! Typed access to TOML tables that collects problems instead of failing at the first.

use std::cell::RefCell;
use std::fmt::Display;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// All problems of a file.
pub(super) struct Problems<'a> {
    file: &'a str,
    text: &'a str,
    /// Each problem with its offset in the text.
    found: RefCell<Vec<(usize, String)>>,
}

impl<'a> Problems<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, found: RefCell::default() }
    }

    pub(super) fn add(&self, at: usize, what: String) {
        self.found.borrow_mut().push((at, what));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// Returns the problems as `file:line: key: problem`, in the order of the file.
    pub(super) fn into_lines(self) -> Vec<String> {
        let mut found = self.found.into_inner();
        found.sort_by_key(|(at, _)| *at);
        let line_of = |at: usize| 1 + self.text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        found.into_iter().map(|(at, what)| format!("{}:{}: {what}", self.file, line_of(at))).collect()
    }
}

/// A table of the file and its offset.
pub(super) struct Table<'a> {
    pub(super) problems: &'a Problems<'a>,
    entries: &'a DeTable<'a>,
    /// The full name of the table; empty for the root table.
    path: String,
    at: usize,
}

/// A string of the file and its offset.
pub(super) struct Text<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

impl<'a> Table<'a> {
    /// Returns the root table of the file.
    pub(super) fn root(entries: &'a DeTable<'a>, problems: &'a Problems<'a>) -> Self {
        Self { problems, entries, path: String::new(), at: 0 }
    }

    /// Returns the full name of an entry, quoted as TOML requires.
    fn name_of(&self, key: &str) -> String {
        let is_bare = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_');
        let quoted =
            if !key.is_empty() && key.chars().all(is_bare) { key.to_owned() } else { format!("{key:?}") };
        if self.path.is_empty() { quoted } else { format!("{}.{quoted}", self.path) }
    }

    /// Reports a problem of an entry. If the entry is missing, the table's own line is named.
    pub(super) fn problem(&self, key: &str, why: impl Display) {
        let at =
            self.entries.keys().find(|found| found.get_ref() == key).map_or(self.at, |key| key.span().start);
        self.problem_at(at, key, why);
    }

    pub(super) fn problem_at(&self, at: usize, key: &str, why: impl Display) {
        self.problems.add(at, format!("{}: {why}", self.name_of(key)));
    }

    /// Reports a problem of the table as a whole.
    pub(super) fn problem_here(&self, why: impl Display) {
        self.problems.add(self.at, format!("{}: {why}", self.path));
    }

    /// Reports each entry whose key is not one of `known`.
    pub(super) fn check_keys(&self, known: &[&str]) {
        for key in self.entries.keys().map(Spanned::get_ref).filter(|key| !known.contains(&key.as_ref())) {
            let nearest = known.iter().map(|known| (distance(key, known), known)).min();
            let nearest = nearest
                .filter(|(distance, _)| *distance <= 3)
                .map(|(_, known)| format!("did you mean '{known}'? "));
            self.problem(
                key,
                format!("unknown; {}the keys are {}", nearest.unwrap_or_default(), known.join(", ")),
            );
        }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    fn find(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.entries.iter().find(|(found, _)| found.get_ref() == key).map(|(_, value)| value)
    }

    /// Returns the entry `key` converted by `of`. Reports a problem if the entry has another type.
    fn of_type<T>(
        &self,
        key: &str,
        wanted: &str,
        of: impl Fn(&'a DeValue<'a>) -> Option<T>,
    ) -> Option<(T, usize)> {
        let value = self.find(key)?;
        let found = of(value.get_ref());
        if found.is_none() {
            self.problem(key, format!("must be {wanted}, not {}", type_of(value.get_ref())));
        }
        found.map(|found| (found, value.span().start))
    }

    pub(super) fn text(&self, key: &str) -> Option<Text<'a>> {
        self.of_type(key, "a string", DeValue::as_str).map(|(text, at)| Text { text, at })
    }

    pub(super) fn switch(&self, key: &str) -> Option<bool> {
        self.of_type(key, "true or false", DeValue::as_bool).map(|(on, _)| on)
    }

    /// Returns a number from `min` to `max`. Reports a problem that names the bounds if it is outside them.
    pub(super) fn number(&self, key: &str, min: f64, max: f64) -> Option<f64> {
        let number = |value: &DeValue<'_>| match value {
            DeValue::Integer(number) => number.to_string().parse().ok(),
            DeValue::Float(number) => number.as_str().parse().ok(),
            _ => None,
        };
        let (number, _) = self.of_type(key, "a number", number)?;
        let fits = (min..=max).contains(&number);
        if !fits {
            self.problem(key, format!("must be from {min} to {max}"));
        }
        fits.then_some(number)
    }

    /// Returns a list of strings.
    pub(super) fn texts(&self, key: &str) -> Option<Vec<&'a str>> {
        let texts =
            |value: &'a DeValue<'a>| value.as_array()?.iter().map(|item| item.get_ref().as_str()).collect();
        self.of_type(key, "a list of strings", texts).map(|(texts, _)| texts)
    }

    pub(super) fn is_list(&self, key: &str) -> bool {
        self.find(key).is_some_and(|value| value.get_ref().is_array())
    }

    /// Returns the table `key`, or `None` if it is missing.
    pub(super) fn table(&self, key: &str) -> Option<Table<'a>> {
        let (entries, _) = self.of_type(key, "a table", DeValue::as_table)?;
        let at =
            self.entries.keys().find(|found| found.get_ref() == key).map_or(self.at, |key| key.span().start);
        Some(Table { problems: self.problems, entries, path: self.name_of(key), at })
    }

    /// Returns the tables in this table, by name.
    pub(super) fn tables(&self) -> impl Iterator<Item = (&'a str, Table<'a>)> {
        self.keys().filter_map(|key| Some((key, self.table(key)?)))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.entries.keys().map(|key| key.get_ref().as_ref())
    }

    /// Converts the table to JSON. Reports each value that JSON cannot hold.
    pub(super) fn json(&self) -> Map<String, Value> {
        self.entries
            .iter()
            .filter_map(|(key, value)| Some((key.get_ref().to_string(), self.value(value)?)))
            .collect()
    }

    fn value(&self, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        let number = |text: String| text.parse::<serde_json::Number>().ok().map(Value::Number);
        let json = match value.get_ref() {
            DeValue::String(text) => Some(Value::String(text.to_string())),
            DeValue::Boolean(on) => Some(Value::Bool(*on)),
            DeValue::Integer(integer) => number(integer.to_string()),
            DeValue::Float(float) => {
                float.as_str().parse().ok().and_then(serde_json::Number::from_f64).map(Value::Number)
            }
            DeValue::Datetime(_) => None,
            DeValue::Array(items) => Some(items.iter().filter_map(|item| self.value(item)).collect()),
            DeValue::Table(entries) => {
                let table = Table { problems: self.problems, entries, path: self.path.clone(), at: self.at };
                Some(Value::Object(table.json()))
            }
        };
        if json.is_none() {
            let why = "has a date or number that JSON cannot hold; write it as a string";
            self.problems.add(value.span().start, format!("{}: {why}", self.path));
        }
        json
    }
}

fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Returns the Levenshtein distance of two words.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, b) in other.iter().enumerate() {
            let change = diagonal + usize::from(a != *b);
            diagonal = row[column + 1];
            row[column + 1] = change.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn distances_count_letters() {
        for (one, other, letters) in
            [("", "", 0), ("path", "path", 0), ("pth", "path", 1), ("qurey", "query", 2), ("", "abc", 3)]
        {
            assert_eq!(distance(one, other), letters, "{one} {other}");
        }
    }
}
