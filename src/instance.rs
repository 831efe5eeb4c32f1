//! One execution: a new Store, limits around it, and how it ended. A Store is never used twice.

mod cancel;
mod watchdog;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use wasmtime::{Instance, InstancePre, Store, Trap, format_err};

use crate::error::Error;
use crate::execution::{Execution, ExecutionId, GuestError, Outcome, Report, Stages, Usage};
use crate::hostcall::{self, Exit, HostState, fuel, thread_cpu_time, wire};
use crate::image::Image;
use crate::limits::{Limits, TIME_MAX};
use crate::memory::{self, PollingPage, PollingPages};
use crate::tools::Grants;
use crate::validator::ValidatedSource;
pub(crate) use cancel::Cancel;
use watchdog::{Bounds, Overdue, Watchdog};

/// More is not read in a thread on which connections wait.
const LARGE_BYTES: usize = 1 << 20;

/// CPU time that a guest may have in its caller's thread. One that has not yielded then goes on in the guests' threads: from
/// its beginning, if it has to be stopped for that.
const SLICE: Duration = Duration::from_millis(3);

/// What an instance is for.
pub(crate) struct Run<'a> {
    pub(crate) id: ExecutionId,
    pub(crate) source: &'a ValidatedSource,
    /// The rest of the execution; its `code` is not looked at.
    pub(crate) execution: &'a Execution,
    pub(crate) grants: Grants,
    /// It begins in a thread that is not for guests, up to its first yield.
    pub(crate) in_callers_thread: bool,
}

/// An image with its imports resolved: what every execution starts from.
pub(crate) struct Template {
    instance: InstancePre<HostState>,
    memory_bytes_min: u64,
    polling_pages: PollingPages,
    watchdog: Watchdog,
}

impl Template {
    /// # Errors
    ///
    /// [`Error::Image`] for what cannot be instantiated, [`Error::Config`] where there is no room for a thread.
    pub(crate) fn new(image: &Image) -> Result<Self, Error> {
        let instance = hostcall::linker(&image.engine, &image.module)
            .and_then(|linker| linker.instantiate_pre(&image.module))
            .map_err(|error| Error::Image(format!("its imports: {error:#}")))?;
        let watchdog =
            Watchdog::start().map_err(|error| Error::Config(format!("starting the watchdog: {error}")))?;
        let (memory_bytes_min, polling_pages) = (image.memory_bytes_min, image.polling_pages.clone());
        Ok(Self { instance, memory_bytes_min, polling_pages, watchdog })
    }

    /// Runs a program in an instance of its own and drops it.
    ///
    /// Dropping the future stops the guest at its next look at the clock, or at once where it waits.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] when the host failed; whatever the guest does is in the report.
    pub(crate) async fn run(&self, run: Run<'_>, cancel: &Cancel) -> Result<Report, Error> {
        let started = Instant::now();
        let mut attempt = Attempt {
            started,
            deadline: started + run.execution.limits.wall_time.min(TIME_MAX),
            spent: Spent::default(),
            slice: run.in_callers_thread.then_some(SLICE),
            cancel,
        };
        loop {
            match self.attempt(&run, &mut attempt).await? {
                Some(report) => return Ok(report),
                // Nobody knows what the guest did in its caller's thread: it made no call, and what it printed is gone.
                None => attempt.slice = None,
            }
            tokio::task::yield_now().await;
        }
    }

