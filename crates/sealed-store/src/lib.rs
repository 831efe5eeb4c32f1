#![doc = include_str!("../README.md")]

#[cfg(feature = "embedded")]
mod backend;
#[cfg(feature = "embedded")]
mod embedded;
mod index;
mod memory;
mod seal;

use std::pin::Pin;
use std::time::SystemTime;

#[cfg(feature = "embedded")]
pub use embedded::{Embedded, OpenError};
pub use memory::InMemory;
pub use seal::{Damaged, Key, Sealer, WeakKey};

/// The largest entry, in bytes.
pub const ENTRY_BYTES_MAX: usize = 32 << 20;

/// The longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 200;

/// A number that each change of a name gets, and that no later change of any name gets again.
pub type Revision = u64;

/// What a store answers, later.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// Bytes under a name, with the times at which somebody has to look at them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What is kept. A store does not look at it.
    pub bytes: Vec<u8>,
    /// How much of the store entries like this one may take together.
    pub share: Share,
    /// From then on the entry is of no use. A store does not remove it by itself.
    pub expires_at: SystemTime,
    /// When its owner wants to be reminded of it.
    pub wakes_at: Option<SystemTime>,
}

/// A part of a store's room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// All of it.
    Whole,
    /// Half of it: entries with this share cannot take the other half from those with [`Share::Whole`].
    Half,
}

/// An entry without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listed {
    /// The name that it is kept under.
    pub name: String,
    /// The revision of its last change.
    pub revision: Revision,
    /// The length of its bytes.
    pub bytes: u64,
    /// As in [`Entry::expires_at`], in whole milliseconds.
    pub expires_at: SystemTime,
    /// As in [`Entry::wakes_at`], in whole milliseconds.
    pub wakes_at: Option<SystemTime>,
}

/// Why a store did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name has another revision, or none.
    #[error("the entry was changed by somebody else")]
    Conflict,
    /// The name is taken.
    #[error("there is an entry of this name already")]
    Exists,
    /// There is no room for this entry. Nothing was changed, and smaller entries may still fit.
    #[error("the store is full")]
    Full,
    /// The entry is larger than [`ENTRY_BYTES_MAX`], or its name longer than [`NAME_BYTES_MAX`].
    #[error("the entry or its name is too long")]
    TooLarge,
    /// The device or the file system failed. Whether the change was made is known only after the store is opened again.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// Entries under names. A change that was answered with `Ok` is durable.
pub trait Store: Send + Sync + 'static {
    /// Adds an entry.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`], [`Error::Full`], [`Error::TooLarge`], [`Error::Failed`].
    fn create<'a>(&'a self, name: &'a str, entry: Entry) -> Pending<'a, Revision>;

    /// The entry under `name`, if there is one.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`].
    fn get<'a>(&'a self, name: &'a str) -> Pending<'a, Option<(Revision, Entry)>>;

    /// Puts an entry in the place of the one with the revision `from`. Of several that want to replace the same revision, one
    /// succeeds.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`], [`Error::Full`], [`Error::TooLarge`], [`Error::Failed`]. The old entry is kept then.
    fn swap<'a>(&'a self, name: &'a str, from: Revision, entry: Entry) -> Pending<'a, Revision>;

    /// Removes the entry with the revision `from`, or of any revision for `None`. Whether there was one.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`], [`Error::Failed`].
    fn remove<'a>(&'a self, name: &'a str, from: Option<Revision>) -> Pending<'a, bool>;

    /// The entries whose names begin with `prefix`, in the order of their names.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`].
    fn list<'a>(&'a self, prefix: &'a str) -> Pending<'a, Vec<Listed>>;

    /// How many bytes one more entry with this share may have.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`].
    fn room(&self, share: Share) -> Pending<'_, u64>;

    /// Up to `count_max` entries that expire or wake at `until` or before, the earliest first.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`].
    fn due(&self, until: SystemTime, count_max: usize) -> Pending<'_, Vec<Listed>>;
}
