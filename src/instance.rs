//! Runs one execution in a new Store, enforces its limits, and reports its outcome. A Store is never reused.

mod cancel;
mod frozen;
mod metered;
mod outcome;
mod paused;
mod timer;
mod watchdog;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tracing::warn;
use wasmtime::{Instance, InstancePre, Store, Trap, format_err};

use crate::error::Error;
use crate::execution::{Execution, ExecutionId, Outcome, Report, Stages, Usage};
pub(crate) use crate::hostcall::Pauses;
use crate::hostcall::{self, Exit, HostState, fuel, thread_cpu_time, wire};
use crate::image::Image;
use crate::limits::Limits;
use crate::memory::{self, Base, PollingPage, PollingPages};
use crate::tools::Grants;
use crate::validator::ValidatedSource;
pub(crate) use cancel::Cancel;
pub(crate) use frozen::{Frozen, Kept};
use frozen::{delta_of, restore};
use metered::{Metered, thread_faults};
use paused::paused;
pub(crate) use paused::{GiveUp, Paused, Progress};
use timer::Timer;
use watchdog::{Overdue, Watchdog};

/// Results and outputs larger than this are not read in a caller's thread, because connections may wait for that
/// thread.
const LARGE_BYTES: usize = 1 << 20;

/// CPU time that a guest may use in its caller's thread before its first yield. A guest that exceeds this is stopped and
/// restarted in a guests' thread. If it yields before it is stopped, it continues there instead.
const SLICE: Duration = Duration::from_millis(3);

/// The input of one execution.
pub(crate) struct Run<'a> {
    pub(crate) id: ExecutionId,
    /// The image that a fresh interpreter begins as.
    pub(crate) base: &'a Base,
    pub(crate) source: &'a ValidatedSource,
    /// Context and limits. Its `code` is ignored.
    pub(crate) execution: &'a Execution,
    pub(crate) grants: Grants,
    /// Whether the guest runs in its caller's thread until its first yield.
    pub(crate) in_callers_thread: bool,
    pub(crate) pauses: Pauses,
    /// The interpreter that an earlier program has left, if it does not begin in a fresh one.
    pub(crate) after: Option<&'a Kept>,
}

/// What a paused execution needs to go on in another instance, besides its record.
pub(crate) struct Thaw {
    pub(crate) id: ExecutionId,
    pub(crate) limits: Limits,
    pub(crate) grants: Grants,
    pub(crate) pauses: Pauses,
    /// Whether the interpreter is kept when the program has ended.
    pub(crate) keeps: bool,
    /// When the execution began, if its wall clock runs on while it waits.
    pub(crate) began: Option<Instant>,
    /// The image that it began as.
    pub(crate) base: Base,
}

/// The interpreter's code with its imports resolved. Every execution is instantiated from it, with a memory that begins as
/// one of the images.
pub(crate) struct Template {
    instance: InstancePre<HostState>,
    polling_pages: PollingPages,
    watchdog: Watchdog,
}

impl Template {
    /// Resolves the imports of `image` and starts the watchdog.
    ///
    /// # Errors
    ///
    /// [`Error::Image`] if an import cannot be resolved, [`Error::Config`] if the watchdog's thread cannot be started.
    pub(crate) fn new(image: &Image) -> Result<Self, Error> {
        let instance = hostcall::linker(&image.engine)
            .and_then(|linker| linker.instantiate_pre(&image.module))
            .map_err(|error| Error::image("resolving its imports").caused_by(error))?;
        let watchdog =
            Watchdog::start().map_err(|error| Error::config("starting the watchdog").caused_by(error))?;
        Ok(Self { instance, polling_pages: image.polling_pages.clone(), watchdog })
    }