    /// `None` if the guest used up its slice.
    async fn attempt(&self, run: &Run<'_>, attempt: &mut Attempt<'_>) -> Result<Option<Report>, Error> {
        let (id, limits, begun) = (run.id, &run.execution.limits, Instant::now());
        let mut store = self.store(run, attempt.slice.is_some());
        // What instantiating takes is the guest's, too: no guest has run in between.
        attempt.spent.faults = 0;
        let before = Some((thread_cpu_time(), thread_faults()));
        let (instance, page) = self
            .instantiate(&mut store)
            .await
            .map_err(|error| Error::Internal(format!("instantiating the image: {error:#}")))?;
        let instantiated = Instant::now();
        let elsewhere = store.data().cpu_time_elsewhere();
        let end = {
            let guest = Metered {
                guest: pin!(call(instance, &mut store)),
                before,
                watchdog: &self.watchdog,
                page,
                spent: &mut attempt.spent,
                elsewhere: &elsewhere,
                cpu_time_max: limits.cpu_time,
                slice: attempt.slice,
                deadline: attempt.deadline,
                cancel: attempt.cancel,
            };
            drive(guest, attempt.deadline, attempt.cancel).await
        };
        let ended = Instant::now();
        if store.data().bytes_handed_over() > LARGE_BYTES {
            // The first yield is where an execution moves to the guests' threads: its caller's may also serve others. One
            // that has not yielded yet made no more than text, which takes some hundred microseconds to read.
            tokio::task::yield_now().await;
        }
        let usage = Usage {
            fuel: fuel::burned(&mut store),
            cpu_time: attempt.spent.cpu_time,
            wall_time: ended - attempt.started,
            memory_bytes_peak: self.memory_bytes_min.max(store.data().memory.bytes_peak as u64),
            tool_calls: store.data().tool_calls(),
        };
        let report = report(id, end, store.data_mut(), limits, usage);
        if attempt.spent.faults == 0 {
            memory::drop_without_fault(store);
        } else {
            drop(store);
        }
        let stages = Stages {
            queue: Duration::ZERO,
            instantiate: instantiated - begun,
            run: ended - instantiated,
            teardown: ended.elapsed(),
        };
        Ok(report.map(|report| Report { stages, ..report }))
    }

    /// A new Store with all that one execution may use, and its request.
    fn store(&self, run: &Run<'_>, in_callers_thread: bool) -> Store<HostState> {
        let limits = &run.execution.limits;
        let request = wire::encode_request(run.source.as_str(), run.execution, limits.result_bytes_max);
        let mut state = HostState::new(run.id, request, limits, run.grants.clone(), in_callers_thread);
        if let Some(events) = &run.execution.events {
            state.observe(events);
        }
        let mut store = Store::new(self.instance.module().engine(), state);
        store.limiter(|state| &mut state.memory);
        store
    }

    /// An instance that is ready to run, and its polling page. Nothing of the guest has run yet.
    async fn instantiate(
        &self,
        store: &mut Store<HostState>,
    ) -> wasmtime::Result<(Instance, Arc<PollingPage>)> {
        let instance = self.instance.instantiate_async(&mut *store).await?;
        fuel::fill(&instance, &mut *store)?;
        let memory = hostcall::memory_of(&instance, &mut *store)?;
        let page = self.polling_pages.of(memory.data_ptr(&*store));
        page.map(|page| (instance, page)).ok_or_else(|| format_err!("its memory has no polling page"))
    }
}

async fn call(instance: Instance, store: &mut Store<HostState>) -> End {
    let run = instance.get_typed_func::<(), ()>(&mut *store, "run");
    let ended = match run {
        Ok(run) => run.call_async(store, ()).await,
        Err(error) => Err(error),
    };
    ended.map_or_else(|error| end_of(&error), |()| End::Returned)
}

/// What holds for all attempts at one execution together.
struct Attempt<'a> {
    started: Instant,
    deadline: Instant,
    spent: Spent,
    /// CPU time until the first yield.
    slice: Option<Duration>,
    cancel: &'a Cancel,
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
    /// It did not yield in its caller's thread.
    Sliced,
}

impl From<Overdue> for End {
    fn from(overdue: Overdue) -> Self {
        match overdue {
            Overdue::WallTime => Self::WallTime,
            Overdue::CpuTime => Self::CpuTime,
            Overdue::Slice => Self::Sliced,
            Overdue::Cancelled => Self::Cancelled,
        }
    }
}

