//! Ending an execution from elsewhere, and learning that one has ended.

use tokio_util::sync::{CancellationToken, DropGuard};

/// Cancels executions from anywhere: another task, another thread, a handler of another request.
///
/// Give a clone to each execution that the handle shall end ([`Execution::cancel_handle`](crate::Execution::cancel_handle)).
/// After [`CancelHandle::cancel`], [`Sandbox::run`](crate::Sandbox::run) returns a report with
/// [`Outcome::Cancelled`](crate::Outcome::Cancelled), also for an execution that still waits for a slot; one that has
/// ended is not affected. A guest that does not yield is ended by force within 50 ms. Where nobody needs the report,
/// dropping the future of `run` does the same.
///
/// A handle belongs to no runtime and is used once: it stays cancelled.
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
    /// A handle that has not been used.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends all executions that have this handle, and those that get it later. Does not wait for them.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// Whether [`CancelHandle::cancel`] was called, on this handle or a clone.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    pub(crate) async fn cancelled(&self) {
        self.0.cancelled().await;
    }

    /// What `work` comes to, unless `handle` is cancelled before.
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

/// Says that something has ended: a tool call, or its execution. Clones say the same.
///
/// Async code rarely needs it, because the future of a call is dropped when the call ends. It is for work that the future
/// does not own: a blocking thread, a task of its own, a session that is kept from one call to the next.
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

/// Gives the signal when dropped.
#[derive(Debug)]
pub(crate) struct EndGuard(#[expect(dead_code, reason = "it is there to be dropped")] DropGuard);

impl EndSignal {
    pub(crate) fn new() -> (Self, EndGuard) {
        Self::of(CancellationToken::new())
    }

    /// One that is also given with this one.
    pub(crate) fn child(&self) -> (Self, EndGuard) {
        Self::of(self.0.child_token())
    }

    fn of(token: CancellationToken) -> (Self, EndGuard) {
        (Self(token.clone()), EndGuard(token.drop_guard()))
    }

    /// Completes when it has ended.
    pub async fn ended(&self) {
        self.0.cancelled().await;
    }

    /// Whether it has ended: for code that cannot wait.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.0.is_cancelled()
    }
}
