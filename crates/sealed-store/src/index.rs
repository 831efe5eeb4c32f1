//! What there is in a store, without the bytes: in memory, as it is in the database.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{ENTRY_BYTES_MAX, Entry, Error, Listed, NAME_BYTES_MAX, Revision, Share};

/// What the database needs for an entry beside its bytes, generously.
const ENTRY_OVERHEAD_BYTES: u64 = 1024;

/// An entry's row in the database, and in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) revision: Revision,
    pub(crate) bytes: u64,
    pub(crate) share: Share,
    /// Milliseconds since 1970, as `wakes_at`.
    pub(crate) expires_at: u64,
    pub(crate) wakes_at: Option<u64>,
}

impl Row {
    pub(crate) fn new(revision: Revision, entry: &Entry) -> Self {
        Self {
            revision,
            bytes: entry.bytes.len() as u64,
            share: entry.share,
            expires_at: millis(entry.expires_at),
            wakes_at: entry.wakes_at.map(millis),
        }
    }

    fn room(&self) -> u64 {
        self.bytes + ENTRY_OVERHEAD_BYTES
    }

    fn due_at(&self) -> u64 {
        self.wakes_at.map_or(self.expires_at, |wakes_at| wakes_at.min(self.expires_at))
    }

    #[cfg(feature = "embedded")]
    pub(crate) fn entry(&self, bytes: Vec<u8>) -> Entry {
        let (expires_at, wakes_at) = (time(self.expires_at), self.wakes_at.map(time));
        Entry { bytes, share: self.share, expires_at, wakes_at }
    }

    fn listed(&self, name: &str) -> Listed {
        Listed {
            name: name.to_owned(),
            revision: self.revision,
            bytes: self.bytes,
            expires_at: time(self.expires_at),
            wakes_at: self.wakes_at.map(time),
        }
    }
}

/// All rows.
#[derive(Debug, Default)]
pub(crate) struct Index {
    rows: BTreeMap<String, Row>,
    due: BTreeSet<(u64, String)>,
    used: Used,
}

/// Room that entries take, in bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    all: u64,
    half: u64,
}

impl Used {
    fn add(&mut self, row: &Row) {
        self.all += row.room();
        self.half += if row.share == Share::Half { row.room() } else { 0 };
    }

    fn subtract(&mut self, row: &Row) {
        self.all -= row.room();
        self.half -= if row.share == Share::Half { row.room() } else { 0 };
    }
}

impl Index {
    /// Sets or removes one row.
    pub(crate) fn set(&mut self, name: &str, row: Option<Row>) {
        if let Some(old) = self.rows.remove(name) {
            self.used.subtract(&old);
            self.due.remove(&(old.due_at(), name.to_owned()));
        }
        if let Some(row) = row {
            self.used.add(&row);
            self.due.insert((row.due_at(), name.to_owned()));
            self.rows.insert(name.to_owned(), row);
        }
    }

    pub(crate) fn list(&self, prefix: &str) -> Vec<Listed> {
        let from = self.rows.range(prefix.to_owned()..);
        from.take_while(|(name, _)| name.starts_with(prefix)).map(|(name, row)| row.listed(name)).collect()
    }

    /// How many bytes one more entry with this share may have, in a store for so many bytes.
    pub(crate) fn room(&self, share: Share, bytes_max: u64) -> u64 {
        let whole = bytes_max.saturating_sub(self.used.all);
        let room = match share {
            Share::Whole => whole,
            Share::Half => whole.min((bytes_max / 2).saturating_sub(self.used.half)),
        };
        room.saturating_sub(ENTRY_OVERHEAD_BYTES)
    }

    pub(crate) fn due(&self, until: SystemTime, count_max: usize) -> Vec<Listed> {
        let until = millis(until);
        let due = self.due.iter().take_while(|(at, _)| *at <= until).take(count_max);
        due.filter_map(|(_, name)| self.rows.get(name).map(|row| row.listed(name))).collect()
    }
}

/// A change of one entry.
#[derive(Debug)]
pub(crate) enum Change {
    Create(Entry),
    Swap(Revision, Entry),
    Remove(Option<Revision>),
}

impl Change {
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Create(entry) | Self::Swap(_, entry) => entry.bytes.len(),
            Self::Remove(_) => 0,
        }
    }

    /// # Errors
    ///
    /// [`Error::TooLarge`] if no store takes it.
    pub(crate) fn check(&self, name: &str) -> Result<(), Error> {
        let fits = self.bytes() <= ENTRY_BYTES_MAX && name.len() <= NAME_BYTES_MAX;
        if fits { Ok(()) } else { Err(Error::TooLarge) }
    }
}

/// Changes that are not made yet, upon an index.
pub(crate) struct Staged<'a> {
    index: &'a Index,
    changed: HashMap<String, Option<Row>>,
    used: Used,
}

impl<'a> Staged<'a> {
    pub(crate) fn new(index: &'a Index) -> Self {
        Self { index, changed: HashMap::new(), used: index.used }
    }

    fn get(&self, name: &str) -> Option<Row> {
        self.changed.get(name).map_or_else(|| self.index.rows.get(name).copied(), |row| *row)
    }

    /// Whether there is room for `row` under `name`, in a store for so many bytes.
    fn has_room(&self, name: &str, row: &Row, bytes_max: u64) -> bool {
        let mut used = self.used;
        if let Some(old) = self.get(name) {
            used.subtract(&old);
        }
        used.add(row);
        used.all <= bytes_max && used.half <= bytes_max / 2
    }

    fn set(&mut self, name: &str, row: Option<Row>) {
        if let Some(old) = self.get(name) {
            self.used.subtract(&old);
        }
        if let Some(row) = &row {
            self.used.add(row);
        }
        self.changed.insert(name.to_owned(), row);
    }

    /// Makes a change if it can be made in a store for so many bytes. Returns the revision that it leads to, taken from
    /// `next`, or 0 if nothing had to be removed.
    pub(crate) fn make(
        &mut self,
        name: &str,
        change: &Change,
        next: &mut Revision,
        bytes_max: u64,
    ) -> Result<Revision, Error> {
        let old = self.get(name);
        let entry = match (change, old) {
            (Change::Create(_), Some(_)) => return Err(Error::Exists),
            (Change::Swap(from, _), old) if old.is_none_or(|old| old.revision != *from) => {
                return Err(Error::Conflict);
            }
            (Change::Remove(Some(from)), Some(old)) if old.revision != *from => return Err(Error::Conflict),
            (Change::Remove(_), None) => return Ok(0),
            (Change::Remove(_), Some(old)) => {
                self.set(name, None);
                return Ok(old.revision);
            }
            (Change::Create(entry) | Change::Swap(_, entry), _) => entry,
        };
        let row = Row::new(*next, entry);
        if !self.has_room(name, &row, bytes_max) {
            return Err(Error::Full);
        }
        *next += 1;
        self.set(name, Some(row));
        Ok(row.revision)
    }

    pub(crate) fn changes(self) -> HashMap<String, Option<Row>> {
        self.changed
    }
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn time(millis: u64) -> SystemTime {
    // The end of time for a clock, if it cannot express this one.
    UNIX_EPOCH
        .checked_add(Duration::from_millis(millis))
        .unwrap_or(UNIX_EPOCH + Duration::from_secs(u64::from(u32::MAX)))
}