/// What the threads that polled a guest have spent on it.
#[derive(Clone, Copy, Default)]
struct Spent {
    cpu_time: Duration,
    faults: u64,
}

/// Drives the guest until it ends or a limit ends it.
async fn drive(guest: impl Future<Output = End>, deadline: Instant, cancel: &Cancel) -> End {
    tokio::select! {
        biased;
        end = guest => end,
        // For a guest that waits. A busy one may keep the thread that turns this timer.
        () = tokio::time::sleep_until(deadline.into()) => End::WallTime,
        () = cancel.cancelled() => End::Cancelled,
    }
}

/// A guest whose thread-CPU time is counted around each poll: it yields after a portion of fuel, a millisecond or so, or is
/// ended by the watchdog. A guest that reaches both limits at once has reached its deadline.
struct Metered<'a, F> {
    guest: Pin<&'a mut F>,
    /// The thread's CPU time and page faults before the first poll, which is in the same thread.
    before: Option<(Duration, u64)>,
    watchdog: &'a Watchdog,
    page: Arc<PollingPage>,
    spent: &'a mut Spent,
    /// Nanoseconds that other threads have spent for it, and that are not in `spent` yet.
    elsewhere: &'a AtomicU64,
    cpu_time_max: Duration,
    slice: Option<Duration>,
    deadline: Instant,
    cancel: &'a Cancel,
}

impl<F: Future<Output = End>> Future for Metered<'_, F> {
    type Output = End;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End> {
        let (cpu_time, faults) = self.before.take().unwrap_or_else(|| (thread_cpu_time(), thread_faults()));
        if let Err(error) = self.page.open() {
            return Poll::Ready(End::Crashed(format!("opening its polling page: {error}")));
        }
        let watch = self.watchdog.watch(Bounds {
            page: self.page.clone(),
            deadline: self.deadline,
            cpu_time_before: cpu_time,
            cpu_time: self.cpu_time_max.saturating_sub(self.spent.cpu_time),
            slice: self.slice.take(),
            cancel: self.cancel.clone(),
        });
        let polled = self.guest.as_mut().poll(cx);
        let overdue = watch.end();
        let elsewhere = Duration::from_nanos(self.elsewhere.swap(0, Ordering::Relaxed));
        self.spent.cpu_time += thread_cpu_time().saturating_sub(cpu_time) + elsewhere;
        self.spent.faults += thread_faults() - faults;
        match (polled, overdue) {
            (Poll::Ready(End::Trapped(Trap::MemoryOutOfBounds)), Some(overdue)) => {
                Poll::Ready(overdue.into())
            }
            (Poll::Ready(end), _) => Poll::Ready(end),
            (Poll::Pending, _) if Instant::now() >= self.deadline => Poll::Ready(End::WallTime),
            (Poll::Pending, _) if self.spent.cpu_time > self.cpu_time_max => Poll::Ready(End::CpuTime),
            // It has yielded after all.
            (Poll::Pending, None | Some(Overdue::Slice)) => match self.page.rest() {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(End::Crashed(format!("closing its polling page: {error}"))),
            },
            (Poll::Pending, Some(overdue)) => Poll::Ready(overdue.into()),
        }
    }
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

/// `None` if it is to begin anew.
fn report(id: ExecutionId, end: End, state: &mut HostState, limits: &Limits, usage: Usage) -> Option<Report> {
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
        End::Sliced => return None,
    }
    Some(report)
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
    /// From here on, guests get wasmtime-wasi's functions in place of ours.
    pub(crate) fn ask_oracle(&mut self) -> wasmtime::Result<()> {
        let module = self.instance.module();
        self.instance = hostcall::oracle::linker(module.engine(), module)?.instantiate_pre(module)?;
        Ok(())
    }

    /// What an execution starts from.
    pub(crate) async fn open(&self, run: Run<'_>) -> wasmtime::Result<Opened> {
        let mut store = self.store(&run, false);
        let (instance, _) = self.instantiate(&mut store).await?;
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

#[cfg(test)]
mod tests;
