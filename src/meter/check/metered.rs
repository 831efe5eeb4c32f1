//! Reads a metered module for the checker.

use std::ops::Range;

use wasmparser::{
    ExternalKind, FunctionBody, GlobalType, Operator, Parser, Payload, TypeRef, ValType, Validator,
    WasmFeatures,
};
use wasmtime::{Result, bail};

use super::added::Names;
use super::pieces;

/// The features that a module may use. None of them adds other transfers of control, such as exceptions.
const FEATURES: WasmFeatures = WasmFeatures::WASM2.union(WasmFeatures::TAIL_CALL);

#[derive(Default)]
pub(super) struct Metered<'a> {
    pub(super) names: Names,
    /// The number of parameters of each function type.
    types: Vec<usize>,
    imported: u32,
    /// The type of each function, imported functions first.
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
        let [fuel] = module.exported(ExternalKind::Global, "fuel")[..] else {
            bail!("the module exports no counter")
        };
        let [refuel] = module.exported(ExternalKind::Func, "refuel")[..] else {
            bail!("the module exports no `refuel`")
        };
        let counter = GlobalType { content_type: ValType::I64, mutable: true, shared: false };
        if module.globals[fuel as usize] != counter {
            bail!("the counter is not a mutable i64");
        }
        if module
            .exports
            .iter()
            .filter(|(_, kind, index)| (*kind, *index) == (ExternalKind::Global, fuel))
            .count()
            > 1
        {
            bail!("the counter is exported twice");
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
                    let TypeRef::Func(ty) = import?.ty else {
                        bail!("the module imports more than functions")
                    };
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
            Payload::TableSection(_) => bail!("the module has a table"),
            Payload::StartSection { .. } => bail!("the module has a start function"),
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            _ => {}
        }
        Ok(())
    }

    fn exported(&self, kind: ExternalKind, name: &str) -> Vec<u32> {
        let exports = self.exports.iter().filter(|export| (export.0, export.1) == (name, kind));
        exports.map(|export| export.2).collect()
    }

    /// Returns the number of functions.
    pub(super) fn functions(&self) -> usize {
        self.functions.len()
    }

    /// Returns the indices of the functions that are not imported.
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

    /// Returns whether a function is one of those that copy, fill and grow memory.
    pub(super) fn is_in_pieces(&self, function: u32) -> bool {
        function >= self.imported && self.in_pieces.iter().any(|body| body == self.body(function).as_bytes())
    }

    /// Checks that `refuel` calls the host and does nothing else. Returns the fault.
    pub(super) fn check_refuel(&self, operators: &[Operator<'_>]) -> Option<String> {
        match operators {
            [Operator::Call { function_index } | Operator::ReturnCall { function_index }, Operator::End]
                if *function_index < self.imported =>
            {
                None
            }
            _ => Some("refuel does more than call the host".into()),
        }
    }
}
