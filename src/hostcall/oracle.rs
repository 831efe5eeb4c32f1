//! wasmtime-wasi's preview 1 in place of [`super::wasi`], for tests that compare the two implementations. It has its
//! own streams, no preopened directories, no arguments and no environment. Module `executor` stays ours.

#![allow(clippy::unwrap_used)]

mod calls;
mod compare;
mod memory;
mod reasons;
mod streams;

use std::time::Duration;

use wasmtime::{Engine, Linker, Result};
use wasmtime_wasi::p1::{WasiP1Ctx, add_to_linker_async};
use wasmtime_wasi::p2::pipe::{MemoryInputPipe, MemoryOutputPipe};
use wasmtime_wasi::{Deterministic, HostMonotonicClock, HostWallClock, WasiCtxBuilder};

use super::HostState;
use super::clock::{CLOCK_RESOLUTION, Clock, ClockId, nanos};
use super::wasi::{FIXED_RANDOM_BYTE, Random, Wasi};

/// wasmtime-wasi's state of one guest, and the guest's output.
pub(super) struct Oracle {
    context: WasiP1Ctx,
    stdout: MemoryOutputPipe,
    stderr: MemoryOutputPipe,
}

/// Returns what [`super::linker`] does, with wasmtime-wasi's functions for WASI.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<HostState>> {
    let mut linker = super::linker(engine)?;
    linker.allow_shadowing(true);
    add_to_linker_async(&mut linker, |state: &mut HostState| {
        &mut state.oracle.get_or_insert_with(|| Oracle::new(&mut state.wasi)).context
    })?;
    Ok(linker)
}

impl HostState {
    /// Moves the guest's output to where our own functions would have put it.
    pub(super) fn take_from_oracle(&mut self) {
        if let Some(oracle) = self.oracle.take() {
            self.wasi.stdout.push(&oracle.stdout.contents());
            self.wasi.stderr.push(&oracle.stderr.contents());
        }
    }
}

impl Oracle {
    /// Takes standard input from `wasi`. Clocks are stopped and random numbers are fixed if they are in `wasi`.
    fn new(wasi: &mut Wasi) -> Self {
        let [stdout, stderr] = [(); 2].map(|()| MemoryOutputPipe::new(usize::MAX));
        let mut builder = WasiCtxBuilder::new();
        builder.stdin(MemoryInputPipe::new(std::mem::take(&mut wasi.stdin)));
        builder.stdout(stdout.clone()).stderr(stderr.clone());
        if matches!(wasi.clock, Clock::Stopped) {
            builder.wall_clock(Stopped).monotonic_clock(Stopped);
        }
        if matches!(wasi.random, Random::Fixed) {
            builder.secure_random(Deterministic::new(vec![FIXED_RANDOM_BYTE]));
        }
        Self { context: builder.build_p1(), stdout, stderr }
    }
}

struct Stopped;

impl HostWallClock for Stopped {
    fn resolution(&self) -> Duration {
        CLOCK_RESOLUTION
    }

    fn now(&self) -> Duration {
        Clock::Stopped.now(ClockId::Realtime)
    }
}

impl HostMonotonicClock for Stopped {
    fn resolution(&self) -> u64 {
        nanos(CLOCK_RESOLUTION)
    }

    fn now(&self) -> u64 {
        nanos(Clock::Stopped.now(ClockId::Monotonic))
    }
}
