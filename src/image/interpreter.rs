//! The interpreter as WebAssembly, taken apart: code, which is compiled, and what its memory holds at the beginning.
//!
//! Compiling takes seconds and depends on the code alone; starting the interpreter takes a fraction of one and depends on
//! the recipe. Apart, another recipe costs no compilation, and memory is mapped instead of copied.

use wasm_encoder::{Module, RawSection};
use wasmparser::{Data, DataKind, GlobalSectionReader, Operator, Parser, Payload};
use wasmtime::{Result, bail};

use crate::error::Error;
use crate::meter;

/// WebAssembly that has been taken apart.
pub(crate) struct Interpreter {
    /// The module without its data segments.
    pub(crate) code: Vec<u8>,
    /// What belongs into its memory before anything runs.
    pub(crate) data: Vec<Segment>,
}

/// Bytes of linear memory, and where they begin.
pub(crate) struct Segment {
    pub(crate) offset: usize,
    pub(crate) bytes: Vec<u8>,
}

impl Interpreter {
    /// Takes apart what `python-wasm/` makes.
    ///
    /// # Errors
    ///
    /// [`Error::Image`] for a module with state outside of its memory, which an image would not hold.
    pub(crate) fn unpack(python_wasm_zst: &[u8]) -> std::result::Result<Self, Error> {
        let wasm = zstd::decode_all(python_wasm_zst).map_err(wasmtime::Error::from);
        wasm.and_then(|wasm| take_apart(&wasm))
            .map_err(|error| Error::image("reading the interpreter").caused_by(error))
    }
}

fn take_apart(wasm: &[u8]) -> Result<Interpreter> {
    let (mut code, mut data) = (Module::new(), Vec::new());
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        match &payload {
            Payload::DataSection(segments) => {
                for segment in segments.clone() {
                    data.push(segment_of(&segment?)?);
                }
                continue;
            }
            Payload::DataCountSection { .. } => continue,
            Payload::GlobalSection(globals) => check_globals(globals)?,
            Payload::StartSection { .. } => bail!("it starts by itself"),
            _ => {}
        }
        if let Some((id, range)) = payload.as_section() {
            code.section(&RawSection { id, data: &wasm[range] });
        }
    }
    Ok(Interpreter { code: meter::add(&code.finish())?, data })
}

fn segment_of(segment: &Data<'_>) -> Result<Segment> {
    if let DataKind::Active { memory_index: 0, offset_expr } = &segment.kind
        && let Operator::I32Const { value } = offset_expr.get_operators_reader().read()?
    {
        let offset = value.cast_unsigned() as usize;
        return Ok(Segment { offset, bytes: segment.data.to_vec() });
    }
    bail!("a data segment without a fixed place")
}

/// The stack pointer is where it was when a function of C returns, so it need not be kept. Nothing else may change.
fn check_globals(globals: &GlobalSectionReader<'_>) -> Result<()> {
    let mut mutable = 0;
    for global in globals.clone() {
        mutable += usize::from(global?.ty.mutable);
    }
    if mutable > 1 {
        bail!("more than one global that changes");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `Memories` relies on: nothing fills or reads memory before the guest's own code does.
    #[test]
    fn an_instance_begins_without_data_and_without_a_start_function() {
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
        assert!(!interpreter.data.is_empty(), "it was taken out");
    }

    #[test]
    fn a_module_that_starts_by_itself_is_refused() {
        let wasm = wat::parse_str("(module (func $f (export \"refuel\")) (start $f))").unwrap();
        let error = take_apart(&wasm).err().unwrap();
        assert_eq!(error.to_string(), "it starts by itself");
    }
}
