//! One execution: a new Store, limits around it, and how it ended. A Store is never used twice.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use rustix::time::{ClockId, clock_gettime};
use tokio_util::sync::CancellationToken;
use wasmtime::{InstancePre, Store, Trap};

use crate::error::Error;
use crate::execution::{Execution, ExecutionId, GuestError, Outcome, Report, Stages, Usage};
use crate::hostcall::{self, Exit, HostState, fuel, wire};
use crate::image::{self, Image};
use crate::limits::{Limits, TIME_MAX};
use crate::tools::Grants;
use crate::validator::ValidatedSource;

/// More is not read in a thread on which connections wait.
const LARGE_BYTES: usize = 1 << 20;

/// What an instance is for.
pub(crate) struct Run<'a> {
    pub(crate) id: ExecutionId,
    pub(crate) source: &'a ValidatedSource,
    /// The rest of the execution; its `code` is not looked at.
    pub(crate) execution: &'a Execution,
    pub(crate) grants: Grants,
}

/// An image with its imports resolved: what every execution starts from.
pub(crate) struct Template {
    instance: InstancePre<HostState>,
    memory_bytes_min: u64,
}

impl Template {
    pub(crate) fn new(image: &Image) -> Result<Self, Error> {
        let instance = hostcall::linker(&image.engine, &image.module)
            .and_then(|linker| linker.instantiate_pre(&image.module))
            .map_err(|error| Error::Image(format!("its imports: {error:#}")))?;
        Ok(Self { instance, memory_bytes_min: image.memory_bytes_min })
    }

    /// Runs a program in an instance of its own and drops it.
    ///
    /// Dropping the future stops the guest at its next look at the clock, or at once where it waits.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] when the host failed; whatever the guest does is in the report.
    pub(crate) async fn run(&self, run: Run<'_>, cancel: &CancellationToken) -> Result<Report, Error> {
        let started = Instant::now();
        let (id, limits) = (run.id, &run.execution.limits);
        let mut store = self.store(run);
        let (end, Spent { cpu_time, faults }) = drive(self.call(&mut store), limits, cancel).await;
        let end = end.map_err(|error| Error::Internal(format!("instantiating the image: {error:#}")))?;
        let ended = Instant::now();
        if store.data().bytes_handed_over() > LARGE_BYTES {
            // The first yield is where an execution moves to the guests' threads: its caller's may also serve others. One
            // that has not yielded yet made no more than text, which takes some hundred microseconds to read.
            tokio::task::yield_now().await;
        }
        let usage = Usage {
            fuel: fuel::burned(&mut store),
            cpu_time,
            wall_time: ended - started,
            memory_bytes_peak: self.memory_bytes_min.max(store.data().memory.bytes_peak as u64),
            tool_calls: store.data().tool_calls(),
        };
        let mut report = report(id, end, store.data_mut(), limits, usage);
        let instantiated = store.data().instantiated.unwrap_or(ended);
        if faults == 0 {
            image::drop_without_fault(store);
        } else {
            drop(store);
        }
        report.stages = Stages {
            queue: Duration::ZERO,
            instantiate: instantiated - started,
            run: ended - instantiated,
            teardown: ended.elapsed(),
        };
        Ok(report)
    }

    /// A new Store with all that one execution may use, and its request.
    fn store(&self, run: Run<'_>) -> Store<HostState> {
        let Run { id, source, execution, grants } = run;
        let limits = &execution.limits;
        let request = wire::encode_request(source.as_str(), execution, limits.result_bytes_max);
        let state = HostState::new(id, request, limits, grants);
        let mut store = Store::new(self.instance.module().engine(), state);
        store.limiter(|state| &mut state.memory);
        store
    }

    /// `Err` is the host's failure: up to `run`, the guest has done nothing.
    async fn call(&self, store: &mut Store<HostState>) -> wasmtime::Result<End> {
        let instance = self.instance.instantiate_async(&mut *store).await?;
        fuel::fill(&instance, &mut *store)?;
        let run = instance.get_typed_func::<(), ()>(&mut *store, "run")?;
        store.data_mut().instantiated = Some(Instant::now());
        let end =
            run.call_async(&mut *store, ()).await.map_or_else(|error| end_of(&error), |()| End::Returned);
        Ok(if fuel::is_out(store) { End::CpuTime } else { end })
    }
}

/// Why a guest is no longer running.
enum End {
    Returned,
    Trapped(Trap),
    Exited(i32),
    CpuTime,
    WallTime,
    Cancelled,
    /// Any other end of its own making, such as a host function called with a pointer to nowhere.
    Crashed(String),
}

/// What the threads that polled a guest have spent on it.
#[derive(Clone, Copy, Default)]
struct Spent {
    cpu_time: Duration,
    faults: u64,
}

/// Drives the guest until it ends or a limit ends it.
async fn drive(
    guest: impl Future<Output = wasmtime::Result<End>>,
    limits: &Limits,
    cancel: &CancellationToken,
) -> (wasmtime::Result<End>, Spent) {
    let deadline = Instant::now() + limits.wall_time.min(TIME_MAX);
    let mut guest = pin!(Metered {
        guest: pin!(guest),
        spent: Spent::default(),
        cpu_time_max: limits.cpu_time,
        deadline,
    });
    let end = tokio::select! {
        biased;
        end = &mut guest => end,
        // For a guest that waits. A busy one may keep the thread that turns this timer.
        () = tokio::time::sleep_until(deadline.into()) => Ok(End::WallTime),
        () = cancel.cancelled() => Ok(End::Cancelled),
    };
    (end, guest.spent)
}

