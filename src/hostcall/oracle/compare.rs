//! Makes each call of the tables in both implementations, in separate guests. Compares the return values, the changes
//! in memory, the output to the streams, and how the guest ends.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use tokio::time::timeout;
use wasmparser::{Parser, Payload, TypeRef, ValType};
use wasmtime::{Engine, Error, Instance, Linker, Module, Store, Val};
use wasmtime_wasi::I32Exit;

use super::memory::{END, prepare};
use super::{calls, linker, streams};
use crate::hostcall::{self, Exit, HostState};
use crate::image::PYTHON_WASM_ZST;

const STDIN: &[u8] = b"a line of input";

/// Longer than all waits in the tables that end.
const PATIENCE: Duration = Duration::from_millis(100);

/// If the last answer begins with one of these, the guest has ended, and its memory is not compared.
const ENDED: [&str; 2] = ["trap", "exit"];

/// A function and its arguments.
pub(super) type Call = (&'static str, &'static [u64]);

/// Consecutive calls of one guest.
pub(super) enum Case {
    /// Both implementations behave in the same way.
    Same(&'static [Call]),
    /// The two differ on purpose.
    Differs { calls: &'static [Call], ours: &'static str, theirs: &'static str, why: &'static str },
}

/// Returns a case in which the two differ. `ours` and `theirs` have the calls' answers, the changes in memory
/// (address and bytes; `00*4` is a byte repeated four times) and the output to the streams. A final `…` matches any
/// rest.
pub(super) const fn differs(
    calls: &'static [Call],
    ours: &'static str,
    theirs: &'static str,
    why: &'static str,
) -> Case {
    Case::Differs { calls, ours, theirs, why }
}

/// Returns the parameters of every WASI function that the interpreter imports.
fn functions() -> BTreeMap<String, Vec<ValType>> {
    let wasm = zstd::decode_all(PYTHON_WASM_ZST).unwrap();
    let (mut types, mut functions) = (Vec::new(), BTreeMap::new());
    for payload in Parser::new(0).parse_all(&wasm) {
        match payload.unwrap() {
            Payload::TypeSection(section) => {
                types.extend(section.into_iter_err_on_gc_types().map(Result::unwrap));
            }
            Payload::ImportSection(section) => {
                let imports = section.into_imports().map(Result::unwrap);
                for import in imports.filter(|import| import.module == hostcall::wasi::MODULE) {
                    let TypeRef::Func(index) = import.ty else { panic!("{import:?}") };
                    functions.insert(import.name.to_owned(), types[index as usize].params().to_vec());
                }
            }
            _ => {}
        }
    }
    functions
}

/// Returns a guest that exports each function that it imports.
fn guest(functions: &BTreeMap<String, Vec<ValType>>) -> Vec<u8> {
    let (mut imports, mut exports) = (String::new(), String::new());
    for (name, params) in functions {
        let result = if name == "proc_exit" { "" } else { "(result i32)" };
        let types: Vec<_> = params.iter().map(|ty| format!("(param {ty})")).collect();
        let arguments: Vec<_> = (0..params.len()).map(|n| format!("(local.get {n})")).collect();
        let (types, arguments) = (types.join(" "), arguments.join(" "));
        let module = hostcall::wasi::MODULE;
        writeln!(imports, r#"(import "{module}" "{name}" (func ${name} {types}{result}))"#).unwrap();
        writeln!(exports, r#"(func (export "{name}") {types}{result} (call ${name} {arguments}))"#).unwrap();
    }
    let pages = END >> 16;
    wat::parse_str(format!(r#"(module {imports} (memory (export "memory") {pages}) {exports})"#)).unwrap()
}

/// One of the two implementations.
struct Host {
    module: Module,
    linker: Linker<HostState>,
}

impl Host {
    async fn answers(&self, calls: &[Call]) -> String {
        // With stopped clocks and fixed random numbers, so that both implementations must return the same.
        let mut store = Store::new(self.module.engine(), HostState::for_image(STDIN.to_vec(), u64::MAX));
        let instance = self.linker.instantiate_async(&mut store, &self.module).await.unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        prepare(memory.data_mut(&mut store));
        let before = memory.data(&store).to_vec();
        let mut seen = Vec::new();
        for call in calls {
            let called = timeout(PATIENCE, answer(&instance, &mut store, call)).await;
            seen.push(called.unwrap_or_else(|_| "waits".into()));
        }
        if !ENDED.iter().any(|ended| seen.last().is_some_and(|last| last.starts_with(ended))) {
            seen.extend(changes(&before, memory.data(&store)));
        }
        let (stdout, stderr) = store.data_mut().take_outputs();
        for (name, written) in [("stdout", stdout.text), ("stderr", stderr.text)] {
            seen.extend((!written.is_empty()).then(|| format!("{name}={written}")));
        }
        seen.join(" ")
    }
}

async fn answer(instance: &Instance, store: &mut Store<HostState>, (name, arguments): &Call) -> String {
    let function = instance.get_func(&mut *store, name).unwrap_or_else(|| panic!("{name}"));
    let ty = function.ty(&*store);
    assert_eq!(ty.params().len(), arguments.len(), "{name}");
    let arguments = ty.params().zip(*arguments).map(|(ty, argument)| match ty {
        wasmtime::ValType::I64 => Val::I64(argument.cast_signed()),
        _ => Val::I32(u32::try_from(*argument).unwrap().cast_signed()),
    });
    let arguments: Vec<Val> = arguments.collect();
    let mut results = vec![Val::I32(0); ty.results().len()];
    match function.call_async(store, &arguments, &mut results).await {
        Ok(()) => results[0].unwrap_i32().to_string(),
        Err(error) => end(&error),
    }
}

fn end(error: &Error) -> String {
    let ours = error.downcast_ref::<Exit>().map(|exit| exit.0);
    let theirs = error.downcast_ref::<I32Exit>().map(|exit| exit.0);
    ours.or(theirs).map_or("trap".into(), |status| format!("exit({status})"))
}

/// Returns the bytes that have changed, with their addresses.
fn changes(before: &[u8], after: &[u8]) -> Vec<String> {
    let bytes: Vec<(usize, bool)> =
        (0..).zip(before.iter().zip(after).map(|(old, new)| old != new)).collect();
    let pieces = bytes.chunk_by(|(_, written), (_, next)| written == next).filter(|piece| piece[0].1);
    let text = pieces.map(|piece| {
        let at = piece[0].0;
        format!("{at:x}={}", runs(&after[at..at + piece.len()]))
    });
    text.collect()
}

/// Formats bytes in hexadecimal. A repeated byte is written once, with its count.
fn runs(bytes: &[u8]) -> String {
    let runs = bytes.chunk_by(|a, b| a == b).map(|run| match run.len() {
        1 => format!("{:02x}", run[0]),
        times => format!("{:02x}*{times}", run[0]),
    });
    runs.collect::<Vec<_>>().join(".")
}

/// Returns what is wrong with a case, or `None`.
async fn check(ours: &Host, theirs: &Host, case: &Case) -> Option<String> {
    let (Case::Same(calls) | Case::Differs { calls, .. }) = case;
    let actual = (&*ours.answers(calls).await, &*theirs.answers(calls).await);
    let expected = match case {
        Case::Same(_) if actual.0 == actual.1 => return None,
        Case::Same(_) => "no difference",
        Case::Differs { ours, theirs, .. }
            if is(actual.0, ours) && is(actual.1, theirs) && actual.0 != actual.1 =>
        {
            return None;
        }
        Case::Differs { why, .. } => why,
    };
    Some(format!("{calls:x?} ({expected})\n  ours:   {}\n  theirs: {}", actual.0, actual.1))
}

fn is(actual: &str, expected: &str) -> bool {
    expected.strip_suffix('…').map_or(actual == expected, |begin| actual.starts_with(begin))
}

#[tokio::test]
async fn functions_behave_as_wasmtime_wasi_or_differ_on_purpose() {
    let functions = functions();
    let engine = Engine::default();
    let module = Module::new(&engine, guest(&functions)).unwrap();
    let ours = Host { linker: hostcall::linker(&engine).unwrap(), module: module.clone() };
    let theirs = Host { linker: linker(&engine).unwrap(), module };
    let cases: Vec<&Case> = [calls::CASES, streams::CASES].into_iter().flatten().collect();
    let mut wrong = Vec::new();
    for case in &cases {
        wrong.extend(check(&ours, &theirs, case).await);
    }
    for name in functions.keys() {
        let is_of = |case: &&&Case| {
            let (Case::Same(calls) | Case::Differs { calls, .. }) = case;
            calls.iter().any(|call| call.0 == name)
        };
        if !cases.iter().any(|case| is_of(&case)) {
            wrong.push(format!("{name}: no case covers it"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
