//! The host functions that a guest can call: module `executor` (tool calls, the result) and a small part of WASI
//! preview 1. `guest/README.md` defines the interface. A guest has no other access to the host.
//!
//! Arguments are untrusted: an invalid pointer ends the guest, and all sizes are bounded. Functions whose work grows
//! with their arguments count that work (see [`yield_after`]).

mod calls;
mod clock;
pub(crate) mod fuel;
mod memory;
mod output;
mod pause;
mod waited;
mod wasi;
pub(crate) mod wire;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};
use wasmtime::{
    AsContextMut, Caller, Engine, Instance, Linker, Memory, ResourceLimiter, Result, bail, format_err,
};

use crate::execution::{Event, ExecutionId, Listener, Output, PlannedCall};
use crate::limits::Limits;
use crate::memory::MEMORY_BYTES_MAX;
use crate::tools::{Grants, Outside};
use calls::{Calls, CallsRecord};
pub(crate) use clock::thread_cpu_time;
use clock::{Clock, ClockId};
use fuel::Fuel;
use output::Capture;
pub(crate) use pause::Pauses;
use pause::{Ask, Asking, STACK_WANTED, Waits};
pub(crate) use waited::Waited;
pub(crate) use wasi::Exit;
use wasi::{Random, Wasi};

/// Maximum size of a result without its value: an error with its traceback. The guest keeps to it.
const RESULT_OVERHEAD_BYTES: usize = 128 << 10;

/// Maximum output of the interpreter while an image is made.
const INITIALISER_STDERR_BYTES_MAX: usize = 64 << 10;

/// Bytes that host functions may process for a guest between two yields: about a millisecond of work.
const WORK_MAX: usize = 4 << 20;

/// The fixed cost of one host call, in bytes of work.
const WORK_PER_CALL: usize = 4 << 10;

/// The cost of parsing and checking a byte of a tool call's arguments, in bytes of work.
const CALL_WORK_FACTOR: usize = 16;

/// The host's state of one execution: the data of its Store.
pub(crate) struct HostState {
    pub(crate) memory: MemoryLimiter,
    fuel: Fuel,
    wasi: Wasi,
    calls: Calls,
    asking: Asking,
    /// The time that it waits for its calls, if that does not count as used.
    waited: Option<Waited>,
    result: Option<Vec<u8>>,
    result_bytes_max: usize,
    work: usize,
    /// The guest runs in its caller's thread, which is not one of the guests' threads, and has not yielded yet.
    in_callers_thread: bool,
    #[cfg(test)]
    oracle: Option<oracle::Oracle>,
}

impl HostState {
    /// Returns the state for an execution. The guest reads `request` from its standard input.
    pub(crate) fn new(
        id: ExecutionId,
        request: Vec<u8>,
        limits: &Limits,
        grants: Grants,
        pauses: Pauses,
        in_callers_thread: bool,
    ) -> Self {
        let wasi = Wasi {
            stdin: request.into(),
            stdout: Capture::new(limits.output_bytes_max),
            stderr: Capture::new(limits.output_bytes_max),
            clock: Clock::Running { before: Duration::ZERO, since: Instant::now() },
            random: Random::System,
        };
        Self {
            memory: MemoryLimiter::new(limits.memory_bytes_max),
            fuel: Fuel::new(limits.fuel()),
            wasi,
            calls: Calls::new(id, limits, grants),
            asking: Asking::new(pauses),
            waited: None,
            result: None,
            // Of the value, and of the files.
            result_bytes_max: limits.result_bytes_max.saturating_mul(2).saturating_add(RESULT_OVERHEAD_BYTES),
            work: 0,
            in_callers_thread,
            #[cfg(test)]
            oracle: None,
        }
    }

