//! Small modules with a meter: all code that repeats is charged, and the modules' behaviour does not change.

use std::time::Duration;

use wasmtime::{Caller, Extern, Instance, Linker, Module, Result, Store, Trap, Val, bail};

use super::super::memory::Memories;
use super::check::check;
use super::{FUEL, add};
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

/// Programs that never end, each for another reason.
const ENDLESS: [(&str, &str); 21] = [
    ("a loop that calls", "(func $nop) (func (export \"run\") (param i64) (result i64) (loop (call $nop) (br 0)) (i64.const 0))"),
    (
        "a loop in a loop",
        "(func (export \"run\") (param i64) (result i64)
           (loop (local.set 0 (i64.const 9))
             (loop (local.set 0 (i64.sub (local.get 0) (i64.const 1))) (br_if 0 (i64.ne (local.get 0) (i64.const 0))))
             (br 0))
           (i64.const 0))",
    ),
    (
        "tail calls of itself",
        "(func $run (export \"run\") (param i64) (result i64) (return_call $run (local.get 0)))",
    ),
    (
        "tail calls of each other",
        "(func $even (export \"run\") (param i64) (result i64) (return_call $odd (local.get 0)))
         (func $odd (param i64) (result i64) (return_call $even (local.get 0)))",
    ),
    (
        "tail calls through a table",
        "(type $t (func (param i64) (result i64))) (table funcref (elem $run))
         (func $run (export \"run\") (type $t) (return_call_indirect (type $t) (local.get 0) (i32.const 0)))",
    ),
    (
        "tail calls with more arguments than registers",
        "(func (export \"run\") (param i64) (result i64)
           (return_call $many (local.get 0) (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6)))
         (func $many (param i64 i64 i64 i64 i64 i64 i64) (result i64)
           (return_call $many (local.get 6) (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5)))",
    ),
    (
        "copying",
        "(func (export \"run\") (param i64) (result i64)
           (loop (memory.copy (i32.const 0) (i32.const 1) (i32.const 65535)) (br 0)) (i64.const 0))",
    ),
    (
        "a tail call of a function that loops to it",
        "(func $run (export \"run\") (param i64) (result i64) (return_call $looping (local.get 0)))
         (func $looping (param i64) (result i64)
           (loop $l (br_if $l (i64.eqz (local.get 0)))) (return_call $run (i64.const 1)))",
    ),
    (
        "calls that return, by a chain that is called in a loop",
        "(func $a (result i64) (i64.add (call $b) (call $b))) (func $b (result i64) (i64.add (call $c) (call $c)))
         (func $c (result i64) (i64.const 1))
         (func (export \"run\") (param i64) (result i64) (loop (drop (call $a)) (br 0)) (i64.const 0))",
    ),
    (
        "a loop that might return",
        "(func (export \"run\") (param i64) (result i64)
           (loop $l (drop (br_if 1 (i64.const 7) (i32.const 0))) (br $l)) (unreachable))",
    ),
    (
        "a loop that might return, by a table",
        "(func $f (loop $l (br_table $l 1 (i32.const 0))))
         (func (export \"run\") (param i64) (result i64) (call $f) (i64.const 0))",
    ),
    (
        "a loop in which memory is copied",
        "(func (export \"run\") (param i64) (result i64)
           (loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 9)) (br 0)) (i64.const 0))",
    ),
    (
        "a loop that asks for more memory than there is",
        "(func (export \"run\") (param i64) (result i64)
           (loop (if (i32.ne (memory.grow (i32.const 65536)) (i32.const -1)) (then (unreachable))) (br 0)) (i64.const 0))",
    ),
    (
        "two functions in a table that call each other",
        "(type $t (func (param i64) (result i64))) (table funcref (elem $a $b))
         (func $a (export \"run\") (type $t) (return_call_indirect (type $t) (local.get 0) (i32.const 1)))
         (func $b (type $t) (return_call $a (local.get 0)))",
    ),
    (
        "a loop that calls, with a condition and values left on the stack",
        "(func $one (result i64) (i64.const 1))
         (func (export \"run\") (param i64) (result i64)
           (loop $l (result i64) (i64.const 5) (br_if $l (i64.eq (call $one) (i64.const 1)))))",
    ),
    (
        "a loop that calls, by a table",
        "(func $nop)
         (func (export \"run\") (param i64) (result i64)
           (loop $l (call $nop) (block $b (br_table $b $l (i32.const 1)))) (i64.const 0))",
    ),
    (
        "a loop that calls and has a parameter",
        "(func $nop)
         (func (export \"run\") (param i64) (result i64)
           (local.get 0) (loop $l (param i64) (result i64) (call $nop) (br $l)))",
    ),
    (
        "a loop that repeats from inside of another",
        "(func (export \"run\") (param i64) (result i64)
           (loop $outer (loop $inner (br_if $outer (i64.ne (local.get 0) (i64.const 0))) (br $inner))) (i64.const 0))",
    ),
    (
        "a call through a table in an inner loop",
        "(type $t (func)) (table funcref (elem $nop)) (func $nop)
         (func (export \"run\") (param i64) (result i64)
           (loop $outer (loop $inner (call_indirect (type $t) (i32.const 0)) (br_if $inner (i32.const 0))) (br $outer))
           (i64.const 0))",
    ),
    (
        "a loop that repeats in the first operator of another",
        "(func (export \"run\") (param i64) (result i64)
           (loop $outer (i32.const 1) (loop $inner (param i32) (br_if $outer))) (i64.const 0))",
    ),
    (
        "a loop that also repeats in unreachable code",
        "(func $nop)
         (func (export \"run\") (param i64) (result i64)
           (loop $l (call $nop) (br $l) (br_if $l (i32.const 0)) (br $l)) (i64.const 0))",
    ),
];

#[test]
fn code_that_repeats_runs_out_of_fuel() {
    for (name, wat) in ENDLESS {
        let error = run(wat, 1, 1000, 3).unwrap_err();
        assert_eq!(error.root_cause().to_string(), "no more", "{name}: {error:?}");
    }
}

#[test]
fn recursion_is_charged_before_the_stack_ends() {
    let direct = "(func $run (export \"run\") (param i64) (result i64)
        (i64.add (call $run (local.get 0)) (i64.const 1)))";
    let mutual =
        "(func $a (export \"run\") (param i64) (result i64) (i64.add (call $b (local.get 0)) (i64.const 1)))
        (func $b (param i64) (result i64) (i64.add (call $a (local.get 0)) (i64.const 1)))";
    let through_a_table = "(type $t (func (param i64) (result i64))) (table funcref (elem $run))
        (func $run (export \"run\") (type $t)
          (i64.add (call_indirect (type $t) (local.get 0) (i32.const 0)) (i64.const 1)))";
    for wat in [direct, mutual, through_a_table] {
        let error = run(wat, 1, 100, 3).unwrap_err();
        assert_eq!(error.root_cause().to_string(), "no more", "{wat}: {error:?}");
    }
}

/// The count of a loop is charged before the function is called again.
#[test]
fn loops_that_call_nothing_are_charged_before_their_function_recurs() {
    let wat = "(func $run (export \"run\") (param i64) (result i64) (local $round i64)
        (local.set $round (i64.const 100000))
        (loop $l
          (local.set $round (i64.sub (local.get $round) (i64.const 1)))
          (br_if $l (i64.gt_s (local.get $round) (i64.const 0))))
        (i64.add (call $run (local.get 0)) (i64.const 1)))";
    let error = run(wat, 1, 1_000_000, 3).unwrap_err();
    assert_eq!(error.root_cause().to_string(), "no more", "{error:?}");
}

/// Loops that never end and call nothing.
const ENDLESS_LOOPS: [&str; 7] = [
    "(loop (br 0))",
    "(loop $l (local.set 0 (i64.load (i32.const 8))) (br $l))",
    "(loop $l (i64.store (i32.const 8) (local.get 0)) (br $l))",
    "(loop $l (br_if $l (i32.const 1)))",
    "(loop $l (block $b (br_table $l $b (i32.const 0))))",
    // The second and the third loop must read again, instead of reusing what the first one has read.
    "(block $b (loop $l (br_if $b (i64.ne (local.get 0) (i64.const 0))) (br $l)))
     (block $b (loop $l (br_if $b (i64.ne (local.get 0) (i64.const 0))) (br $l)))
     (loop $l (br_if $l (i64.ne (local.get 0) (i64.const 0))))",
    "(if (i64.ne (local.get 0) (i64.const 0))
       (then (loop $l (local.set 0 (i64.add (local.get 0) (i64.const 1))) (br $l)))
       (else (loop $l (local.set 0 (i64.sub (local.get 0) (i64.const 1))) (br $l))))",
];

#[test]
fn a_loop_that_calls_nothing_traps_when_its_page_is_closed() {
    for endless in ENDLESS_LOOPS {
        let wat = format!("(func (export \"run\") (param i64) (result i64) {endless} (i64.const 0))");
        let (mut store, instance, memories) = instantiate(&wat, 1000, 0).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        let page = memories.polling_pages().of(memory.data_ptr(&store)).unwrap();
        let closing = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            page.close().unwrap();
        });
        let run = instance.get_typed_func::<i64, i64>(&mut store, "run").unwrap();
        let error = run.call(&mut store, 1).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Trap::MemoryOutOfBounds), "{endless}: {error:?}");
        closing.join().unwrap();
    }
}

