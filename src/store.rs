//! What outlives an instance, and with a store on disk, the process: encrypted records under names.
//!
//! A record is bound to its name and to its caller: one that was moved, damaged or made by another key cannot be opened.
//! The names of interpreters also name their images. This module does not know what is in a record.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sealed_store::{Entry, InMemory, Key, Listed, Sealer, Share, Store};

use crate::error::Error;

/// Until callers have names of their own, there is one.
const CALLER: &[u8] = b"default";

/// Room for the records of a sandbox without a store on disk.
const IN_MEMORY_BYTES: u64 = 256 << 20;

/// Records of one sandbox.
pub(crate) struct Records {
    store: Arc<dyn Store>,
    sealer: Sealer,
    is_durable: bool,
    is_there: bool,
}

/// A record that was opened.
pub(crate) struct Record {
    pub(crate) revision: u64,
    pub(crate) bytes: Vec<u8>,
}

/// The times of a record, and how much room records like it may take.
#[derive(Clone, Copy)]
pub(crate) struct Keeping {
    pub(crate) share: Share,
    pub(crate) expires_at: SystemTime,
    pub(crate) wakes_at: Option<SystemTime>,
}

impl Keeping {
    /// For a record of no use after `time`.
    pub(crate) fn within(share: Share, time: Duration) -> Self {
        Self { share, expires_at: SystemTime::now() + time, wakes_at: None }
    }
}

impl Records {
    /// Returns records in `store`.
    pub(crate) fn new(store: Arc<dyn Store>, sealer: Sealer) -> Self {
        Self { store, sealer, is_durable: true, is_there: true }
    }

    /// Returns records that are gone when they are dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the system has no random numbers for a key.
    pub(crate) fn in_memory() -> Result<Self, Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| Error::config("making a key").caused_by(error))?;
        let key = Key::derive(&secret).map_err(|error| Error::config("making a key").caused_by(error))?;
        let store = Arc::new(InMemory::new(IN_MEMORY_BYTES));
        Ok(Self { store, sealer: Sealer::new(key, None), is_durable: false, is_there: true })
    }

    /// Returns records that cannot be kept: [`Records::create`] fails.
    ///
    /// # Errors
    ///
    /// As for [`Records::in_memory`].
    pub(crate) fn none() -> Result<Self, Error> {
        Ok(Self { is_there: false, ..Self::in_memory()? })
    }

    /// # Errors
    ///
    /// [`Error::NoStore`] if nothing can be kept.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.is_there { Ok(()) } else { Err(Error::NoStore) }
    }

    /// Returns whether records outlive the process.
    pub(crate) fn is_durable(&self) -> bool {
        self.is_durable
    }

    /// Adds a record. Returns its revision.
    ///
    /// # Errors
    ///
    /// [`Error::StoreFull`], [`Error::NoStore`], [`Error::Internal`].
    pub(crate) async fn create(&self, name: &str, bytes: &[u8], keeping: Keeping) -> Result<u64, Error> {
        self.check()?;
        let mut created = self.store.create(name, self.entry(name, bytes, keeping)).await;
        if created == Err(sealed_store::Error::Full) {
            self.forget_expired().await;
            created = self.store.create(name, self.entry(name, bytes, keeping)).await;
        }
        created.map_err(|error| failure(&error))
    }

    /// Replaces the record with this revision. Returns the new revision.
    ///
    /// # Errors
    ///
    /// As for [`Records::create`]. The old record is kept then.
    pub(crate) async fn swap(
        &self,
        name: &str,
        from: u64,
        bytes: &[u8],
        keeping: Keeping,
    ) -> Result<u64, Error> {
        let mut swapped = self.store.swap(name, from, self.entry(name, bytes, keeping)).await;
        if swapped == Err(sealed_store::Error::Full) {
            self.forget_expired().await;
            swapped = self.store.swap(name, from, self.entry(name, bytes, keeping)).await;
        }
        swapped.map_err(|error| failure(&error))
    }

    /// Returns the record of this name, if there is one that has not expired.
    ///
    /// # Errors
    ///
    /// [`Error::StateDamaged`], [`Error::Internal`].
    pub(crate) async fn get(&self, name: &str) -> Result<Option<Record>, Error> {
        let Some((revision, entry)) = self.store.get(name).await.map_err(|error| failure(&error))? else {
            return Ok(None);
        };
        if entry.expires_at <= SystemTime::now() {
            return Ok(None);
        }
        let opened = self.sealer.open(&[name.as_bytes(), CALLER], &entry.bytes).map_err(|_| {
            tracing::warn!(record = name, "a record is damaged, was moved, or is not sealed by this key");
            Error::StateDamaged
        })?;
        Ok(Some(Record { revision, bytes: opened }))
    }

    /// Returns whether there is room for a record of this size that has half a share.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`].
    pub(crate) async fn has_room(&self, bytes: u64) -> Result<bool, Error> {
        let room = async || self.store.room(Share::Half).await.map_err(|error| failure(&error));
        if room().await? >= bytes {
            return Ok(true);
        }
        self.forget_expired().await;
        Ok(room().await? >= bytes)
    }

    /// Removes a record. Returns whether there was one.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`].
    pub(crate) async fn remove(&self, name: &str) -> Result<bool, Error> {
        self.store.remove(name, None).await.map_err(|error| failure(&error))
    }

    /// Returns what is known of the records whose names begin with `prefix`, without those that have expired.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`].
    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<Listed>, Error> {
        let now = SystemTime::now();
        let mut listed = self.store.list(prefix).await.map_err(|error| failure(&error))?;
        listed.retain(|record| record.expires_at > now);
        Ok(listed)
    }

    /// Removes the records that have expired.
    pub(crate) async fn forget_expired(&self) {
        const AT_ONCE: usize = 100;
        let now = SystemTime::now();
        while let Ok(due) = self.store.due(now, AT_ONCE).await {
            let expired: Vec<_> = due.iter().filter(|record| record.expires_at <= now).collect();
            for record in &expired {
                // Somebody may have been faster.
                let _ = self.store.remove(&record.name, Some(record.revision)).await;
            }
            if expired.is_empty() || due.len() < AT_ONCE {
                return;
            }
        }
    }

    fn entry(&self, name: &str, bytes: &[u8], keeping: Keeping) -> Entry {
        let sealed = self.sealer.seal(&[name.as_bytes(), CALLER], bytes);
        let Keeping { share, expires_at, wakes_at } = keeping;
        Entry { bytes: sealed, share, expires_at, wakes_at }
    }
}

