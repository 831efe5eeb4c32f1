//! The fuel that code is charged.

use super::{burned, run};

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
