//! How WebAssembly is compiled and where its memories and stacks come from. One engine per image, for the process.

use std::sync::Arc;

use wasmtime::{Config, Engine, WasmFeatures};

use crate::error::Error;
use crate::memory::{LAYOUT, Memories, Stacks};

/// The guest's own stack. CPython's recursion limits are reached long before its end; what gets past them traps here.
const WASM_STACK_BYTES_MAX: usize = 8 << 20;

/// What host functions may use beyond the guest's stack, on the same fiber. Too little of it aborts the process.
const HOST_STACK_BYTES: usize = 2 << 20;

/// The engine that starts the interpreter once, in memory that is zero at first.
pub(crate) fn blank() -> Result<Engine, Error> {
    engine(config(), Memories::blank())
}

/// The engine that runs executions: compiled code of one fits the other.
pub(crate) fn runner(memories: Memories) -> Result<Engine, Error> {
    let mut config = config();
    config.with_host_stack(Arc::new(Stacks::default()));
    engine(config, memories)
}

/// For fuzzing: what guests do is counted, too, and the same on each machine.
#[cfg(fuzzing)]
pub(crate) fn counting(memories: Memories) -> Result<Engine, Error> {
    let mut config = config();
    config.consume_fuel(true).cranelift_nan_canonicalization(true);
    config.with_host_stack(Arc::new(Stacks::default()));
    engine(config, memories)
}

fn engine(mut config: Config, memories: Memories) -> Result<Engine, Error> {
    config.with_host_memory(Arc::new(memories));
    Engine::new(&config).map_err(|error| Error::image("starting the engine").caused_by(error))
}

fn config() -> Config {
    let mut config = Config::new();
    // Each of these is code that no guest needs and that an attacker could reach. The cargo features stay in: builds
    // without them have had bugs of their own.
    config
        .wasm_threads(false)
        .wasm_shared_everything_threads(false)
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_exceptions(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_relaxed_simd(false)
        .wasm_stack_switching(false)
        // Compiled into tests alone, for their wasmtime-wasi: so that they share cached code with the binary.
        .wasm_features(WasmFeatures::COMPONENT_MODEL, false)
        .shared_memory(false)
        .max_wasm_stack(WASM_STACK_BYTES_MAX)
        .async_stack_size(WASM_STACK_BYTES_MAX + HOST_STACK_BYTES)
        .async_stack_zeroing(true)
        .wasm_backtrace_max_frames(None)
        // Nobody reads them: traps have a table of their own, and panics do not pass through guests.
        .generate_address_map(false)
        .native_unwind_info(false)
        .memory_reservation(LAYOUT.memory_bytes as u64)
        .memory_guard_size(LAYOUT.guard_bytes as u64)
        .memory_may_move(false)
        .wasm_branch_hinting(true);
    config
}
