//! Starts the interpreter once and lets it initialise itself. Its memory then becomes the image.

use futures::executor::block_on;
use wasmtime::{Engine, Linker, Module, Result, Store};

use super::interpreter::Segment;
use crate::error::Error;
use crate::hostcall::{self, HostState, fuel};

/// Returns the linear memory of an interpreter that is ready to run a program.
///
/// The same interpreter and recipe give the same bytes.
///
/// # Errors
///
/// [`Error::Image`], with what the guest wrote to standard error, if the interpreter cannot initialise itself.
pub(super) fn memory_of(
    engine: &Engine,
    module: &Module,
    data: &[Segment],
    recipe: &[u8],
) -> Result<Vec<u8>, Error> {
    let mut store = Store::new(engine, HostState::for_image(recipe.to_vec()));
    let started = hostcall::linker(engine, module)
        .and_then(|linker| block_on(start(&mut store, &linker, module, data)));
    started.map_err(|error| {
        let (_, said) = store.data_mut().take_outputs();
        Error::image(format!("initialising the interpreter, which wrote {:?}", said.text)).caused_by(error)
    })
}

async fn start(
    store: &mut Store<HostState>,
    linker: &Linker<HostState>,
    module: &Module,
    data: &[Segment],
) -> Result<Vec<u8>> {
    let instance = linker.instantiate_async(&mut *store, module).await?;
    fuel::fill(&instance, &mut *store)?;
    let memory = hostcall::memory_of(&instance, &mut *store)?;
    for segment in data {
        memory.write(&mut *store, segment.offset, &segment.bytes)?;
    }
    for initialiser in ["_initialize", "initialize"] {
        let initialise = instance.get_typed_func::<(), ()>(&mut *store, initialiser)?;
        initialise.call_async(&mut *store, ()).await?;
    }
    Ok(memory.data(&*store).to_vec())
}

#[cfg(test)]
mod tests;
