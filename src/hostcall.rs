//! Everything a guest can ask of the host: module `executor` (tool calls, the result) and a small part of WASI
//! preview 1. `guest/README.md` defines the interface; what is not defined here, a guest cannot do.
//!
//! Arguments are untrusted: a pointer to nowhere ends the guest, and whatever it sizes is bounded. Functions whose work
//! grows with their arguments count it (see [`yield_after`]).

mod calls;
mod clock;
pub(crate) mod fuel;
mod memory;
mod output;
mod wasi;
pub(crate) mod wire;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use wasmtime::{
    AsContextMut, Caller, Engine, Instance, Linker, Memory, Module, ResourceLimiter, Result, bail, format_err,
};

use crate::execution::{Event, EventSink, ExecutionId, Output};
use crate::limits::Limits;
use crate::memory::MEMORY_BYTES_MAX;
use crate::tools::Grants;
use calls::Calls;
use clock::Clock;
pub(crate) use clock::thread_cpu_time;
use fuel::Fuel;
use output::Capture;
pub(crate) use wasi::Exit;
use wasi::{Random, Wasi};

/// Beside the value, a result carries an error with its traceback; the guest keeps those below this.
const RESULT_OVERHEAD_BYTES: usize = 128 << 10;

/// What the interpreter may say while an image is made.
const INITIALISER_STDERR_BYTES_MAX: usize = 64 << 10;

/// Bytes that host functions may handle for a guest between two looks at the clock: about a millisecond's worth.
const WORK_MAX: usize = 4 << 20;

/// Work of a host function apart from its bytes, in bytes.
const WORK_PER_CALL: usize = 4 << 10;

/// What reading and checking a call's arguments takes, beside handling as many bytes.
const CALL_WORK_FACTOR: usize = 16;

/// The host's side of one execution. Lives and dies with its Store.
pub(crate) struct HostState {
    pub(crate) memory: MemoryLimiter,
    fuel: Fuel,
    wasi: Wasi,
    calls: Calls,
    result: Option<Vec<u8>>,
    result_bytes_max: usize,
    work: usize,
    /// It runs in a thread that is not for guests, and has not yielded yet.
    in_callers_thread: bool,
    #[cfg(test)]
    oracle: Option<oracle::Oracle>,
}

impl HostState {
    /// For an execution; `request` is what the guest reads from its standard input.
    pub(crate) fn new(
        id: ExecutionId,
        request: Vec<u8>,
        limits: &Limits,
        grants: Grants,
        in_callers_thread: bool,
    ) -> Self {
        let wasi = Wasi {
            stdin: request.into(),
            stdout: Capture::new(limits.output_bytes_max),
            stderr: Capture::new(limits.output_bytes_max),
            clock: Clock::Running { since: Instant::now() },
            random: Random::System,
        };
        Self {
            memory: MemoryLimiter::new(limits.memory_bytes_max),
            fuel: Fuel::new(limits.fuel()),
            wasi,
            calls: Calls::new(id, limits, grants),
            result: None,
            result_bytes_max: limits.result_bytes_max.saturating_add(RESULT_OVERHEAD_BYTES),
            work: 0,
            in_callers_thread,
            #[cfg(test)]
            oracle: None,
        }
    }

    /// For making an image: clocks stand still and random numbers are fixed, so that the same recipe makes the same
    /// image. There are no tools, and no bound on memory and fuel.
    pub(crate) fn for_image(recipe: Vec<u8>) -> Self {
        let limits = Limits {
            memory_bytes_max: u64::MAX,
            output_bytes_max: INITIALISER_STDERR_BYTES_MAX,
            tool_calls_max: 0,
            ..Limits::default()
        };
        let mut state = Self::new(ExecutionId::random(), recipe, &limits, Grants::default(), false);
        state.fuel = Fuel::unlimited();
        state.wasi.clock = Clock::Stopped;
        state.wasi.random = Random::Fixed;
        state
    }

    /// Tells what the guest writes when it writes it.
    pub(crate) fn observe(&mut self, events: &EventSink) {
        self.wasi.stdout.observe(events.clone(), Event::Stdout);
        self.wasi.stderr.observe(events.clone(), Event::Stderr);
    }

    pub(crate) fn tool_calls(&self) -> u32 {
        self.calls.started()
    }

    /// Nanoseconds of CPU time that other threads than those that poll the guest have spent for it.
    pub(crate) fn cpu_time_elsewhere(&self) -> Arc<AtomicU64> {
        self.calls.cpu_time_elsewhere()
    }

    /// What the guest handed over, if anything.
    pub(crate) fn result(&self) -> Option<&[u8]> {
        self.result.as_deref()
    }

    /// The result and what was written.
    pub(crate) fn bytes_handed_over(&self) -> usize {
        self.result.as_ref().map_or(0, Vec::len) + self.wasi.stdout.len() + self.wasi.stderr.len()
    }

    /// Standard output and standard error.
    pub(crate) fn take_outputs(&mut self) -> (Output, Output) {
        #[cfg(test)]
        self.take_from_oracle();
        (self.wasi.stdout.take(), self.wasi.stderr.take())
    }
}

/// Keeps one linear memory below a limit and remembers what happened to it.
pub(crate) struct MemoryLimiter {
    bytes_max: usize,
    /// Largest size granted so far.
    pub(crate) bytes_peak: usize,
    /// The guest asked for more than the limit at least once.
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
        // The module's own table is made from nothing once; no guest needs a larger one.
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

/// The memory of a guest that has been instantiated.
pub(crate) fn memory_of(instance: &Instance, store: impl AsContextMut) -> Result<Memory> {
    instance.get_memory(store, "memory").ok_or_else(|| format_err!("the guest exports no memory"))
}

/// The functions that `module` may import.
pub(crate) fn linker(engine: &Engine, module: &Module) -> Result<Linker<HostState>> {
    let mut linker = Linker::new(engine);
    wasi::add_to_linker(&mut linker, module)?;
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
    if result.len() > state.result_bytes_max {
        bail!("a result of {len} bytes is over the limit");
    }
    if state.result.replace(result.to_vec()).is_some() {
        bail!("a second result");
    }
    Ok(())
}

async fn call(mut caller: Caller<'_, HostState>, ptr: u32, len: u32) -> Result<i32> {
    if std::mem::take(&mut caller.data_mut().in_callers_thread) {
        // Calls have effects: from here on, the guest cannot begin anew.
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
    let completions = match state.calls.wait(timeout_ns, cap as usize).await {
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

/// Adds up the work that host functions do for a guest, and yields when it comes to [`WORK_MAX`]: only a guest that
/// yields can be stopped, and the fuel that makes it yield is burned by its own instructions alone.
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
