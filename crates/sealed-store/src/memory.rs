//! A store in memory.

use std::collections::HashMap;
use std::future::ready;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::index::{Change, Index, Staged};
use crate::{Entry, Error, Listed, Pending, Revision, Share, Store};

/// A store that is gone when it is dropped. Its methods work without a runtime and never wait.
#[derive(Debug)]
pub struct InMemory {
    entries: Mutex<Entries>,
    bytes_max: u64,
}

#[derive(Debug)]
struct Entries {
    index: Index,
    kept: HashMap<String, (Revision, Entry)>,
    next: Revision,
}

impl InMemory {
    /// An empty store with room for `bytes_max` bytes of entries.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        let entries = Entries { index: Index::default(), kept: HashMap::new(), next: 1 };
        Self { entries: Mutex::new(entries), bytes_max }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, name: &str, change: Change) -> Result<Revision, Error> {
        change.check(name)?;
        let mut all = self.entries();
        let Entries { index, kept, next } = &mut *all;
        let mut staged = Staged::new(index);
        let revision = staged.make(name, &change, next, self.bytes_max)?;
        for (name, row) in staged.changes() {
            index.set(&name, row);
        }
        match change {
            Change::Create(entry) | Change::Swap(_, entry) => {
                kept.insert(name.to_owned(), (revision, entry));
            }
            Change::Remove(_) => {
                kept.remove(name);
            }
        }
        Ok(revision)
    }
}

impl Store for InMemory {
    fn create<'a>(&'a self, name: &'a str, entry: Entry) -> Pending<'a, Revision> {
        Box::pin(ready(self.change(name, Change::Create(entry))))
    }

    fn get<'a>(&'a self, name: &'a str) -> Pending<'a, Option<(Revision, Entry)>> {
        Box::pin(ready(Ok(self.entries().kept.get(name).cloned())))
    }

    fn swap<'a>(&'a self, name: &'a str, from: Revision, entry: Entry) -> Pending<'a, Revision> {
        Box::pin(ready(self.change(name, Change::Swap(from, entry))))
    }

    fn remove<'a>(&'a self, name: &'a str, from: Option<Revision>) -> Pending<'a, bool> {
        Box::pin(ready(self.change(name, Change::Remove(from)).map(|revision| revision != 0)))
    }

    fn list<'a>(&'a self, prefix: &'a str) -> Pending<'a, Vec<Listed>> {
        Box::pin(ready(Ok(self.entries().index.list(prefix))))
    }

    fn room(&self, share: Share) -> Pending<'_, u64> {
        Box::pin(ready(Ok(self.entries().index.room(share, self.bytes_max))))
    }

    fn due(&self, until: SystemTime, count_max: usize) -> Pending<'_, Vec<Listed>> {
        Box::pin(ready(Ok(self.entries().index.due(until, count_max))))
    }
}
