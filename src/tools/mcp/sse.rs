//! Server-sent events of one answer, as the HTML standard has them.

use std::time::Duration;

/// Longer ids are no use: they would have to be sent back as a header.
const ID_BYTES_MAX: usize = 1 << 10;

/// Splits a stream of bytes into the data of its events.
#[derive(Debug, Default)]
pub(super) struct Events {
    bytes: Vec<u8>,
    /// How far `bytes` has no end of line.
    searched: usize,
    data: String,
    has_data: bool,
    /// The id of the event that has not ended.
    id: Option<String>,
    last_id: Option<String>,
    retry: Option<Duration>,
}

/// A line is not UTF-8.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotText;

impl Events {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns how many bytes of an event that has not ended are kept.
    pub(super) fn kept(&self) -> usize {
        self.bytes.len() + self.data.len()
    }

    /// Returns the id of the last event that has ended, if it had one.
    pub(super) fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref().filter(|id| !id.is_empty())
    }

    /// Returns how long to wait before the stream is opened again, if the server says so.
    pub(super) fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Drops the event that has not ended, because another stream goes on after the last one that has.
    pub(super) fn break_off(&mut self) {
        let (last_id, retry) = (self.last_id.take(), self.retry);
        *self = Self { last_id, retry, ..Self::default() };
    }

    /// Returns the data of the next event that has ended and has data.
    ///
    /// # Errors
    ///
    /// If a line is not UTF-8.
    pub(super) fn next(&mut self) -> Result<Option<String>, NotText> {
        let mut start = 0;
        let mut found = None;
        while let Some(end) =
            self.bytes[self.searched..].iter().position(|byte| matches!(byte, b'\n' | b'\r'))
        {
            let end = self.searched + end;
            let is_return = self.bytes[end] == b'\r';
            if is_return && end + 1 == self.bytes.len() {
                // A line feed may follow, which belongs to this end of line.
                self.searched = end;
                break;
            }
            let line = std::str::from_utf8(&self.bytes[start..end]).map_err(|_| NotText)?;
            let is_end = line.is_empty();
            if let Some(data) = field(line, "data") {
                if self.has_data {
                    self.data.push('\n');
                }
                self.has_data = true;
                self.data.push_str(data);
            } else if let Some(id) = field(line, "id").filter(|id| id.len() <= ID_BYTES_MAX) {
                self.id = Some(id.to_owned());
            } else if let Some(Ok(milliseconds)) = field(line, "retry").map(str::parse) {
                self.retry = Some(Duration::from_millis(milliseconds));
            }
            if is_end && let Some(id) = self.id.take() {
                self.last_id = Some(id);
            }
            start = end + 1 + usize::from(is_return && self.bytes[end + 1] == b'\n');
            self.searched = start;
            if is_end && std::mem::take(&mut self.has_data) {
                found = Some(std::mem::take(&mut self.data));
                break;
            }
        }
        if found.is_none() && self.searched < self.bytes.len() && self.bytes.last() != Some(&b'\r') {
            self.searched = self.bytes.len();
        }
        self.bytes.drain(..start);
        self.searched -= start;
        Ok(found)
    }
}

/// Returns the value of a line, if it is that of the field `name`.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let value = line.strip_prefix(name)?;
    if value.is_empty() {
        return Some(value);
    }
    let value = value.strip_prefix(':')?;
    Some(value.strip_prefix(' ').unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the events of a text that arrives in pieces of `size` bytes.
    fn events(text: &[u8], size: usize) -> Result<Vec<String>, NotText> {
        let (mut events, mut found) = (Events::default(), Vec::new());
        for piece in text.chunks(size) {
            events.push(piece);
            while let Some(event) = events.next()? {
                found.push(event);
            }
        }
        Ok(found)
    }

    #[test]
    fn events_do_not_depend_on_how_they_arrive() {
        let text = "data: a\n\n: comment\nid: 1\ndata:b\r\ndata:  c\r\n\r\nevent: x\n\ndata\n\ndata: ü\rdata\r\rdataset: no\n\n";
        for size in 1..text.len() {
            assert_eq!(events(text.as_bytes(), size).unwrap(), ["a", "b\n c", "", "ü\n"], "{size}");
        }
        assert_eq!(events(b"data: \xff\n\n", 99), Err(NotText));
        assert_eq!(events(b"data: not ended\n", 3), Ok(Vec::new()));
    }

    #[test]
    fn what_a_broken_stream_needs_is_that_of_events_that_have_ended() {
        let mut events = Events::default();
        events.push(b"id: 1\nretry: 20\ndata: a\n\nid: 2\nretry: x\ndata: b");
        assert_eq!(events.next(), Ok(Some("a".into())));
        assert_eq!(events.next(), Ok(None));
        assert_eq!((events.last_id(), events.retry()), (Some("1"), Some(Duration::from_millis(20))));
        events.break_off();
        events.push(b"data: c\nid\n\n");
        assert_eq!(events.next(), Ok(Some("c".into())));
        assert_eq!((events.last_id(), events.kept()), (None, 0));
    }
}
