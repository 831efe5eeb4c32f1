//! Arbitrary modules, with and without the meter. The metered module must behave like the original. It must call the
//! host after a bounded number of instructions, or end when its polling page is closed. The checker must find no fault.

#![no_main]

mod modules;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use ai_code_executor::fuzzing::{self, Runner};
use libfuzzer_sys::{Corpus, fuzz_target};
use wasmtime::{
    Caller, Engine, Error, Extern, Func, Instance, Linker, Module, Result, Store, StoreLimits,
    StoreLimitsBuilder, Trap, Val, ValType, bail,
};

/// The fuel, in units of the meter, that the host gives at once.
const PORTION: i64 = 100;

/// The number of instructions between two checks of a guest, measured by wasmtime's fuel.
const INTERVAL: u64 = 100_000;

/// The checks of a guest that does not call the host, until its polling page is closed; and again as many, until it
/// must have ended. Many are needed, because an iteration may call long functions but is charged like a short one.
const CHECKS_MAX: u64 = 50;

/// The checks of a guest that calls the host, until it is given up.
const CHECKS_IN_ALL_MAX: u64 = 200;

/// The size up to which a memory may grow.
const MEMORY_BYTES_MAX: usize = 1 << 20;

/// The most functions of a module that are called.
const CALLED_MAX: usize = 4;

static RUNNER: LazyLock<Runner> = LazyLock::new(|| Runner::new().expect("an engine"));

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Ok(wasm) = modules::module(bytes) else { return Corpus::Reject };
    let metered = fuzzing::metered(&wasm).expect("the module can be metered");
    let faults = fuzzing::faults(&metered).expect("the module can be checked");
    assert!(faults.is_empty(), "{faults:?}");

    let engine = &RUNNER.engine;
    let original = Module::new(engine, wasm).expect("the original is valid");
    let metered = Module::new(engine, metered).expect("the metered module is valid");
    let names = original.exports().filter(|export| export.name().starts_with('f'));
    for name in names.map(|export| export.name().to_owned()).take(CALLED_MAX) {
        compare(engine, &original, &metered, &name);
    }
    Corpus::Keep
});

fn compare(engine: &Engine, original: &Module, metered: &Module, name: &str) {
    let run = |module: &Module, fuel| Guest::new(engine, module).and_then(|guest| guest.run(name, fuel));
    // The metered module needs fewer checks than it gets for what the original does in two intervals.
    let expected = run(original, 2 * INTERVAL).expect("the module can be instantiated");
    let actual = run(metered, u64::MAX).expect("the module can be instantiated");
    match (&expected, &actual) {
        // The sizes of stack frames differ.
        (End::Trapped(Trap::StackOverflow), _) | (_, End::Trapped(Trap::StackOverflow)) => {}
        (End::Trapped(Trap::OutOfFuel), _) => {}
        _ => assert_eq!(expected, actual, "{name}"),
    }
}

#[derive(Debug, PartialEq)]
enum End {
    /// The values and globals as text, and a hash of memory.
    Returned(String, u64),
    Trapped(Trap),
    GivenUp,
}

/// The host's state of a guest.
#[derive(Default)]
struct Host {
    /// Checks since the guest last called the host.
    checks: AtomicU64,
    is_over: AtomicBool,
}

struct Guest {
    store: Store<(Arc<Host>, StoreLimits)>,
    instance: Instance,
    is_metered: bool,
}

impl Guest {
    fn new(engine: &Engine, module: &Module) -> Result<Self> {
        let limits = StoreLimitsBuilder::new().memory_size(MEMORY_BYTES_MAX).build();
        let mut store = Store::new(engine, (Arc::default(), limits));
        store.limiter(|data| &mut data.1);
        store.set_fuel(u64::MAX)?;
        let mut linker = Linker::new(engine);
        linker.func_wrap("executor", "refuel", refuel)?;
        let instance = ready(linker.instantiate_async(&mut store, module))?;
        let is_metered = instance.get_global(&mut store, "fuel").is_some();
        Ok(Self { store, instance, is_metered })
    }

