//! Each hint of the validator works: a reader who applies it has a program that runs. `tests/hints.txt` has the reader's
//! programs.

use std::collections::{BTreeMap, BTreeSet};

use ai_code_executor::{Outcome, Policy, validator};
use serde_json::Value;

use crate::support::run;

const PROGRAMS: &str = include_str!("../hints.txt");

/// Texts that the validator shows with others, or the guest.
const NOT_ALONE: [&str; 3] = ["add_await", "help_with_tools", "tool_modules"];

/// Returns each text of `hints.json` by its key: `names exec`, `modules aiohttp`, `sys`.
fn texts() -> BTreeMap<String, String> {
    let json: Value = serde_json::from_str(include_str!("../../src/validator/hints.json")).unwrap();
    let mut texts = BTreeMap::new();
    for (key, value) in json.as_object().unwrap() {
        match value {
            Value::String(text) => drop(texts.insert(key.clone(), text.clone())),
            Value::Object(names) => texts.extend(
                names.iter().map(|(name, text)| (format!("{key} {name}"), text.as_str().unwrap().to_owned())),
            ),
            modules => texts.extend(modules.as_array().unwrap().iter().map(|entry| {
                (format!("{key} {}", entry[0][0].as_str().unwrap()), entry[1].as_str().unwrap().to_owned())
            })),
        }
    }
    texts
}

/// Returns the programs: the key, the one that is refused, the one that does what the hint says.
fn programs() -> Vec<(&'static str, &'static str, &'static str)> {
    PROGRAMS
        .split("\n=== ")
        .skip(1)
        .map(|entry| {
            let (key, programs) = entry.split_once('\n').unwrap();
            let (refused, repaired) = programs.split_once("\n>>>\n").unwrap();
            (key, refused, repaired)
        })
        .collect()
}

#[tokio::test]
async fn a_reader_who_applies_a_hint_has_a_program_that_runs() {
    let texts = texts();
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for (key, refused, repaired) in programs() {
        let text = texts.get(key).unwrap_or_else(|| panic!("no hint has the key {key}"));
        seen.insert(key.to_owned());
        let findings = validator::validate(refused.into(), &Policy::default()).err().unwrap_or_default();
        let has_text = findings.iter().any(|finding| finding.hint.as_ref() == Some(text));
        if !has_text && !NOT_ALONE.contains(&key) {
            wrong.push(format!("{key}: the program is not refused with this hint: {findings:?}"));
        }
        let report = run(repaired).await;
        if report.outcome != Outcome::Completed {
            wrong.push(format!(
                "{key}: the repaired program ends as {:?}: {:?}",
                report.outcome, report.error
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Programs with files are in files.rs.
    let is_missing = |key: &&String| !seen.contains(*key) && !key.starts_with("files ");
    let missing: Vec<_> = texts.keys().filter(is_missing).collect();
    assert!(missing.is_empty(), "no program for {missing:?}");
}

/// A model that asks for a module by any of the known names gets the same advice.
#[test]
fn every_known_module_has_the_hint_of_its_list() {
    let json: Value = serde_json::from_str(include_str!("../../src/validator/hints.json")).unwrap();
    for entry in json["modules"].as_array().unwrap() {
        for name in entry[0].as_array().unwrap() {
            let program = format!("import {}", name.as_str().unwrap());
            let hint = validator::validate(program.clone(), &Policy::default()).unwrap_err().remove(0).hint;
            let submodule = format!("Import {}.", name.as_str().unwrap());
            let expected = entry[1].as_str().unwrap();
            let is_parent =
                hint.as_deref().is_some_and(|hint| hint.starts_with(submodule.trim_end_matches('.')));
            assert!(hint.as_deref() == Some(expected) || is_parent, "{program}: {hint:?}");
        }
    }
}
