//! The interpreter initialises itself to the same bytes with wasmtime's own WASI, and reports what it lacks.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::hostcall::oracle;
use crate::image::interpreter::Interpreter;
use crate::image::machine_code::MachineCode;
use crate::image::{Cache, ImageSpec, Keys, Kind, PYTHON_WASM_ZST, Packages, compile, engine, recipe};
use crate::sandbox::Sandbox;
use crate::sandbox::isolation_tests::cache_dir;
use crate::validator::Policy;

#[test]
fn images_are_the_same_with_wasmtimes_own_wasi() {
    let policy = Policy::default();
    let spec = ImageSpec {
        interpreter: PYTHON_WASM_ZST.into(),
        allowed_imports: policy.allowed_imports,
        disabled_imports: policy.disabled_imports,
        guards: true,
        packages: Packages::default(),
        tools: serde_json::json!([]),
    };
    let (engine, recipe) = (engine::blank().unwrap(), recipe(&spec, &spec.tools));
    let dir = cache_dir();
    let cache = Cache { dir: Some(&dir), keys: Keys::new(&engine, &spec, &recipe) };
    let interpreter = Interpreter::unpack(&spec.interpreter).unwrap();
    let code = cache.load(Kind::Code).map_or_else(
        || compile(&cache, &engine, &interpreter.code).unwrap(),
        |code| MachineCode::File(code.file),
    );
    let module = code.module(&engine).unwrap();
    let zeros = zeros_for(&module).unwrap();
    let take = |memory: &[u8]| Ok(memory.to_vec());
    let ours =
        with_memory(&engine, &module, &zeros, &interpreter.data, recipe.clone(), u64::MAX, take).unwrap();
    let mut store = Store::new(&engine, HostState::for_image(recipe, u64::MAX));
    let linker = oracle::linker(&engine).unwrap();
    let theirs = block_on(start(&mut store, &linker, &module, &zeros, &interpreter.data)).unwrap();
    let theirs = theirs.data(&store);
    let first = ours.iter().zip(theirs).position(|(ours, theirs)| ours != theirs);
    assert_eq!((ours.len(), None), (theirs.len(), first), "length, and offset of the first difference");
}

#[test]
fn an_allowed_module_that_the_interpreter_lacks_is_an_invalid_setting() {
    let elsewhere = "remove it, or name a module of docs/programs.md";
    for (name, way_out) in [
        ("tomlib", "did you mean 'tomllib'?"),
        ("itertool", "did you mean 'itertools'?"),
        ("pandas", elsewhere),
        ("größe", elsewhere),
    ] {
        let policy = Policy::default().allowed_imports(["json", name]);
        let built = Sandbox::builder().policy(policy).cache_dir(cache_dir()).build();
        let Err(Error::Config { message, source: None }) = built else { panic!("{name}: {:?}", built.err()) };
        let why = format!("No module named '{name}'");
        let expected =
            format!("ALLOWED_IMPORTS names '{name}', which this interpreter lacks: {why}; {way_out}");
        assert_eq!(message, expected);
    }
}
