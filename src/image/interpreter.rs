//! Splits the interpreter's WebAssembly into code, which is compiled, and the initial content of its memory.
//!
//! Compiling takes seconds and depends on the code only. Starting the interpreter takes a fraction of a second and
//! depends on the recipe. Because the two are separate, another recipe needs no compilation, and memory is mapped
//! instead of copied.

use wasm_encoder::SectionId;
use wasmparser::{Data, DataKind, GlobalSectionReader, Operator, Parser, Payload};
use wasmtime::{Result, bail};

use crate::error::Error;
use crate::meter;
use crate::meter::sections::{self, Change};

/// The interpreter, split into code and data.
pub(crate) struct Interpreter {
    /// The metered module, without its data segments.
    pub(crate) code: Vec<u8>,
    /// The content of its memory before anything runs.
    pub(crate) data: Vec<Segment>,
}

/// Bytes of linear memory, and their offset.
pub(crate) struct Segment {
    pub(crate) offset: usize,
    pub(crate) bytes: Vec<u8>,
}

impl Interpreter {
    /// Unpacks and splits the module that `python-wasm/` builds, and adds the meter.
    ///
    /// # Errors
    ///
    /// [`Error::Image`] if the module cannot be read or metered, has a start function, or has state outside of its
    /// memory, which an image would not contain.
    pub(crate) fn unpack(python_wasm_zst: &[u8]) -> std::result::Result<Self, Error> {
        unpacked(python_wasm_zst, |wasm| {
            let data = data_of(wasm)?;
            let without_data = [(SectionId::Data, Change::Remove), (SectionId::DataCount, Change::Remove)];
            Ok(Self { code: meter::add(&sections::rewrite(wasm, &without_data)?)?, data })
        })
    }

    /// Returns only the content of its memory.
    ///
    /// # Errors
    ///
    /// As for [`Interpreter::unpack`].
    pub(super) fn data(python_wasm_zst: &[u8]) -> std::result::Result<Vec<Segment>, Error> {
        unpacked(python_wasm_zst, data_of)
    }
}

fn unpacked<T>(
    python_wasm_zst: &[u8],
    read: impl FnOnce(&[u8]) -> Result<T>,
) -> std::result::Result<T, Error> {
    let wasm = zstd::decode_all(python_wasm_zst).map_err(wasmtime::Error::from);
    wasm.and_then(|wasm| read(&wasm))
        .map_err(|error| Error::image("reading the interpreter").caused_by(error))
}

fn data_of(wasm: &[u8]) -> Result<Vec<Segment>> {
    let mut data = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::DataSection(segments) => {
                for segment in segments {
                    data.push(segment_of(&segment?)?);
                }
            }
            Payload::GlobalSection(globals) => check_globals(globals)?,
            Payload::StartSection { .. } => bail!("the module has a start function"),
            _ => {}
        }
    }
    Ok(data)
}

fn segment_of(segment: &Data<'_>) -> Result<Segment> {
    if let DataKind::Active { memory_index: 0, offset_expr } = &segment.kind
        && let Operator::I32Const { value } = offset_expr.get_operators_reader().read()?
    {
        let offset = value.cast_unsigned() as usize;
        return Ok(Segment { offset, bytes: segment.data.to_vec() });
    }
    bail!("the module has a data segment without a constant offset")
}

/// Checks that at most one global is mutable: the stack pointer.
///
/// An image does not contain globals. The stack pointer has its initial value again whenever a C function returns.
fn check_globals(globals: GlobalSectionReader<'_>) -> Result<()> {
    let mut mutable = 0;
    for global in globals {
        mutable += usize::from(global?.ty.mutable);
    }
    if mutable > 1 {
        bail!("the module has more than one mutable global");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Memories` relies on this: nothing fills or reads memory before the guest's own code does.
    #[test]
    fn the_code_has_no_data_segments_and_no_start_function() {
        let interpreter = Interpreter::unpack(super::super::PYTHON_WASM_ZST).unwrap();
        for payload in Parser::new(0).parse_all(&interpreter.code) {
            match payload.unwrap() {
                Payload::DataSection(_) | Payload::DataCountSection { .. } | Payload::StartSection { .. } => {
                    panic!("data, or a start function")
                }
                Payload::ElementSection(_) | Payload::TableSection(_) => panic!("a table"),
                _ => {}
            }
        }
        assert!(!interpreter.data.is_empty(), "the data segments were taken out");
    }

    #[test]
    fn a_module_with_a_start_function_is_refused() {
        let wasm = wat::parse_str("(module (func $f (export \"refuel\")) (start $f))").unwrap();
        let error = data_of(&wasm).err().unwrap();
        assert_eq!(error.to_string(), "the module has a start function");
    }
}
