//! Removes secrets from the text of error answers: some services echo the whole request in an error.
//!
//! This does not stop a service that reveals them on purpose. It covers services that show a value as it is, or escaped
//! for JSON, HTML, URLs or Python, possibly more than once.

use http::header::{HeaderMap, HeaderValue};
use http::uri::Authority;

use super::url::BaseUrl;
use crate::tools::text;
use http_signing::{SIGNATURE, SIGNATURE_INPUT};

/// Shorter values are not secrets and would match ordinary text.
const SECRET_CHARS_MIN: usize = 4;

const HIDDEN: &str = "[hidden]";

/// Secret values, as [`folded`] text.
#[derive(Clone, Debug, Default)]
pub(in crate::tools) struct Secrets(Vec<Vec<char>>);

/// The headers of a signed request that programs must not see.
pub(in crate::tools) type Signature = [Option<HeaderValue>; 2];

pub(in crate::tools) fn signature_of(headers: &HeaderMap) -> Signature {
    [SIGNATURE_INPUT, SIGNATURE].map(|name| headers.get(name).cloned())
}

/// A character, and the bytes of the text that represent it.
#[derive(Clone, Copy)]
struct Letter {
    char: char,
    start: usize,
    end: usize,
}

impl Secrets {
    /// Returns the secrets in all requests to a service: its authority, and the header values that the operator set.
    pub(in crate::tools) fn of_service(url: &BaseUrl, headers: &HeaderMap) -> Self {
        let mut secrets = Self::default();
        secrets.add_authority(&url.authority);
        for value in headers.values() {
            let value = String::from_utf8_lossy(value.as_bytes());
            secrets.add(&value);
            // The scheme, such as `Bearer`, is no secret.
            secrets.add(value.split_whitespace().next_back().unwrap_or_default());
        }
        secrets
    }

    /// Returns these secrets.
    #[cfg(feature = "mcp-tools")]
    pub(in crate::tools) fn of_values<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let mut secrets = Self::default();
        values.for_each(|value| secrets.add(value));
        secrets
    }

    /// Adds the secrets of one request: the parts of its signature.
    pub(in crate::tools) fn with_signature(&self, signature: &Signature) -> Self {
        let mut secrets = self.clone();
        let [input, signature] = signature
            .each_ref()
            .map(|value| value.as_ref().and_then(|value| value.to_str().ok()).unwrap_or_default());
        secrets.add(input);
        secrets.add(signature);
        // Services that parse the header show only the part between the colons.
        signature.split([':', '=']).filter(|part| part.len() > 15).for_each(|part| secrets.add(part));
        secrets
    }

    fn add_authority(&mut self, authority: &Authority) {
        self.add(authority.as_str());
        // A host of one word would match ordinary text.
        let host = authority.host();
        if host.contains(|char: char| !char.is_ascii_alphanumeric()) {
            self.add(host);
        }
    }

    fn add(&mut self, secret: &str) {
        let secret: Vec<char> = folded(secret).iter().map(|letter| letter.char).collect();
        if secret.len() >= SECRET_CHARS_MIN && !self.0.contains(&secret) {
            self.0.push(secret);
        }
    }

    /// Returns `said` with secrets replaced. A secret that is cut off at the end of the text is replaced too.
    pub(in crate::tools) fn hidden_in(&self, said: &str) -> String {
        let letters = folded(said);
        let mut is_hidden = vec![false; said.len()];
        for secret in &self.0 {
            for start in 0..letters.len() {
                let rest = &letters[start..];
                let same = rest.iter().zip(secret).take_while(|(letter, char)| letter.char == **char).count();
                let is_cut = same == rest.len() && same >= SECRET_CHARS_MIN;
                if let Some(found) = rest.get(..same).filter(|_| same == secret.len() || is_cut)
                    && let (Some(first), Some(last)) = (found.first(), found.last())
                {
                    is_hidden[first.start..last.end].fill(true);
                }
            }
        }
        let mut text = String::new();
        for (at, char) in said.char_indices() {
            let was_hidden = at > 0 && is_hidden.get(at - 1) == Some(&true);
            match is_hidden.get(at) {
                Some(true) if !was_hidden => text.push_str(HIDDEN),
                Some(true) => {}
                _ => text.push(char),
            }
        }
        text
    }
}

/// Normalises `text` for comparison: replaces escapes until none is left, lowers ASCII capitals, removes invisible
/// characters.
fn folded(text: &str) -> Vec<Letter> {
    let letter = |(start, char): (usize, char)| Letter { char, start, end: start + char.len_utf8() };
    let mut letters: Vec<Letter> = text.char_indices().map(letter).collect();
    loop {
        let unescaped = unescaped(&letters);
        if unescaped.len() == letters.len() {
            return unescaped;
        }
        letters = unescaped;
    }
}

