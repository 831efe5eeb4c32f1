//! The part of WASI preview 1 that a guest gets: three streams, coarse clocks, sleeping on them, random bytes and exit.
//! The guest itself answers what its libc asks of files (`guest/files`). There are no other functions, so a guest that
//! imports one cannot be instantiated.
//!
//! The specification defines the layouts and numbers:
//! <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md>.

use std::time::Duration;

use tokio::time::sleep;
use wasmtime::{Caller, Linker, Result};

use super::clock::{CLOCK_RESOLUTION, Clock, ClockId, nanos};
use super::memory;
use super::output::Capture;
use super::{HostState, WORK_MAX};

pub(super) const MODULE: &str = "wasi_snapshot_preview1";

/// A WASI error number.
type Errno = i32;

const SUCCESS: Errno = 0;
const EBADF: Errno = 8;
const EINVAL: Errno = 28;
const ENOTSUP: Errno = 58;

const STDIN: u32 = 0;
const STDOUT: u32 = 1;
const STDERR: u32 = 2;

/// Maximum bytes of one `random_get`. A guest that wants more calls it again.
const RANDOM_BYTES_MAX: u32 = 64 << 10;

/// The value of every random byte while an image is made.
pub(super) const FIXED_RANDOM_BYTE: u8 = 0x5a;

/// Maximum buffers of one `fd_read` or `fd_write`. libc uses two.
const VECTORS_MAX: u32 = 1024;

/// Maximum subscriptions of one `poll_oneoff`. libc's `sleep` uses one.
const SUBSCRIPTIONS_MAX: u32 = 64;

const SUBSCRIPTION_BYTES: u32 = 48;
const EVENT_BYTES: usize = 32;
const EVENT_TYPE_CLOCK: u8 = 0;
const SUBSCRIPTION_CLOCK_ABSTIME: u16 = 1;

/// The state behind a guest's three streams, clocks and random numbers.
pub(super) struct Wasi {
    /// The rest of standard input.
    pub(super) stdin: bytes::Bytes,
    pub(super) stdout: Capture,
    pub(super) stderr: Capture,
    pub(super) clock: Clock,
    pub(super) random: Random,
}

/// The source of random bytes.
#[derive(Clone, Copy)]
pub(super) enum Random {
    /// The operating system.
    System,
    /// The same byte always, for making images.
    Fixed,
}

/// A guest's call of `proc_exit` with its status. Every status is a failure.
#[derive(Debug, thiserror::Error)]
#[error("the guest exited with status {0}")]
pub(crate) struct Exit(pub(crate) i32);

pub(super) fn add_to_linker(linker: &mut Linker<HostState>) -> Result<()> {
    linker.func_wrap(MODULE, "clock_res_get", clock_res_get)?;
    linker.func_wrap(MODULE, "clock_time_get", clock_time_get)?;
    linker.func_wrap(MODULE, "proc_exit", |status: i32| -> Result<()> { Err(Exit(status).into()) })?;
    linker.func_wrap_async(MODULE, "fd_read", |caller, (fd, vectors, count, read)| {
        Box::new(fd_read(caller, fd, Vectors { ptr: vectors, count }, read))
    })?;
    linker.func_wrap_async(MODULE, "fd_write", |caller, (fd, vectors, count, written)| {
        Box::new(fd_write(caller, fd, Vectors { ptr: vectors, count }, written))
    })?;
    linker
        .func_wrap_async(MODULE, "random_get", |caller, (ptr, len)| Box::new(random_get(caller, ptr, len)))?;
    linker.func_wrap_async(MODULE, "poll_oneoff", |caller, (subscriptions, events, count, written)| {
        Box::new(poll_oneoff(caller, Vectors { ptr: subscriptions, count }, events, written))
    })?;
    linker.func_wrap_async(MODULE, "sched_yield", |caller, (): ()| {
        Box::new(async {
            super::yield_after(caller, WORK_MAX).await;
            SUCCESS
        })
    })?;
    Ok(())
}

fn clock_res_get(mut caller: Caller<'_, HostState>, clock: u32, resolution: u32) -> Result<Errno> {
    if ClockId::try_from(clock).is_err() {
        return Ok(EINVAL);
    }
    let (memory, _) = memory::of(&mut caller)?;
    memory::write(memory, resolution, &nanos(CLOCK_RESOLUTION).to_le_bytes())?;
    Ok(SUCCESS)
}

fn clock_time_get(
    mut caller: Caller<'_, HostState>,
    clock: u32,
    _precision: u64,
    time: u32,
) -> Result<Errno> {
    let Ok(clock) = ClockId::try_from(clock) else {
        return Ok(EINVAL);
    };
    let (memory, state) = memory::of(&mut caller)?;
    let now = nanos(state.wasi.clock.now(clock));
    memory::write(memory, time, &now.to_le_bytes())?;
    Ok(SUCCESS)
}

/// A guest's array of `count` items.
struct Vectors {
    ptr: u32,
    count: u32,
}

