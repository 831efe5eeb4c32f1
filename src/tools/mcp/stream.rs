//! The answer to a request as a stream of events, which is opened again where it breaks off.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use http::{HeaderName, HeaderValue};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use rmcp::model::ProtocolVersion;
use rmcp::transport::streamable_http_client::SseError;
use sse_stream::Sse;
use tokio::time::sleep;

use super::failure::Failure;
use super::http::{HttpClient, hold, too_long};
use super::sse::Events;
use super::wire::{self, Expected, Message};

/// What a server may send in one stream of events beside the answer.
const BESIDE_BYTES_MAX: usize = 1 << 20;

/// What is read after the answer to keep a connection.
const AFTER_BYTES_MAX: usize = 16 << 10;

/// How often a stream is opened again. Whoever waits for the answer may have gone away meanwhile.
const RESUMPTIONS_MAX: u32 = 100;

/// How long to wait before that, if the server does not say it, and bounds for what it says.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(30);

const REVISION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// The request whose answer is a stream, so that the stream can be opened again.
pub(super) struct Origin {
    client: HttpClient,
    uri: String,
    session: Option<String>,
    headers: HashMap<HeaderName, HeaderValue>,
}

impl Origin {
    /// Returns `None` if streams cannot be opened again: since 2026-07-28, and as long as there is no revision.
    pub(super) fn of(
        client: &HttpClient,
        uri: &str,
        session: Option<&str>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Option<Self> {
        let revision = headers.get(&REVISION)?;
        let is_old = revision.as_bytes() < ProtocolVersion::V_2026_07_28.as_str().as_bytes();
        let (client, uri, session) = (client.clone(), uri.to_owned(), session.map(str::to_owned));
        is_old.then_some(Self { client, uri, session, headers })
    }
}

/// A stream of events, up to the answer.
struct Reader {
    body: Incoming,
    events: Events,
    expected: Expected,
    bytes_max: usize,
    /// Bytes of all events so far.
    bytes: usize,
    is_over: bool,
    origin: Option<Origin>,
    /// How often the stream was opened again.
    resumptions: u32,
}

/// Returns the events of `body` as the library needs them. The last one is the answer, or an error in its place.
pub(super) fn events(
    body: Incoming,
    bytes_max: usize,
    expected: &Expected,
    origin: Option<Origin>,
) -> BoxStream<'static, Result<Sse, SseError>> {
    let expected = Expected { id: expected.id.clone(), slot: expected.slot.clone() };
    let reader = Reader {
        body,
        events: Events::default(),
        expected,
        bytes_max,
        bytes: 0,
        is_over: false,
        origin,
        resumptions: 0,
    };
    Box::pin(stream::unfold(reader, async |mut reader| {
        if reader.is_over {
            reader.end().await;
            return None;
        }
        let message = reader.next().await.unwrap_or_else(|failure| {
            reader.is_over = true;
            let message = reader.expected.failed(&failure);
            serde_json::to_string(&message).unwrap_or_default()
        });
        Some((Ok(Sse { data: Some(message), ..Sse::default() }), reader))
    }))
}

impl Reader {
    /// Reads what a server may write after its answer, so that the connection can be used again. The library gives up
    /// soon.
    async fn end(&mut self) {
        let mut bytes = 0;
        while let Some(Ok(frame)) = self.body.frame().await {
            bytes += frame.data_ref().map_or(0, Bytes::len);
            if bytes > AFTER_BYTES_MAX {
                return;
            }
        }
    }

    /// Returns the next message for the library.
    async fn next(&mut self) -> Result<String, Failure> {
        loop {
            let not_text = |_| Failure::Unreadable("the answer is not UTF-8");
            while let Some(data) = self.events.next().map_err(not_text)? {
                if data.trim().is_empty() {
                    continue;
                }
                match wire::read(&data)? {
                    Message::Answer { id, result } => {
                        if id.is_some_and(|id| !self.expected.is(&id)) {
                            return Err(Failure::Unreadable("the answer is to another request"));
                        }
                        self.is_over = true;
                        let answer = self.expected.answer(&data, result)?;
                        return serde_json::to_string(&answer)
                            .map_err(|_| Failure::Unreadable("the answer is not JSON"));
                    }
                    // The library refuses it. One that it cannot read is of no use to it.
                    Message::Request if wire::typed(&data).is_ok() => return Ok(data),
                    // Nobody waits for progress and the like.
                    Message::Request | Message::Notification(_) => {}
                }
            }
            let Some(Ok(frame)) = self.body.frame().await else {
                self.resume().await?;
                continue;
            };
            let Ok(data) = frame.into_data() else { continue };
            self.bytes += data.len();
            self.events.push(&data);
            let kept = self.events.kept();
            if kept > self.bytes_max || self.bytes > self.bytes_max.saturating_add(BESIDE_BYTES_MAX) {
                return Err(too_long(&self.expected, self.bytes_max));
            }
            hold(&self.expected, kept)?;
        }
    }

    /// Opens the stream again where it broke off. A server that numbers its events may close it at any time.
    async fn resume(&mut self) -> Result<(), Failure> {
        let (Some(origin), Some(last)) = (&self.origin, self.events.last_id()) else {
            return Err(Failure::Closed);
        };
        if self.resumptions == RESUMPTIONS_MAX {
            return Err(Failure::Closed);
        }
        self.resumptions += 1;
        sleep(self.events.retry().unwrap_or(RETRY).clamp(RETRY_MIN, RETRY_MAX)).await;
        let Origin { client, uri, session, headers } = origin;
        self.body = client.reopen(uri, session.as_deref(), headers.clone(), last).await?;
        self.events.break_off();
        Ok(())
    }
}