/// More fuel than 32 bits can count.
#[test]
fn a_loop_that_calls_nothing_may_run_long() {
    let wat = "(func (export \"run\") (param i64) (result i64)
        (loop $l (local.set 0 (i64.sub (local.get 0) (i64.const 1))) (br_if $l (i64.gt_s (local.get 0) (i64.const 0))))
        (local.get 0))";
    let (few, many) = (burned(wat, 1), burned(wat, 500_000_001));
    assert_eq!(many - few, few * 500_000_000);
    assert!(many > i64::from(u32::MAX), "{many}");
}

/// Programs that count down from their argument. Each leaves the loop in another way.
const WAYS_OUT: [&str; 6] = [
    "(block $out (loop $l (br_if $out (i64.eqz (local.get 0))) (local.set 0 (i64.sub (local.get 0) (i64.const 1))) (br $l))) (i64.const 7)",
    "(loop $l (if (i64.eqz (local.get 0)) (then (return (i64.const 7)))) (local.set 0 (i64.sub (local.get 0) (i64.const 1))) (br $l)) (unreachable)",
    "(loop $l (if (i64.eqz (local.get 0)) (then (return_call $seven))) (local.set 0 (i64.sub (local.get 0) (i64.const 1))) (br $l)) (unreachable)",
    "(loop $l (drop (br_if 1 (i64.const 7) (i64.eqz (local.get 0)))) (local.set 0 (i64.sub (local.get 0) (i64.const 1))) (br $l)) (unreachable)",
    "(loop $l (local.set 0 (i64.sub (local.get 0) (i64.const 1))) (br_if $l (i64.gt_s (local.get 0) (i64.const 0)))) (br 0 (i64.const 7))",
    "(loop $l (local.set 0 (i64.sub (local.get 0) (i64.const 1))) (br_if $l (i64.gt_s (local.get 0) (i64.const 0)))) (br_table 0 0 (i64.const 7) (i32.const 0))",
];

