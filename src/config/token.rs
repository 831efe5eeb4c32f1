//! Detects weak tokens.

/// The shortest strong token. Random hexadecimal digits of this length have 64 bits of entropy.
const BYTES_MIN: usize = 16;

/// The fewest different bytes in a strong token. With fewer, it is one key or a few keys of the keyboard, repeated.
const DIFFERENT_BYTES_MIN: usize = 6;

/// Tokens from examples, and the most common passwords, in lower case and without separators.
#[rustfmt::skip]
const COMMON: &[&str] = &[
    "0123456789abcdef", "0123456789abcdef0123456789abcdef", "1234567890123456", "12345678901234567890",
    "1234567890abcdef", "abcdefghijklmnop", "abcdefghijklmnopqrstuvwxyz", "1q2w3e4r5t6y7u8i", "1qaz2wsx3edc4rfv",
    "qwertyuiopasdfgh", "qwertyuiopasdfghjkl", "qwertyuiopasdfghjklzxcvbnm",
    "administrator", "adminadminadmin", "adminadminadminadmin", "aicodeexecutor", "aicodeexecutortoken", "apitoken",
    "changeit", "changeme", "changemechangeme", "changemeinproduction", "changemeplease", "changethis",
    "changethisinproduction", "changethistoken", "correcthorsebatterystaple", "defaulttoken", "developmenttoken",
    "devtoken", "exampletoken", "executorapitoken", "executortoken", "insertyourtokenhere", "letmeinletmeinletmein",
    "localdevtoken", "mysecrettoken", "mysupersecrettoken", "notasecret", "notsecurechangeme", "password123456789",
    "passwordpassword", "placeholdertoken", "pleasechangeme", "pleasechangethis", "putyourtokenhere", "replaceme",
    "replacemeplease", "replacethistoken", "replacewithyourtoken", "secretsecretsecret", "secrettoken", "someapitoken",
    "sometoken", "supersecret", "supersecretpassword", "supersecrettoken", "temporarytoken", "testtesttesttest",
    "testtoken", "thisisasecret", "thisisasecrettoken", "thisisnotasecret", "topsecrettoken", "verysecrettoken",
    "yourapitoken", "yourapitokenhere", "yoursecrettoken", "yoursecrettokenhere", "yourtoken", "yourtokenhere",
    "xexecutortoken",
];

/// Returns why a token is weak, as the end of a sentence, or `None` if it is strong.
pub(super) fn weakness(token: &str) -> Option<String> {
    let plain: String =
        token.chars().filter(char::is_ascii_alphanumeric).map(|char| char.to_ascii_lowercase()).collect();
    if token.is_empty() {
        return Some("empty".into());
    }
    if COMMON.contains(&plain.as_str()) {
        return Some("a well-known one".into());
    }
    if token.len() < BYTES_MIN {
        return Some(format!("shorter than {BYTES_MIN} bytes"));
    }
    let mut bytes = token.as_bytes().to_vec();
    bytes.sort_unstable();
    bytes.dedup();
    (bytes.len() < DIFFERENT_BYTES_MIN).then(|| "a repetition of a few characters".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_that_are_easy_to_guess_are_weak() {
        let cases = [
            ("", Some("empty")),
            ("local-dev-token", Some("well-known")),
            ("Local_Dev_Token", Some("well-known")),
            ("change-me", Some("well-known")),
            ("test-token", Some("well-known")),
            ("CHANGE-ME-IN-PRODUCTION", Some("well-known")),
            ("your-secret-token-here", Some("well-known")),
            ("correct horse battery staple", Some("well-known")),
            ("0123456789abcdef", Some("well-known")),
            ("5f3e", Some("shorter than 16")),
            ("9fK2mQx7Lw4RtB1", Some("shorter than 16")),
            ("aaaaaaaaaaaaaaaaaaaaaaaa", Some("a repetition")),
            ("abcabcabcabcabcabcabcabc", Some("a repetition")),
            ("9fK2mQx7Lw4RtB1z", None),
            ("a-token-for-tests", None),
            ("5f3e0c9a7b1d4e6f", None),
            ("\u{e9}\u{e8}\u{ea}\u{eb}\u{e0}\u{e2}\u{e4}\u{fc}", None),
        ];
        for (token, why) in cases {
            match (weakness(token), why) {
                (None, None) => {}
                (Some(found), Some(why)) => assert!(found.contains(why), "{token}: {found}"),
                (found, _) => panic!("{token}: {found:?}, not {why:?}"),
            }
        }
    }
}
