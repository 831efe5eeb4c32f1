//! Cancellation of an execution.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

use crate::cancel::CancelHandle;

/// Tells an execution to end: because the sandbox shuts down, because somebody cancels it, or because its caller has gone.
#[derive(Clone)]
pub(crate) struct Cancel {
    all: Arc<CancellationToken>,
    own: Option<CancelHandle>,
    abandoned: Arc<AtomicBool>,
}

impl Cancel {
    /// Returns a cancellation for one execution. `all` cancels all executions, `own` this one.
    pub(crate) fn new(all: Arc<CancellationToken>, own: Option<CancelHandle>) -> Self {
        Self { all, own, abandoned: Arc::default() }
    }

    /// Returns a guard that cancels this execution when it is dropped.
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
        self.abandoned.load(Ordering::Relaxed)
            || self.all.is_cancelled()
            || self.own.as_ref().is_some_and(CancelHandle::is_cancelled)
    }

    /// Completes when this execution or all executions are cancelled. Does not complete when the caller has gone, because the
    /// execution's future is then dropped at its next wait.
    pub(crate) async fn cancelled(&self) {
        match &self.own {
            None => self.all.cancelled().await,
            Some(own) => tokio::select! {
                () = self.all.cancelled() => {}
                () = own.cancelled() => {}
            },
        }
    }
}
