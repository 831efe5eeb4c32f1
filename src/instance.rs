//! Runs one execution in a new Store, enforces its limits, and reports its outcome. A Store is never reused.

mod cancel;
mod metered;
mod outcome;
mod watchdog;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::{Instance, InstancePre, Store, Trap, format_err};

use crate::error::Error;
use crate::execution::{Execution, ExecutionId, Report, Stages, Usage};
pub(crate) use crate::hostcall::Pauses;
use crate::hostcall::{self, Exit, HostState, fuel, thread_cpu_time, wire};
use crate::image::Image;
use crate::limits::{Limits, TIME_MAX};
use crate::memory::{self, Base, Delta, PollingPage, PollingPages};
use crate::tools::Grants;
use crate::validator::ValidatedSource;
pub(crate) use cancel::Cancel;
use metered::{Metered, thread_faults};
use watchdog::{Overdue, Watchdog};

/// Results and outputs larger than this are not read in a caller's thread, because connections may wait for that
/// thread.
const LARGE_BYTES: usize = 1 << 20;

/// CPU time that a guest may use in its caller's thread before its first yield. A guest that exceeds this is stopped and
/// restarted in a guests' thread. If it yields before it is stopped, it continues there instead.
const SLICE: Duration = Duration::from_millis(3);

/// The unit in which linear memory grows.
const WASM_PAGE_BYTES: usize = 64 << 10;

/// The input of one execution.
pub(crate) struct Run<'a> {
    pub(crate) id: ExecutionId,
    pub(crate) source: &'a ValidatedSource,
    /// Context and limits. Its `code` is ignored.
    pub(crate) execution: &'a Execution,
    pub(crate) grants: Grants,
    /// Whether the guest runs in its caller's thread until its first yield.
    pub(crate) in_callers_thread: bool,
}

/// An image with its imports resolved. Every execution is instantiated from it.
pub(crate) struct Template {
    instance: InstancePre<HostState>,
    memory_bytes_min: u64,
    polling_pages: PollingPages,
    base: Base,
    pauses: Pauses,
    watchdog: Watchdog,
}

impl Template {
    /// Resolves the imports of `image` and starts the watchdog.
    ///
    /// # Errors
    ///
    /// [`Error::Image`] if an import cannot be resolved, [`Error::Config`] if the watchdog's thread cannot be started.
    pub(crate) fn new(image: &Image, pauses: Pauses) -> Result<Self, Error> {
        let instance = hostcall::linker(&image.engine, &image.module)
            .and_then(|linker| linker.instantiate_pre(&image.module))
            .map_err(|error| Error::image("resolving its imports").caused_by(error))?;
        let watchdog =
            Watchdog::start().map_err(|error| Error::config("starting the watchdog").caused_by(error))?;
        let (memory_bytes_min, polling_pages) = (image.memory_bytes_min, image.polling_pages.clone());
        let base = image.base.clone();
        Ok(Self { instance, memory_bytes_min, polling_pages, base, pauses, watchdog })
    }

