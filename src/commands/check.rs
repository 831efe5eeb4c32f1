//! `check`: runs only the validator, for editors, hooks and CI. It knows the tool modules of a sandbox with these
//! settings.

use std::process::ExitCode;

use ai_code_executor::validator;
use ai_code_executor::{Catalogue, Finding};
use clap::ValueEnum;
use serde_json::json;

use super::output::print;
use super::{Done, REJECTED, USAGE, findings, read_text, tools_of};
use crate::config::Config;

/// How to print findings.
#[derive(ValueEnum, Clone, Copy, Debug, Default)]
pub(crate) enum Format {
    /// `file:line:column: code message`, and a hint where there is one; on a terminal, with the lines of the program
    #[default]
    Text,
    /// An array of objects
    Json,
    /// Commands that GitHub Actions turns into annotations
    Github,
}

/// A program and its findings.
struct Checked<'a> {
    file: &'a str,
    program: String,
    findings: Vec<Finding>,
}

pub(crate) fn check(config: &Config, files: &[String], format: Format) -> Done {
    let programs: Vec<_> = files.iter().filter_map(|file| Some((file.as_str(), read_text(file)?))).collect();
    let all_read = programs.len() == files.len();
    let mut policy = config.policy.clone();
    let catalogue = Catalogue::new(tools_of(config)?)?;
    catalogue.admit_to(&mut policy);
    let validate = |(file, program): (_, String)| {
        let findings = validator::validate(program.clone(), &policy).err().unwrap_or_default();
        Checked { file, program, findings }
    };
    let checked: Vec<Checked<'_>> = programs.into_iter().map(validate).collect();
    let shown = match format {
        Format::Text => {
            joined(&checked, |each| findings::for_standard_output(each.file, &each.program, &each.findings))
        }
        Format::Json => json(&checked),
        Format::Github => joined(&checked, |each| github(each.file, &each.findings)),
    };
    print(&shown)?;
    let clean = checked.iter().all(|each| each.findings.is_empty());
    Ok(match (all_read, clean) {
        (false, _) => ExitCode::from(USAGE),
        (true, false) => ExitCode::from(REJECTED),
        (true, true) => ExitCode::SUCCESS,
    })
}

fn joined(checked: &[Checked<'_>], show: impl Fn(&Checked<'_>) -> String) -> String {
    let shown = checked.iter().map(show);
    shown.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
}

fn json(checked: &[Checked<'_>]) -> String {
    let object = |file: &str, Finding { rule, message, line, column, hint, .. }: &Finding| {
        let code = rule.code();
        json!({"file": file, "line": line, "column": column, "code": code, "message": message, "hint": hint})
    };
    let objects = checked.iter().flat_map(|each| each.findings.iter().map(|found| object(each.file, found)));
    objects.collect::<serde_json::Value>().to_string()
}

fn github(file: &str, findings: &[Finding]) -> String {
    let file = escape_property(file);
    let command = |Finding { rule, message, line, column, hint, .. }: &Finding| {
        let hint = hint.as_ref().map(|hint| format!("\n{hint}")).unwrap_or_default();
        let message = escape(&format!("{message}{hint}"));
        format!("::error file={file},line={line},col={column},title={}::{message}", rule.code())
    };
    findings.iter().map(command).collect::<Vec<_>>().join("\n")
}

/// Escapes a message, which must stay on one line.
fn escape(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes a property, which ends at a comma or colon.
fn escape_property(text: &str) -> String {
    escape(text).replace(':', "%3A").replace(',', "%2C")
}
