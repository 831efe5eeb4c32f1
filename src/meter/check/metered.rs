//! A metered module, as far as its control flow is concerned.

use std::ops::Range;

use wasmparser::{
    ExternalKind, FunctionBody, GlobalType, Operator, Parser, Payload, TypeRef, ValType, Validator,
    WasmFeatures,
};
use wasmtime::{Result, bail};

use super::added::Names;
use super::pieces;

/// What a module may consist of. It has no other way to transfer control, such as exceptions.
const FEATURES: WasmFeatures = WasmFeatures::WASM2.union(WasmFeatures::TAIL_CALL);

#[derive(Default)]
pub(super) struct Metered<'a> {
    pub(super) names: Names,
    /// How many parameters each function type has.
    types: Vec<usize>,
    imported: u32,
    /// The type of each function, of imported ones first.
    functions: Vec<u32>,
    bodies: Vec<FunctionBody<'a>>,
    globals: Vec<GlobalType>,
    exports: Vec<(&'a str, ExternalKind, u32)>,
    in_pieces: Vec<Vec<u8>>,
}

impl<'a> Metered<'a> {
    pub(super) fn read(wasm: &'a [u8]) -> Result<Self> {
        Validator::new_with_features(FEATURES).validate_all(wasm)?;
        let mut module = Self::default();
        for payload in Parser::new(0).parse_all(wasm) {
            module.read_section(payload?)?;
        }
        let [fuel] = module.exported(ExternalKind::Global, "fuel")[..] else { bail!("it has no counter") };
        let [refuel] = module.exported(ExternalKind::Func, "refuel")[..] else { bail!("it cannot refuel") };
        let counter = GlobalType { content_type: ValType::I64, mutable: true, shared: false };
        if module.globals[fuel as usize] != counter {
            bail!("its counter does not count");
        }
        if module
            .exports
            .iter()
            .filter(|(_, kind, index)| (*kind, *index) == (ExternalKind::Global, fuel))
            .count()
            > 1
        {
            bail!("its counter is exported twice");
        }
        module.names = Names { fuel, refuel };
        module.in_pieces = pieces::all(module.names)?;
        Ok(module)
    }

    fn read_section(&mut self, payload: Payload<'a>) -> Result<()> {
        match payload {
            Payload::TypeSection(types) => {
                for ty in types.into_iter_err_on_gc_types() {
                    self.types.push(ty?.params().len());
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let TypeRef::Func(ty) = import?.ty else { bail!("it imports more than functions") };
                    self.functions.push(ty);
                    self.imported += 1;
                }
            }
            Payload::FunctionSection(functions) => {
                for ty in functions {
                    self.functions.push(ty?);
                }
            }
            Payload::GlobalSection(globals) => {
                for global in globals {
                    self.globals.push(global?.ty);
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    self.exports.push((export.name, export.kind, export.index));
                }
            }
            Payload::TableSection(_) => bail!("it has a table"),
            Payload::StartSection { .. } => bail!("it starts by itself"),
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            _ => {}
        }
        Ok(())
    }

    fn exported(&self, kind: ExternalKind, name: &str) -> Vec<u32> {
        let exports = self.exports.iter().filter(|export| (export.0, export.1) == (name, kind));
        exports.map(|export| export.2).collect()
    }

    /// How many there are.
    pub(super) fn functions(&self) -> usize {
        self.functions.len()
    }

    /// Those that are not imported.
    pub(super) fn defined(&self) -> Range<u32> {
        self.imported..self.imported + u32::try_from(self.bodies.len()).unwrap()
    }

    pub(super) fn body(&self, function: u32) -> &FunctionBody<'a> {
        &self.bodies[(function - self.imported) as usize]
    }

    pub(super) fn operators(&self, function: u32) -> Result<Vec<Operator<'a>>> {
        let operators = self.body(function).get_operators_reader()?;
        Ok(operators.into_iter().collect::<wasmparser::Result<_>>()?)
    }

    pub(super) fn parameters(&self, function: u32) -> usize {
        self.types[self.functions[function as usize] as usize]
    }

    /// Whether it is one of the functions that copy, fill and grow memory.
    pub(super) fn is_in_pieces(&self, function: u32) -> bool {
        function >= self.imported && self.in_pieces.iter().any(|body| body == self.body(function).as_bytes())
    }

    /// It calls the host, and does nothing else.
    pub(super) fn check_refuel(&self, operators: &[Operator<'_>]) -> Option<String> {
        match operators {
            [Operator::Call { function_index } | Operator::ReturnCall { function_index }, Operator::End]
                if *function_index < self.imported =>
            {
                None
            }
            _ => Some("refuel does more than to call the host".into()),
        }
    }
}
