//! Bounds the memory of replies that an execution has not collected yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::ToolError;

/// For all calls of an execution together. If the limits allow a larger single reply, that size applies.
const BYTES_MAX: usize = 32 << 20;

/// The remaining budget of an execution.
#[derive(Debug)]
pub(crate) struct ReplyBudget {
    bytes_max: usize,
    left: Arc<AtomicUsize>,
}

/// One call's share of the budget, returned when dropped.
#[derive(Debug)]
pub(crate) struct ReplyShare {
    bytes_max: usize,
    left: Arc<AtomicUsize>,
    held: AtomicUsize,
}

impl ReplyBudget {
    pub(crate) fn new(reply_bytes_max: usize) -> Self {
        let bytes_max = BYTES_MAX.max(reply_bytes_max);
        Self { bytes_max, left: Arc::new(AtomicUsize::new(bytes_max)) }
    }

    pub(crate) fn share(&self) -> Arc<ReplyShare> {
        Arc::new(ReplyShare { bytes_max: self.bytes_max, left: self.left.clone(), held: AtomicUsize::new(0) })
    }
}

impl ReplyShare {
    /// Raises this share to `bytes` in total.
    ///
    /// # Errors
    ///
    /// Budget exhausted. Fails instead of waiting: the calls that hold the budget may wait too, which would be a
    /// deadlock.
    pub(crate) fn hold(&self, bytes: usize) -> Result<(), ToolError> {
        let more = bytes.saturating_sub(self.held.load(Ordering::Relaxed));
        let take = |left: usize| left.checked_sub(more);
        if self.left.try_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            return Err(ToolError::failed(format!(
                "Replies that this execution has not collected yet take more than {} bytes; gather fewer calls at a time",
                self.bytes_max
            )));
        }
        self.held.fetch_add(more, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for ReplyShare {
    fn drop(&mut self) {
        self.left.fetch_add(self.held.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_shares_return_to_the_budget() {
        let room = ReplyBudget::new(0);
        let (first, second) = (room.share(), room.share());
        first.hold(BYTES_MAX / 2).unwrap();
        first.hold(BYTES_MAX / 2).unwrap();
        second.hold(BYTES_MAX / 2).unwrap();
        assert!(second.hold(BYTES_MAX / 2 + 1).unwrap_err().message.contains("gather fewer calls"));
        drop(first);
        second.hold(BYTES_MAX).unwrap();
        assert!(ReplyBudget::new(BYTES_MAX + 1).share().hold(BYTES_MAX + 1).is_ok());
    }
}