fn failure(error: &sealed_store::Error) -> Error {
    match error {
        sealed_store::Error::Full | sealed_store::Error::TooLarge => Error::StoreFull,
        other => Error::internal("the store of executions and states").caused_by(other.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(byte: u8) -> Sealer {
        Sealer::new(Key::derive(&[byte; 32]).unwrap(), None)
    }

    #[tokio::test]
    async fn records_open_only_as_what_they_are() {
        let store: Arc<dyn Store> = Arc::new(InMemory::new(1 << 20));
        let of = |key| Records::new(store.clone(), sealer(key));
        let ours = of(1);
        let day = Keeping::within(Share::Whole, Duration::from_hours(24));
        let first = ours.create("state/1", b"text", day).await.unwrap();
        assert_eq!(ours.get("state/1").await.unwrap().unwrap().bytes, b"text");
        assert!(ours.get("state/2").await.unwrap().is_none());
        assert_eq!(of(1).get("state/1").await.unwrap().unwrap().bytes, b"text");
        assert!(matches!(of(2).get("state/1").await, Err(Error::StateDamaged)));
        // Moved to another name.
        let (_, entry) = store.get("state/1").await.unwrap().unwrap();
        store.create("state/2", entry).await.unwrap();
        assert!(matches!(ours.get("state/2").await, Err(Error::StateDamaged)));
        let gone = Keeping::within(Share::Whole, Duration::ZERO);
        ours.swap("state/1", first, b"text", gone).await.unwrap();
        assert!(ours.get("state/1").await.unwrap().is_none(), "it has expired");
        assert_eq!(ours.list("state/").await.unwrap().len(), 1);
        ours.forget_expired().await;
        assert!(store.get("state/1").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_full_store_first_forgets_what_has_expired() {
        let records = Records::new(Arc::new(InMemory::new(256 << 10)), sealer(1));
        let large = vec![7; 30 << 10];
        let gone = Keeping::within(Share::Half, Duration::ZERO);
        let day = Keeping::within(Share::Half, Duration::from_hours(24));
        for n in 0..4 {
            records.create(&format!("a/{n}"), &large, gone).await.unwrap();
        }
        for n in 0..4 {
            records.create(&format!("b/{n}"), &large, day).await.unwrap();
        }
        assert!(matches!(records.create("b/4", &large, day).await, Err(Error::StoreFull)));
        let whole = Keeping { share: Share::Whole, ..day };
        records.create("c", &large, whole).await.unwrap();
    }
}
