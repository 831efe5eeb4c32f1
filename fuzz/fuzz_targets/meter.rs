//! Modules of any code, as they are and with a meter. With one they do what they do without; they call the host at least
//! every so many instructions, or end when their polling page is closed; and the checker finds no way around the meter.

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

/// Units of the meter's fuel that the host gives at once.
const PORTION: i64 = 100;

/// Instructions between two looks at a guest, by wasmtime's fuel.
const INTERVAL: u64 = 100_000;

/// Looks at a guest that does not call the host until its polling page is closed, and from then until it must have ended.
/// A round may call functions that are long, and is charged as a short one.
const LOOKS_MAX: u64 = 50;

/// Looks at a guest that does call the host, until it is given up.
const LOOKS_IN_ALL_MAX: u64 = 200;

/// What a memory may grow to.
const MEMORY_BYTES_MAX: usize = 1 << 20;

/// Functions of a module that are called.
const CALLED_MAX: usize = 4;

static RUNNER: LazyLock<Runner> = LazyLock::new(|| Runner::new().expect("an engine"));

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Ok(wasm) = modules::module(bytes) else { return Corpus::Reject };
    let metered = fuzzing::metered(&wasm).expect("it has nothing that cannot be metered");
    let faults = fuzzing::faults(&metered).expect("it has what a metered module has");
    assert!(faults.is_empty(), "{faults:?}");

    let engine = &RUNNER.engine;
    let original = Module::new(engine, wasm).expect("it is valid");
    let metered = Module::new(engine, metered).expect("it is valid, too");
    let names = original.exports().filter(|export| export.name().starts_with('f'));
    for name in names.map(|export| export.name().to_owned()).take(CALLED_MAX) {
        compare(engine, &original, &metered, &name);
    }
    Corpus::Keep
});

fn compare(engine: &Engine, original: &Module, metered: &Module, name: &str) {
    let run = |module: &Module, fuel| Guest::new(engine, module).and_then(|guest| guest.run(name, fuel));
    // What the original does in two intervals, it does with a meter in fewer than the looks that are given.
    let expected = run(original, 2 * INTERVAL).expect("it can be instantiated");
    let actual = run(metered, u64::MAX).expect("it can be instantiated");
    match (&expected, &actual) {
        // Frames are of another size.
        (End::Trapped(Trap::StackOverflow), _) | (_, End::Trapped(Trap::StackOverflow)) => {}
        (End::Trapped(Trap::OutOfFuel), _) => {}
        _ => assert_eq!(expected, actual, "{name}"),
    }
}

#[derive(Debug, PartialEq)]
enum End {
    /// Values and globals, and what is in memory.
    Returned(String, u64),
    Trapped(Trap),
    GivenUp,
}

/// What the host knows of a guest.
#[derive(Default)]
struct Host {
    /// Looks since the guest has called the host.
    looks: AtomicU64,
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
        let function = self.instance.get_func(&mut self.store, name).expect("it is exported");
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

    /// `None` if it goes on and on, and calls the host.
    fn watch(&mut self, function: Func, arguments: &[Val], values: &mut [Val]) -> Option<Result<()>> {
        let host = self.store.data().0.clone();
        let memory = self.instance.get_memory(&mut self.store, "memory").expect("it has one");
        let address = memory.data_ptr(&self.store);
        let mut run = pin!(function.call_async(&mut self.store, arguments, values));
        for _ in 0..LOOKS_IN_ALL_MAX {
            if let Poll::Ready(result) = run.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return Some(result);
            }
            let looks = host.looks.fetch_add(1, Ordering::Relaxed) + 1;
            if self.is_metered && looks == LOOKS_MAX {
                RUNNER.close_polling_page(address);
                host.is_over.store(true, Ordering::Relaxed);
            }
            assert!(!self.is_metered || looks < 2 * LOOKS_MAX, "it neither calls the host nor ends");
        }
        None
    }

    fn returned(mut self, values: &[Val]) -> Result<End> {
        let memory = self.instance.get_memory(&mut self.store, "memory").expect("it has one");
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
    host.looks.store(0, Ordering::Relaxed);
    if host.is_over.load(Ordering::Relaxed) {
        bail!(Trap::Interrupt);
    }
    // The original has none.
    if let Some(Extern::Global(fuel)) = caller.get_export("fuel") {
        fuel.set(&mut caller, Val::I64(PORTION))?;
    }
    Ok(())
}

/// What guests may call through the table and what they find there is looked at elsewhere.
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

/// The value of a future that does not wait.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("nothing is waited for"),
    }
}