/// A guest whose thread-CPU time is counted around each poll: it yields after a portion of fuel, a millisecond or so. A
/// guest that reaches both limits at once has reached its deadline.
struct Metered<'a, F> {
    guest: Pin<&'a mut F>,
    spent: Spent,
    cpu_time_max: Duration,
    deadline: Instant,
}

impl<F: Future<Output = wasmtime::Result<End>>> Future for Metered<'_, F> {
    type Output = wasmtime::Result<End>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (cpu_time, faults) = (thread_cpu_time(), thread_faults());
        let polled = self.guest.as_mut().poll(cx);
        self.spent.cpu_time += thread_cpu_time().saturating_sub(cpu_time);
        self.spent.faults += thread_faults() - faults;
        match polled {
            Poll::Pending if Instant::now() >= self.deadline => Poll::Ready(Ok(End::WallTime)),
            Poll::Pending if self.spent.cpu_time > self.cpu_time_max => Poll::Ready(Ok(End::CpuTime)),
            polled => polled,
        }
    }
}

fn thread_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// Page faults of this thread so far.
fn thread_faults() -> u64 {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_THREAD) else {
        unreachable!("Linux knows what a thread has used");
    };
    (usage.minor_page_faults() + usage.major_page_faults()).cast_unsigned()
}

fn end_of(error: &wasmtime::Error) -> End {
    match (error.downcast_ref::<Trap>(), error.downcast_ref::<Exit>()) {
        (Some(trap), _) => End::Trapped(*trap),
        (_, Some(Exit(status))) => End::Exited(*status),
        (None, None) => End::Crashed(format!("{error:#}")),
    }
}

fn report(id: ExecutionId, end: End, state: &mut HostState, limits: &Limits, usage: Usage) -> Report {
    let (stdout, stderr) = state.take_outputs();
    let mut report = Report {
        id,
        outcome: Outcome::Failure,
        value: None,
        value_is_repr: false,
        stdout,
        stderr,
        error: None,
        usage,
        stages: Stages::default(),
    };
    match end {
        End::Returned => returned(&mut report, state, limits),
        End::CpuTime | End::Trapped(Trap::OutOfFuel) => {
            report.outcome = Outcome::CpuLimit;
            report.error = Some(limit_reached("CPU budget of ", limits.cpu_time, "s exhausted"));
        }
        End::WallTime => {
            report.outcome = Outcome::Timeout;
            report.error = Some(limit_reached("Execution exceeded ", limits.wall_time, "s timeout"));
        }
        End::Cancelled => {
            report.outcome = Outcome::Cancelled;
            report.error = Some(error("", "Execution was cancelled"));
        }
        End::Trapped(Trap::StackOverflow) => {
            report.error = Some(error("RecursionError", "The interpreter's stack is exhausted"));
        }
        End::Trapped(trap) => report.error = Some(crashed(&trap.to_string())),
        End::Exited(status) => report.error = Some(crashed(&format!("exit status {status}"))),
        End::Crashed(why) => report.error = Some(crashed(&why)),
    }
    report
}

/// The guest came to its end: what it says about its program.
fn returned(report: &mut Report, state: &HostState, limits: &Limits) {
    let result = state.result().and_then(|bytes| wire::decode_result(bytes, limits.result_bytes_max));
    let Some(result) = result else {
        report.error = Some(crashed("it ended without a result that can be read"));
        return;
    };
    report.value = result.value;
    report.value_is_repr = result.value_is_repr;
    match result.error.map(GuestError::from) {
        None => report.outcome = Outcome::Completed,
        Some(raised) if raised.kind == "MemoryError" && state.memory.refused => {
            let megabytes = limits.memory_bytes_max >> 20;
            report.outcome = Outcome::MemoryLimit;
            report.error = Some(GuestError {
                kind: String::new(),
                message: format!("Memory limit of {megabytes} MB exceeded"),
                ..raised
            });
        }
        raised => report.error = raised,
    }
}

fn limit_reached(before: &str, time: Duration, after: &str) -> GuestError {
    error("", &format!("{before}{}{after}", time.as_secs_f64()))
}

fn crashed(why: &str) -> GuestError {
    error("SystemError", &format!("The interpreter crashed: {why}"))
}

fn error(kind: &str, message: &str) -> GuestError {
    GuestError { kind: kind.into(), message: message.into(), ..GuestError::default() }
}

/// An instance that tests look into.
#[cfg(test)]
pub(crate) struct Opened {
    store: Store<HostState>,
    instance: wasmtime::Instance,
    memory: wasmtime::Memory,
}

#[cfg(test)]
impl Template {
    /// What an execution starts from.
    pub(crate) async fn open(&self, run: Run<'_>) -> wasmtime::Result<Opened> {
        let mut store = self.store(run);
        let instance = self.instance.instantiate_async(&mut store).await?;
        fuel::fill(&instance, &mut store)?;
        let memory = hostcall::memory_of(&instance, &mut store)?;
        Ok(Opened { store, instance, memory })
    }
}

#[cfg(test)]
impl Opened {
    pub(crate) async fn run(&mut self) -> wasmtime::Result<()> {
        let run = self.instance.get_typed_func::<(), ()>(&mut self.store, "run")?;
        run.call_async(&mut self.store, ()).await
    }

    /// Everything that the guest can read.
    pub(crate) fn memory(&self) -> &[u8] {
        self.memory.data(&self.store)
    }

    /// Lets it read more.
    pub(crate) fn grow(&mut self, bytes: usize) -> wasmtime::Result<()> {
        let pages = bytes.saturating_sub(self.memory().len()).div_ceil(64 << 10);
        self.memory.grow(&mut self.store, pages as u64).map(drop)
    }
}
