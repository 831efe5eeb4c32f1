//! Starts the interpreter once and lets it initialise itself. Its memory then becomes the image.

use futures::executor::block_on;
use wasmtime::{Engine, Linker, Module, Result, Store};

use super::interpreter::Segment;
use crate::error::Error;
use crate::hostcall::{self, HostState, fuel};
use crate::validator::{DEFAULT_IMPORTS, hints};

/// The modules of the interpreter that are written in Python; see the file itself.
const STDLIB: &str = include_str!("../../python-wasm/stdlib.txt");

/// Returns the linear memory of an interpreter that is ready to run a program.
///
/// The same interpreter and recipe give the same bytes.
///
/// # Errors
///
/// [`Error::Config`] if the recipe allows a module that the interpreter cannot import. [`Error::Image`], with what the
/// guest wrote to standard error, if the interpreter cannot initialise itself for another reason.
pub(super) fn memory_of(
    engine: &Engine,
    module: &Module,
    data: &[Segment],
    recipe: &[u8],
) -> Result<Vec<u8>, Error> {
    let mut store = Store::new(engine, HostState::for_image(recipe.to_vec()));
    let started =
        hostcall::linker(engine).and_then(|linker| block_on(start(&mut store, &linker, module, data)));
    started.map_err(|error| {
        let (_, said) = store.data_mut().take_outputs();
        lacking_module(&said.text).unwrap_or_else(|| {
            Error::image(format!("initialising the interpreter, which wrote {:?}", said.text))
                .caused_by(error)
        })
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

/// Returns the error about an allowed module that the guest could not import, if `said` is about one. While it
/// initialises itself, the guest can report only by text on standard error; `prepare` in `guest/runner.py` writes this
/// one.
fn lacking_module(said: &str) -> Option<Error> {
    let (_, named) = said.rsplit_once("ImportError: ALLOWED_IMPORTS names '")?;
    let (name, why) = named.split_once("', which this interpreter lacks: ")?;
    let way_out = match hints::most_similar(name, &known_modules()) {
        Some(similar) => format!("did you mean '{similar}'?"),
        None => "remove it, or name a module of docs/programs.md".into(),
    };
    let why = why.trim_end();
    let message = format!("ALLOWED_IMPORTS names '{name}', which this interpreter lacks: {why}; {way_out}");
    Some(Error::config(message))
}

/// Returns modules of the interpreter, to find the one that a misspelt name stands for.
fn known_modules() -> Vec<&'static str> {
    let names = STDLIB.lines().map(|line| line.trim_end_matches(".*"));
    let public = names.filter(|name| name.starts_with(|first: char| first.is_ascii_lowercase()));
    public.chain(DEFAULT_IMPORTS.iter().copied()).collect()
}

#[cfg(test)]
mod tests;