    /// Returns the state for making an image. Clocks are stopped and random numbers are fixed, so that the same recipe
    /// makes the same image. There are no tools, and no limits on memory and fuel.
    pub(crate) fn for_image(recipe: Vec<u8>, memory_bytes_max: u64) -> Self {
        let limits = Limits {
            memory_bytes_max,
            output_bytes_max: INITIALISER_STDERR_BYTES_MAX,
            tool_calls_max: 0,
            ..Limits::default()
        };
        let mut state =
            Self::new(ExecutionId::random(), recipe, &limits, Grants::default(), Pauses::Never, false);
        state.fuel = Fuel::unlimited();
        state.wasi.clock = Clock::Stopped;
        state.wasi.random = Random::Fixed;
        state
    }

    /// Sends what the guest writes to `listener` as it is written.
    pub(crate) fn observe(&mut self, listener: &Listener) {
        self.wasi.stdout.observe(listener.clone(), Event::Stdout);
        self.wasi.stderr.observe(listener.clone(), Event::Stderr);
    }

    /// Returns how many tool calls the guest has made.
    pub(crate) fn tool_calls(&self) -> u32 {
        self.calls.started()
    }

    /// Returns the CPU time, in nanoseconds, that threads other than those that poll the guest have spent for it.
    pub(crate) fn cpu_time_elsewhere(&self) -> Arc<AtomicU64> {
        self.calls.cpu_time_elsewhere()
    }

    /// Counts the time that the guest waits for its calls in the result.
    pub(crate) fn count_waiting(&mut self) -> Waited {
        self.waited.get_or_insert_default().clone()
    }

    /// Ends a pause and returns it, if the guest has given its stack back and waits to be continued.
    pub(crate) fn end_pause(&mut self) -> Option<wire::Pause> {
        self.asking.end()
    }

    /// Returns the guest's calls that somebody outside must answer.
    pub(crate) fn outside(&self) -> &Outside {
        self.calls.outside()
    }

    /// Takes the calls that were planned instead of made, if effects are only planned.
    pub(crate) fn take_plan(&mut self) -> Option<Vec<PlannedCall>> {
        self.calls.take_plan()
    }

    /// Returns what the guest has written so far to standard output and standard error.
    pub(crate) fn outputs_so_far(&self) -> (Output, Output) {
        (self.wasi.stdout.text(), self.wasi.stderr.text())
    }

    /// Returns what the guest's monotonic clock says.
    pub(crate) fn monotonic(&self) -> Duration {
        self.wasi.clock.now(ClockId::Monotonic)
    }

    /// Sets the guest's monotonic clock to `at`, and the time that has passed since it said so.
    pub(crate) fn set_monotonic(&mut self, at: Duration, said_at: SystemTime) {
        let before = at + said_at.elapsed().unwrap_or_default();
        self.wasi.clock = Clock::Running { before, since: Instant::now() };
    }

    /// Returns what another instance with the same memory needs to go on, apart from the output. Nothing may be under
    /// way for the guest.
    pub(crate) fn record(&self, fuel_burned: u64) -> HostRecord {
        let MemoryLimiter { bytes_peak, refused, .. } = self.memory;
        let truncated = [self.wasi.stdout.kept().1, self.wasi.stderr.kept().1];
        let (calls, monotonic) = (self.calls.record(), self.monotonic());
        HostRecord {
            calls,
            fuel_burned,
            bytes_peak,
            refused,
            truncated,
            monotonic,
            said_at: SystemTime::now(),
            tools: self.tools().to_owned(),
        }
    }

    /// Returns the digest of the sandbox's tools, if the guest knows them all.
    pub(crate) fn tools(&self) -> &str {
        let grants = self.calls.grants();
        // Whatever goes on in this interpreter is told its tools again.
        if grants.hides_tools() { "" } else { grants.registry.digest() }
    }

    /// Says that the calls that wait go on in another instance.
    pub(crate) fn leave_calls(&mut self) {
        self.calls.leave();
    }

    /// Returns the bytes that the guest has written to standard output and standard error.
    pub(crate) fn written(&self) -> [&[u8]; 2] {
        [self.wasi.stdout.kept().0, self.wasi.stderr.kept().0]
    }

