//! Starts the interpreter once and lets it initialise itself. Its memory then becomes the image.

use std::io;

use futures::executor::block_on;
use wasmtime::{Engine, Linker, Memory, MemoryType, Module, Result, Store};

use super::interpreter::Segment;
use crate::error::Error;
use crate::hostcall::{self, HostState, fuel};
use crate::memory::{self, Base, WASM_PAGE_BYTES};
use crate::validator::{DEFAULT_IMPORTS, hints};

/// The modules of the interpreter that are written in Python; see the file itself.
const STDLIB: &str = include_str!("../../python-wasm/stdlib.txt");

/// Returns the memory of zeros that an interpreter starts in.
///
/// # Errors
///
/// [`Error::Image`] if it cannot be mapped.
pub(super) fn zeros_for(module: &Module) -> Result<Base, Error> {
    let exported = module.exports().find_map(|export| export.ty().memory().map(MemoryType::minimum));
    let pages = exported.and_then(|pages| usize::try_from(pages).ok());
    let zeros = pages.ok_or_else(|| io::Error::other("it exports no memory"));
    let zeros = zeros.and_then(|pages| Base::zeros(pages * WASM_PAGE_BYTES));
    zeros.map_err(|error| Error::image("mapping a memory of zeros").caused_by(error))
}

/// Starts an interpreter in a memory of `zeros`, and returns what `take` makes of its linear memory when it is ready to run a
/// program.
///
/// The same interpreter and recipe give the same bytes.
///
/// # Errors
///
/// [`Error::Config`] if the recipe allows a module that the interpreter cannot import. [`Error::Image`], with what the
/// guest wrote to standard error, if the interpreter cannot initialise itself for another reason, or needs more than
/// `memory_bytes_max`.
pub(super) fn with_memory<T>(
    engine: &Engine,
    module: &Module,
    zeros: &Base,
    data: &[Segment],
    recipe: Vec<u8>,
    memory_bytes_max: u64,
    take: impl FnOnce(&[u8]) -> Result<T>,
) -> Result<T, Error> {
    let mut store = Store::new(engine, HostState::for_image(recipe, memory_bytes_max));
    store.limiter(|state| &mut state.memory);
    let started = hostcall::linker(engine).and_then(|linker| {
        let memory = block_on(start(&mut store, &linker, module, zeros, data))?;
        take(memory.data(&store))
    });
    started.map_err(|error| {
        if store.data().memory.refused {
            let mib = memory_bytes_max >> 20;
            return Error::image(format!("its tools take too much memory: an image may have {mib} MiB"));
        }
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
    zeros: &Base,
    data: &[Segment],
) -> Result<Memory> {
    let instance = memory::begin_as(zeros, linker.instantiate_async(&mut *store, module)).await?;
    fuel::fill(&instance, &mut *store)?;
    let memory = hostcall::memory_of(&instance, &mut *store)?;
    for segment in data {
        memory.write(&mut *store, segment.offset, &segment.bytes)?;
    }
    for initialiser in ["_initialize", "initialize"] {
        let initialise = instance.get_typed_func::<(), ()>(&mut *store, initialiser)?;
        initialise.call_async(&mut *store, ()).await?;
    }
    Ok(memory)
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
