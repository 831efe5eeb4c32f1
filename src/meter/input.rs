//! Reads a module before metering.

use wasmparser::{ExternalKind, MemoryType, Parser, Payload, TypeRef};
use wasmtime::{Result, bail, format_err};

use super::body::Body;

/// The name of the guest's exported function that asks the host for fuel.
const REFUEL: &str = "refuel";

/// What the meter needs to know about a module.
#[derive(Default)]
pub(super) struct Input<'a> {
    /// The number of parameters of each function type.
    pub(super) types: Vec<u32>,
    pub(super) globals: u32,
    pub(super) functions_imported: u32,
    /// The type index of each body.
    pub(super) functions: Vec<u32>,
    pub(super) bodies: Vec<Body<'a>>,
    pub(super) refuel: u32,
}

impl<'a> Input<'a> {
    pub(super) fn read(wasm: &'a [u8]) -> Result<Self> {
        let (mut input, mut refuel) = (Self::default(), None);
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::TypeSection(types) => {
                    for ty in types.into_iter_err_on_gc_types() {
                        input.types.push(u32::try_from(ty?.params().len())?);
                    }
                }
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        match import?.ty {
                            TypeRef::Func(_) => input.functions_imported += 1,
                            TypeRef::Global(_) => input.globals += 1,
                            TypeRef::Memory(ty) => check_memory(ty)?,
                            _ => {}
                        }
                    }
                }
                Payload::FunctionSection(functions) => {
                    for ty in functions {
                        input.functions.push(ty?);
                    }
                }
                Payload::MemorySection(memories) => {
                    for ty in memories {
                        check_memory(ty?)?;
                    }
                }
                Payload::GlobalSection(globals) => input.globals += globals.count(),
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export?;
                        if export.kind == ExternalKind::Func && export.name == REFUEL {
                            refuel = Some(export.index);
                        }
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    input.bodies.push(Body::read(&body, input.functions_imported)?);
                }
                _ => {}
            }
        }
        input.refuel = refuel.ok_or_else(|| format_err!("the module exports no function {REFUEL:?}"))?;
        let refuel =
            input.refuel.checked_sub(input.functions_imported).map(|index| &input.bodies[index as usize]);
        if refuel.is_none_or(|body| !body.is_leaf() || !body.loops.is_empty()) {
            bail!("{REFUEL:?} does more than call the host");
        }
        Ok(input)
    }
}

/// Refuses a memory with a maximum. wasmtime compiles a read beyond the maximum to a trap, and the polling page is
/// there.
fn check_memory(ty: MemoryType) -> Result<()> {
    if ty.maximum.is_some() {
        bail!("the memory has a maximum, so loops could not read the polling page");
    }
    Ok(())
}
