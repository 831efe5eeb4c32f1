//! The meter changes neither values nor traps.

use wasmtime::Trap;

use super::run;

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