    /// Runs a program in a new instance until it ends or pauses.
    ///
    /// Dropping the future stops the guest: at its next yield, or at once if it waits.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the host fails. Failures of the guest are in the report.
    pub(crate) async fn run(&self, run: Run<'_>, cancel: &Cancel) -> Result<Progress, Error> {
        let mut life = Life::new(run.id, run.execution.limits, run.pauses, run.execution.state.is_some());
        let mut slice = run.in_callers_thread.then_some(SLICE);
        loop {
            let begun = Instant::now();
            let store = self.store(Self::state(&run, slice.is_some()));
            let base = run.after.map_or(run.base, |kept| &kept.base);
            let mut guest = self.instantiate(store, base).await.map_err(instantiating)?;
            if let Some(kept) = run.after {
                restore(&mut guest, &kept.delta).map_err(|error| unfit(&error))?;
                guest.store.data_mut().set_monotonic(kept.monotonic, kept.said_at);
            }
            life.stages.instantiate = begun.elapsed();
            match self.advance(guest, &mut life, slice.take(), cancel).await {
                Step::Ended(report, kept) => return Ok(Progress::Ended(report, kept)),
                Step::Paused(guest, wakes_after) => return Ok(paused(guest, life, wakes_after)),
                // Restarting is invisible: the guest made no tool call, and its output was dropped with the Store.
                Step::Sliced => {}
            }
            tokio::task::yield_now().await;
        }
    }

    /// Continues a paused execution until it ends or pauses again.
    ///
    /// # Errors
    ///
    /// As for [`Template::run`].
    pub(crate) async fn go_on(&self, paused_before: Paused, cancel: &Cancel) -> Result<Progress, Error> {
        let Paused { guest, mut life, .. } = paused_before;
        match self.advance(guest, &mut life, None, cancel).await {
            Step::Ended(report, kept) => Ok(Progress::Ended(report, kept)),
            Step::Paused(guest, wakes_after) => Ok(paused(guest, life, wakes_after)),
            Step::Sliced => {
                Err(Error::internal("a continued guest was stopped after a slice that it does not have"))
            }
        }
    }

    /// Ends a paused execution because of `why`.
    pub(crate) async fn give_up(&self, paused: Paused, why: GiveUp) -> Report {
        let Paused { guest, life, .. } = paused;
        let (end, message) = match why {
            GiveUp::WallTime => (End::WallTime, None),
            GiveUp::Cancelled => (End::Cancelled, None),
            GiveUp::Expired => (End::Cancelled, Some(GiveUp::EXPIRED)),
            GiveUp::Parks => (End::Cancelled, Some(GiveUp::PARKS)),
            GiveUp::Nothing => (End::Crashed("it waits, but nothing can wake it".into()), None),
        };
        let (mut report, _) = self.end(guest, &life, end, Instant::now()).await;
        if let (Some(message), Some(error)) = (message, &mut report.error) {
            error.message = message.into();
        }
        report
    }

    /// Writes a paused execution down and drops its instance.
    ///
    /// # Errors
    ///
    /// The execution, if its record would exceed `bytes_max` or its memory cannot be read. It stays paused.
    pub(crate) fn freeze(paused: Paused, bytes_max: usize) -> Result<Frozen, (Box<Paused>, std::io::Error)> {
        let Paused { mut guest, mut life, wakes_after } = paused;
        let written: usize = guest.store.data().written().iter().map(|bytes| bytes.len()).sum();
        let before = thread_cpu_time();
        let delta = delta_of(&mut guest, bytes_max.saturating_sub(written));
        // Counts as the guest's: the more it has written, the longer it takes.
        life.cpu_time += thread_cpu_time().saturating_sub(before);
        match delta {
            Ok(delta) => Ok(Frozen::new(&mut guest, &life, delta)),
            Err(error) => Err((Box::new(Paused { guest, life, wakes_after }), error)),
        }
    }

