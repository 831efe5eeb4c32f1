//! Reads request bodies, bounded in size and time.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use futures::StreamExt;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::budget::{Account, Held, Share};
use super::refusal::Refusal;

/// How long a client may continue to send a body after it was refused.
const DISCARD_TIME: Duration = Duration::from_secs(2);

/// Maximum number of bodies that are discarded at a time. Discarding takes time from clients that read their answers.
pub(super) const DISCARDS_MAX: usize = 16;

/// First allocation for a body. Each further one doubles it, up to the declared size.
const FIRST_BYTES: usize = 8 << 10;

/// A request body. It is read at most once, or not at all.
pub(super) struct Incoming {
    declared_bytes: u64,
    stream: BodyDataStream,
}

/// A whole body and the memory that it holds.
pub(super) struct Whole {
    pub(super) bytes: Vec<u8>,
    pub(super) held: Held,
}

impl Incoming {
    pub(super) fn new(body: Body) -> Self {
        Self { declared_bytes: body.size_hint().lower(), stream: body.into_data_stream() }
    }

    /// Reads the whole body if it has at most `bytes_max` bytes and arrives within `time`. If its declared size is
    /// larger, nothing of it is read.
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

    /// If the size is declared, reserves all memory before it holds any. Otherwise many partly read bodies could wait
    /// for each other.
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
                // The service does not wait for the peer during the reservation; the peer may wait for the service.
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

    /// Reads the rest of the body, within bounds, and drops it. If a connection is closed while its client still
    /// sends, the client loses the answer. If too many bodies are refused at once, some clients do.
    pub(super) fn discard(mut self, bytes_max: usize, discards: &Arc<Semaphore>) {
        let Ok(permit) = discards.clone().try_acquire_owned() else { return };
        // Needs no owner: the timeout ends it.
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
    /// Reserves memory for the text of the body and for its parsed form.
    async fn hold_room_for(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.held.grow_to(2 * bytes, Share::Body).await.ok_or_else(Refusal::overloaded)
    }
}
