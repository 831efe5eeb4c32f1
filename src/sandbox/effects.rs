//! Notes that an execution has effects since it was last written down. After a crash, it cannot go on from there then.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use futures::FutureExt;
use futures::future::BoxFuture;
use sealed_store::Share;
use tokio::sync::Mutex;

use super::{Shared, records};
use crate::execution::ExecutionId;
use crate::store::Keeping;
use crate::tools::{EffectLog, ToolError};

/// The note of one execution.
pub(super) struct Effects {
    /// Weak, because the sandbox's own tasks hold it.
    shared: Weak<Shared>,
    name: String,
    /// Whether the execution goes on after a crash.
    is_durable: AtomicBool,
    /// How often it was written down.
    parks: AtomicU32,
    /// Whether there is a note since it was last written down.
    is_noted: Mutex<bool>,
}

impl Effects {
    pub(super) fn new(shared: &Arc<Shared>, id: ExecutionId, is_durable: bool, parks: u32) -> Arc<Self> {
        Arc::new(Self {
            shared: Arc::downgrade(shared),
            name: records::name_of_effects(id),
            is_durable: AtomicBool::new(is_durable),
            parks: AtomicU32::new(parks),
            is_noted: Mutex::new(false),
        })
    }

    pub(super) fn parks(&self) -> u32 {
        self.parks.load(Ordering::Relaxed)
    }

    /// Says that the execution was written down. No effect is under way then.
    pub(super) async fn parked(&self) {
        self.parks.fetch_add(1, Ordering::Relaxed);
        self.is_durable.store(true, Ordering::Relaxed);
        *self.is_noted.lock().await = false;
    }

    /// Removes the note.
    pub(super) async fn forget(&self, shared: &Shared) {
        // If that fails, it expires.
        let _ = shared.records.remove(&self.name).await;
    }

    async fn note(&self) -> Result<bool, ToolError> {
        if !self.is_durable.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let mut is_noted = self.is_noted.lock().await;
        let Some(shared) = self.shared.upgrade().filter(|shared| !*is_noted && shared.records.is_durable())
        else {
            return Ok(true);
        };
        let limits = &shared.wait_limits;
        let keeping = Keeping::within(Share::Whole, limits.wait_max + limits.result_ttl);
        let parks = self.parks().to_string();
        let failed =
            |error| ToolError::failed("not called, because its effect cannot be recorded").caused_by(error);
        shared.records.remove(&self.name).await.map_err(failed)?;
        shared.records.create(&self.name, parks.as_bytes(), keeping).await.map_err(failed)?;
        *is_noted = true;
        Ok(true)
    }
}

impl EffectLog for Effects {
    fn begin(&self) -> BoxFuture<'_, Result<bool, ToolError>> {
        self.note().boxed()
    }
}
