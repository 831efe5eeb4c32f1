//! The output of a guest to a stream, up to a limit.

use crate::execution::Output;

/// Keeps the beginning of a stream and drops the rest, so that excess output takes no host memory.
pub(super) struct Capture {
    bytes: Vec<u8>,
    bytes_max: usize,
    truncated: bool,
}

impl Capture {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes: Vec::new(), bytes_max, truncated: false }
    }

    /// Appends `bytes` up to the limit. Returns how many were kept.
    pub(super) fn push(&mut self, bytes: &[u8]) -> usize {
        let kept = bytes.len().min(self.bytes_max - self.bytes.len());
        self.truncated |= kept < bytes.len();
        self.bytes.extend_from_slice(&bytes[..kept]);
        kept
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Takes the text, with invalid UTF-8 replaced. It is at most `bytes_max` long, although a replacement character
    /// can be longer than the bytes that it replaces.
    pub(super) fn take(&mut self) -> Output {
        let mut bytes = std::mem::take(&mut self.bytes);
        if self.truncated
            && let Err(error) = std::str::from_utf8(&bytes)
            && error.error_len().is_none()
        {
            // The limit cut a character in two.
            bytes.truncate(error.valid_up_to());
        }
        let mut text = String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        if text.len() > self.bytes_max {
            text.truncate(text.floor_char_boundary(self.bytes_max));
            self.truncated = true;
        }
        Output { text, truncated: self.truncated }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_within_the_limit_and_is_cut_between_characters() {
        let cases: [(&[u8], &str, bool); 5] = [
            (b"abcd", "abcd", false),
            (b"abcdefg", "abcdef", true),
            ("ab\u{e9}\u{e9}\u{e9}".as_bytes(), "ab\u{e9}\u{e9}", true),
            ("abcde\u{e9}".as_bytes(), "abcde", true),
            (b"\xff\xff\xff", "\u{fffd}\u{fffd}", true),
        ];
        for (bytes, text, truncated) in cases {
            let mut capture = Capture::new(6);
            capture.push(bytes);
            assert_eq!(capture.take(), Output { text: text.into(), truncated }, "{bytes:?}");
        }
    }
}
