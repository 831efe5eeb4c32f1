//! Whether an execution is to end before it does by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

/// The sandbox shuts down, or the execution's caller has gone.
#[derive(Clone)]
pub(crate) struct Cancel {
    all: Arc<CancellationToken>,
    abandoned: Arc<AtomicBool>,
}

impl Cancel {
    /// `all`: of all executions.
    pub(crate) fn new(all: Arc<CancellationToken>) -> Self {
        Self { all, abandoned: Arc::default() }
    }

    /// Cancels this execution when it is dropped.
    pub(crate) fn when_dropped(&self) -> impl Drop + use<> {
        struct Abandon(Arc<AtomicBool>);
        impl Drop for Abandon {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        Abandon(self.abandoned.clone())
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed) || self.all.is_cancelled()
    }

    /// Completes when all executions are cancelled. One whose caller has gone is dropped where it waits.
    pub(super) async fn cancelled(&self) {
        self.all.cancelled().await;
    }
}
