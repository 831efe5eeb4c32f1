;; A guest that attacks the host functions. It executes a program, which is a list of operations (see `script.rs`).
;;
;; Memory: operations use the first page. The second page holds the image's data, the buffer of `fd_read` and the
;; program.
(module
  (import "executor" "call" (func $call (param i32 i32) (result i32)))
  (import "executor" "wait" (func $wait (param i64 i32 i32) (result i32)))
  (import "executor" "finish" (func $finish (param i32 i32)))
  (import "executor" "refuel" (func $refuel))
  (import "wasi_snapshot_preview1" "clock_res_get" (func $clock_res_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $sched_yield (result i32)))

  (memory (export "memory") 2)
  (data (i32.const 0x10000) "an image")

  (global $unused i32 (i32.const 0)) ;; the meter adds its globals to this section

  (func (export "refuel") (call $refuel))
  (func (export "_initialize"))
  (func (export "initialize"))

  (func (export "run")
    (local $at i32) (local $end i32) (local $result i32)
    (call $check_memory)
    (local.set $end (call $read_program))
    (local.set $at (i32.const 0x10100))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $result
          (call_indirect (type $operation)
            (local.get $result)
            (i64.load offset=1 (local.get $at))
            (i64.load offset=9 (local.get $at))
            (i64.load offset=17 (local.get $at))
            (i64.load offset=25 (local.get $at))
            (i32.load8_u (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 33)))
        (br $next))))

  ;; Traps unless memory is as in the image: no earlier execution has left anything.
  (func $check_memory
    (local $at i32) (local $bits i64)
    (if (i64.ne (i64.load (i32.const 0x10000)) (i64.const 0x6567616d69206e61)) (then (unreachable)))
    (if (i32.ne (memory.size) (i32.const 2)) (then (unreachable)))
    (i64.store (i32.const 0x10000) (i64.const 0))
    (loop $next
      (local.set $bits (i64.or (local.get $bits) (i64.load (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 0x20000))))
    (if (i64.ne (local.get $bits) (i64.const 0)) (then (unreachable))))

  ;; Reads and decodes the program. The request is `{"code":"…`, with two letters from `a` to `p` for each byte of the
  ;; program. Returns the address of the program's end.
  (func $read_program (result i32)
    (local $from i32) (local $to i32)
    (i32.store (i32.const 0x10010) (i32.const 0x10100))
    (i32.store (i32.const 0x10014) (i32.const 0xff00))
    (drop (call $fd_read (i32.const 0) (i32.const 0x10010) (i32.const 1) (i32.const 0x10018)))
    (local.set $from (i32.const 0x10109))
    (local.set $to (i32.const 0x10100))
    (block $done
      (loop $next
        (br_if $done (i32.lt_u (i32.load8_u (local.get $from)) (i32.const 97)))
        (i32.store8 (local.get $to)
          (i32.or
            (i32.shl (i32.sub (i32.load8_u (local.get $from)) (i32.const 97)) (i32.const 4))
            (i32.and (i32.sub (i32.load8_u offset=1 (local.get $from)) (i32.const 97)) (i32.const 15))))
        (local.set $from (i32.add (local.get $from) (i32.const 2)))
        (local.set $to (i32.add (local.get $to) (i32.const 1)))
        (br $next)))
    (local.get $to))

  ;; The parameters of an operation: the result of the previous one, and four arguments.
  (type $operation (func (param i32 i64 i64 i64 i64) (result i32)))

  ;; In the order of the enum `Function` in `script.rs`.
  (table funcref (elem
    $do_expect_result $do_expect_memory $do_store $do_grow $do_spin $do_recurse
    $do_call $do_wait $do_finish
    $do_clock_res_get $do_clock_time_get
    $do_fd_read $do_fd_write $do_poll_oneoff
    $do_proc_exit $do_random_get $do_sched_yield $do_refuel))

  (func $do_expect_result (type $operation)
    (if (i32.ne (local.get 0) (i32.wrap_i64 (local.get 1))) (then (unreachable)))
    (local.get 0))
  (func $do_expect_memory (type $operation)
    (if (i64.ne (i64.load (i32.wrap_i64 (local.get 1))) (local.get 2)) (then (unreachable)))
    (local.get 0))
  (func $do_store (type $operation)
    (i64.store (i32.wrap_i64 (local.get 1)) (local.get 2))
    (local.get 0))
  (func $do_grow (type $operation) (memory.grow (i32.wrap_i64 (local.get 1))))
  (func $do_spin (type $operation)
    (loop $next
      (local.set 1 (i64.sub (local.get 1) (i64.const 1)))
      (br_if $next (i64.gt_s (local.get 1) (i64.const 0))))
    (local.get 0))
  (func $do_recurse (type $operation)
    (i32.add (i32.const 1)
      (call $do_recurse (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4))))

  (func $do_call (type $operation)
    (call $call (i32.wrap_i64 (local.get 1)) (i32.wrap_i64 (local.get 2))))
  (func $do_wait (type $operation)
    (call $wait (local.get 1) (i32.wrap_i64 (local.get 2)) (i32.wrap_i64 (local.get 3))))
  (func $do_finish (type $operation)
    (call $finish (i32.wrap_i64 (local.get 1)) (i32.wrap_i64 (local.get 2)))
    (local.get 0))
  (func $do_clock_res_get (type $operation)
    (call $clock_res_get (i32.wrap_i64 (local.get 1)) (i32.wrap_i64 (local.get 2))))
  (func $do_clock_time_get (type $operation)
    (call $clock_time_get (i32.wrap_i64 (local.get 1)) (local.get 2) (i32.wrap_i64 (local.get 3))))
  (func $do_fd_read (type $operation)
    (call $fd_read (i32.wrap_i64 (local.get 1)) (i32.wrap_i64 (local.get 2)) (i32.wrap_i64 (local.get 3))
      (i32.wrap_i64 (local.get 4))))
  (func $do_fd_write (type $operation)
    (call $fd_write (i32.wrap_i64 (local.get 1)) (i32.wrap_i64 (local.get 2)) (i32.wrap_i64 (local.get 3))
      (i32.wrap_i64 (local.get 4))))
  (func $do_poll_oneoff (type $operation)
    (call $poll_oneoff (i32.wrap_i64 (local.get 1)) (i32.wrap_i64 (local.get 2)) (i32.wrap_i64 (local.get 3))
      (i32.wrap_i64 (local.get 4))))
  (func $do_proc_exit (type $operation) (call $proc_exit (i32.wrap_i64 (local.get 1))) (unreachable))
  (func $do_random_get (type $operation)
    (call $random_get (i32.wrap_i64 (local.get 1)) (i32.wrap_i64 (local.get 2))))
  (func $do_sched_yield (type $operation) (call $sched_yield))
  (func $do_refuel (type $operation) (call $refuel) (local.get 0)))