    /// Restores an execution in a new instance. It stays paused. Its waiting calls are again in its
    /// [`Paused::outside`].
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the record does not fit this image, or if the host fails.
    pub(crate) async fn thaw(&self, frozen: Frozen, thaw: Thaw) -> Result<Paused, Error> {
        let (begun, before) = (Instant::now(), thread_cpu_time());
        let Thaw { id, limits, grants, pauses, keeps, began, base } = thaw;
        let mut life = Life::new(id, limits, pauses, keeps);
        life.started = began.unwrap_or(life.started);
        frozen.tell(&mut life);
        let listener = grants.listener.clone();
        let mut state = HostState::new(id, Vec::new(), &limits, grants, pauses, false);
        if let Some(listener) = &listener {
            state.observe(listener);
        }
        state.take_over(frozen.host, frozen.written);
        let store = self.store(state);
        let mut guest = self.instantiate(store, &base).await.map_err(instantiating)?;
        restore(&mut guest, &frozen.delta).map_err(|error| unfit(&error))?;
        // Counts as the guest's: the more it has written, the longer it takes.
        life.cpu_time += thread_cpu_time().saturating_sub(before);
        guest.before = None;
        life.stages.instantiate += begun.elapsed();
        Ok(Paused { guest, life, wakes_after: None })
    }

    /// Calls the guest's `run` and meters it until it ends, pauses or exceeds its slice.
    async fn advance(
        &self,
        mut guest: Guest,
        life: &mut Life,
        slice: Option<Duration>,
        cancel: &Cancel,
    ) -> Step {
        let begun = Instant::now();
        let elsewhere = guest.store.data().cpu_time_elsewhere();
        let timer = life.timer(begun, guest.store.data_mut());
        let end = {
            let metered = Metered {
                guest: pin!(call(guest.instance, &mut guest.store)),
                before: guest.before.take(),
                watchdog: &self.watchdog,
                page: guest.page.clone(),
                cpu_time: &mut life.cpu_time,
                faults: &mut guest.faults,
                elsewhere: &elsewhere,
                cpu_time_max: life.limits.cpu_time,
                slice,
                timer: &timer,
                cancel,
            };
            drive(metered, &timer, cancel).await
        };
        let ended = Instant::now();
        life.stages.run += ended - begun;
        life.used = timer.used(ended);
        match end {
            End::Sliced => Step::Sliced,
            end => {
                let pause = guest.store.data_mut().end_pause().filter(|_| matches!(end, End::Returned));
                if let Some(pause) = pause {
                    return Step::Paused(guest, pause.wakes_after());
                }
                let (report, kept) = self.end(guest, life, end, ended).await;
                Step::Ended(report, kept)
            }
        }
    }

    /// Drops the instance of an ended execution and returns the report, and the interpreter if it is kept.
    async fn end(&self, mut guest: Guest, life: &Life, end: End, ended: Instant) -> (Report, Option<Kept>) {
        let has_result = life.keeps
            && matches!(end, End::Returned)
            && outcome::has_result(guest.store.data(), &life.limits);
        let report = self.report(&mut guest, life, end).await;
        let has_begun = report.error.as_ref().is_none_or(|error| !error.before_start);
        let is_whole = has_begun && matches!(report.outcome, Outcome::Completed | Outcome::Failure);
        let kept = (has_result && is_whole).then(|| Self::keep(&mut guest)).flatten();
        let Guest { store, faults, .. } = guest;
        if faults == 0 {
            memory::drop_without_fault(store);
        } else {
            drop(store);
        }
        (Report { stages: Stages { teardown: ended.elapsed(), ..life.stages }, ..report }, kept)
    }

    /// Returns the interpreter that a program leaves, or `None` if its memory cannot be read.
    fn keep(guest: &mut Guest) -> Option<Kept> {
        let delta = delta_of(guest, usize::MAX);
        let delta = delta.inspect_err(|error| warn!(%error, "cannot keep an interpreter")).ok()?;
        let (base, state) = (guest.base.clone(), guest.store.data());
        let (tools, monotonic) = (state.tools().to_owned(), state.monotonic());
        Some(Kept { delta, base, tools, monotonic, said_at: SystemTime::now() })
    }

