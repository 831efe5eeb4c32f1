//! The checker finds no fault in the metered interpreter, and finds each fault of a list of mutants.

use wasmparser::Operator;

use super::added::Added;
use super::check;
use super::function::Function;
use super::metered::Metered;
use crate::image::Interpreter;
use crate::image::PYTHON_WASM_ZST;
use crate::meter::add;

/// A module that needs each part of the meter. The numbers are the indices of the functions.
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

/// The end of a charge. Before it, the counter and the amount were pushed.
const CHARGE: &str = "i64.sub global.set 2 global.get 2 i64.const 0 i64.lt_s if call 1 end";

const COUNT: &str = "local.get 1 i64.const 4 i64.add local.set 1";

const SETTLE: &str = "global.get 2 local.get 1 i64.sub global.set 2 i64.const 0 local.set 1";

const POLL: &str =
    "local.get 1 i64.const 4 i64.add local.set 1 i32.const 0 i32.load8_u offset=4294901760 drop";

/// Returns the text of a module, one string for each function.
fn text_of(wasm: &[u8]) -> Vec<String> {
    let text = wasmprinter::print_bytes(wasm).unwrap();
    // Leave out comments on labels and branch hints.
    let lines = text.lines().filter(|line| !line.contains("@metadata"));
    let words: Vec<&str> = lines
        .flat_map(|line| line.split(";; label").next().unwrap().split_whitespace())
        .filter(|word| !word.starts_with("(;@"))
        .collect();
    let text = words.join(" ").replace("(func (;", "\n(func (;");
    text.split_inclusive('\n').map(String::from).collect()
}

#[test]
fn each_mutant_of_the_meter_is_found() {
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
fn the_interpreter_cannot_escape_its_meter() {
    let code = Interpreter::unpack(PYTHON_WASM_ZST).unwrap().code;
    let findings = check(&code).unwrap();
    assert_eq!(findings.faults, [""; 0]);
    assert!(findings.charges > 5000 && findings.polls > 3000, "{} {}", findings.charges, findings.polls);

    // Removing one charge of a loop, or one read of the polling page, must be a fault. Only a seventh of them is tried,
    // because each try takes some milliseconds.
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
    // Few are needless: an iteration that passes through an inner loop with a charge at its head is charged twice.
    assert!(rounds > 7000 && needless * 200 < rounds / 7, "{needless} of {}", rounds / 7);
}

/// Returns the position and length of each sequence that the meter has added to a loop.
fn rounds_of(module: &Metered<'_>, operators: &[Operator<'_>]) -> Vec<(usize, usize)> {
    let added = (1..operators.len()).filter_map(|at| {
        let (added, length) = module.names.added(&operators[at..])?;
        (!matches!(added, Added::Settle { .. })).then_some((at, length))
    });
    added.collect()
}