    /// Runs a program in a new instance until it ends or pauses.
    ///
    /// Dropping the future stops the guest: at its next yield, or at once if it waits.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the host fails. Failures of the guest are in the report.
    pub(crate) async fn run(&self, run: Run<'_>, cancel: &Cancel) -> Result<Progress, Error> {
        let mut life = Life::new(run.id, run.execution.limits);
        let mut slice = run.in_callers_thread.then_some(SLICE);
        loop {
            let begun = Instant::now();
            let store = self.store(self.state(&run, slice.is_some()));
            let guest = self.instantiate(store).await.map_err(instantiating)?;
            life.stages.instantiate = begun.elapsed();
            match self.advance(guest, &mut life, slice.take(), cancel).await {
                Step::Ended(report) => return Ok(Progress::Ended(report)),
                Step::Paused(guest) => return Ok(Progress::Paused(Box::new(Paused { guest, life }))),
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
    /// Those of [`Template::run`].
    pub(crate) async fn go_on(&self, paused: Paused, cancel: &Cancel) -> Result<Progress, Error> {
        let Paused { guest, mut life } = paused;
        match self.advance(guest, &mut life, None, cancel).await {
            Step::Ended(report) => Ok(Progress::Ended(report)),
            Step::Paused(guest) => Ok(Progress::Paused(Box::new(Paused { guest, life }))),
            Step::Sliced => Err(Error::internal("a continued guest exceeded its slice, but has none")),
        }
    }

    /// Parks a paused execution: saves its memory as a delta from the image, and frees its slot.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`], also if the delta exceeds `bytes_max`. The execution is lost.
    pub(crate) fn park(&self, paused: Paused, bytes_max: usize) -> Result<Parked, Error> {
        let Paused { guest: Guest { mut store, instance, .. }, life } = paused;
        let fuel_burned = fuel::burned(&mut store);
        let memory =
            hostcall::memory_of(&instance, &mut store).map_err(|error| parking().caused_by(error))?;
        let delta =
            self.base.delta(memory.data(&store), bytes_max).map_err(|error| parking().caused_by(error))?;
        let mut state = store.into_data();
        state.move_on(fuel_burned);
        Ok(Parked { delta, state, life })
    }

    /// Restores a parked execution in a new instance. It stays paused.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the delta does not fit this image, or if the host fails.
    pub(crate) async fn unpark(&self, parked: Parked) -> Result<Paused, Error> {
        let Parked { delta, state, mut life } = parked;
        let begun = Instant::now();
        let mut guest = self.instantiate(self.store(state)).await.map_err(instantiating)?;
        self.restore(&mut guest, &delta)
            .map_err(|error| Error::internal("unparking an execution").caused_by(error))?;
        life.stages.instantiate += begun.elapsed();
        Ok(Paused { guest, life })
    }

    fn restore(&self, guest: &mut Guest, delta: &Delta) -> wasmtime::Result<()> {
        // The writes below give the memory private pages, outside the time in which page faults are counted. So
        // report one fault, or the slot would be reset without a scan for written pages.
        guest.faults = 1;
        let memory = hostcall::memory_of(&guest.instance, &mut guest.store)?;
        let more = delta.memory_bytes()?.saturating_sub(memory.data_size(&guest.store));
        memory.grow(&mut guest.store, (more / WASM_PAGE_BYTES) as u64)?;
        Ok(self.base.apply(delta, memory.data_mut(&mut guest.store))?)
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
                deadline: life.deadline,
                cancel,
            };
            drive(metered, life.deadline, cancel).await
        };
        let ended = Instant::now();
        life.stages.run += ended - begun;
        match end {
            End::Sliced => Step::Sliced,
            End::Returned if guest.store.data_mut().end_pause() => Step::Paused(guest),
            end => Step::Ended(self.end(guest, life, end, ended).await),
        }
    }

    /// Drops the instance of an ended execution and returns the report.
    async fn end(&self, guest: Guest, life: &Life, end: End, ended: Instant) -> Report {
        let Guest { mut store, faults, .. } = guest;
        if store.data().bytes_handed_over() > LARGE_BYTES {
            // At its first yield, an execution moves from its caller's thread, which also serves others, to a guests'
            // thread. If it has not yielded before, its output is only text, which takes a few hundred microseconds
            // to read.
            tokio::task::yield_now().await;
        }
        let usage = Usage {
            fuel: fuel::burned(&mut store),
            cpu_time: life.cpu_time,
            wall_time: ended - life.started,
            memory_bytes_peak: self.memory_bytes_min.max(store.data().memory.bytes_peak as u64),
            tool_calls: store.data().tool_calls(),
        };
        let report = outcome::report(life.id, end, store.data_mut(), &life.limits, usage);
        if faults == 0 {
            memory::drop_without_fault(store);
        } else {
            drop(store);
        }
        Report { stages: Stages { teardown: ended.elapsed(), ..life.stages }, ..report }
    }

    /// Returns the host state for a new execution, with its encoded request.
    fn state(&self, run: &Run<'_>, in_callers_thread: bool) -> HostState {
        let limits = &run.execution.limits;
        let request = wire::encode_request(run.source.as_str(), run.execution, limits.result_bytes_max);
        let mut state =
            HostState::new(run.id, request, limits, run.grants.clone(), self.pauses, in_callers_thread);
        if let Some(events) = &run.execution.events {
            state.observe(events);
        }
        state
    }

    fn store(&self, state: HostState) -> Store<HostState> {
        let mut store = Store::new(self.instance.module().engine(), state);
        store.limiter(|state| &mut state.memory);
        store
    }

    /// Creates an instance that is ready to run. No guest code has run yet.
    async fn instantiate(&self, mut store: Store<HostState>) -> wasmtime::Result<Guest> {
        // Measured here, because the time and faults of the instantiation count as the guest's. No other guest runs
        // in this thread before this one is polled.
        let before = Some((thread_cpu_time(), thread_faults()));
        let instance = self.instance.instantiate_async(&mut store).await?;
        fuel::fill(&instance, &mut store)?;
        let memory = hostcall::memory_of(&instance, &mut store)?;
        let page = self.polling_pages.of(memory.data_ptr(&store));
        let page = page.ok_or_else(|| format_err!("its memory has no polling page"))?;
        Ok(Guest { store, instance, page, before, faults: 0 })
    }
}

/// The state of an execution that has stopped running.
#[expect(clippy::large_enum_variant, reason = "there is one per execution, which moves it twice")]
pub(crate) enum Progress {
    Ended(Report),
    Paused(Box<Paused>),
}

/// An execution that waits in its instance, without a stack.
pub(crate) struct Paused {
    guest: Guest,
    life: Life,
}

/// An execution that waits without an instance.
pub(crate) struct Parked {
    delta: Delta,
    state: HostState,
    life: Life,
}

/// The data of one execution that outlives its instances.
struct Life {
    id: ExecutionId,
    limits: Limits,
    started: Instant,
    deadline: Instant,
    cpu_time: Duration,
    stages: Stages,
}

impl Life {
    fn new(id: ExecutionId, limits: Limits) -> Self {
        let started = Instant::now();
        let deadline = started + limits.wall_time.min(TIME_MAX);
        Self { id, limits, started, deadline, cpu_time: Duration::ZERO, stages: Stages::default() }
    }
}

/// An instance and its measurements.
struct Guest {
    store: Store<HostState>,
    instance: Instance,
    page: Arc<PollingPage>,
    /// CPU time and page faults of the thread before the instance was created. Taken when the guest first runs.
    before: Option<(Duration, u64)>,
    /// Page faults while the guest ran. Zero means that its memory need not be scanned for written pages.
    faults: u64,
}

/// The result of calling a guest.
#[expect(clippy::large_enum_variant, reason = "as above")]
enum Step {
    Ended(Report),
    Paused(Guest),
    /// The guest exceeded its slice in its caller's thread.
    Sliced,
}

fn instantiating(error: wasmtime::Error) -> Error {
    Error::internal("instantiating the image").caused_by(error)
}

fn parking() -> Error {
    Error::internal("parking an execution")
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
async fn drive(guest: impl Future<Output = End>, deadline: Instant, cancel: &Cancel) -> End {
    tokio::select! {
        biased;
        end = guest => end,
        // For guests that wait. A busy guest may block the thread that drives this timer; the watchdog ends it.
        () = tokio::time::sleep_until(deadline.into()) => End::WallTime,
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
        self.instance = hostcall::oracle::linker(module.engine(), module)?.instantiate_pre(module)?;
        Ok(())
    }

    /// Returns an instance as an execution starts from it.
    pub(crate) async fn open(&self, run: Run<'_>) -> wasmtime::Result<Opened> {
        let Guest { mut store, instance, .. } = self.instantiate(self.store(self.state(&run, false))).await?;
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
