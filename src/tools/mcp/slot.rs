//! Where the answer to one request is kept as the server sent it.
//!
//! The library parses answers into its own types, which costs several times their size, loses digits of large numbers
//! and knows no limit. The transports put an answer here instead, within its limit, and give the library an empty one.

use std::sync::{Arc, Mutex, PoisonError};

use super::failure::Failure;
use crate::tools::ReplyShare;

/// Bytes of a message beside the result in it.
const ENVELOPE_BYTES: usize = 16 << 10;

/// The place for one answer. It travels with the request, in the library's extensions.
#[derive(Clone)]
pub(super) struct Slot(Arc<Inner>);

struct Inner {
    bytes_max: usize,
    share: Option<Arc<ReplyShare>>,
    /// Whether the library needs to see the answer too.
    is_shown: bool,
    answer: Mutex<Option<Result<String, Failure>>>,
}

impl Slot {
    /// Returns a place for the result of a call. `share` accounts for its bytes.
    pub(super) fn for_call(bytes_max: usize, share: Arc<ReplyShare>) -> Self {
        Self::new(bytes_max, Some(share), false)
    }

    /// Returns a place for a list of tools, which the library reads too.
    pub(super) fn for_list(bytes_max: usize) -> Self {
        Self::new(bytes_max, None, true)
    }

    fn new(bytes_max: usize, share: Option<Arc<ReplyShare>>, is_shown: bool) -> Self {
        Self(Arc::new(Inner { bytes_max, share, is_shown, answer: Mutex::default() }))
    }

    /// Returns how many bytes a message with the answer may have.
    pub(super) fn message_bytes_max(&self) -> usize {
        self.0.bytes_max.saturating_add(ENVELOPE_BYTES)
    }

    /// Returns the failure for an answer that is too long.
    pub(super) fn too_long(&self) -> Failure {
        Failure::TooLong(self.0.bytes_max)
    }

    pub(super) fn is_shown(&self) -> bool {
        self.0.is_shown
    }

    /// Accounts for `bytes` of the answer that have arrived.
    ///
    /// # Errors
    ///
    /// [`Failure::NoRoom`] if the execution's budget is exhausted.
    pub(super) fn hold(&self, bytes: usize) -> Result<(), Failure> {
        self.0.share.as_ref().map_or(Ok(()), |share| share.hold(bytes).map_err(Failure::NoRoom))
    }

    /// Puts the answer here, unless there is one already.
    pub(super) fn put(&self, answer: Result<String, Failure>) {
        let mut place = self.0.answer.lock().unwrap_or_else(PoisonError::into_inner);
        place.get_or_insert(answer);
    }

    /// Takes the answer out.
    pub(super) fn take(&self) -> Option<Result<String, Failure>> {
        self.0.answer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
