//! Interpreters that programs have left, under handles.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sealed_store::Share;

use super::{Sandbox, Shared};
use crate::error::Error;
use crate::execution::{KeepState, StateHandle};
use crate::instance::Kept;
use crate::store::Keeping;

/// What is known of a state.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StateInfo {
    /// Its handle.
    pub handle: StateHandle,
    /// The state that it was made from; `None` for one that began in a fresh interpreter.
    pub parent: Option<StateHandle>,
    /// When it was made.
    pub created_at: SystemTime,
    /// Its size in the store.
    pub bytes: u64,
    /// When it is forgotten, unless it is used before.
    pub expires_at: SystemTime,
}

impl Sandbox {
    /// Returns all states, in no particular order.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the store fails.
    pub async fn states(&self) -> Result<Vec<StateInfo>, Error> {
        let listed = self.0.shared.records.list(PREFIX).await?;
        let states = listed.into_iter().filter_map(|record| {
            let (handle, parent, created_at) = parse(&record.name)?;
            Some(StateInfo { handle, parent, created_at, bytes: record.bytes, expires_at: record.expires_at })
        });
        Ok(states.collect())
    }

    /// Forgets a state. States that were made from it stay.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownState`] if there is none with this handle, [`Error::Internal`] if the store fails.
    pub async fn forget_state(&self, handle: StateHandle) -> Result<(), Error> {
        let records = &self.0.shared.records;
        let name = self.0.shared.name_of(handle).await?;
        if records.remove(&name).await? { Ok(()) } else { Err(Error::UnknownState { handle }) }
    }
}

impl Shared {
    /// Returns the interpreter that a program begins with, or `None` for a fresh one. Counts as a use of the state.
    ///
    /// # Errors
    ///
    /// [`Error::NoStore`], [`Error::StoreFull`], [`Error::UnknownState`], [`Error::ImageGone`], [`Error::StateDamaged`], [`Error::MemoryBelowImage`] if the
    /// execution may not have as much memory as the state has, and [`Error::CallerLimit`] if there is no room for
    /// another state.
    pub(super) async fn begin_state(
        &self,
        state: KeepState,
        memory_bytes_max: u64,
    ) -> Result<Option<Kept>, Error> {
        self.records.check()?;
        let limit = self.wait_limits.states_max;
        if self.records.list(PREFIX).await?.len() >= limit {
            self.records.forget_expired().await;
            if self.records.list(PREFIX).await?.len() >= limit {
                let way_out = "delete those that are not needed";
                return Err(Error::CallerLimit { what: "states", limit, way_out });
            }
        }
        if !self.records.has_room(STATE_BYTES_MIN).await? {
            return Err(Error::StoreFull);
        }
        let KeepState::After(handle) = state else { return Ok(None) };
        let name = self.name_of(handle).await?;
        let record = self.records.get(&name).await?.ok_or(Error::UnknownState { handle })?;
        let base = self.images.open(image_of(&name).ok_or(Error::StateDamaged)?).await?;
        let kept = Kept::decode(&record.bytes, base).ok_or(Error::StateDamaged)?;
        let bytes = kept.memory_bytes().ok_or(Error::StateDamaged)?;
        if bytes > memory_bytes_max {
            return Err(Error::MemoryBelowImage { asked_bytes: memory_bytes_max, image_bytes: bytes });
        }
        // It counts from the last use. Somebody else may use it at the same time, or there may be no room for a moment.
        let _ = self.records.swap(&name, record.revision, &record.bytes, self.keeping()).await;
        Ok(Some(kept))
    }

    /// Keeps the interpreter that a program has left.
    ///
    /// # Errors
    ///
    /// [`Error::StoreFull`], [`Error::Internal`].
    pub(super) async fn end_state(&self, began: KeepState, kept: Kept) -> Result<StateHandle, Error> {
        let handle =
            StateHandle::random().map_err(|error| Error::internal("making a handle").caused_by(error))?;
        let parent = match began {
            KeepState::After(parent) => parent.to_string(),
            KeepState::New => String::new(),
        };
        let created = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let image = kept.base.id();
        let name = format!("{PREFIX}{handle}.{parent}.{}.{image}", created.as_millis());
        let bytes = kept.encode();
        let others = self.records.list(PREFIX).await?.len();
        if bytes.len() > self.wait_limits.state_bytes_max || others >= self.wait_limits.states_max {
            return Err(Error::StoreFull);
        }
        self.records.create(&name, &bytes, self.keeping()).await?;
        Ok(handle)
    }

    fn keeping(&self) -> Keeping {
        Keeping::within(Share::Half, self.wait_limits.state_ttl)
    }

    /// Returns the name of the record of a state.
    async fn name_of(&self, handle: StateHandle) -> Result<String, Error> {
        let listed = self.records.list(&format!("{PREFIX}{handle}.")).await?;
        listed.into_iter().next().map(|record| record.name).ok_or(Error::UnknownState { handle })
    }
}

pub(super) const PREFIX: &str = "state/";

/// Without room for a small state, a program that is to leave one does not begin.
const STATE_BYTES_MIN: u64 = 64 << 10;

/// Returns the id of the image that is in the name of a record, if it is a state's.
pub(super) fn image_of(name: &str) -> Option<&str> {
    name.strip_prefix(PREFIX)?.splitn(4, '.').nth(3)
}

/// Returns the handle, the parent and the time that are in the name of a record.
fn parse(name: &str) -> Option<(StateHandle, Option<StateHandle>, SystemTime)> {
    let mut parts = name.strip_prefix(PREFIX)?.split('.');
    let (handle, parent, created) = (parts.next()?, parts.next()?, parts.next()?);
    let created = UNIX_EPOCH.checked_add(Duration::from_millis(created.parse().ok()?))?;
    Some((handle.parse().ok()?, parent.parse().ok(), created))
}