    fn run(mut self, name: &str, fuel: u64) -> Result<End> {
        self.store.set_fuel(fuel)?;
        self.store.fuel_async_yield_interval(Some(INTERVAL))?;
        let function = self.instance.get_func(&mut self.store, name).expect("the function is exported");
        let ty = function.ty(&self.store);
        let arguments: Vec<Val> = ty.params().zip(1..).map(|(ty, number)| argument(&ty, number)).collect();
        let mut values: Vec<Val> = ty.results().map(|ty| argument(&ty, 0)).collect();
        let result = self.watch(function, &arguments, &mut values);
        match result {
            None => Ok(End::GivenUp),
            Some(Ok(())) => self.returned(&values),
            Some(Err(error)) => Ok(trapped(&error)),
        }
    }

    /// Runs a function. Returns `None` if it calls the host and is given up.
    fn watch(&mut self, function: Func, arguments: &[Val], values: &mut [Val]) -> Option<Result<()>> {
        let host = self.store.data().0.clone();
        let memory = self.instance.get_memory(&mut self.store, "memory").expect("the module has a memory");
        let address = memory.data_ptr(&self.store);
        let mut run = pin!(function.call_async(&mut self.store, arguments, values));
        for _ in 0..CHECKS_IN_ALL_MAX {
            if let Poll::Ready(result) = run.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return Some(result);
            }
            let checks = host.checks.fetch_add(1, Ordering::Relaxed) + 1;
            if self.is_metered && checks == CHECKS_MAX {
                RUNNER.close_polling_page(address);
                host.is_over.store(true, Ordering::Relaxed);
            }
            assert!(!self.is_metered || checks < 2 * CHECKS_MAX, "it neither calls the host nor ends");
        }
        None
    }

    fn returned(mut self, values: &[Val]) -> Result<End> {
        let memory = self.instance.get_memory(&mut self.store, "memory").expect("the module has a memory");
        let globals: Vec<_> = self
            .instance
            .exports(&mut self.store)
            .filter(|export| export.name().starts_with('g'))
            .filter_map(|export| export.into_global())
            .collect();
        let globals: Vec<Val> = globals.iter().map(|global| global.get(&mut self.store)).collect();
        let mut hasher = DefaultHasher::new();
        memory.data(&self.store).hash(&mut hasher);
        Ok(End::Returned(format!("{values:?} {globals:?}"), hasher.finish()))
    }
}

fn refuel(mut caller: Caller<'_, (Arc<Host>, StoreLimits)>) -> Result<()> {
    let host = &caller.data().0;
    host.checks.store(0, Ordering::Relaxed);
    if host.is_over.load(Ordering::Relaxed) {
        bail!(Trap::Interrupt);
    }
    // The original has no counter.
    if let Some(Extern::Global(fuel)) = caller.get_export("fuel") {
        fuel.set(&mut caller, Val::I64(PORTION))?;
    }
    Ok(())
}

/// Converts an error. The traps of calls through the table become one: the metered module has no table, and other tests
/// compare such calls.
fn trapped(error: &Error) -> End {
    match error.downcast_ref() {
        Some(Trap::TableOutOfBounds | Trap::IndirectCallToNull | Trap::BadSignature) => {
            End::Trapped(Trap::UnreachableCodeReached)
        }
        Some(trap) => End::Trapped(*trap),
        None => panic!("{error:?}"),
    }
}

fn argument(ty: &ValType, number: u64) -> Val {
    let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    match ty {
        ValType::I32 => Val::I32(number as i32),
        ValType::I64 => Val::I64(number as i64),
        ValType::F32 => Val::F32((number as f32).to_bits()),
        ValType::F64 => Val::F64((number as f64).to_bits()),
        ValType::V128 => Val::V128(u128::from(number).into()),
        ValType::Ref(_) => unreachable!("there are no references"),
    }
}

/// Returns the value of a future that does not wait.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the future does not wait"),
    }
}
