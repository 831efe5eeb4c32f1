//! The interpreter's meter has no way around it; and of each way that a meter could have, the checker says so.

use wasmparser::Operator;

use super::added::Added;
use super::check;
use super::function::Function;
use super::metered::Metered;
use crate::image::Interpreter;
use crate::image::PYTHON_WASM_ZST;
use crate::meter::add;

/// Each of the meter's parts is in it. Numbers are of functions.
const MODULE: &str = r#"(module
    (import "executor" "refuel" (func $host_refuel))
    (type $t (func (param i64) (result i64)))
    (; 1 ;) (func (export "refuel") (call $host_refuel))
    (memory (export "memory") 1)
    (global (mut i32) (i32.const 0))
    (table funcref (elem $recurs $through))
    (; 2 ;) (func $recurs (export "recurs") (type $t)
      (loop $l (br_if $l (i64.eqz (local.get 0))))
      (i64.add (call $recurs (local.get 0)) (i64.const 1)))
    (; 3 ;) (func $counts (export "counts") (param i64)
      (loop $l (br_if $l (i64.eqz (local.get 0))))
      (loop $l (br_if $l (i64.ne (local.get 0) (i64.const 0)))))
    (; 4 ;) (func (export "goes round") (param i64)
      (loop $l (call $counts (local.get 0)) (br_if $l (i64.eqz (local.get 0)))))
    (; 5 ;) (func (export "goes round by a table") (param i64)
      (loop $outer
        (block $b (br_table $b $outer (i32.wrap_i64 (local.get 0))))
        (loop $l (call $counts (local.get 0))
          (block $b (br_table $b $l $outer (i32.wrap_i64 (local.get 0)))))))
    (; 6 ;) (func $through (export "through the table") (type $t)
      (call_indirect (type $t) (local.get 0) (i32.const 0)))
    (; 7 ;) (func (export "works on memory")
      (memory.copy (i32.const 0) (i32.const 8) (i32.const 16))
      (memory.fill (i32.const 0) (i32.const 8) (i32.const 16))
      (drop (memory.grow (i32.const 1))))
    (; 8 ;) (func $even (export "even") (type $t) (return_call $odd (local.get 0)))
    (; 9 ;) (func $odd (type $t) (return_call $even (local.get 0))))"#;

/// In front of it are the counter and what is charged.
const CHARGE: &str = "i64.sub global.set 2 global.get 2 i64.const 0 i64.lt_s if call 1 end";

const COUNT: &str = "local.get 1 i64.const 4 i64.add local.set 1";

const SETTLE: &str = "global.get 2 local.get 1 i64.sub global.set 2 i64.const 0 local.set 1";

const POLL: &str =
    "local.get 1 i64.const 4 i64.add local.set 1 i32.const 0 i32.load8_u offset=4294901760 drop";

/// As text, function by function.
fn text_of(wasm: &[u8]) -> Vec<String> {
    let text = wasmprinter::print_bytes(wasm).unwrap();
    // Without comments on labels, and hints about branches.
    let lines = text.lines().filter(|line| !line.contains("@metadata"));
    let words: Vec<&str> = lines
        .flat_map(|line| line.split(";; label").next().unwrap().split_whitespace())
        .filter(|word| !word.starts_with("(;@"))
        .collect();
    let text = words.join(" ").replace("(func (;", "\n(func (;");
    text.split_inclusive('\n').map(String::from).collect()
}

#[test]
fn a_meter_with_a_way_around_it_is_found_out() {
    let metered = add(&wat::parse_str(MODULE).unwrap()).unwrap();
    let parts = text_of(&metered);
    let faults = |text: &str| match check(&wat::parse_str(text).unwrap()) {
        Ok(findings) => findings.faults.join("\n"),
        Err(error) => error.to_string(),
    };
    assert_eq!(faults(&parts.concat()), "");
    let spelt = |text: &str| {
        let words = [("CHARGE", CHARGE), ("POLL", POLL), ("COUNT", COUNT), ("SETTLE", SETTLE)];
        words.iter().fold(text.to_string(), |text, (word, meaning)| text.replace(word, meaning))
    };
    for line in include_str!("mutants.txt").lines().filter(|line| !line.starts_with('#')) {
        let [function, name, from, to, fault] = line.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let mut parts = parts.clone();
        let begins = format!("(func (;{function};) (type");
        let function = parts.iter_mut().find(|part| part.starts_with(&begins)).unwrap();
        assert!(function.contains(&spelt(from)), "{name}: {function}");
        *function = function.replacen(&spelt(from), &spelt(to), 1);
        let faults = faults(&parts.concat());
        assert!(faults.contains(fault), "{name}: {faults:?}");
    }
}

#[test]
fn the_interpreter_has_no_way_around_its_meter() {
    let code = Interpreter::unpack(PYTHON_WASM_ZST).unwrap().code;
    let findings = check(&code).unwrap();
    assert_eq!(findings.faults, [""; 0]);
    assert!(findings.charges > 5000 && findings.polls > 3000, "{} {}", findings.charges, findings.polls);

    // Without one charge of a round, or one read of the polling page, it would have one. A seventh of them, as each takes
    // some milliseconds.
    let module = Metered::read(&code).unwrap();
    let (mut rounds, mut needless) = (0, 0);
    for index in module.defined().filter(|index| !module.is_in_pieces(*index)) {
        let operators = module.operators(index).unwrap();
        for (at, length) in rounds_of(&module, &operators) {
            rounds += 1;
            if rounds % 7 == 0 {
                let mut without = operators.clone();
                without[at..at + length].fill(Operator::Nop);
                needless += usize::from(Function::read(&module, index, &without).faults.is_empty());
            }
        }
    }
    // A round that goes through another loop, which is charged at its head, is charged twice.
    assert!(rounds > 7000 && needless * 200 < rounds / 7, "{needless} of {}", rounds / 7);
}

/// What the meter has added to loops, and how long it is.
fn rounds_of(module: &Metered<'_>, operators: &[Operator<'_>]) -> Vec<(usize, usize)> {
    let added = (1..operators.len()).filter_map(|at| {
        let (added, length) = module.names.added(&operators[at..])?;
        (!matches!(added, Added::Settle { .. })).then_some((at, length))
    });
    added.collect()
}
