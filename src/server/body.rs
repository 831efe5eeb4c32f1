//! Request bodies: bounded in size and time.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use futures::StreamExt;
use tokio::time::timeout;

use super::places::Places;
use super::refusal::Refusal;

/// What a client that does not listen may go on sending after its answer, in time.
const DISCARD_TIME: Duration = Duration::from_secs(2);

/// A body that is read at most once, and may be left unread.
pub(super) struct Incoming {
    declared_bytes: u64,
    stream: BodyDataStream,
}

impl Incoming {
    pub(super) fn new(body: Body) -> Self {
        Self { declared_bytes: body.size_hint().lower(), stream: body.into_data_stream() }
    }

    /// Reads it all, as long as it has no more than `bytes_max` and takes no longer than `time`, or than `places` have
    /// patience with it. What is declared to be larger is not read at all.
    pub(super) async fn read(
        &mut self,
        bytes_max: usize,
        time: Duration,
        places: &Places,
    ) -> Result<Vec<u8>, Refusal> {
        if self.declared_bytes > bytes_max as u64 {
            return Err(Refusal::too_large(bytes_max));
        }
        tokio::select! {
            biased;
            read = self.read_to_end(bytes_max) => read,
            waited = places.patience(time) => Err(Refusal::too_slow(waited)),
        }
    }

    async fn read_to_end(&mut self, bytes_max: usize) -> Result<Vec<u8>, Refusal> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.next().await {
            let chunk = chunk.map_err(|error| Refusal::unreadable(&error))?;
            if bytes.len() + chunk.len() > bytes_max {
                return Err(Refusal::too_large(bytes_max));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// Takes what is still coming, within bounds, and forgets it. A connection that is closed while its client still
    /// sends loses the answer on the way to it.
    pub(super) fn discard(mut self, bytes_max: usize) {
        // Ends by itself, soon.
        tokio::spawn(timeout(DISCARD_TIME, async move {
            let mut bytes = 0;
            while let Some(Ok(chunk)) = self.next().await
                && bytes <= bytes_max
            {
                bytes += chunk.len();
            }
        }));
    }

    async fn next(&mut self) -> Option<Result<Bytes, axum::Error>> {
        self.stream.next().await
    }
}
