//! What a guest writes to a stream, up to a limit.

use crate::execution::Output;

/// Keeps the beginning and drops the rest: a flood costs the host nothing.
pub(super) struct Capture {
    bytes: Vec<u8>,
    bytes_max: usize,
    truncated: bool,
}

impl Capture {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes: Vec::new(), bytes_max, truncated: false }
    }

    /// Returns how many of the bytes were kept.
    pub(super) fn push(&mut self, bytes: &[u8]) -> usize {
        let kept = bytes.len().min(self.bytes_max - self.bytes.len());
        self.truncated |= kept < bytes.len();
        self.bytes.extend_from_slice(&bytes[..kept]);
        kept
    }

    pub(super) fn take(&mut self) -> Output {
        let bytes = std::mem::take(&mut self.bytes);
        let text = String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        Output { text, truncated: self.truncated }
    }
}
