//! Request bodies: bounded in size and time.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use futures::StreamExt;
use tokio::time::timeout;

use super::budget::{Account, Held, Share};
use super::places::Places;
use super::refusal::Refusal;

/// What a client that does not listen may go on sending after its answer, in time.
const DISCARD_TIME: Duration = Duration::from_secs(2);

/// What is made room for first; then twice as much each time, up to what is declared.
const FIRST_BYTES: usize = 8 << 10;

/// A body that is read at most once, and may be left unread.
pub(super) struct Incoming {
    declared_bytes: u64,
    stream: BodyDataStream,
}

/// A body that was read, and its memory.
pub(super) struct Whole {
    pub(super) bytes: Vec<u8>,
    pub(super) held: Held,
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
        account: &Arc<Account>,
    ) -> Result<Whole, Refusal> {
        if self.declared_bytes > bytes_max as u64 {
            return Err(Refusal::too_large(bytes_max));
        }
        tokio::select! {
            biased;
            read = self.read_to_end(bytes_max, account) => read,
            waited = places.patience(time) => Err(Refusal::too_slow(waited)),
        }
    }

    async fn read_to_end(&mut self, bytes_max: usize, account: &Arc<Account>) -> Result<Whole, Refusal> {
        let declared = usize::try_from(self.declared_bytes).ok().filter(|bytes| *bytes > 0);
        let mut awaited = Some(account.await_peer());
        let mut whole = Whole { bytes: Vec::new(), held: account.hold_nothing() };
        while let Some(chunk) = self.next().await {
            let chunk = chunk.map_err(|error| Refusal::unreadable(&error))?;
            account.moved(chunk.len());
            let (needed, capacity) = (whole.bytes.len() + chunk.len(), whole.bytes.capacity());
            if needed > bytes_max {
                return Err(Refusal::too_large(bytes_max));
            }
            if needed > capacity {
                let room = (2 * capacity).max(FIRST_BYTES).min(declared.unwrap_or(bytes_max)).max(needed);
                if !whole.held.try_grow(room - capacity, Share::Request) {
                    // Meanwhile the peer is not awaited: it waits itself.
                    awaited = None;
                    whole.held.grow(room - capacity, Share::Request).await.ok_or_else(Refusal::overloaded)?;
                }
                whole.bytes.reserve_exact(room - whole.bytes.len());
            }
            whole.bytes.extend_from_slice(&chunk);
            awaited.get_or_insert_with(|| account.await_peer());
        }
        Ok(whole)
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
