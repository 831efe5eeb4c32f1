//! Hints: what a model can write in place of what is refused. The texts are data shared with the guest; they are part
//! of the image's recipe.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

use super::Policy;

/// Texts of `src/validator/hints.json`, without those that only the guest uses.
#[derive(Default, Deserialize)]
struct Texts {
    names: BTreeMap<String, String>,
    help_with_tools: String,
    attributes: BTreeMap<String, String>,
    sys: String,
    of_sys: BTreeMap<String, String>,
    modules: Vec<(Vec<String>, String)>,
    tool_modules: String,
    add_await: String,
}

const JSON: &str = include_str!("hints.json");

static TEXTS: LazyLock<Texts> = LazyLock::new(|| serde_json::from_str(JSON).unwrap_or_default());

/// The module with which programs search and describe tools.
const DISCOVERY_MODULE: &str = "tools";

/// Modules shown in place of a longer list.
const FREQUENT: [&str; 9] =
    ["collections", "csv", "datetime", "itertools", "json", "math", "numpy", "re", "statistics"];

/// The way for a program that needs more than the importable modules.
const WITHOUT_IMPORT: &str = "Write what they lack in the program itself.";

/// Longest list of names that is shown in full. A reader does not take in more.
const LISTED_MAX: usize = 12;

/// Longest name that is compared with others. A longer one is no typing error, and comparing takes time.
const SIMILAR_CHARS_MAX: usize = 64;

/// Smallest similarity for a suggestion, from 0 (nothing in common) to 1 (equal).
const SIMILARITY_MIN: f64 = 0.6;

/// Returns the guest's texts. `allowed_imports` does not contain the tool modules.
pub(crate) fn recipe(allowed_imports: &BTreeSet<String>) -> Value {
    let mut texts: Value = serde_json::from_str(JSON).unwrap_or_default();
    let allowed: Vec<&str> = allowed_imports.iter().map(String::as_str).collect();
    texts["importable"] = importable(&allowed).into();
    texts
}

/// Returns the hint for a module that is not on the allow-list.
pub(super) fn for_import(name: &str, policy: &Policy) -> String {
    let beneath = format!("{name}.");
    let from_there = policy.allowed_imports.range(beneath.clone()..).map(String::as_str);
    let submodules: Vec<&str> =
        from_there.take_while(|allowed| allowed.starts_with(&beneath)).take(LISTED_MAX).collect();
    if !submodules.is_empty() {
        return format!("Import {} instead.", submodules.join(", "));
    }
    let root = name.split('.').next().unwrap_or(name);
    if let Some((_, hint)) = TEXTS.modules.iter().find(|(roots, _)| roots.iter().any(|known| known == root)) {
        return hint.clone();
    }
    let allowed: Vec<&str> = policy.allowed_imports.iter().map(String::as_str).collect();
    let meant = most_similar(name, &allowed).map(|similar| format!("Did you mean '{similar}'? "));
    let is_tools = |name: &&str| policy.tool_modules.contains_key(*name) || *name == DISCOVERY_MODULE;
    let (tools, others): (Vec<&str>, Vec<&str>) = allowed.into_iter().partition(is_tools);
    let mut hint = meant.unwrap_or_default() + &importable(&others);
    if !tools.is_empty() {
        let more = if tools.len() > LISTED_MAX { ", …" } else { "" };
        let listed = tools[..tools.len().min(LISTED_MAX)].join(", ");
        hint = format!("{hint} {} {listed}{more}.", TEXTS.tool_modules);
    }
    hint
}

/// Lists the importable modules other than tool modules, and says what to do without the others.
fn importable(allowed: &[&str]) -> String {
    if allowed.is_empty() {
        return "No module of the standard library is importable here: write what you need yourself.".into();
    }
    if allowed.len() <= LISTED_MAX {
        return format!("Importable here: {}. {WITHOUT_IMPORT}", allowed.join(", "));
    }
    let mut shown: Vec<&str> = FREQUENT.into_iter().filter(|name| allowed.contains(name)).collect();
    if shown.is_empty() {
        shown = allowed[..FREQUENT.len()].to_vec();
    }
    let more = allowed.len() - shown.len();
    let listed = shown.join(", ");
    format!("Importable here: {listed} and {more} more of the standard library. {WITHOUT_IMPORT}")
}

