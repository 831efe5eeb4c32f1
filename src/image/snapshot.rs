//! Starts the interpreter once, lets it prepare itself, and turns its memory into a module that starts where it
//! stopped.

use futures::executor::block_on;
use wasmtime::{Instance, Module, Result, Store, Val};
use wasmtime_wizer::{InstanceState, SnapshotVal, ValType, Wizer};

use super::engine;
use crate::error::Error;
use crate::hostcall::{self, HostState};

/// The same interpreter and recipe give the same snapshot.
pub(super) fn take(python_wasm_zst: &[u8], recipe: &[u8]) -> Result<Vec<u8>, Error> {
    let wasm = zstd::decode_all(python_wasm_zst)
        .map_err(|error| Error::Image(format!("unpacking the interpreter: {error}")))?;
    let engine = engine::snapshot_engine()?;
    let mut store = Store::new(&engine, HostState::for_image(recipe.to_vec()));
    block_on(wizen(&mut store, &wasm)).map_err(|error| {
        let (_, said) = store.data_mut().take_outputs();
        Error::Image(format!("initialising the interpreter: {error:#}\n{}", said.text))
    })
}

async fn wizen(store: &mut Store<HostState>, wasm: &[u8]) -> Result<Vec<u8>> {
    let mut wizer = Wizer::new();
    // The snapshot does not export it any more.
    wizer.init_func("initialize");
    let (context, instrumented) = wizer.instrument(wasm)?;
    let module = Module::new(store.engine(), &instrumented)?;
    let linker = hostcall::linker(store.engine(), &module)?;
    let instance = linker.instantiate_async(&mut *store, &module).await?;
    for initialiser in ["_initialize", "initialize"] {
        let initialise = instance.get_typed_func::<(), ()>(&mut *store, initialiser)?;
        initialise.call_async(&mut *store, ()).await?;
    }
    wizer.snapshot(&context, &mut Initialised { store, instance }).await
}

/// The instance whose state becomes the snapshot.
struct Initialised<'a> {
    store: &'a mut Store<HostState>,
    instance: Instance,
}

/// Wizer asks only for what its own instrumentation has exported.
#[expect(clippy::expect_used, reason = "the trait has no other way to say that Wizer broke its word")]
impl InstanceState for Initialised<'_> {
    async fn global_get(&mut self, name: &str, _: ValType) -> SnapshotVal {
        let global = self.instance.get_global(&mut *self.store, name).expect("Wizer exports each global");
        match global.get(&mut *self.store) {
            Val::I32(value) => SnapshotVal::I32(value),
            Val::I64(value) => SnapshotVal::I64(value),
            Val::F32(value) => SnapshotVal::F32(value),
            Val::F64(value) => SnapshotVal::F64(value),
            Val::V128(value) => SnapshotVal::V128(value.as_u128()),
            _ => unreachable!("Wizer refuses modules with mutable globals of reference types"),
        }
    }

    async fn memory_contents(&mut self, name: &str, contents: impl FnOnce(&[u8]) + Send) {
        let memory = self.instance.get_memory(&mut *self.store, name).expect("Wizer exports each memory");
        contents(memory.data(&*self.store));
    }
}
