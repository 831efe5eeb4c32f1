//! Whether an execution is to end before it does by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

use crate::cancel::CancelHandle;

/// The sandbox shuts down, somebody cancels the execution, or its caller has gone.
#[derive(Clone)]
pub(crate) struct Cancel {
    all: Arc<CancellationToken>,
    own: Option<CancelHandle>,
    abandoned: Arc<AtomicBool>,
}

impl Cancel {
    /// `all`: of all executions; `own`: of this one.
    pub(crate) fn new(all: Arc<CancellationToken>, own: Option<CancelHandle>) -> Self {
        Self { all, own, abandoned: Arc::default() }
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
        self.abandoned.load(Ordering::Relaxed)
            || self.all.is_cancelled()
            || self.own.as_ref().is_some_and(CancelHandle::is_cancelled)
    }

    /// Completes when this execution or all are cancelled. One whose caller has gone is dropped where it waits.
    pub(super) async fn cancelled(&self) {
        match &self.own {
            None => self.all.cancelled().await,
            Some(own) => tokio::select! {
                () = self.all.cancelled() => {}
                () = own.cancelled() => {}
            },
        }
    }
}