/// Returns the hint for a message of the parser, if there is one.
pub(super) fn for_syntax(why: &str) -> Option<String> {
    let is_async = ["async function", "asynchronous function"].iter().any(|words| why.contains(words));
    is_async.then(|| "Write `async def` in place of `def`, and await the calls of that function too.".into())
}

/// Returns the hint for a refused name.
pub(super) fn for_name(name: &str, policy: &Policy) -> String {
    let Some(hint) = TEXTS.names.get(name) else { return for_attribute(name) };
    // The discovery module is importable only if there are tools.
    if name == "help" && policy.allowed_imports.contains(DISCOVERY_MODULE) {
        return format!("{hint} {}", TEXTS.help_with_tools);
    }
    hint.clone()
}

/// Returns the hint for a refused attribute.
pub(super) fn for_attribute(name: &str) -> String {
    TEXTS.attributes.get(name).or_else(|| TEXTS.names.get(name)).cloned().unwrap_or_default()
}

/// Returns the hint for a part of `sys` that programs do not see.
pub(super) fn for_sys(name: &str) -> String {
    TEXTS.of_sys.get(name).unwrap_or(&TEXTS.sys).clone()
}

/// Returns the hint for a call of an async function without `await`.
pub(super) fn add_await() -> String {
    TEXTS.add_await.clone()
}

/// Returns the most similar of `names`, if it is similar enough to be what `name` was meant to be.
pub(crate) fn most_similar<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    if name.len() > SIMILAR_CHARS_MAX {
        return None;
    }
    let similarities =
        names.iter().map(|&other| (strsim::normalized_damerau_levenshtein(name, other), other));
    let best = similarities.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.filter(|(similarity, _)| *similarity >= SIMILARITY_MIN).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validator::REFUSED_NAMES;
    use crate::validator::policy::SYS_NAMES;

    #[test]
    fn each_hint_is_for_a_refused_name() {
        let texts: Texts = serde_json::from_str(JSON).unwrap();
        for name in texts.names.keys().chain(texts.attributes.keys()) {
            assert!(REFUSED_NAMES.contains(&name.as_str()), "{name}");
        }
        for name in REFUSED_NAMES {
            assert!(!for_attribute(name).is_empty(), "{name} has no hint");
        }
        let policy = Policy::default();
        assert!(!texts.of_sys.keys().any(|name| SYS_NAMES.contains(&name.as_str())));
        for (root, hint) in
            texts.modules.iter().flat_map(|(roots, hint)| roots.iter().map(move |root| (root, hint)))
        {
            assert!(!policy.allows_import(root), "{root}");
            assert!(hint.ends_with('.') && hint.len() < 160, "{hint}");
        }
    }

    #[test]
    fn lists_of_modules_are_bounded() {
        let none = recipe(&BTreeSet::new());
        assert!(none["importable"].as_str().unwrap().starts_with("No module of the standard library is"));
        let few: BTreeSet<String> = ["json", "re"].map(str::to_owned).into();
        let words = "Importable here: json, re. Write what they lack in the program itself.";
        assert_eq!(recipe(&few)["importable"], words);
        let many: BTreeSet<String> = (0..40).map(|n| format!("m{n:02}")).collect();
        let words = "Importable here: m00, m01, m02, m03, m04, m05, m06, m07, m08 and 31 more of the standard library.";
        assert!(recipe(&many)["importable"].as_str().unwrap().starts_with(words));
        let mut policy = Policy::default();
        for n in 0..50 {
            policy.allowed_imports.insert(format!("tool{n:02}"));
            policy.tool_modules.insert(format!("tool{n:02}"), std::sync::Arc::default());
        }
        let hint = for_import("shelve", &policy);
        assert!(hint.ends_with(" Modules of tools: tool00, tool01, tool02, tool03, tool04, tool05, tool06, tool07, tool08, tool09, tool10, tool11, …."), "{hint}");
        assert!(hint.len() < 350, "{hint}");
        assert!(for_import("datetim", &policy).starts_with("Did you mean 'datetime'? Importable"));
    }
}