#[test]
fn iterations_are_charged_however_a_loop_is_left() {
    for way in WAYS_OUT {
        let wat = format!(
            "(func $seven (result i64) (i64.const 7)) (func (export \"run\") (param i64) (result i64) {way})"
        );
        assert_eq!(run(&wat, 100, i64::MAX, 0).unwrap().0, 7, "{way}");
        let (few, many) = (burned(&wat, 100), burned(&wat, 10_100));
        assert!((40_000..150_000).contains(&(many - few)), "{way}: {}", many - few);
    }
}

#[test]
fn copied_filled_and_grown_memory_is_charged_by_its_size() {
    let grown = "(drop (memory.grow (i32.const 100)))";
    let cases = [
        ("(memory.fill (i32.const 0) (i32.const 1) (i32.wrap_i64 (local.get 0)))", 8000, 1000),
        ("(memory.copy (i32.const 0) (i32.const 8) (i32.wrap_i64 (local.get 0)))", 8000, 1000),
        ("(memory.fill (i32.const 0) (i32.const 1) (i32.wrap_i64 (local.get 0)))", 4_000_000, 500_000),
        ("(memory.copy (i32.const 0) (i32.const 8) (i32.wrap_i64 (local.get 0)))", 4_000_000, 500_000),
        ("(drop (memory.grow (i32.wrap_i64 (local.get 0))))", 10, 2560),
    ];
    for (operation, size, fuel) in cases {
        let wat =
            format!("(func (export \"run\") (param i64) (result i64) {grown} {operation} (local.get 0))");
        let burned = |size| run(&wat, size, 1 << 40, u32::MAX).unwrap().1;
        assert_eq!(burned(size) - burned(0), fuel, "{operation}");
    }
}