fn unescaped(letters: &[Letter]) -> Vec<Letter> {
    let mut found = Vec::with_capacity(letters.len());
    let mut rest = letters;
    while let Some(first) = rest.first() {
        let (char, length) = escape(rest).unwrap_or((Some(first.char), 1));
        let (taken, after) = rest.split_at(length.min(rest.len()));
        let end = taken.last().map_or(first.end, |last| last.end);
        let visible = char.filter(|char| !char.is_control() && !text::is_invisible(*char));
        found.extend(visible.map(|char| Letter { char: char.to_ascii_lowercase(), start: first.start, end }));
        rest = after;
    }
    found
}

/// Returns the character that an escape at the beginning stands for, and its length. A backslash before anything else
/// is dropped.
fn escape(letters: &[Letter]) -> Option<(Option<char>, usize)> {
    let text: String = letters.iter().take(10).map(|letter| letter.char).collect();
    let hex = |digits: Option<&str>| char::from_u32(u32::from_str_radix(digits?, 16).ok()?);
    match text.get(..1)? {
        "%" => Some((Some(hex(text.get(1..3))?), 3)),
        "\\" => Some(match text.get(1..2).map(str::to_ascii_lowercase).as_deref() {
            Some("u") if hex(text.get(2..6)).is_some() => (hex(text.get(2..6)), 6),
            Some("x") if hex(text.get(2..4)).is_some() => (hex(text.get(2..4)), 4),
            _ => (None, 1),
        }),
        "&" => {
            let (name, _) = text.get(1..)?.split_once(';')?;
            let name = name.to_ascii_lowercase();
            let number = name.strip_prefix('#').map(|number| match number.strip_prefix('x') {
                Some(digits) => hex(Some(digits)),
                None => number.parse().ok().and_then(char::from_u32),
            });
            let char = number.unwrap_or_else(|| {
                ENTITIES.iter().find(|(entity, _)| *entity == name).map(|(_, char)| *char)
            })?;
            Some((Some(char), name.len() + 2))
        }
        _ => None,
    }
}

const ENTITIES: [(&str, char); 5] = [("quot", '"'), ("amp", '&'), ("lt", '<'), ("gt", '>'), ("apos", '\'')];

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::AUTHORIZATION;

    fn secrets() -> Secrets {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static(r#"Bearer aB3/+"x\y%41=="#));
        headers.insert("x-version", HeaderValue::from_static("2"));
        let signature = "sig1=:LJwL9CMEXxsfcBf1JL7VZGITZ9Eaz5k3/imqAVSj4+Y=:";
        headers.insert(SIGNATURE, HeaderValue::from_static(signature));
        Secrets::of_service(&BaseUrl::parse("http://data-api:8006/x").unwrap(), &headers)
            .with_signature(&signature_of(&headers))
    }

    #[test]
    fn values_are_hidden_in_whatever_form_they_are_shown() {
        let cases = [
            (r#"authorization: Bearer aB3/+"x\y%41=="#, "authorization: [hidden]"),
            (r#"{"Authorization": "bearer AB3\/+\"x\\y%41=="}"#, r#"{"Authorization": "[hidden]"}"#),
            (r#"{"a": "aB3\u002f\u002B\u0022x\\y%41=="}"#, r#"{"a": "[hidden]"}"#),
            (r#""{\"a\": \"aB3\\/+\\\"x\\\\y%41==\"}""#, r#""{\"a\": \"[hidden]\"}""#),
            ("?token=aB3%2F%2B%22x%5Cy%2541%3D%3D&b", "?token=[hidden]&b"),
            ("<b>aB3/+&quot;x&#92;y%41&#x3D;=</b>", "<b>[hidden]</b>"),
            (r"b'aB3/+\x22x\\y%41=='", "b'[hidden]'"),
            ("aB3\u{200b}/+\"x\\y%41==", "[hidden]"),
            ("signature: sig1=:LJwL9CMEXxsfcBf1JL7VZGITZ9Eaz5k3/imqAVSj4+Y=:", "signature: [hidden]"),
            ("['LJwL9CMEXxsfcBf1JL7VZGITZ9Eaz5k3/imqAVSj4+Y=']", "['[hidden]=']"),
            ("no route to DATA-API:8006 (data-api)", "no route to [hidden] ([hidden])"),
            ("version 2 of the data is locked", "version 2 of the data is locked"),
            ("cut: Bearer aB3/", "cut: [hidden]"),
            ("größe: 100 % of \\ & 5", "größe: 100 % of \\ & 5"),
            ("", ""),
        ];
        for (said, expected) in cases {
            assert_eq!(secrets().hidden_in(said), expected);
        }
        for odd in
            ["%", "\\", "&", "\\u12", "%4", "&#;", "&#xfffffff;", "\\ud800", "%ü", "&ü;", "\u{1f600}\\"]
        {
            assert_eq!(secrets().hidden_in(odd), odd);
        }
    }
}