    async fn report(&self, guest: &mut Guest, life: &Life, end: End) -> Report {
        let memory_bytes_min = guest.base.memory_bytes() as u64;
        let store = &mut guest.store;
        if store.data().bytes_handed_over() > LARGE_BYTES {
            // At its first yield, an execution moves from its caller's thread, which also serves others, to a guests'
            // thread. If it has not yielded before, its output is only text, which takes a few hundred microseconds
            // to read.
            tokio::task::yield_now().await;
        }
        let usage = Usage {
            fuel: fuel::burned(&mut *store),
            cpu_time: life.cpu_time,
            wall_time: life.used,
            memory_bytes_peak: memory_bytes_min.max(store.data().memory.bytes_peak as u64),
            tool_calls: store.data().tool_calls(),
        };
        outcome::report(life.id, end, store.data_mut(), &life.limits, usage)
    }

    /// Returns the host state for a new execution, with its encoded request.
    fn state(run: &Run<'_>, in_callers_thread: bool) -> HostState {
        let limits = &run.execution.limits;
        let Grants { of_caller, registry, .. } = &run.grants;
        let all_tools = run.after.filter(|kept| kept.tools != registry.digest()).map(|_| &**registry);
        let (source, of_caller) = (run.source.as_str(), of_caller.as_deref());
        let request = wire::encode_request(source, run.execution, of_caller, all_tools, run.pauses);
        let mut state =
            HostState::new(run.id, request, limits, run.grants.clone(), run.pauses, in_callers_thread);
        if let Some(listener) = &run.grants.listener {
            state.observe(listener);
        }
        state
    }

    fn store(&self, state: HostState) -> Store<HostState> {
        let mut store = Store::new(self.instance.module().engine(), state);
        store.limiter(|state| &mut state.memory);
        store
    }

    /// Creates an instance that is ready to run, whose memory begins as `base`. No guest code has run yet.
    async fn instantiate(&self, mut store: Store<HostState>, base: &Base) -> wasmtime::Result<Guest> {
        // Measured here, because the time and faults of the instantiation count as the guest's. No other guest runs
        // in this thread before this one is polled.
        let before = Some((thread_cpu_time(), thread_faults()));
        let instantiating = self.instance.instantiate_async(&mut store);
        let instance = memory::begin_as(base, instantiating).await?;
        fuel::fill(&instance, &mut store)?;
        let memory = hostcall::memory_of(&instance, &mut store)?;
        let page = self.polling_pages.of(memory.data_ptr(&store));
        let page = page.ok_or_else(|| format_err!("its memory has no polling page"))?;
        Ok(Guest { store, instance, base: base.clone(), page, before, faults: 0 })
    }
}

/// The data of one execution that outlives its instances.
struct Life {
    id: ExecutionId,
    limits: Limits,
    started: Instant,
    /// Whether time in which it waits or sleeps does not count.
    only_used: bool,
    keeps: bool,
    /// The time that counts as used so far.
    used: Duration,
    cpu_time: Duration,
    stages: Stages,
}

impl Life {
    fn new(id: ExecutionId, limits: Limits, pauses: Pauses, keeps: bool) -> Self {
        Self {
            id,
            limits,
            started: Instant::now(),
            only_used: matches!(pauses, Pauses::WhenIdle { naps: true }),
            keeps,
            used: Duration::ZERO,
            cpu_time: Duration::ZERO,
            stages: Stages::default(),
        }
    }

    /// Returns the timer for the part of it that begins at `now`.
    fn timer(&self, now: Instant, state: &mut HostState) -> Timer {
        let limit = self.limits.wall_time;
        if self.only_used {
            let waited = state.count_waiting();
            Timer::of_used_time(limit, self.used, now, waited)
        } else {
            Timer::of_wall_time(limit, self.started)
        }
    }
}

