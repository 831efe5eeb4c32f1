//! Request bodies: bounded in size and time.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use futures::StreamExt;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::budget::{Account, Held, Share};
use super::refusal::Refusal;

/// What a client that does not listen may go on sending after its answer, in time.
const DISCARD_TIME: Duration = Duration::from_secs(2);

/// Bodies that are forgotten at once: reading them takes the time of those who listen.
pub(super) const DISCARDS_MAX: usize = 16;

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

    /// Reads it all, as long as it has no more than `bytes_max` and takes no longer than `time`. What is declared to be
    /// larger is not read at all.
    pub(super) async fn read(
        &mut self,
        bytes_max: usize,
        time: Duration,
        account: &Arc<Account>,
    ) -> Result<Whole, Refusal> {
        if self.declared_bytes > bytes_max as u64 {
            return Err(Refusal::too_large(bytes_max));
        }
        let read = timeout(time, self.read_to_end(bytes_max, account)).await;
        read.unwrap_or_else(|_| Err(Refusal::too_slow(time)))
    }

    /// A body whose length is declared waits for its memory before it holds any: else many could wait for each other.
    async fn read_to_end(&mut self, bytes_max: usize, account: &Arc<Account>) -> Result<Whole, Refusal> {
        let declared = usize::try_from(self.declared_bytes).unwrap_or(usize::MAX);
        let mut whole = Whole { bytes: Vec::new(), held: account.hold_nothing() };
        whole.hold_room_for(declared).await?;
        let mut awaited = account.await_peer();
        while let Some(chunk) = self.next().await {
            let chunk = chunk.map_err(|error| Refusal::unreadable(&error))?;
            account.moved(chunk.len());
            let needed = whole.bytes.len() + chunk.len();
            if needed > bytes_max {
                return Err(Refusal::too_large(bytes_max));
            }
            if needed > whole.bytes.capacity() {
                let room = (2 * whole.bytes.capacity()).max(FIRST_BYTES).max(needed);
                let room = if declared >= needed { room.min(declared) } else { room };
                // Meanwhile the peer is not awaited: it may wait itself.
                drop(awaited);
                whole.hold_room_for(room).await?;
                awaited = account.await_peer();
                whole.bytes.reserve_exact(room - whole.bytes.len());
            }
            whole.bytes.extend_from_slice(&chunk);
        }
        drop(awaited);
        Ok(whole)
    }

    /// Takes what is still coming, within bounds, and forgets it. A connection that is closed while its client still
    /// sends loses the answer on the way to it; when many are refused, some do.
    pub(super) fn discard(mut self, bytes_max: usize, discards: &Arc<Semaphore>) {
        let Ok(permit) = discards.clone().try_acquire_owned() else { return };
        // Ends by itself, soon.
        tokio::spawn(timeout(DISCARD_TIME, async move {
            let _permit = permit;
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

impl Whole {
    /// As text, and once more when it is parsed.
    async fn hold_room_for(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.held.grow_to(2 * bytes, Share::Body).await.ok_or_else(Refusal::overloaded)
    }
}
