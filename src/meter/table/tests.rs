//! Small modules, with a table and without it.

use wasmtime::{Engine, Instance, Linker, Module, Result, Store, Val};

use super::direct;

/// Functions of several types in a table with gaps, an imported function among them, and calls of each kind.
const CALLS: &str = r#"(module
    (import "host" "negated" (func $negated (param i64) (result i64)))
    (type $unary (func (param i64) (result i64)))
    (type $same (func (param i64) (result i64)))
    (type $mixed (func (param i32 i64 f32 f64 v128 i64 i64) (result i64 f64)))
    (type $nothing (func))
    (table 30 funcref)
    (global $other (mut i32) (i32.const 5))
    (elem (i32.const 2) func $one $two $negated $nop)
    (elem (i32.const 9) func $two $mix $unlike)
    (func $one (type $unary) (i64.add (local.get 0) (i64.const 1)))
    (func $two (type $same) (i64.add (local.get 0) (i64.const 2)))
    (func $nop)
    (func $mix (type $mixed)
        (i64.add (i64.extend_i32_u (local.get 0))
            (i64.add (i64x2.extract_lane 1 (local.get 4))
                (i64.add (local.get 1) (i64.add (local.get 5) (local.get 6)))))
        (f64.add (f64.promote_f32 (local.get 2)) (local.get 3)))
    (func $unlike (param i64) (result i32) (i32.const 7))
    (func (export "unary") (param i32 i64) (result i64)
        (call_indirect (type $unary) (local.get 1) (local.get 0)))
    (func (export "tail") (param i32 i64) (result i64)
        (return_call_indirect (type $same) (local.get 1) (local.get 0)))
    (func (export "mixed") (param i32 i64) (result i64)
        (drop (call_indirect (type $mixed) (i32.const 1) (i64.const 20) (f32.const 0.5) (f64.const 0.25)
            (v128.const i64x2 4 300) (i64.const 4000) (local.get 1) (local.get 0))))
    (func (export "nothing") (param i32 i64) (result i64)
        (call_indirect (type $nothing) (local.get 0)) (i64.extend_i32_u (global.get $other))))"#;

fn instance(wasm: &[u8]) -> Result<(Store<()>, Instance)> {
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    linker.func_wrap("host", "negated", |value: i64| -value)?;
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &Module::new(&engine, wasm)?)?;
    Ok((store, instance))
}

#[test]
fn direct_calls_have_the_same_callees() {
    let wasm = wat::parse_str(CALLS).unwrap();
    let direct = direct(&wasm).unwrap();
    assert_eq!(direct.functions, 3, "one for each type");
    let module = Module::new(&Engine::default(), &direct.wasm).unwrap();
    assert_eq!(module.exports().len(), 4);
    let (mut old, old_instance) = instance(&wasm).unwrap();
    let (mut new, new_instance) = instance(&direct.wasm).unwrap();
    let mut answers = 0;
    for export in ["unary", "tail", "mixed", "nothing"] {
        for index in (0..40).chain([-1, i32::MIN, i32::MAX]) {
            let arguments = [Val::I32(index), Val::I64(50_000)];
            let mut values = [[Val::I64(0)], [Val::I64(1)]];
            let was =
                old_instance.get_func(&mut old, export).unwrap().call(&mut old, &arguments, &mut values[0]);
            let is =
                new_instance.get_func(&mut new, export).unwrap().call(&mut new, &arguments, &mut values[1]);
            assert_eq!(was.is_ok(), is.is_ok(), "{export} {index}");
            if is.is_ok() {
                assert_eq!(values[0][0].unwrap_i64(), values[1][0].unwrap_i64(), "{export} {index}");
                answers += 1;
            }
        }
    }
    // Four entries of the first type, called in two ways, and one entry of each other type.
    assert_eq!(answers, 4 * 2 + 2);
}

#[test]
fn a_module_without_a_table_is_unchanged() {
    let wasm = wat::parse_str("(module (func (export \"run\") (result i64) (i64.const 3)))").unwrap();
    let direct = direct(&wasm).unwrap();
    assert_eq!((direct.functions, direct.wasm), (0, wasm));
}

#[test]
fn a_call_through_an_empty_table_traps() {
    let wat = "(module (table 1 funcref) (global i32 (i32.const 0))
        (func (export \"run\") (call_indirect (i32.const 0))))";
    let direct = direct(&wat::parse_str(wat).unwrap()).unwrap();
    let (mut store, instance) = instance(&direct.wasm).unwrap();
    let run = instance.get_func(&mut store, "run").unwrap();
    run.call(&mut store, &[], &mut []).unwrap_err();
}

#[test]
fn a_table_that_may_change_is_refused() {
    let cases = [
        ("(import \"host\" \"table\" (table 1 funcref))", "the table is imported"),
        ("(table (export \"table\") 1 funcref)", "the table is exported"),
        ("(table 1 funcref) (table 1 funcref)", "more than one table"),
        (
            "(table 1 funcref) (global i32 (i32.const 0)) (elem (global.get 0) func)",
            "functions at a constant offset",
        ),
        ("(table 1 funcref) (elem func)", "functions at a constant offset"),
        ("(table 1 funcref) (elem (i32.const 0) funcref (ref.null func))", "functions at a constant offset"),
        (
            "(table 1 funcref) (func (table.set (i32.const 0) (ref.null func)))",
            "used for more than calls: TableSet",
        ),
        ("(table 1 funcref) (func (drop (table.get (i32.const 0))))", "used for more than calls: TableGet"),
        (
            "(table 1 funcref) (func (table.copy (i32.const 0) (i32.const 0) (i32.const 1)))",
            "used for more than calls: TableCopy",
        ),
        (
            "(table 1 funcref) (func (drop (table.grow (ref.null func) (i32.const 1))))",
            "used for more than calls: TableGrow",
        ),
        (
            "(table 1 funcref) (func (table.fill (i32.const 0) (ref.null func) (i32.const 1)))",
            "used for more than calls: TableFill",
        ),
        ("(func $f) (elem declare func $f) (func (drop (ref.func $f)))", "functions at a constant offset"),
    ];
    for (wat, why) in cases {
        let wasm = wat::parse_str(format!("(module {wat})")).unwrap();
        let error = direct(&wasm).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(why), "{wat}: {error}");
    }
}
