//! Small modules with a meter: all code that repeats is charged, and the modules' behaviour does not change.

mod charges;
mod endless;
mod unchanged;

use std::path::PathBuf;

use wasmtime::{Caller, Extern, Instance, Linker, Module, Result, Store, Val, bail};

use super::super::memory::Memories;
use super::check::check;
use super::{FUEL, SOURCE, add};
use crate::image::engine;

/// The beginning of each test module.
const PRELUDE: &str = r#"
    (import "executor" "refuel" (func $host_refuel))
    (func (export "refuel") (call $host_refuel))
    (memory (export "memory") 1)
    (global (mut i32) (i32.const 0))
"#;

struct Host {
    portion: i64,
    /// The remaining portions.
    portions: u32,
    given: i64,
}

fn left(caller: &mut Caller<'_, Host>) -> i64 {
    let Some(Extern::Global(counter)) = caller.get_export(FUEL) else { panic!("the module has a counter") };
    counter.get(&mut *caller).unwrap_i64()
}

fn refuel(mut caller: Caller<'_, Host>) -> Result<()> {
    let left = left(&mut caller);
    let host = caller.data_mut();
    if host.portions == 0 {
        bail!("no more");
    }
    host.portions -= 1;
    host.given += host.portion - left;
    let portion = Val::I64(host.portion);
    let Some(Extern::Global(counter)) = caller.get_export(FUEL) else { panic!("the module has a counter") };
    counter.set(caller, portion)
}

/// Returns an instance of a module, in an engine with the configuration of executions.
fn instantiate(wat: &str, portion: i64, portions: u32) -> Result<(Store<Host>, Instance, Memories)> {
    let wasm = wat::parse_str(format!("(module {PRELUDE} {wat})"))?;
    let memories = Memories::blank();
    let engine = engine::runner(memories.clone())?;
    let metered = add(&wasm)?;
    assert_eq!(check(&metered)?.faults, [""; 0], "{wat}");
    let module = Module::new(&engine, metered)?;
    let mut linker = Linker::new(&engine);
    linker.func_wrap("executor", "refuel", refuel)?;
    let mut store = Store::new(&engine, Host { portion, portions, given: portion });
    let instance = linker.instantiate(&mut store, &module)?;
    let counter = instance.get_global(&mut store, FUEL).unwrap();
    counter.set(&mut store, Val::I64(portion))?;
    Ok((store, instance, memories))
}

/// Calls `run(argument)` of a module. Returns its value and the burned fuel.
fn run(wat: &str, argument: i64, portion: i64, portions: u32) -> Result<(i64, i64)> {
    let (mut store, instance, _) = instantiate(wat, portion, portions)?;
    let run = instance.get_typed_func::<i64, i64>(&mut store, "run")?;
    let value = run.call(&mut store, argument)?;
    let left = instance.get_global(&mut store, FUEL).unwrap().get(&mut store).unwrap_i64();
    let burned = store.data().given - left;
    Ok((value, burned))
}

/// Returns the fuel that `run(argument)` burns, with one portion that is large enough.
fn burned(wat: &str, argument: i64) -> i64 {
    run(wat, argument, i64::MAX, 0).unwrap().1
}

#[test]
fn modules_that_cannot_be_metered_are_refused() {
    let memory_init = "(memory 1) (data \"x\") (func (export \"refuel\"))
        (func (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 1)))";
    let cases = [
        ("(func (export \"run\"))", "the module exports no function \"refuel\""),
        ("(memory 1 16) (func (export \"refuel\"))", "the memory has a maximum"),
        (memory_init, "not metered"),
        ("(func (export \"refuel\") (loop (br 0)))", "does more than call the host"),
        ("(func (export \"refuel\"))", "the module has no Global section"),
    ];
    for (wat, why) in cases {
        let error = add(&wat::parse_str(format!("(module {wat})")).unwrap()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

/// Compiled code is cached under a digest of these files.
#[test]
fn the_cache_key_covers_all_of_the_meters_sources() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/src/meter");
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let makes_code =
        |path: &PathBuf| path.is_file() && !path.ends_with("check.rs") && !path.ends_with("tests.rs");
    let files: Vec<_> = files.filter(makes_code).collect();
    for path in &files {
        let text = std::fs::read_to_string(path).unwrap();
        assert!(SOURCE.contains(&text.as_str()), "{}", path.display());
    }
    assert_eq!(SOURCE.len(), files.len() + 1, "and meter.rs");
}
