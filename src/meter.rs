//! Fuel metering: adds code to a WebAssembly module that counts the module's work, and that calls the host when a
//! portion of fuel is burned.
//!
//! wasmtime's own metering costs more: it counts in every block, and stores its counter in memory around each call.
//! This meter charges code only where it can repeat: at the back edges of loops, and on entry to enough functions to
//! break every cycle of calls ([`graph`]). Calls through the table are made direct first ([`table`]).
//!
//! A loop that calls nothing counts in a local. A call in such a loop, however rare, would cost it its registers, so
//! the loop cannot ask the host. Instead, each iteration reads from the *polling page*, as the code of a JVM does at
//! its safepoints. When a guest is overdue, the host makes the page inaccessible, and the next read traps
//! ([`crate::memory`]).
//!
//! The counter is a global that the interpreter's own code does not name, so no guest can reach it. The fuel that a
//! program burns depends on the program only, not on a clock.

mod body;
mod functions;
mod graph;
mod input;
mod insert;
mod longest_path;
pub(crate) mod sections;
mod table;

use wasm_encoder::{ConstExpr, Encode, ExportKind, GlobalType, SectionId, ValType};
use wasmtime::Result;

use graph::Charges;
use input::Input;
use insert::Meter;
use sections::Change;

/// The name of the exported global with the remaining fuel. When it is below zero, the guest calls its `refuel`.
pub(crate) const FUEL: &str = "fuel";

/// The address of the polling page in linear memory: at the end of what 32 bits can address. No memory grows up to it.
pub(crate) const POLLED_AT: u32 = 0xffff_0000;

/// The size of the polling page: the largest page size of any supported machine, so that it can be protected.
pub(crate) const POLLED_BYTES: usize = (1 << 32) - POLLED_AT as usize;

/// The meter's sources. They go into the cache key of compiled code, because another meter makes other code.
pub(crate) const SOURCE: [&str; 9] = [
    include_str!("meter.rs"),
    include_str!("meter/body.rs"),
    include_str!("meter/functions.rs"),
    include_str!("meter/graph.rs"),
    include_str!("meter/input.rs"),
    include_str!("meter/insert.rs"),
    include_str!("meter/longest_path.rs"),
    include_str!("meter/sections.rs"),
    include_str!("meter/table.rs"),
];

/// Encoded function types: that of `memory.grow`, and that of `memory.copy` and `memory.fill`.
const NEW_TYPES: [&[u8]; 2] = [&[0x60, 1, 0x7f, 1, 0x7f], &[0x60, 3, 0x7f, 0x7f, 0x7f, 0]];

/// Returns `wasm` with the meter added.
///
/// # Errors
///
/// Fails if the module does not export `refuel`, or has instructions whose work the meter does not know. It does not
/// validate the module; the engine does.
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

    let functions = |new: &mut Vec<u8>| new_functions.iter().for_each(|ty| ty.encode(new));
    let global = |new: &mut Vec<u8>| {
        GlobalType { val_type: ValType::I64, mutable: true, shared: false }.encode(new);
        ConstExpr::i64_const(0).encode(new);
    };
    let export = |new: &mut Vec<u8>| {
        FUEL.encode(new);
        ExportKind::Global.encode(new);
        meter.fuel.encode(new);
    };
    sections::rewrite(
        wasm,
        &[
            (SectionId::Type, Change::append(NEW_TYPES.len(), |new| new.extend(NEW_TYPES.concat()))),
            (SectionId::Function, Change::append(new_functions.len(), functions)),
            (SectionId::Global, Change::append(1, global)),
            (SectionId::Export, Change::append(1, export)),
            (SectionId::Code, Change::replace(&[&hints, &code])),
            // Custom sections that describe the code would no longer be right.
            (SectionId::Custom, Change::Remove),
        ],
    )
}

#[cfg(any(test, fuzzing))]
#[allow(clippy::expect_used, clippy::unwrap_used, reason = "as in tests")]
pub(crate) mod check;
#[cfg(test)]
mod tests;
