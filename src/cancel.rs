//! Cancellation of executions, and signals for their end.

use tokio_util::sync::{CancellationToken, DropGuard};

/// Cancels executions from anywhere: another task, another thread, a handler of another request.
///
/// Give a clone to each execution that the handle should cancel
/// ([`Execution::cancel_handle`](crate::Execution::cancel_handle)). After [`CancelHandle::cancel`],
/// [`Sandbox::run`](crate::Sandbox::run) returns a report with [`Outcome::Cancelled`](crate::Outcome::Cancelled), even
/// if the execution still waits for a slot. An execution that has already ended is not affected. A guest that does not
/// yield is interrupted within 50 ms. If nobody needs the report, drop the future of `run` instead.
///
/// A handle is independent of any runtime. It cannot be reset: once cancelled, it stays cancelled.
///
/// ```no_run
/// use ai_code_executor::{CancelHandle, Execution, Outcome, Sandbox};
///
/// # async fn example(sandbox: Sandbox) -> Result<(), ai_code_executor::Error> {
/// let handle = CancelHandle::new();
/// let execution = Execution::new("while True: pass").cancel_handle(handle.clone());
/// std::thread::spawn(move || handle.cancel());
/// let report = sandbox.run(execution).await?;
/// assert_eq!(report.outcome, Outcome::Cancelled);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct CancelHandle(CancellationToken);

impl CancelHandle {
    /// Returns a handle that is not cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels all executions that have this handle or a clone, and those that get it later. Does not wait for them to
    /// end.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// Returns whether [`CancelHandle::cancel`] was called on this handle or a clone.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Returns a handle that this one cancels, too, but that does not cancel this one.
    pub(crate) fn child(&self) -> Self {
        Self(self.0.child_token())
    }

    pub(crate) async fn cancelled(&self) {
        self.0.cancelled().await;
    }

    /// Returns the result of `work`, or `None` if `handle` is cancelled first.
    pub(crate) async fn unless_cancelled<T>(
        handle: Option<&Self>,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        match handle {
            Some(handle) => handle.0.run_until_cancelled(work).await,
            None => Some(work.await),
        }
    }
}

/// Signals that a tool call or its execution has ended. Clones share the signal.
///
/// Async code rarely needs it, because the future of a call is dropped when the call ends. Use it for work that the
/// future does not own: a blocking thread, a separate task, a session that is kept from one call to the next.
///
/// ```
/// use ai_code_executor::{Tool, ToolCall, ToolError};
///
/// let search = Tool::new("archive", "search", async |call: ToolCall| {
///     let found = tokio::task::spawn_blocking(move || {
///         let pages = (0..1000).take_while(|_| !call.call_end.has_ended());
///         pages.count()
///     });
///     found.await.map(Into::into).map_err(|error| ToolError::failed("search failed").caused_by(error))
/// });
/// # drop(search);
/// ```
#[derive(Clone, Debug)]
pub struct EndSignal(CancellationToken);

/// Sends the signal when dropped.
#[derive(Debug)]
pub(crate) struct EndGuard(#[expect(dead_code, reason = "it is there to be dropped")] DropGuard);

impl EndSignal {
    pub(crate) fn new() -> (Self, EndGuard) {
        Self::of(CancellationToken::new())
    }

    /// Returns a signal that is also sent when this one is sent.
    pub(crate) fn child(&self) -> (Self, EndGuard) {
        Self::of(self.0.child_token())
    }

    fn of(token: CancellationToken) -> (Self, EndGuard) {
        (Self(token.clone()), EndGuard(token.drop_guard()))
    }

    /// Completes when the call or execution has ended.
    pub async fn ended(&self) {
        self.0.cancelled().await;
    }

    /// Returns whether the call or execution has ended, for code that cannot wait.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.0.is_cancelled()
    }
}