    /// Takes over from another instance.
    pub(crate) fn take_over(&mut self, record: HostRecord, written: [Vec<u8>; 2]) {
        let HostRecord { calls, fuel_burned, bytes_peak, refused, truncated, monotonic, said_at, tools } =
            record;
        self.calls.take_over(calls);
        if tools.is_empty() || tools != self.tools() {
            self.wasi.stdin = wire::encode_tools(self.calls.grants()).into();
        }
        self.fuel.move_on(fuel_burned);
        (self.memory.bytes_peak, self.memory.refused) = (bytes_peak, refused);
        self.set_monotonic(monotonic, said_at);
        let [stdout, stderr] = written;
        self.wasi.stdout.take_over(stdout, truncated[0]);
        self.wasi.stderr.take_over(stderr, truncated[1]);
    }

    /// Returns the result that the guest handed over, if any.
    pub(crate) fn result(&self) -> Option<&[u8]> {
        self.result.as_deref()
    }

    /// Returns the size of the result and of both outputs together.
    pub(crate) fn bytes_handed_over(&self) -> usize {
        self.result.as_ref().map_or(0, Vec::len) + self.wasi.stdout.len() + self.wasi.stderr.len()
    }

    /// Takes standard output and standard error.
    pub(crate) fn take_outputs(&mut self) -> (Output, Output) {
        #[cfg(test)]
        self.take_from_oracle();
        (self.wasi.stdout.take(), self.wasi.stderr.take())
    }
}

/// The host's state of an execution that waits, in a form that outlives the process.
#[derive(Serialize, Deserialize)]
pub(crate) struct HostRecord {
    calls: CallsRecord,
    fuel_burned: u64,
    bytes_peak: usize,
    refused: bool,
    truncated: [bool; 2],
    monotonic: Duration,
    said_at: SystemTime,
    /// The digest of the sandbox's tools.
    tools: String,
}

/// Limits the size of one linear memory, and records its peak and whether it was refused.
pub(crate) struct MemoryLimiter {
    bytes_max: usize,
    /// The largest size granted so far.
    pub(crate) bytes_peak: usize,
    /// Whether the guest has asked for more than the limit at least once.
    pub(crate) refused: bool,
}

impl MemoryLimiter {
    fn new(bytes_max: u64) -> Self {
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX).min(MEMORY_BYTES_MAX);
        Self { bytes_max, bytes_peak: 0, refused: false }
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        let granted = desired <= self.bytes_max && maximum.is_none_or(|max| desired <= max);
        if granted {
            self.bytes_peak = self.bytes_peak.max(desired);
        } else {
            self.refused = true;
        }
        Ok(granted)
    }

    fn table_growing(&mut self, current: usize, _: usize, _: Option<usize>) -> Result<bool> {
        // Allows only the creation of the module's own table: no guest needs a larger one.
        Ok(current == 0)
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }
}

/// Returns the linear memory of an instance.
///
/// # Errors
///
/// The guest does not export it.
pub(crate) fn memory_of(instance: &Instance, store: impl AsContextMut) -> Result<Memory> {
    instance.get_memory(store, "memory").ok_or_else(|| format_err!("the guest exports no memory"))
}

/// Returns a linker with all functions that a guest may import.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<HostState>> {
    let mut linker = Linker::new(engine);
    wasi::add_to_linker(&mut linker)?;
    linker.func_wrap("executor", "finish", finish)?;
    linker.func_wrap_async("executor", "refuel", |caller, ()| Box::new(fuel::refuel(caller)))?;
    linker.func_wrap_async("executor", "call", |caller, (ptr, len)| Box::new(call(caller, ptr, len)))?;
    linker.func_wrap_async("executor", "wait", |caller, (timeout_ns, ptr, cap)| {
        Box::new(wait(caller, timeout_ns, ptr, cap))
    })?;
    Ok(linker)
}

fn finish(mut caller: Caller<'_, HostState>, ptr: u32, len: u32) -> Result<()> {
    let (memory, state) = memory::of(&mut caller)?;
    let result = memory::slice(memory, ptr, len)?;
    if state.asking.is_paused() {
        bail!("it handed over a result while it was paused");
    }
    if let Some(pause) = wire::decode_pause(result) {
        if state.result.is_some() || !state.calls.is_idle() || !state.asking.pause(pause) {
            bail!("it paused although the host did not ask for it");
        }
        return Ok(());
    }
    if result.len() > state.result_bytes_max {
        bail!("its result of {len} bytes is over the limit");
    }
    if state.result.replace(result.to_vec()).is_some() {
        bail!("it handed over a second result");
    }
    Ok(())
}

