//! Fuel: WebAssembly that counts what it does, and asks the host whether to go on when it has done enough.
//!
//! wasmtime can meter too, at a price: it counts in every block, and keeps its counter in memory around each call. Here
//! code is charged where it can repeat and nowhere else: where a loop goes round, and on entry to as many functions as
//! break every cycle of calls ([`graph`]); calls through the table are made direct before ([`table`]). A loop that calls
//! nothing counts in a local, which costs less: a call in it, however rare, would take its registers. It cannot ask the
//! host, so each round reads from the *polling page*, as code of a JVM does at its safepoints; a guest that is overdue
//! finds that page inaccessible, and traps ([`crate::memory`]). The counter is a global that the interpreter's own code does
//! not know of, so no guest can reach it. What a program burns depends on the program, and on no clock.

mod body;
mod graph;
mod input;
mod insert;
mod longest_path;
mod table;

use wasm_encoder::{ConstExpr, Encode, ExportKind, GlobalType, Module, RawSection, SectionId, ValType};
use wasmparser::{BinaryReader, Parser};
use wasmtime::{Result, bail};

use graph::Charges;
use input::Input;
use insert::Meter;

/// The global that holds what is left; below zero, the guest has to call its `refuel`.
pub(crate) const FUEL: &str = "fuel";

/// Where the polling page is in linear memory: at the end of what 32 bits can address, which no memory grows to.
pub(crate) const POLLED_AT: u32 = 0xffff_0000;

/// Its size: what can be made inaccessible on every machine.
pub(crate) const POLLED_BYTES: usize = (1 << 32) - POLLED_AT as usize;

/// Code with another meter is other code: what the cache's names are made of.
pub(crate) const SOURCE: [&str; 7] = [
    include_str!("meter.rs"),
    include_str!("meter/body.rs"),
    include_str!("meter/graph.rs"),
    include_str!("meter/input.rs"),
    include_str!("meter/insert.rs"),
    include_str!("meter/table.rs"),
    include_str!("meter/longest_path.rs"),
];

/// Function types, as the binary format has them: of `memory.grow`, and of `memory.copy` and `memory.fill`.
const NEW_TYPES: [&[u8]; 2] = [&[0x60, 1, 0x7f, 1, 0x7f], &[0x60, 3, 0x7f, 0x7f, 0x7f, 0]];

/// `wasm` with a meter in it.
///
/// # Errors
///
/// Modules without the guest's `refuel`, and with instructions whose work is not known. What the engine refuses
/// is not looked at here.
pub(crate) fn add(wasm: &[u8]) -> Result<Vec<u8>> {
    let direct = table::direct(wasm)?;
    let wasm = &direct.wasm;
    let input = Input::read(wasm)?;
    let charges = Charges::of(&input.bodies, input.functions_imported, direct.functions)?;
    let meter = Meter {
        fuel: input.globals,
        refuel: input.refuel,
        first_new: input.functions_imported + u32::try_from(input.bodies.len())?,
    };
    let (code, hints, new_functions) = meter.code(&input, &charges)?;

    let (mut module, mut extended) = (Module::new(), 0);
    for section in Parser::new(0).parse_all(wasm) {
        let Some((id, range)) = section?.as_section() else { continue };
        let old = &wasm[range];
        let data = if id == u8::from(SectionId::Type) {
            with_more(old, NEW_TYPES.len(), |new| NEW_TYPES.iter().for_each(|ty| new.extend(*ty)))?
        } else if id == u8::from(SectionId::Function) {
            with_more(old, new_functions.len(), |new| new_functions.iter().for_each(|ty| ty.encode(new)))?
        } else if id == u8::from(SectionId::Global) {
            with_more(old, 1, |new| {
                GlobalType { val_type: ValType::I64, mutable: true, shared: false }.encode(new);
                ConstExpr::i64_const(0).encode(new);
            })?
        } else if id == u8::from(SectionId::Export) {
            with_more(old, 1, |new| {
                FUEL.encode(new);
                ExportKind::Global.encode(new);
                meter.fuel.encode(new);
            })?
        } else if id == u8::from(SectionId::Code) {
            module.section(&hints).section(&code);
            extended += 1;
            continue;
        } else if id == u8::from(SectionId::Custom) {
            // What it says of the code would be wrong.
            continue;
        } else {
            module.section(&RawSection { id, data: old });
            continue;
        };
        module.section(&RawSection { id, data: &data });
        extended += 1;
    }
    if extended != 5 {
        bail!("it lacks one of types, functions, globals, exports and code");
    }
    Ok(module.finish())
}

/// A section, which begins with a count, with more entries at its end.
fn with_more(section: &[u8], more: usize, encode: impl FnOnce(&mut Vec<u8>)) -> Result<Vec<u8>> {
    let mut old = BinaryReader::new(section, 0);
    let (count, mut new) = (old.read_var_u32()?, Vec::new());
    (count as usize + more).encode(&mut new);
    new.extend(old.read_bytes(old.bytes_remaining())?);
    encode(&mut new);
    Ok(new)
}

#[cfg(any(test, fuzzing))]
#[allow(clippy::expect_used, clippy::unwrap_used, reason = "as in tests")]
pub(crate) mod check;
#[cfg(test)]
mod tests;
