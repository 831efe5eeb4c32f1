//! What there is to know of a JSON text without parsing it.

/// How deep arrays and objects are nested in a JSON text.
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
            b']' | b'}' => depth -= 1,
            _ => {}
        }
    }
    deepest
}

/// What comes after a string whose opening quote is already behind.
fn after_string(mut text: &[u8]) -> &[u8] {
    while let Some(end) = memchr::memchr2(b'"', b'\\', text) {
        if text[end] == b'"' {
            return &text[end + 1..];
        }
        text = text.get(end + 2..).unwrap_or_default();
    }
    &[]
}

/// The first whole number in a JSON text that does not fit into 64 bits: parsers make it another number.
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
            (r#"["\\",[],"a long text, \"[[[\", that has none","\\\\\""]"#, 2),
        ];
        for (json, depth) in cases {
            assert_eq!(depth_of(json.as_bytes()), depth, "{json}");
        }
    }

    #[test]
    fn whole_numbers_of_more_than_64_bits_are_found() {
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
