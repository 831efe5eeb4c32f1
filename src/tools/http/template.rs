//! Paths with `{placeholders}`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Map, Value};

use super::url::check_path;

/// Everything but the unreserved characters of RFC 3986 is encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An argument that needs more rounds of decoding is refused.
const DECODINGS_MAX: usize = 8;

/// A path such as `/v1/{city}/forecast`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Template {
    /// The text between slashes, in pieces.
    segments: Vec<Vec<Piece>>,
}

#[derive(Clone, Debug)]
enum Piece {
    Literal(String),
    Argument(String),
}

impl Template {
    /// Parses a path with placeholders.
    ///
    /// # Errors
    ///
    /// If `text` is not such a path; the message says why.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let path = text.strip_prefix('/').ok_or("must start with '/'")?;
        let segments = path.split('/').map(pieces).collect::<Result<_, _>>()?;
        Ok(Self { segments })
    }

    /// Returns the names of the placeholders.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().flat_map(|segment| names_of(segment))
    }

    /// Returns the path with `arguments` filled in. No argument can leave its segment, however often a server decodes
    /// the path.
    ///
    /// # Errors
    ///
    /// Names the argument that cannot stand in the path, and why.
    pub(super) fn fill(&self, arguments: &Map<String, Value>) -> Result<String, String> {
        let mut path = String::new();
        for segment in &self.segments {
            path.push('/');
            let (start, mut given) = (path.len(), String::new());
            for piece in segment {
                match piece {
                    Piece::Literal(text) => path.push_str(text),
                    Piece::Argument(name) => {
                        let text = part(name, arguments)?;
                        path.extend(utf8_percent_encode(&text, ENCODED));
                        given.push_str(&text);
                    }
                }
            }
            if is_dots(&path[start..]) || !stays_within(&given) {
                let names: Vec<_> = names_of(segment).collect();
                return Err(format!(
                    "Argument '{}' would change the structure of the path",
                    names.join("', '")
                ));
            }
        }
        Ok(path)
    }
}

fn names_of(segment: &[Piece]) -> impl Iterator<Item = &str> {
    segment.iter().filter_map(|piece| match piece {
        Piece::Argument(name) => Some(name.as_str()),
        Piece::Literal(_) => None,
    })
}

/// Returns whether a server may read a segment as `.` or `..`.
fn is_dots(segment: &str) -> bool {
    let has_dots = |text: &String| text.split(['/', '\\']).any(|part| matches!(part, "." | ".."));
    decodings(segment).is_none_or(|texts| texts.iter().any(has_dots))
}

/// Returns whether `text`, once encoded, stays within its segment even if a server decodes it more than once: proxies
/// and frameworks may each decode.
fn stays_within(text: &str) -> bool {
    let is_special = |char: char| char.is_control() || matches!(char, '/' | '\\' | '?' | '#');
    decodings(text).is_some_and(|texts| !texts.iter().skip(1).any(|text| text.contains(is_special)))
}

/// Returns `text` and the result of each further round of decoding; `None` if a result is not UTF-8 or the rounds
/// exceed the limit.
fn decodings(text: &str) -> Option<Vec<String>> {
    let mut texts = vec![text.to_owned()];
    while texts.len() <= DECODINGS_MAX {
        let last = texts.last()?;
        let decoded = percent_decode_str(last).decode_utf8().ok()?.into_owned();
        if decoded == *last {
            return Some(texts);
        }
        texts.push(decoded);
    }
    None
}

/// Returns an argument as text. A slash is refused although it would be encoded: many servers decode a path before they
/// route it.
fn part(name: &str, arguments: &Map<String, Value>) -> Result<String, String> {
    let text = arguments.get(name).and_then(text_of).unwrap_or_default();
    if text.is_empty() {
        return Err(format!(
            "Argument '{name}' is part of a path: it must be a non-empty string or a number"
        ));
    }
    if text.contains(|char: char| char.is_control() || matches!(char, '/' | '\\')) {
        return Err(format!(
            "Argument '{name}' is part of a path: it must not have slashes or control characters"
        ));
    }
    Ok(text)
}

