//! Code that never ends runs out of fuel, or traps when its polling page is closed.

use std::time::Duration;

use wasmtime::Trap;

use super::{burned, instantiate, run};

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
