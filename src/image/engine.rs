//! How WebAssembly is compiled and where its memories and stacks come from. One engine per image, for the process.

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OperatorCost, OptLevel, PoolingAllocationConfig,
};

use crate::error::Error;

/// The guest's own stack. CPython's recursion limits are reached long before its end; what gets past them traps here.
const WASM_STACK_BYTES_MAX: usize = 8 << 20;

/// What host functions may use beyond the guest's stack, on the same fiber. Too little of it aborts the process.
const HOST_STACK_BYTES: usize = 2 << 20;

/// Linear memory kept resident in a slot between two executions: resetting pages is cheaper than faulting them in.
const KEEP_RESIDENT_BYTES: usize = 32 << 20;

/// The engine that runs images, at most `slots` of them at a time.
pub(super) fn engine(slots: u32) -> Result<Engine, Error> {
    Engine::new(&metered(slots)).map_err(|error| {
        Error::Image(format!("reserving address space for {slots} concurrent executions: {error:#}"))
    })
}

/// The engine that starts an interpreter once to take its snapshot: compiled fast, not to be fast.
pub(super) fn snapshot_engine() -> Result<Engine, Error> {
    let mut config = base();
    config.cranelift_opt_level(OptLevel::None);
    Engine::new(&config).map_err(|error| Error::Image(format!("snapshot engine: {error:#}")))
}

fn base() -> Config {
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
        .wasm_tail_call(false)
        .wasm_relaxed_simd(false)
        .wasm_stack_switching(false)
        .shared_memory(false)
        .max_wasm_stack(WASM_STACK_BYTES_MAX)
        .async_stack_size(WASM_STACK_BYTES_MAX + HOST_STACK_BYTES)
        .wasm_backtrace_max_frames(None);
    config
}

fn metered(slots: u32) -> Config {
    let mut cost = OperatorCost::default();
    // A page that is new must be faulted in and zeroed by the host.
    cost.variable.memory_grow_per_page = u8::MAX;
    let mut config = base();
    config
        .consume_fuel(true)
        .operator_cost(cost)
        .async_stack_zeroing(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(slots)));
    config
}

fn pool(slots: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(slots)
        .total_memories(slots)
        .total_tables(slots)
        .total_stacks(slots)
        .total_gc_heaps(0)
        .max_memories_per_module(1)
        .max_tables_per_module(1)
        .table_elements(64 << 10)
        .max_unused_warm_slots(slots)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(1 << 20)
        .async_stack_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto);
    pool
}