fn pieces(segment: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = segment;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or("has a '{' without a closing '}'")?;
        if name.is_empty() || name.contains('{') {
            return Err("has a placeholder without a name".into());
        }
        push_literal(&mut pieces, before)?;
        pieces.push(Piece::Argument(name.to_owned()));
        rest = after;
    }
    push_literal(&mut pieces, rest)?;
    match &pieces[..] {
        [Piece::Literal(only)] => check_path(only)?,
        // Together with an argument it could become another escape.
        _ if segment.contains("%25") => return Err("has an encoded '%' next to a placeholder".into()),
        _ => {}
    }
    Ok(pieces)
}

fn push_literal(pieces: &mut Vec<Piece>, text: &str) -> Result<(), String> {
    if text.contains(['{', '}']) {
        return Err("has a '}' without an opening '{'".into());
    }
    if !text.is_empty() {
        // Dots next to a placeholder are checked once it is filled.
        if !text.bytes().all(|byte| byte == b'.') {
            check_path(text)?;
        }
        pieces.push(Piece::Literal(text.to_owned()));
    }
    Ok(())
}

/// Returns strings, numbers and booleans as text.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn templates_are_paths() {
        for text in ["/", "/a", "/a/{b}/c", "/{a}-{b}.json", "/a%20b", "/{a}/"] {
            assert!(Template::parse(text).is_ok(), "{text}");
        }
        let refused = [
            "", "a", "{a}", "/{", "/a}", "/{}", "/{a{b}}", "/a?b", "/a#b", "/..", "/a/./b", "/%", "/%2e%2E/",
            "/a b", "/\u{1b}", "/ü", "/%25{a}",
        ];
        for text in refused {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn no_argument_leaves_its_segment() {
        let template = Template::parse("/v1/{id}/x").unwrap();
        let cases = [
            (json!("a"), Some("/v1/a/x")),
            (json!(7), Some("/v1/7/x")),
            (json!(true), Some("/v1/true/x")),
            (json!("a b?c#d%e;f=g"), Some("/v1/a%20b%3Fc%23d%25e%3Bf%3Dg/x")),
            (json!("50%"), Some("/v1/50%25/x")),
            (json!("50%25 %zz"), Some("/v1/50%2525%20%25zz/x")),
            (json!("%c3%a4"), Some("/v1/%25c3%25a4/x")),
            (json!("%2e%2e%2f"), None),
            (json!("%252e%252e%252fadmin"), None),
            (json!("%25252e"), None),
            (json!("%2E."), None),
            (json!("a%2fb"), None),
            (json!("a%255cb"), None),
            (json!("a%3fb"), None),
            (json!("a%23b"), None),
            (json!("a%0d%0aHost:%20b"), None),
            (json!("a%00"), None),
            (json!("%c0%ae"), None),
            (json!("%".to_owned() + &"25".repeat(1000)), None),
            (json!("größe"), Some("/v1/gr%C3%B6%C3%9Fe/x")),
            (json!("..."), Some("/v1/.../x")),
            (json!(".."), None),
            (json!("."), None),
            (json!(""), None),
            (json!("../../admin"), None),
            (json!("a\\b"), None),
            (json!("a\r\nHost: b"), None),
            (json!("\0"), None),
            (json!(null), None),
            (json!(["a"]), None),
        ];
        for (id, path) in cases {
            let arguments = Map::from_iter([("id".to_owned(), id.clone())]);
            assert_eq!(template.fill(&arguments).ok().as_deref(), path, "{id}");
        }
        assert!(template.fill(&Map::new()).is_err());
        let beside = Template::parse("/.{id}").unwrap();
        let dot = Map::from_iter([("id".to_owned(), json!("."))]);
        assert!(beside.fill(&dot).is_err());
        let pair = Template::parse("/{a}{b}").unwrap();
        for (a, b) in [("%2", "f"), ("%", "2e"), (".", "%2e")] {
            let arguments = Map::from_iter([("a".to_owned(), json!(a)), ("b".to_owned(), json!(b))]);
            assert!(pair.fill(&arguments).is_err(), "{a} {b}");
        }
    }
}