/// Copies a little more than four pieces of memory, with a different number in each word.
#[test]
fn copying_in_pieces_gives_the_same_as_copying_at_once() {
    let wat = "
      (func $word (param i32) (result i32) (i32.add (i32.mul (local.get 0) (i32.const 7)) (i32.const 3)))
      (func $copied (param $to i32) (param $from i32) (param $length i32) (result i64) (local $n i32)
        (loop $l
          (i32.store (local.get $n) (call $word (local.get $n)))
          (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 4))) (i32.const 6000000))))
        (memory.copy (local.get $to) (local.get $from) (local.get $length))
        (local.set $n (i32.const 0))
        (loop $l
          (if (i32.ne (i32.load (i32.add (local.get $to) (local.get $n)))
                      (call $word (i32.add (local.get $from) (local.get $n))))
            (then (return (i64.extend_i32_u (local.get $n)))))
          (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 4))) (local.get $length))))
        (i64.const -1))
      (func (export \"run\") (param i64) (result i64)
        (drop (memory.grow (i32.const 100)))
        (if (i64.eqz (local.get 0)) (then (return (call $copied (i32.const 400) (i32.const 0) (i32.const 4300000)))))
        (if (i64.eq (local.get 0) (i64.const 1)) (then (return (call $copied (i32.const 0) (i32.const 400) (i32.const 4300000)))))
        (if (i64.eq (local.get 0) (i64.const 2)) (then (return (call $copied (i32.const 1500000) (i32.const 0) (i32.const 3000000)))))
        (if (i64.eq (local.get 0) (i64.const 3)) (then (return (call $copied (i32.const 8) (i32.const 8) (i32.const 2097152)))))
        (call $copied (i32.const 4194304) (i32.const 0) (i32.const 1048576)))";
    for case in 0..5 {
        assert_eq!(run(wat, case, 1 << 40, u32::MAX).unwrap().0, -1, "{case}");
    }
}

#[test]
fn copies_and_fills_outside_of_memory_trap() {
    let outside = [
        "(memory.fill (i32.const 0) (i32.const 1) (i32.const -1))",
        "(memory.fill (i32.const 65537) (i32.const 1) (i32.const 0))",
        "(memory.fill (i32.const 65536) (i32.const 1) (i32.const 1))",
        // For native code, the polling page is outside of memory.
        "(memory.fill (i32.const -65536) (i32.const 1) (i32.const 1))",
        "(memory.copy (i32.const 0) (i32.const -65536) (i32.const 1))",
        "(memory.copy (i32.const -65536) (i32.const 0) (i32.const 1))",
        "(memory.copy (i32.const 0) (i32.const 1) (i32.const -1))",
        "(memory.copy (i32.const 1) (i32.const 0) (i32.const -1))",
        "(i64.store (i32.const -65536) (i64.const 1))",
    ];
    for operation in outside {
        let wat = format!("(func (export \"run\") (param i64) (result i64) {operation} (local.get 0))");
        let error = run(&wat, 1, 1 << 40, u32::MAX).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Trap::MemoryOutOfBounds), "{operation}: {error:?}");
    }
}

