//! Tool modules as plain data: their functions and the parameters of each.

use std::collections::{BTreeMap, HashSet};

use super::hints;

/// Longest list of names in a hint. A reader does not take in more.
const LISTED_MAX: usize = 8;
const LISTED_CHARS_MAX: usize = 300;

/// A tool module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolModule {
    /// Functions by Python name, including those that this execution may not call.
    pub functions: BTreeMap<String, ToolFunction>,
    /// Other public names.
    pub other_names: Vec<String>,
}

/// The signature of a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolFunction {
    /// Parameters in positional order; required ones come first.
    pub parameters: Vec<ToolParameter>,
    /// Whether it accepts further keyword arguments.
    pub takes_more: bool,
    /// Whether this execution may call it. If not, calls are not checked and hints do not name it.
    pub is_granted: bool,
}

/// A parameter of a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolParameter {
    /// Python name.
    pub name: String,
    /// Whether a call without it fails.
    pub is_required: bool,
}

impl ToolModule {
    /// Returns whether the module has this attribute. Names that start with two underscores are left to Python.
    pub(super) fn has(&self, name: &str) -> bool {
        name.starts_with("__")
            || self.functions.contains_key(name)
            || self.other_names.iter().any(|other| other == name)
    }

    /// Returns the hint for a name that the module does not have. With `guesses`, compares it with all functions.
    pub(super) fn hint(&self, module: &str, name: &str, guesses: bool) -> String {
        let granted = self.functions.iter().filter(|(_, function)| function.is_granted);
        let names: Vec<&str> = granted.map(|(name, _)| name.as_str()).collect();
        let similar = guesses.then(|| hints::most_similar(name, &names)).flatten();
        let meant = similar.map(|similar| format!("Did you mean '{similar}'? ")).unwrap_or_default();
        let listed = names.join(", ");
        if names.len() <= LISTED_MAX && listed.len() <= LISTED_CHARS_MAX {
            format!("{meant}Functions of {module}: {listed}.")
        } else {
            format!(
                "{meant}After `import tools`, print(tools.describe('{module}')) lists all {}.",
                names.len()
            )
        }
    }
}

impl ToolFunction {
    /// Returns why a call with these arguments fails, in the guest's words (`Signature.bind` in `guest/tools.py`).
    pub(super) fn refuses(&self, path: &str, positional: usize, keywords: &[&str]) -> Option<String> {
        let count = self.parameters.len();
        if positional > count {
            return Some(format!("{path}() takes {count} arguments, but {positional} were given"));
        }
        let (given, rest) = self.parameters.split_at(positional);
        let by_name: HashSet<&str> = keywords.iter().copied().collect();
        if let Some(twice) = given.iter().find(|parameter| by_name.contains(parameter.name.as_str())) {
            return Some(format!("{path}() got two values for argument '{}'", twice.name));
        }
        let known: HashSet<&str> = self.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
        let unknown = keywords.iter().find(|name| !self.takes_more && !known.contains(**name));
        if let Some(unknown) = unknown {
            return Some(format!("{path}() has no argument '{unknown}'"));
        }
        let is_missing =
            |parameter: &&ToolParameter| parameter.is_required && !by_name.contains(parameter.name.as_str());
        let missing = rest.iter().find(is_missing)?;
        Some(format!("{path}() needs argument '{}'", missing.name))
    }

    /// Describes how the function is called.
    pub(super) fn usage(&self, path: &str) -> String {
        let mut parameters: Vec<String> = Vec::new();
        let mut chars = 0;
        for ToolParameter { name, is_required } in &self.parameters {
            chars += name.len();
            if chars > LISTED_CHARS_MAX {
                parameters.push("…".into());
                break;
            }
            parameters.push(if *is_required { name.clone() } else { format!("{name}=…") });
        }
        let (name, parameters) = (path, parameters.join(", "));
        let more = match (self.takes_more, parameters.is_empty()) {
            (false, _) => "",
            (true, true) => "**more",
            (true, false) => ", **more",
        };
        format!("It is called as `await {name}({parameters}{more})`.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(parameters: &[&str], takes_more: bool) -> ToolFunction {
        let parameter = |text: &&str| ToolParameter {
            name: text.trim_end_matches('?').into(),
            is_required: !text.ends_with('?'),
        };
        ToolFunction { parameters: parameters.iter().map(parameter).collect(), takes_more, is_granted: true }
    }

    #[test]
    fn arguments_bind_as_in_the_guest() {
        let history = function(&["entity", "start", "fields?"], false);
        let open = function(&["entity"], true);
        let cases: [(&ToolFunction, usize, &[&str], &str); 9] = [
            (&history, 2, &[], ""),
            (&history, 1, &["fields", "start"], ""),
            (&history, 0, &["start"], "m.f() needs argument 'entity'"),
            (&history, 1, &[], "m.f() needs argument 'start'"),
            (&history, 4, &[], "m.f() takes 3 arguments, but 4 were given"),
            (&history, 2, &["entity"], "m.f() got two values for argument 'entity'"),
            (&history, 2, &["field"], "m.f() has no argument 'field'"),
            (&open, 0, &["entity", "x"], ""),
            (&open, 0, &["x"], "m.f() needs argument 'entity'"),
        ];
        for (function, positional, keywords, expected) in cases {
            let refused = function.refuses("m.f", positional, keywords).unwrap_or_default();
            assert_eq!(refused, expected, "{positional} {keywords:?}");
        }
        assert_eq!(history.usage("m.f"), "It is called as `await m.f(entity, start, fields=…)`.");
        assert_eq!(function(&[], true).usage("m.f"), "It is called as `await m.f(**more)`.");
        let long = function(&["x"; 400], true).usage("m.f");
        assert!(long.len() < 1500 && long.ends_with("x, …, **more)`."), "{long}");
    }

    #[test]
    fn hints_suggest_similar_granted_functions() {
        let module = |names: &[&str]| ToolModule {
            functions: names.iter().map(|name| ((*name).to_owned(), function(&[], false))).collect(),
            other_names: vec!["ToolError".into()],
        };
        let mut data = module(&["get_devices", "query_device_history", "secret"]);
        if let Some(secret) = data.functions.get_mut("secret") {
            secret.is_granted = false;
        }
        assert!(data.has("secret") && data.has("ToolError") && data.has("__name__") && !data.has("get"));
        let listed = "Functions of data: get_devices, query_device_history.";
        for (name, expected) in [
            ("get_device", format!("Did you mean 'get_devices'? {listed}")),
            ("get_device_history", format!("Did you mean 'query_device_history'? {listed}")),
            ("secrets", listed.to_owned()),
            ("get_devices".repeat(6000).as_str(), listed.to_owned()),
        ] {
            assert_eq!(data.hint("data", name, true), expected, "{}", &name[..name.len().min(40)]);
        }
        let names: Vec<String> = (0..50).map(|n| format!("tool_{n}")).collect();
        let many = module(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let hint = "After `import tools`, print(tools.describe('many')) lists all 50.";
        assert_eq!(many.hint("many", "nonsense", true), hint);
    }
}