/// An instance and its measurements.
struct Guest {
    store: Store<HostState>,
    instance: Instance,
    /// The image that its memory began as.
    base: Base,
    page: Arc<PollingPage>,
    /// CPU time and page faults of the thread before the instance was created. Taken when the guest first runs.
    before: Option<(Duration, u64)>,
    /// Page faults while the guest ran. Zero means that its memory need not be scanned for written pages.
    faults: u64,
}

/// The result of calling a guest.
#[expect(clippy::large_enum_variant, reason = "as above")]
enum Step {
    Ended(Report, Option<Kept>),
    Paused(Guest, Option<Duration>),
    /// The guest exceeded its slice in its caller's thread.
    Sliced,
}

fn instantiating(error: wasmtime::Error) -> Error {
    Error::internal("instantiating the image").caused_by(error)
}

/// Returns the error for a delta that cannot be applied.
fn unfit(error: &wasmtime::Error) -> Error {
    Error::internal(format!("restoring an interpreter: {error:#}"))
}

async fn call(instance: Instance, store: &mut Store<HostState>) -> End {
    let run = instance.get_typed_func::<(), ()>(&mut *store, "run");
    let ended = match run {
        Ok(run) => run.call_async(store, ()).await,
        Err(error) => Err(error),
    };
    ended.map_or_else(|error| end_of(&error), |()| End::Returned)
}

/// Why a guest stopped running.
enum End {
    Returned,
    Trapped(Trap),
    Exited(i32),
    CpuTime,
    WallTime,
    Cancelled,
    /// Any other failure of the guest, such as an invalid pointer passed to a host function.
    Crashed(String),
    /// The guest exceeded its slice in its caller's thread.
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

/// Runs the guest until it ends, reaches its deadline or is cancelled.
async fn drive(guest: impl Future<Output = End>, timer: &Timer, cancel: &Cancel) -> End {
    tokio::select! {
        biased;
        end = guest => end,
        // For guests that wait. A busy guest may block the thread that drives this timer; the watchdog ends it.
        () = timer.is_over() => End::WallTime,
        () = cancel.cancelled() => End::Cancelled,
    }
}

fn end_of(error: &wasmtime::Error) -> End {
    match (error.downcast_ref::<Trap>(), error.downcast_ref::<Exit>()) {
        (Some(trap), _) => End::Trapped(*trap),
        (_, Some(Exit(status))) => End::Exited(*status),
        (None, None) => End::Crashed(format!("{error:#}")),
    }
}

/// An instance whose memory tests can read.
#[cfg(test)]
pub(crate) struct Opened {
    store: Store<HostState>,
    instance: wasmtime::Instance,
    memory: wasmtime::Memory,
}

#[cfg(test)]
impl Template {
    /// Lets later guests use wasmtime-wasi's functions in place of ours.
    pub(crate) fn ask_oracle(&mut self) -> wasmtime::Result<()> {
        let module = self.instance.module();
        self.instance = hostcall::oracle::linker(module.engine())?.instantiate_pre(module)?;
        Ok(())
    }

    /// Returns an instance as an execution starts from it.
    pub(crate) async fn open(&self, run: Run<'_>) -> wasmtime::Result<Opened> {
        let Guest { mut store, instance, .. } =
            self.instantiate(self.store(Self::state(&run, false)), run.base).await?;
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

    /// Returns the guest's whole memory.
    pub(crate) fn memory(&self) -> &[u8] {
        self.memory.data(&self.store)
    }

    /// Grows the memory to at least `bytes`.
    pub(crate) fn grow(&mut self, bytes: usize) -> wasmtime::Result<()> {
        let pages = bytes.saturating_sub(self.memory().len()).div_ceil(64 << 10);
        self.memory.grow(&mut self.store, pages as u64).map(drop)
    }
}

#[cfg(test)]
mod tests;