async fn call(mut caller: Caller<'_, HostState>, ptr: u32, len: u32) -> Result<i32> {
    if std::mem::take(&mut caller.data_mut().in_callers_thread) {
        // Move to a guests' thread first: a call has effects, so the guest cannot be restarted after it.
        tokio::task::yield_now().await;
    }
    let (memory, state) = memory::of(&mut caller)?;
    let message = memory::slice(memory, ptr, len)?;
    let id = state.calls.take(message).await.map_or(-1, u32::cast_signed);
    yield_after(caller, CALL_WORK_FACTOR * len as usize).await;
    Ok(id)
}

async fn wait(mut caller: Caller<'_, HostState>, timeout_ns: i64, ptr: u32, cap: u32) -> Result<i32> {
    let (memory, state) = memory::of(&mut caller)?;
    memory::slice(memory, ptr, cap)?;
    let completions = match state.wait(timeout_ns, cap as usize).await {
        Ok(completions) => completions,
        Err(needed) => {
            yield_after(caller, 0).await;
            return Ok(i32::try_from(needed).map_or(i32::MIN, |needed| -needed));
        }
    };
    let (memory, _) = memory::of(&mut caller)?;
    memory::write(memory, ptr, &completions)?;
    yield_after(caller, completions.len()).await;
    Ok(i32::try_from(completions.len())?)
}

impl HostState {
    /// Waits until there are completions, or the time is over, or the host wants the guest's stack, and returns them
    /// encoded.
    ///
    /// # Errors
    ///
    /// The next completion alone does not fit into `cap` bytes; the error is its size.
    async fn wait(&mut self, timeout_ns: i64, cap: usize) -> Result<Vec<u8>, usize> {
        let (begun, mut left_ns) = (Instant::now(), timeout_ns);
        let mut is_stuck = false;
        loop {
            self.calls.take_answers();
            if !is_stuck {
                let (is_idle, has_outside) = (self.calls.is_idle(), self.calls.outside().has_waiting());
                match self.asking.ask(Waits { timeout_ns, is_idle, has_outside }) {
                    Ask::No => {}
                    Ask::Yes => {
                        let mut request = Vec::new();
                        wire::encode_completion(STACK_WANTED, &[], &mut request);
                        return Ok(request);
                    }
                    Ask::InVain => {
                        is_stuck = true;
                        self.calls.deny_approvals();
                    }
                }
            }
            if is_stuck && self.calls.is_idle() && self.calls.outside().has_waiting() {
                let (stdout, stderr) = self.outputs_so_far();
                self.calls.outside().get_stuck(stdout, stderr);
            }
            // A guest that keeps its stack keeps its slot, so its time counts.
            let has_calls = !is_stuck && (!self.calls.is_idle() || self.calls.outside().has_waiting());
            let _waits = self.waited.as_ref().filter(|_| has_calls).map(Waited::begin);
            if let Some(completions) = self.calls.wait(left_ns, cap).await? {
                return Ok(completions);
            }
            if timeout_ns > 0 {
                let waited_ns = i64::try_from(begun.elapsed().as_nanos()).unwrap_or(i64::MAX);
                left_ns = timeout_ns.saturating_sub(waited_ns).max(0);
            }
        }
    }
}

/// Adds up the work that host functions do for a guest, and yields when the sum reaches [`WORK_MAX`]. A guest can
/// only be stopped when it yields, and host functions burn none of the fuel that makes it yield.
async fn yield_after(mut caller: impl AsContextMut<Data = HostState>, bytes: usize) {
    let mut store = caller.as_context_mut();
    let work = &mut store.data_mut().work;
    *work += bytes + WORK_PER_CALL;
    if *work >= WORK_MAX {
        *work = 0;
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
pub(crate) mod oracle;
#[cfg(test)]
mod tests;
