//! A server at the other end of pipes: one message a line.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rmcp::RoleClient;
use rmcp::model::{ClientJsonRpcMessage, ClientNotification, RequestId, ServerJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::failure::Failure;
use super::launch::ServerPipes;
use super::slot::Slot;
use super::wire::{self, Expected, Message};
use crate::tools::text;

/// For lines that answer no call: those that begin a connection, and notifications.
const LINE_BYTES_MAX: usize = 1 << 20;

/// How much of the beginning and of the end of a line is searched for the id, if the line is too long.
const ID_BYTES: usize = 80;

/// A server that does not read for so long is of no use.
const WRITE_TIME_MAX: Duration = Duration::from_secs(30);

/// The only notification that matters here.
const TOOLS_CHANGED: &str = "notifications/tools/list_changed";

/// Messages that answer no request, in a second.
const BESIDE_PER_SECOND: u32 = 200;

/// Bounds for what a server writes to its log.
const LOG_LINE_BYTES_MAX: usize = 4 << 10;
const LOG_CHARS_MAX: usize = 500;
const LOG_LINES_PER_SECOND: u32 = 20;

const SECOND: Duration = Duration::from_secs(1);

/// Requests that wait for their answers.
type Pending = Arc<Mutex<HashMap<RequestId, Option<Slot>>>>;

/// A connection over pipes.
pub(super) struct Pipes {
    writer: Arc<tokio::sync::Mutex<Sender>>,
    lines: Lines,
    pending: Pending,
    /// Says that a message was written in part, so that nothing more can be written.
    broken: CancellationToken,
    beside: Pace,
}

impl Pipes {
    /// Connects to a started command. What it writes to its log goes to this process's, as the words of `module`.
    ///
    /// # Errors
    ///
    /// If the files are no pipes.
    pub(super) fn new(module: &str, pipes: ServerPipes) -> io::Result<Self> {
        let receiver = |pipe: OwnedFd| Receiver::from_owned_fd(pipe);
        tokio::spawn(log(module.to_owned(), Lines::new(receiver(pipes.stderr)?)));
        Ok(Self {
            writer: Arc::new(tokio::sync::Mutex::new(Sender::from_owned_fd(pipes.stdin)?)),
            lines: Lines::new(receiver(pipes.stdout)?),
            pending: Pending::default(),
            broken: CancellationToken::new(),
            beside: Pace::new(BESIDE_PER_SECOND),
        })
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<RequestId, Option<Slot>>> {
        locked(&self.pending)
    }

    /// Removes the request that an answer with this `id` belongs to.
    fn take(&self, id: &RequestId) -> Option<Expected> {
        let mut pending = self.pending();
        if let Some((id, slot)) = pending.remove_entry(id) {
            return Some(Expected { id, slot });
        }
        // Some servers send numbers back as strings.
        let id = RequestId::Number(id.to_string().parse().ok()?);
        pending.remove_entry(&id).map(|(id, slot)| Expected { id, slot })
    }

    /// Removes the request that waits, if it is the only one.
    fn take_only(&self) -> Option<Expected> {
        let mut pending = self.pending();
        let id = pending.keys().next().filter(|_| pending.len() == 1).cloned()?;
        pending.remove_entry(&id).map(|(id, slot)| Expected { id, slot })
    }

    /// Returns the message for the library, if it needs one.
    fn message(&self, line: &str) -> Option<ServerJsonRpcMessage> {
        match wire::read(line) {
            Ok(Message::Answer { id: Some(id), result }) => {
                let Some(expected) = self.take(&id) else {
                    debug!("an MCP server has answered a request that nobody made, or too late");
                    return None;
                };
                let answer = expected.answer(line, result);
                Some(answer.unwrap_or_else(|failure| expected.failed(&failure)))
            }
            Ok(Message::Request | Message::Notification(TOOLS_CHANGED)) => wire::typed(line).ok(),
            // Whoever cannot read a request cannot repeat its id.
            Ok(Message::Answer { id: None, result: Err(error) }) => {
                self.take_only()?.answer(line, Err(error)).ok()
            }
            // Nobody waits for progress and the like. Some servers write other lines too.
            Ok(Message::Answer { id: None, .. } | Message::Notification(_)) | Err(_) => None,
        }
    }

    /// Returns the message for the library about a line that was too long.
    fn too_long(&self, ends: &[u8]) -> Option<ServerJsonRpcMessage> {
        let named = id_in(ends).and_then(|id| self.take(&id));
        let expected = named.or_else(|| self.take_only())?;
        let failure = expected.slot.as_ref().map_or(Failure::TooLong(LINE_BYTES_MAX), Slot::too_long);
        Some(expected.failed(&failure))
    }
}

impl Transport<RoleClient> for Pipes {
    type Error = io::Error;

    fn send(
        &mut self,
        message: ClientJsonRpcMessage,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let expected = Expected::of(&message);
        let cancelled = match &message {
            ClientJsonRpcMessage::Notification(sent) => match &sent.notification {
                ClientNotification::CancelledNotification(cancelled) => cancelled.params.request_id.clone(),
                _ => None,
            },
            _ => None,
        };
        if let Some(expected) = expected {
            self.pending().insert(expected.id, expected.slot);
        }
        if let Some(id) = cancelled {
            self.pending().remove(&id);
        }
        let (writer, broken) = (self.writer.clone(), self.broken.clone());
        async move {
            let mut line = serde_json::to_vec(&message)?;
            line.push(b'\n');
            // Only one message at a time, and each whole: if this is dropped halfway, nothing more can be written.
            let mut writer = writer.lock().await;
            if broken.is_cancelled() {
                return Err(ErrorKind::BrokenPipe.into());
            }
            let whole = broken.clone().drop_guard();
            let written = timeout(WRITE_TIME_MAX, writer.write_all(&line)).await;
            written.map_err(|_| io::Error::from(ErrorKind::TimedOut))??;
            whole.disarm();
            Ok(())
        }
    }

    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        loop {
            // Here, because the library may drop this at any time, and then no message may be in it.
            self.beside.ready().await;
            let pending = self.pending.clone();
            let line = tokio::select! {
                line = self.lines.next(|| largest(&pending).max(LINE_BYTES_MAX)) => line?,
                () = self.broken.cancelled() => return None,
            };
            let message = match &line {
                Line::Whole(line) => std::str::from_utf8(line).ok().and_then(|line| self.message(line)),
                Line::TooLong { ends } => self.too_long(ends),
            };
            let is_answer =
                matches!(message, Some(ServerJsonRpcMessage::Response(_) | ServerJsonRpcMessage::Error(_)));
            if !is_answer {
                self.beside.count();
            }
            if message.is_some() {
                return message;
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.broken.cancel();
        Ok(())
    }
}

fn locked(pending: &Pending) -> MutexGuard<'_, HashMap<RequestId, Option<Slot>>> {
    pending.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the largest message that a request that waits allows.
fn largest(pending: &Pending) -> usize {
    locked(pending).values().flatten().map(Slot::message_bytes_max).max().unwrap_or_default()
}

/// Fails the requests that wait: the library only knows that the connection has ended.
impl Drop for Pipes {
    fn drop(&mut self) {
        for slot in self.pending().values().flatten() {
            slot.put(Err(Failure::Closed));
        }
    }
}

/// Finds the number in `"id":7` near one of the ends of a message.
fn id_in(ends: &[u8]) -> Option<RequestId> {
    let text = String::from_utf8_lossy(ends);
    let first = text.find("\"id\"").filter(|at| *at < ID_BYTES);
    let at = first.or_else(|| text.rfind("\"id\""))?;
    let after = text.get(at + 4..)?.trim_start().strip_prefix(':')?.trim_start().trim_start_matches('"');
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().map(RequestId::Number)
}

/// A line, without the line feed.
enum Line {
    Whole(Vec<u8>),
    /// It was skipped, except for its beginning and its end.
    TooLong {
        ends: Vec<u8>,
    },
}

/// Reads lines of bounded length.
struct Lines {
    pipe: BufReader<Receiver>,
    /// What has arrived of the next line. Kept here because reading may be abandoned at any time.
    line: Vec<u8>,
    /// The last bytes of a line that is skipped.
    tail: Option<Vec<u8>>,
}

impl Lines {
    fn new(pipe: Receiver) -> Self {
        Self { pipe: BufReader::with_capacity(64 << 10, pipe), line: Vec::new(), tail: None }
    }

    /// Returns the next line, or `None` at the end. A line may have as many bytes as `bytes_max` says while it arrives.
    async fn next(&mut self, bytes_max: impl Fn() -> usize) -> Option<Line> {
        loop {
            let arrived = self.pipe.fill_buf().await.ok()?;
            if arrived.is_empty() {
                return None;
            }
            let end = memchr::memchr(b'\n', arrived);
            let piece = &arrived[..end.unwrap_or(arrived.len())];
            match &mut self.tail {
                Some(tail) => {
                    tail.extend_from_slice(piece);
                    tail.drain(..tail.len().saturating_sub(ID_BYTES));
                }
                None if self.line.len() + piece.len() > bytes_max() => {
                    self.line.extend_from_slice(&piece[..piece.len().min(ID_BYTES)]);
                    self.line.truncate(ID_BYTES);
                    self.tail = Some(piece[piece.len().saturating_sub(ID_BYTES)..].to_vec());
                }
                None => self.line.extend_from_slice(piece),
            }
            let taken = piece.len() + usize::from(end.is_some());
            self.pipe.consume(taken);
            if end.is_some() {
                let line = std::mem::take(&mut self.line);
                return Some(match self.tail.take() {
                    Some(tail) => Line::TooLong { ends: [line, tail].concat() },
                    None => Line::Whole(line),
                });
            }
        }
    }
}

/// Writes the lines of a server's log to this process's, as many as are bearable.
async fn log(module: String, mut lines: Lines) {
    let mut pace = Pace::new(LOG_LINES_PER_SECOND);
    while let Some(line) = lines.next(|| LOG_LINE_BYTES_MAX).await {
        let (Line::Whole(line) | Line::TooLong { ends: line }) = line;
        let said = text::line(&String::from_utf8_lossy(&line), LOG_CHARS_MAX);
        if !said.is_empty() {
            info!(mcp = %module, said, "MCP server's log");
        }
        pace.count();
        pace.ready().await;
    }
}

/// Slows down what comes too often.
struct Pace {
    per_second: u32,
    since: Instant,
    count: u32,
}

impl Pace {
    fn new(per_second: u32) -> Self {
        Self { per_second, since: Instant::now(), count: 0 }
    }

    /// Counts one event.
    fn count(&mut self) {
        if self.since.elapsed() >= SECOND {
            (self.since, self.count) = (Instant::now(), 0);
        }
        self.count += 1;
    }

    /// Waits if there were too many events within a second.
    async fn ready(&self) {
        if self.count > self.per_second {
            sleep(SECOND.saturating_sub(self.since.elapsed())).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_at_either_end() {
        let long = "x".repeat(70);
        for (ends, id) in [
            (r#"{"jsonrpc":"2.0","id":5,"result":{"a""#.to_owned(), Some(5)),
            (format!(r#"{{"result":"{long}{long}"}},"jsonrpc":"2.0","id": "12"}}"#), Some(12)),
            (format!(r#"{{"result":{{"data":"{long}ü{long}, "id":9"#), Some(9)),
            ("xxxx".into(), None),
            (r#""id":"#.into(), None),
        ] {
            assert_eq!(id_in(ends.as_bytes()), id.map(RequestId::Number), "{ends}");
        }
    }

    async fn lines(written: &'static [u8]) -> Vec<String> {
        let (mut sender, receiver) = tokio::net::unix::pipe::pipe().unwrap();
        let writing = tokio::spawn(async move { sender.write_all(written).await.unwrap() });
        let (mut lines, mut found) = (Lines::new(receiver), Vec::new());
        while let Some(line) = lines.next(|| 200).await {
            found.push(match line {
                Line::Whole(line) => String::from_utf8(line).unwrap(),
                Line::TooLong { ends } => format!("long {}", ends.len()),
            });
        }
        writing.await.unwrap();
        found
    }

    #[tokio::test]
    async fn lines_are_bounded() {
        static LONG: [u8; 300_001] = {
            let mut long = [b'x'; 300_001];
            long[300_000] = b'\n';
            long
        };
        assert_eq!(lines(b"a\n\nb\nnot ended").await, ["a", "", "b"]);
        assert_eq!(lines(&LONG).await, ["long 160"]);
    }
}
