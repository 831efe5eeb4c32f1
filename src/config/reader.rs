//! Reads the texts of the settings from flags, environment variables and files, and collects all problems.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;

use clap::ArgMatches;
use clap::parser::ValueSource;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use super::settings::{self, Setting};
use super::{Effective, Source};

/// The text that messages and listings show instead of a secret.
pub(super) const MASKED: &str = "********";

/// Reads settings, and collects their effective values and their problems.
pub(super) struct Reader<'a> {
    matches: &'a ArgMatches,
    pub(super) effective: Vec<Effective>,
    pub(super) problems: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(matches: &'a ArgMatches) -> Self {
        Self { matches, effective: Vec::new(), problems: Vec::new() }
    }

    /// Returns a setting's value. If `parse` fails, records a problem and returns `None`. An empty text means the
    /// default.
    pub(super) fn value<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let (text, source) = self.given(name)?;
        let value = parse(&text).map_err(|why| self.problem(name, &shown(&text), &why)).ok();
        self.effective.push(Effective { name, value: text, source });
        value
    }

    /// Replaces the text of the last setting by its effective value.
    pub(super) fn came_to(&mut self, value: String) {
        if let Some(last) = self.effective.last_mut() {
            last.value = value;
        }
    }

    /// Returns a secret from the setting `name`, or from the file that the setting `file_name` names. It is empty if
    /// neither is set.
    pub(super) fn secret(
        &mut self,
        name: &'static str,
        file_name: &'static str,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> SecretString {
        let place = self.effective.len();
        let (given, mut source) = self.text(name).unwrap_or_default();
        let mut secret = SecretString::from(given);
        let path = self.value(file_name, |path| Ok(path.to_owned())).unwrap_or_default();
        if !path.is_empty() {
            if source != Source::Default && !secret.expose_secret().is_empty() {
                self.problem(name, "set", &format!("{file_name} is set too; set one of the two"));
            }
            source = Source::File;
            secret = self.file(file_name, &path).unwrap_or_default();
        }
        if let Err(why) = check(secret.expose_secret()) {
            self.problem(name, MASKED, &why);
        }
        let value = if secret.expose_secret().is_empty() { "" } else { MASKED };
        self.effective.insert(place, Effective { name, value: value.into(), source });
        secret
    }

    /// Records a problem with a setting. `is` describes its value, without revealing a secret.
    pub(super) fn problem(&mut self, name: &str, is: &str, why: &str) {
        let flag = setting(name).map(Setting::flag).unwrap_or_default();
        self.problems.push(format!("{name} (--{flag}) is {is}: {why}"));
    }

    /// Returns the given text of a setting, or else its default.
    fn given(&mut self, name: &'static str) -> Option<(String, Source)> {
        let (text, source) = self.text(name)?;
        if text.is_empty() {
            let default = setting(name).map_or("", |setting| setting.default);
            return Some((default.into(), Source::Default));
        }
        Some((text, source))
    }

    fn text(&mut self, name: &'static str) -> Option<(String, Source)> {
        let source = match self.matches.value_source(name) {
            Some(ValueSource::CommandLine) => Source::Flag,
            Some(ValueSource::EnvVariable) => Source::Environment,
            _ => Source::Default,
        };
        let Some(given) = self.matches.get_one::<std::ffi::OsString>(name) else {
            return Some((String::new(), source));
        };
        let text = given.to_str().map(str::to_owned);
        if text.is_none() {
            self.problem(name, "not UTF-8", "must be UTF-8 text");
        }
        text.map(|text| (text, source))
    }

    /// Returns a file's content without the final newline, which editors and `echo` add.
    fn file(&mut self, name: &'static str, path: &str) -> Option<SecretString> {
        let content = match read_secret(path) {
            Ok(content) => content,
            Err(why) => {
                self.problem(name, &shown(path), &why);
                return None;
            }
        };
        let line = content.strip_suffix('\n').unwrap_or(&content);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            self.problem(name, &shown(path), "the file is empty");
        }
        Some(SecretString::from(line))
    }
}

/// Reads a file with a secret. Its owner may read and write it, its group may read it, and other users have no access.
///
/// The group may read it, because Kubernetes (`fsGroup`) and systemd (`LoadCredential`, through an access control list
/// that appears as the group's permission) pass secrets that way.
fn read_secret(path: &str) -> Result<Zeroizing<String>, String> {
    const OTHERS_READ: u32 = 0o004;
    const OTHERS_WRITE: u32 = 0o022;
    let unreadable = |error: io::Error| format!("cannot be read: {error}");
    let mut file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    let mode = metadata.permissions().mode();
    // The mode of a pipe does not matter: only one reader gets the content.
    if metadata.is_file() && mode & (OTHERS_READ | OTHERS_WRITE) != 0 {
        let verb = if mode & OTHERS_READ != 0 { "read" } else { "change" };
        let mode = mode & 0o777;
        return Err(format!(
            "other users can {verb} the file (mode {mode:04o}); run `chmod 400` or `chmod 440` on it"
        ));
    }
    // The buffer has the file's size, so it does not grow and leave copies of the secret in freed memory.
    let bytes = usize::try_from(metadata.len()).unwrap_or_default();
    let mut content = Zeroizing::new(String::with_capacity(bytes + 1));
    file.read_to_string(&mut content).map_err(unreadable)?;
    Ok(content)
}

fn setting(name: &str) -> Option<&'static Setting> {
    settings::all().find(|setting| setting.name == name)
}

/// Quotes and escapes a value for messages.
pub(super) fn shown(text: &str) -> String {
    format!("'{}'", text.escape_debug())
}