/// Programs that add up the numbers to their argument: with tail calls, with calls, with nested loops, and with loops
/// that call, through a table and directly.
const SUMS: [&str; 6] = [
    "(func (export \"run\") (param i64) (result i64) (return_call $sum (local.get 0) (i64.const 0)))
     (func $sum (param i64 i64) (result i64)
       (if (i64.eqz (local.get 0)) (then (return (local.get 1))))
       (return_call $sum (i64.sub (local.get 0) (i64.const 1)) (i64.add (local.get 1) (local.get 0))))",
    "(func $sum (export \"run\") (param i64) (result i64)
       (if (i64.eqz (local.get 0)) (then (return (i64.const 0))))
       (i64.add (local.get 0) (call $sum (i64.sub (local.get 0) (i64.const 1)))))",
    "(func (export \"run\") (param i64) (result i64) (local $sum i64) (local $round i64)
       (loop $outer
         (local.set $round (local.get 0))
         (block $out (loop $inner
           (br_if $out (i64.eqz (local.get $round)))
           (local.set $sum (i64.add (local.get $sum) (i64.const 1)))
           (local.set $round (i64.sub (local.get $round) (i64.const 1)))
           (br $inner)))
         (local.set 0 (i64.sub (local.get 0) (i64.const 1)))
         (br_if $outer (i64.gt_s (local.get 0) (i64.const 0))))
       (local.get $sum))",
    "(func $less (param i64) (result i64) (i64.sub (local.get 0) (i64.const 1)))
     (func (export \"run\") (param i64) (result i64) (local $sum i64)
       (loop $l
         (local.set $sum (i64.add (local.get $sum) (local.get 0)))
         (i64.const 7)
         (br_if $l (i64.gt_s (local.tee 0 (call $less (local.get 0))) (i64.const 0)))
         (drop))
       (local.get $sum))",
    "(type $t (func (param i64) (result i64))) (table funcref (elem $less))
     (func $less (type $t) (i64.sub (local.get 0) (i64.const 1)))
     (func (export \"run\") (type $t) (local $sum i64) (local $round i64)
       (block $out (loop $l
         (local.set $round (local.get 0))
         (loop $inner
           (local.set $sum (i64.add (local.get $sum) (i64.const 1)))
           (br_if $inner (i64.gt_s (local.tee $round (i64.sub (local.get $round) (i64.const 1))) (i64.const 0))))
         (br_if $out (i64.eqz (local.tee 0 (call_indirect (type $t) (local.get 0) (i32.const 0)))))
         (br $l)))
       (local.get $sum))",
    "(func $nop)
     (func (export \"run\") (param i64) (result i64)
       (i64.const 0) (local.get 0)
       (loop $l (param i64 i64) (result i64)
         (call $nop)
         (local.set 0)
         (local.get 0) (i64.add)
         (i64.sub (local.get 0) (i64.const 1))
         (br_if $l (i64.gt_s (local.get 0) (i64.const 1)))
         (drop)))",
];

#[test]
fn values_and_fuel_do_not_depend_on_how_fuel_is_handed_out() {
    for wat in SUMS {
        let at_once = run(wat, 1000, i64::MAX, 0).unwrap();
        assert_eq!(at_once.0, 500_500, "{wat}");
        for portion in [0, 1, 31, 32, 33, 1000] {
            assert_eq!(run(wat, 1000, portion, u32::MAX).unwrap(), at_once, "{wat} by {portion}");
        }
    }
}

/// A loop that calls is charged for each iteration, and a call through a table is charged each time.
#[test]
fn calls_in_loops_and_through_tables_are_charged_each_time() {
    let loops = "(func $nop) (func (export \"run\") (param i64) (result i64)
        (loop $l (call $nop)
          (local.set 0 (i64.sub (local.get 0) (i64.const 1)))
          (br_if $l (i64.gt_s (local.get 0) (i64.const 0))))
        (i64.const 0))";
    assert_eq!((burned(loops, 1), burned(loops, 2), burned(loops, 101)), (0, 11, 1100));
    // An iteration includes the work of its callees.
    let long = loops.replace(
        "(func $nop)",
        &format!("(func $nop (local i32) {})", "(local.set 0 (local.get 0))".repeat(20)),
    );
    assert_eq!((burned(&long, 1), burned(&long, 101)), (0, 3200));
    let call = "(drop (call_indirect (type $t) (i64.const 1) (i32.const 0)))";
    for (calls, fuel) in [(1, 10), (2, 20), (5, 50)] {
        let wat = format!(
            "(type $t (func (param i64) (result i64))) (table funcref (elem $f))
             (func $f (type $t) (local.get 0)) (func (export \"run\") (type $t) {} (i64.const 0))",
            call.repeat(calls)
        );
        assert_eq!(burned(&wat, 1), fuel, "{calls}");
    }
}

#[test]
fn code_that_cannot_repeat_is_charged_only_if_it_is_long() {
    let work = |length: usize| "(local.set 0 (i64.add (local.get 0) (i64.const 1)))".repeat(length / 4);
    let fuel_of = |body: &str| {
        let wat = format!(
            "(func $f (param i64) (result i64) {body} (local.get 0))
             (func (export \"run\") (param i64) (result i64) (call $f (local.get 0)))"
        );
        burned(&wat, 1)
    };
    let (short, long) = (work(6000), work(12_000));
    let ways = [
        format!("(if (i64.eqz (local.get 0)) (then {short}) (else {short}))"),
        format!(
            "(block $b (br_if $b (i64.ne (local.get 0) (i64.const 0))) {short} (return (local.get 0))) {short}"
        ),
        format!(
            "(block $b (block $c (br_table $b $c (i32.const 0))) {short} (return (local.get 0))) {short}"
        ),
    ];
    for way in ways {
        assert_eq!(fuel_of(&way), 0, "{} …", &way[..90]);
    }
    let long_ways = [
        long.clone(),
        format!("{short} (if (i64.eqz (local.get 0)) (then {short}))"),
        format!("(block $b (br_if $b (i64.eqz (local.get 0))) {short}) {short}"),
        format!("(block $b (br_if $b (i64.eqz (local.get 0))) {short} (br $b)) {short}"),
        format!("(block $b (block $c (br_table $c $b (i32.const 0))) {short}) {short}"),
        format!("(if (i64.eqz (local.get 0)) (then {long} (return (local.get 0))))"),
    ];
    for way in long_ways {
        assert_eq!(fuel_of(&way), 32, "{} …", &way[..90]);
    }
    // The iterations of a loop that calls nothing are charged in addition.
    let round = format!("(loop $l (br_if $l (i64.eqz (local.get 0))) {short}) {short}");
    assert_eq!(fuel_of(&round), 32 + 32);
    // Callees count too.
    let calls = format!(
        "(func $g (param i64) (result i64) {short} (local.get 0))
         (func $f (param i64) (result i64) {short} (call $g (local.get 0)))
         (func (export \"run\") (param i64) (result i64) (call $f (local.get 0)))"
    );
    assert_eq!(burned(&calls, 1), 32);
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
        ("(func (export \"refuel\"))", "the module lacks one of types, functions, globals"),
    ];
    for (wat, why) in cases {
        let error = add(&wat::parse_str(format!("(module {wat})")).unwrap()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}
