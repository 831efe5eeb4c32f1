//! The output of a guest to a stream, up to a limit.

use crate::execution::{Event, Listener, Output};

/// Keeps the beginning of a stream and drops the rest, so that excess output takes no host memory.
pub(super) struct Capture {
    bytes: Vec<u8>,
    bytes_max: usize,
    truncated: bool,
    observer: Option<Observer>,
}

impl Capture {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes: Vec::new(), bytes_max, truncated: false, observer: None }
    }

    /// Sends what will be kept to `listener` as well, each piece as the event that `event_of` makes of it.
    pub(super) fn observe(&mut self, listener: Listener, event_of: fn(String) -> Event) {
        let bytes_left = self.bytes_max;
        self.observer = Some(Observer { listener, event_of, unfinished: Vec::new(), bytes_left });
    }

    /// Appends `bytes` up to the limit. Returns how many were kept.
    pub(super) fn push(&mut self, bytes: &[u8]) -> usize {
        let kept = bytes.len().min(self.bytes_max - self.bytes.len());
        self.truncated |= kept < bytes.len();
        self.bytes.extend_from_slice(&bytes[..kept]);
        if let Some(observer) = &mut self.observer {
            observer.push(&bytes[..kept]);
        }
        kept
    }

    /// Returns the bytes so far, and whether more were dropped.
    pub(super) fn kept(&self) -> (&[u8], bool) {
        (&self.bytes, self.truncated)
    }

    /// Begins with what another capture has kept. Nothing of it is told.
    pub(super) fn take_over(&mut self, bytes: Vec<u8>, truncated: bool) {
        (self.bytes, self.truncated) = (bytes, truncated);
        self.bytes.truncate(self.bytes_max);
        if let Some(observer) = &mut self.observer {
            observer.bytes_left = self.bytes_max - self.bytes.len();
        }
    }

    /// Returns the text so far.
    pub(super) fn text(&self) -> Output {
        Output { text: String::from_utf8_lossy(&self.bytes).into_owned(), truncated: self.truncated }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Takes the text, with invalid UTF-8 replaced. It is at most `bytes_max` long, although a replacement character
    /// can be longer than the bytes that it replaces.
    pub(super) fn take(&mut self) -> Output {
        if let Some(mut observer) = self.observer.take().filter(|_| !self.truncated) {
            observer.finish();
        }
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

/// Tells the text of a stream while it comes: together, the same text as [`Capture::take`] gives.
struct Observer {
    listener: Listener,
    event_of: fn(String) -> Event,
    /// The beginning of a character.
    unfinished: Vec<u8>,
    /// Text that may still be told; a replacement is longer than what it replaces.
    bytes_left: usize,
}

impl Observer {
    fn push(&mut self, bytes: &[u8]) {
        let mut all = std::mem::take(&mut self.unfinished);
        all.extend_from_slice(bytes);
        let mut text = String::with_capacity(all.len());
        let mut chunks = all.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            let is_whole =
                std::str::from_utf8(chunk.invalid()).is_err_and(|error| error.error_len().is_some());
            if is_whole || (chunks.peek().is_some() && !chunk.invalid().is_empty()) {
                text.push(char::REPLACEMENT_CHARACTER);
            } else {
                self.unfinished = chunk.invalid().to_vec();
            }
        }
        self.tell(text);
    }

    fn finish(&mut self) {
        if !self.unfinished.is_empty() {
            self.tell(char::REPLACEMENT_CHARACTER.to_string());
        }
    }

    fn tell(&mut self, mut text: String) {
        if text.len() > self.bytes_left {
            text.truncate(text.floor_char_boundary(self.bytes_left));
            self.bytes_left = text.len();
        }
        self.bytes_left -= text.len();
        if !text.is_empty() {
            self.listener.send((self.event_of)(text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execution::events;

    #[test]
    fn what_is_told_is_what_is_kept() {
        let texts: [&[u8]; 9] = [
            b"",
            b"abc",
            "aé€😀b".as_bytes(),
            b"\xff\xfe",
            b"a\xc3",
            b"\xe2\x82",
            b"\xf0\x9f\x98a\xe2\x82b",
            "ééééééé".as_bytes(),
            b"\xff\xff\xff\xff\xff",
        ];
        for (text, step) in
            texts.iter().flat_map(|text| (1..=text.len().max(1)).map(move |step| (text, step)))
        {
            let (sink, mut told) = events();
            let (mut capture, listener) = (Capture::new(12), Listener::default());
            listener.set(Some(sink));
            capture.observe(listener.clone(), Event::Stdout);
            for piece in text.chunks(step) {
                capture.push(piece);
            }
            let kept = capture.take().text;
            listener.set(None);
            let mut all = String::new();
            while let Some(Event::Stdout(text)) = futures::executor::block_on(told.next()) {
                all += &text;
            }
            assert_eq!(all, kept, "{text:?} by {step}");
        }
    }

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
