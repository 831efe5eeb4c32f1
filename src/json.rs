//! Measures a JSON text without parsing it.

/// Returns how deep arrays and objects are nested in a JSON text. Of a text that is not well-formed, it returns how deep a
/// parser gets before it fails, or more.
pub(crate) fn depth_of(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut rest = json;
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            b'"' => rest = after_string(rest),
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Returns an upper bound of the number of members and elements in arrays and objects that are nested at most
/// `depth_max` deep. The text need not be well-formed.
#[cfg(feature = "server")]
pub(crate) fn members(json: &[u8], depth_max: usize) -> usize {
    let (mut depth, mut members) = (0_usize, 0);
    let mut rest = json;
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            b'"' => rest = after_string(rest),
            b'[' | b'{' => {
                depth += 1;
                members += usize::from(depth <= depth_max);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => members += usize::from(depth <= depth_max),
            _ => {}
        }
    }
    members
}

/// Returns an upper bound, in bytes, of the length of a text when it is written as JSON.
#[cfg(feature = "server")]
pub(crate) fn written_bytes_max(text: &str) -> usize {
    const LONGEST_ESCAPE: usize = r"\u0000".len();
    let is_escaped = |byte: &&u8| **byte < 0x20 || matches!(**byte, b'"' | b'\\');
    let escaped = text.as_bytes().iter().filter(is_escaped).count();
    2 + text.len() + (LONGEST_ESCAPE - 1) * escaped
}

/// Returns what follows the string that `text` is inside of: its opening quote was before `text`.
fn after_string(mut text: &[u8]) -> &[u8] {
    while let Some(end) = memchr::memchr2(b'"', b'\\', text) {
        if text[end] == b'"' {
            return &text[end + 1..];
        }
        text = text.get(end + 2..).unwrap_or_default();
    }
    &[]
}

/// Returns the first integer in a JSON text that does not fit into 64 bits. A parser would change its value.
pub(crate) fn large_integer(json: &str) -> Option<&str> {
    let (mut outside, mut rest) = (Vec::new(), json);
    while let Some((before, after)) = rest.split_once('"') {
        outside.push(before);
        rest = &rest[rest.len() - after_string(after.as_bytes()).len()..];
    }
    outside.push(rest);
    let is_of_number = |char: char| char.is_ascii_digit() || "+-.eE".contains(char);
    let mut numbers = outside.into_iter().flat_map(|text| text.split(move |char| !is_of_number(char)));
    numbers.find(|number| {
        let is_whole = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        is_whole && number.parse::<i64>().is_err() && number.parse::<u64>().is_err()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_of_strings() {
        let cases = [
            ("1", 0),
            ("[]", 1),
            (r#"{"a":[{}]}"#, 3),
            (r#"["[[["]"#, 1),
            (r#"["\"[",[]]"#, 2),
            ("[[],[[]]]", 3),
            ("]}][", 1),
            ("[[[", 3),
            (r#"{"a":"["]]"#, 1),
            (r#"["\\",[],"a long text, \"[[[\", that has none","\\\\\""]"#, 2),
        ];
        for (json, depth) in cases {
            assert_eq!(depth_of(json.as_bytes()), depth, "{json}");
        }
    }

    #[cfg(feature = "server")]
    #[test]
    fn members_are_counted_up_to_the_given_depth() {
        let cases = [
            ("1", 0),
            ("{}", 1),
            (r#"{"a": 1, "b": 2}"#, 2),
            (r#"{"a": {"b": 1, "c": [1, 2, 3, {}]}, "d": "[,,,"}"#, 4),
            ("[1,,,", 4),
            ("]]]],,", 2),
        ];
        for (json, count) in cases {
            assert_eq!(members(json.as_bytes(), 2), count, "{json}");
        }
    }

    #[cfg(feature = "server")]
    #[test]
    fn written_texts_stay_within_their_bound() {
        let all: String = (0..=0x2ff).filter_map(char::from_u32).collect();
        for text in ["", "abc", "\n\"\\", "\u{1}\u{7f}", &all, "\u{2028}\u{1f600}"] {
            let written = serde_json::to_string(text).unwrap().len();
            let bytes_max = written_bytes_max(text);
            assert!((written..=6 * text.len() + 2).contains(&bytes_max), "{text:?}: {written}, {bytes_max}");
        }
    }

    #[test]
    fn integers_of_more_than_64_bits_are_found() {
        let cases = [
            ("[1, -2, 1.5, 1e300, 18446744073709551615, -9223372036854775808]", None),
            (r#"{"99999999999999999999": "99999999999999999999\\" }"#, None),
            ("[0, 18446744073709551616]", Some("18446744073709551616")),
            (r#"{"a\"": -9223372036854775809}"#, Some("-9223372036854775809")),
        ];
        for (json, found) in cases {
            assert_eq!(large_integer(json), found, "{json}");
        }
    }
}
