//! Generates modules of arbitrary code. Like the interpreter, each has one memory, a table that never changes, and
//! `refuel`.

use libfuzzer_sys::arbitrary::{Error, Result, Unstructured};
use wasm_encoder::{
    ConstExpr, ElementSection, Elements, Encode, ExportKind, ExportSection, MemorySection, MemoryType,
    Module, RawSection, RefType, SectionId, TableSection, TableType,
};
use wasm_smith::{Config, InstructionKind, InstructionKinds};
use wasmparser::{Parser, Payload};

const TABLE_ENTRIES: usize = 32;

/// The least number of bytes from which a module is made.
const CHOICES_MIN: usize = 4096;

/// Generates a module from bytes. Few bytes are extended by noise that depends on them: otherwise, the modules would be
/// trivial.
pub fn module(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut noise = bytes.iter().fold(1, |noise, byte| next(noise ^ u64::from(*byte)));
    let mut bytes = bytes.to_vec();
    while bytes.len() < CHOICES_MIN {
        noise = next(noise);
        bytes.extend(noise.to_le_bytes());
    }
    let choices = &mut Unstructured::new(&bytes);
    let refuel = r#"(module (import "executor" "refuel" (func)))"#;
    let kinds = [
        InstructionKind::Numeric,
        InstructionKind::Vector,
        InstructionKind::Parametric,
        InstructionKind::Variable,
        InstructionKind::Memory,
        InstructionKind::Control,
    ];
    let config = Config {
        available_imports: Some(wat::parse_str(refuel).expect("the text is valid")),
        max_imports: 1,
        max_exports: 0,
        allow_start_export: false,
        allowed_instructions: InstructionKinds::new(&kinds),
        // Often without traps, because most code that may trap does so in the first iteration of a loop.
        disallow_traps: choices.ratio(3, 4)?,
        min_funcs: 1,
        max_funcs: 12,
        max_instructions: 200,
        min_memories: 1,
        min_tables: 1,
        max_element_segments: 0,
        max_data_segments: 0,
        min_globals: 1,
        max_globals: 4,
        reference_types_enabled: false,
        gc_enabled: false,
        exceptions_enabled: false,
        threads_enabled: false,
        memory64_enabled: false,
        relaxed_simd_enabled: false,
        extended_const_enabled: false,
        ..Config::default()
    };
    let made = wasm_smith::Module::new(config, choices)?.to_bytes();
    complete(&made).ok_or(Error::IncorrectFormat)
}

/// Returns the next pseudo-random number.
fn next(mut number: u64) -> u64 {
    number = (number | 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    number ^ number >> 29
}

/// Adds `refuel` and exports to a module, and replaces its memory and its table by those that the meter expects.
/// Returns `None` if the module imports nothing.
fn complete(wasm: &[u8]) -> Option<Vec<u8>> {
    let counts = Counts::of(wasm)?;
    let (mut module, mut is_exported) = (Module::new(), false);
    for section in Parser::new(0).parse_all(wasm) {
        let section = section.expect("the generated module is valid");
        let Some((id, range)) = section.as_section() else { continue };
        let replaced = [SectionId::Export, SectionId::Element, SectionId::DataCount, SectionId::Data];
        if replaced.iter().any(|replaced| id == u8::from(*replaced)) {
            continue;
        }
        if id == u8::from(SectionId::Code) {
            module.section(&counts.exports()).section(&counts.table());
            is_exported = true;
        }
        let old = &wasm[range];
        if id == u8::from(SectionId::Table) {
            let limits = TableType {
                element_type: RefType::FUNCREF,
                table64: false,
                minimum: TABLE_ENTRIES as u64,
                maximum: None,
                shared: false,
            };
            module.section(TableSection::new().table(limits));
        } else if id == u8::from(SectionId::Memory) {
            let limits = MemoryType {
                minimum: 1,
                maximum: None,
                memory64: false,
                shared: false,
                page_size_log2: None,
            };
            module.section(MemorySection::new().memory(limits));
        } else if id == u8::from(SectionId::Function) {
            let data = with_one_more(old, |new| counts.refuel_type.encode(new));
            module.section(&RawSection { id, data: &data });
        } else if id == u8::from(SectionId::Code) {
            // The body of `refuel`: no locals; `call 0`, `end`.
            let data = with_one_more(old, |new| new.extend([4, 0, 0x10, 0, 0x0b]));
            module.section(&RawSection { id, data: &data });
        } else {
            module.section(&RawSection { id, data: old });
        }
    }
    is_exported.then(|| module.finish())
}

fn with_one_more(section: &[u8], encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut old = wasmparser::BinaryReader::new(section, 0);
    let mut new = Vec::new();
    (old.read_var_u32().expect("a count") + 1).encode(&mut new);
    new.extend(old.read_bytes(old.bytes_remaining()).expect("the rest"));
    encode(&mut new);
    new
}

/// What a module has. The first function is the imported one.
#[derive(Default)]
struct Counts {
    functions: u32,
    globals: u32,
    refuel_type: u32,
}

impl Counts {
    fn of(wasm: &[u8]) -> Option<Self> {
        let (mut counts, mut refuel_type) = (Self::default(), None);
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.expect("the generated module is valid") {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let wasmparser::TypeRef::Func(ty) = import.ok()?.ty else { return None };
                        refuel_type = Some(ty);
                        counts.functions += 1;
                    }
                }
                Payload::FunctionSection(functions) => counts.functions += functions.count(),
                Payload::GlobalSection(globals) => counts.globals = globals.count(),
                _ => {}
            }
        }
        counts.refuel_type = refuel_type?;
        Some(counts)
    }

    fn exports(&self) -> ExportSection {
        let mut exports = ExportSection::new();
        exports.export("memory", ExportKind::Memory, 0).export("refuel", ExportKind::Func, self.functions);
        for function in 1..self.functions {
            exports.export(&format!("f{function}"), ExportKind::Func, function);
        }
        for global in 0..self.globals {
            exports.export(&format!("g{global}"), ExportKind::Global, global);
        }
        exports
    }

    /// Returns the table's elements: the functions in turn, repeated. The last entries stay empty.
    fn table(&self) -> ElementSection {
        let functions: Vec<u32> = (1..self.functions).collect();
        let filled = functions.iter().copied().cycle().take(TABLE_ENTRIES - 4).collect::<Vec<_>>();
        let mut elements = ElementSection::new();
        elements.active(None, &ConstExpr::i32_const(0), Elements::Functions(filled.into()));
        elements
    }
}