impl Vectors {
    /// Returns the address and length of each buffer in an `iovec` array.
    fn buffers(&self, memory: &[u8]) -> Result<Vec<(u32, u32)>> {
        let bytes = memory::slice(memory, self.ptr, self.count.saturating_mul(8))?;
        let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte));
        Ok(bytes.chunks_exact(8).map(|vector| (word(&vector[..4]), word(&vector[4..]))).collect())
    }
}

async fn fd_read(mut caller: Caller<'_, HostState>, fd: u32, vectors: Vectors, read: u32) -> Result<Errno> {
    if fd != STDIN {
        return Ok(EBADF);
    }
    if vectors.count > VECTORS_MAX {
        return Ok(EINVAL);
    }
    let (memory, state) = memory::of(&mut caller)?;
    let mut total = 0;
    for (ptr, len) in vectors.buffers(memory)? {
        let buffer = memory::slice_mut(memory, ptr, len)?;
        let piece = state.wasi.stdin.split_to(buffer.len().min(state.wasi.stdin.len()));
        buffer[..piece.len()].copy_from_slice(&piece);
        total += piece.len();
    }
    memory::write(memory, read, &u32::try_from(total)?.to_le_bytes())?;
    super::yield_after(caller, total).await;
    Ok(SUCCESS)
}

async fn fd_write(
    mut caller: Caller<'_, HostState>,
    fd: u32,
    vectors: Vectors,
    written: u32,
) -> Result<Errno> {
    if vectors.count > VECTORS_MAX {
        return Ok(EINVAL);
    }
    let (memory, state) = memory::of(&mut caller)?;
    let stream = match fd {
        STDOUT => &mut state.wasi.stdout,
        STDERR => &mut state.wasi.stderr,
        _ => return Ok(EBADF),
    };
    let (mut taken, mut kept) = (0_u32, 0);
    for (ptr, len) in vectors.buffers(memory)? {
        kept += stream.push(memory::slice(memory, ptr, len)?);
        taken = taken.saturating_add(len);
    }
    memory::write(memory, written, &taken.to_le_bytes())?;
    super::yield_after(caller, kept).await;
    Ok(SUCCESS)
}

async fn random_get(mut caller: Caller<'_, HostState>, ptr: u32, len: u32) -> Result<Errno> {
    if len > RANDOM_BYTES_MAX {
        return Ok(EINVAL);
    }
    let (memory, state) = memory::of(&mut caller)?;
    let buffer = memory::slice_mut(memory, ptr, len)?;
    match state.wasi.random {
        Random::System => getrandom::fill(buffer).map_err(wasmtime::Error::new)?,
        Random::Fixed => buffer.fill(FIXED_RANDOM_BYTE),
    }
    // Generating a random byte costs far more than copying one.
    super::yield_after(caller, len as usize * 16).await;
    Ok(SUCCESS)
}

/// Sleeps until the earliest of the subscribed timers. Guests cannot wait for anything else.
async fn poll_oneoff(
    mut caller: Caller<'_, HostState>,
    subscriptions: Vectors,
    events: u32,
    written: u32,
) -> Result<Errno> {
    if subscriptions.count == 0 || subscriptions.count > SUBSCRIPTIONS_MAX {
        return Ok(EINVAL);
    }
    let (memory, state) = memory::of(&mut caller)?;
    let bytes = memory::slice(memory, subscriptions.ptr, subscriptions.count * SUBSCRIPTION_BYTES)?;
    let timers =
        bytes.chunks_exact(SUBSCRIPTION_BYTES as usize).map(|bytes| Timer::parse(bytes, &state.wasi.clock));
    let Some(first) = timers.collect::<Option<Vec<_>>>().and_then(|timers| timers.into_iter().min()) else {
        return Ok(ENOTSUP);
    };
    super::yield_after(&mut caller, 0).await;
    // Even a timer of zero duration takes a millisecond.
    if !first.after.is_zero() {
        sleep(first.after).await;
    }
    let mut event = [0; EVENT_BYTES];
    event[..8].copy_from_slice(&first.userdata);
    event[10] = EVENT_TYPE_CLOCK;
    let (memory, _) = memory::of(&mut caller)?;
    memory::write(memory, events, &event)?;
    memory::write(memory, written, &1_u32.to_le_bytes())?;
    Ok(SUCCESS)
}

/// A subscription to a clock.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Timer {
    after: Duration,
    userdata: [u8; 8],
}

impl Timer {
    /// Parses a subscription. Returns `None` if it is not to one of the guest's clocks.
    fn parse(bytes: &[u8], clock: &Clock) -> Option<Self> {
        let field = |at: usize| bytes.get(at..at + 8)?.try_into().ok();
        let flags = u16::from_le_bytes(bytes.get(40..42)?.try_into().ok()?);
        let id = ClockId::try_from(u32::from_le_bytes(bytes.get(16..20)?.try_into().ok()?)).ok()?;
        let time = Duration::from_nanos(u64::from_le_bytes(field(24)?));
        if bytes.get(8) != Some(&EVENT_TYPE_CLOCK) {
            return None;
        }
        let absolute = flags & SUBSCRIPTION_CLOCK_ABSTIME != 0;
        let after = if absolute { time.saturating_sub(clock.now(id)) } else { time };
        Some(Self { after, userdata: field(0)? })
    }
}
