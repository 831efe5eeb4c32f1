//! Configures wasmtime: how WebAssembly is compiled, and where memories and stacks come from.

use std::sync::Arc;

use wasmtime::{Config, Engine, WasmFeatures};

use crate::error::Error;
use crate::memory::{LAYOUT, Memories, Stacks};

/// The size of the guest's stack. CPython reaches its own recursion limits long before. Recursion that CPython does not
/// count traps at the end of the stack.
const WASM_STACK_BYTES_MAX: usize = 8 << 20;

/// The stack that host functions may use in addition, on the same fiber. If they run out of it, the process aborts.
const HOST_STACK_BYTES: usize = 2 << 20;

/// Returns the engine that starts the interpreter to make an image. Its memories are zero at first.
///
/// # Errors
///
/// [`Error::Image`] if wasmtime refuses the configuration.
pub(crate) fn blank() -> Result<Engine, Error> {
    engine(config(), Memories::blank())
}

/// Returns the engine that runs executions. Code that one of the two engines has compiled runs in the other.
///
/// # Errors
///
/// As [`blank`].
pub(crate) fn runner(memories: Memories) -> Result<Engine, Error> {
    let mut config = config();
    config.with_host_stack(Arc::new(Stacks::default()));
    engine(config, memories)
}

/// Returns an engine for fuzzing, which also counts wasmtime's own fuel, and gives the same results on each machine.
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
    // No guest needs these features, and each is code that an attacker could reach. The cargo features stay enabled,
    // because builds without them have had bugs of their own.
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
        // Only test builds contain it, for wasmtime-wasi. Disabled, so that tests and the binary share cached code.
        .wasm_features(WasmFeatures::COMPONENT_MODEL, false)
        .shared_memory(false)
        .max_wasm_stack(WASM_STACK_BYTES_MAX)
        .async_stack_size(WASM_STACK_BYTES_MAX + HOST_STACK_BYTES)
        .async_stack_zeroing(true)
        .wasm_backtrace_max_frames(None)
        // Nothing reads these tables: traps have their own, and panics do not unwind through guests.
        .generate_address_map(false)
        .native_unwind_info(false)
        .memory_reservation(LAYOUT.memory_bytes as u64)
        .memory_guard_size(LAYOUT.guard_bytes as u64)
        .memory_may_move(false)
        .wasm_branch_hinting(true);
    config
}
