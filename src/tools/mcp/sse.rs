//! Server-sent events of one answer, as the HTML standard has them.

/// Splits a stream of bytes into the data of its events. Other fields than `data` are left out.
#[derive(Debug, Default)]
pub(super) struct Events {
    bytes: Vec<u8>,
    /// How far `bytes` has no end of line.
    searched: usize,
    data: String,
    has_data: bool,
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
            if let Some(data) = data_of(line) {
                if self.has_data {
                    self.data.push('\n');
                }
                self.has_data = true;
                self.data.push_str(data);
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

fn data_of(line: &str) -> Option<&str> {
    let data = line.strip_prefix("data")?;
    if data.is_empty() {
        return Some(data);
    }
    let data = data.strip_prefix(':')?;
    Some(data.strip_prefix(' ').unwrap_or(data))
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
}
