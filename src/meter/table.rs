//! Replaces calls through the table by direct calls, and removes the table.
//!
//! wasmtime fills tables lazily: in each fresh instance, the first call through an entry calls into the runtime, and
//! the instance holds a descriptor of each function in the table. The interpreter never changes its table, so neither
//! is needed.
//!
//! For each type that is called through the table, a function of that type is added. It selects the callee by the table
//! index and tail calls it. The index is passed in a global, so that the arguments stay in their registers. An index
//! with no function, or with one of another type, traps as before.

use std::collections::{BTreeSet, HashMap};

use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, Encode, Function, GlobalType, Instruction, SectionId, ValType,
};
use wasmparser::{
    ElementItems, ElementKind, ExternalKind, FuncType, FunctionBody, Operator, Parser, Payload, TypeRef,
};
use wasmtime::{Result, bail};

use super::sections::{self, Change};

/// A module whose table was removed.
pub(super) struct Direct {
    pub(super) wasm: Vec<u8>,
    /// The number of functions that replace the table. They are the module's last ones.
    pub(super) functions: usize,
}

/// Makes the calls through a module's table direct.
///
/// # Errors
///
/// Fails if the module has several tables, imports or exports its table, or uses it for more than calls.
pub(super) fn direct(wasm: &[u8]) -> Result<Direct> {
    let table = Table::read(wasm)?;
    let mut called = Vec::new();
    let mut code = CodeSection::new();
    for body in &table.bodies {
        code.raw(&table.with_direct_calls(body, &mut called)?);
    }
    for ty in &called {
        code.function(&table.calling(*ty)?);
    }
    let functions = called.len();

    let mut changes = vec![(SectionId::Table, Change::Remove), (SectionId::Element, Change::Remove)];
    if functions > 0 {
        let global = |new: &mut Vec<u8>| {
            GlobalType { val_type: ValType::I32, mutable: true, shared: false }.encode(new);
            ConstExpr::i32_const(0).encode(new);
        };
        changes.extend([
            (
                SectionId::Function,
                Change::append(functions, |new| called.iter().for_each(|ty| ty.encode(new))),
            ),
            (SectionId::Global, Change::append(1, global)),
            (SectionId::Code, Change::replace(&[&code])),
        ]);
    }
    Ok(Direct { wasm: sections::rewrite(wasm, &changes)?, functions })
}

/// A module's table, and what is needed to call through it.
#[derive(Default)]
struct Table<'a> {
    types: Vec<FuncType>,
    /// The type of each function, imported functions first. Equal types have the index of the first one.
    functions: Vec<usize>,
    /// The function at each index of the table.
    entries: Vec<Option<u32>>,
    globals: u32,
    bodies: Vec<FunctionBody<'a>>,
}

impl<'a> Table<'a> {
    fn read(wasm: &'a [u8]) -> Result<Self> {
        let mut table = Self::default();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::TypeSection(types) => {
                    for ty in types.into_iter_err_on_gc_types() {
                        table.types.push(ty?);
                    }
                }
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        match import?.ty {
                            TypeRef::Func(ty) => table.functions.push(table.first_equal(ty)),
                            TypeRef::Table(_) => bail!("the table is imported"),
                            TypeRef::Global(_) => table.globals += 1,
                            _ => {}
                        }
                    }
                }
                Payload::FunctionSection(functions) => {
                    for ty in functions {
                        let ty = table.first_equal(ty?);
                        table.functions.push(ty);
                    }
                }
                Payload::TableSection(tables) if tables.count() > 1 => {
                    bail!("the module has more than one table")
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        if export?.kind == ExternalKind::Table {
                            bail!("the table is exported");
                        }
                    }
                }
                Payload::ElementSection(elements) => {
                    for element in elements {
                        let element = element?;
                        table.fill(&element.kind, element.items)?;
                    }
                }
                Payload::GlobalSection(globals) => table.globals += globals.count(),
                Payload::CodeSectionEntry(body) => table.bodies.push(body),
                _ => {}
            }
        }
        Ok(table)
    }

    fn first_equal(&self, ty: u32) -> usize {
        let ty = ty as usize;
        self.types.iter().position(|other| *other == self.types[ty]).unwrap_or(ty)
    }

    fn fill(&mut self, kind: &ElementKind<'_>, items: ElementItems<'_>) -> Result<()> {
        if let ElementKind::Active { offset_expr, .. } = kind
            && let Operator::I32Const { value } = offset_expr.get_operators_reader().read()?
            && let ElementItems::Functions(functions) = items
        {
            let first = value.cast_unsigned() as usize;
            for (index, function) in (first..).zip(functions) {
                if index >= self.entries.len() {
                    self.entries.resize(index + 1, None);
                }
                self.entries[index] = Some(function?);
            }
            return Ok(());
        }
        bail!("the table has elements other than functions at a constant offset")
    }

    /// Returns the body with direct calls. Adds to `called` the types that it calls through the table: each gets a new
    /// function.
    fn with_direct_calls(&self, body: &FunctionBody<'_>, called: &mut Vec<usize>) -> Result<Vec<u8>> {
        let first = body.range().start;
        let (old, mut bytes, mut copied) = (body.as_bytes(), Vec::new(), 0);
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            let at = operators.original_position() - first;
            let (call, ty): (fn(u32) -> Instruction<'static>, u32) = match operators.read()? {
                Operator::CallIndirect { type_index, .. } => (Instruction::Call, type_index),
                Operator::ReturnCallIndirect { type_index, .. } => (Instruction::ReturnCall, type_index),
                operator @ (Operator::TableCopy { .. }
                | Operator::TableFill { .. }
                | Operator::TableGet { .. }
                | Operator::TableGrow { .. }
                | Operator::TableInit { .. }
                | Operator::TableSet { .. }
                | Operator::TableSize { .. }
                | Operator::RefFunc { .. }) => bail!("the table is used for more than calls: {operator:?}"),
                _ => continue,
            };
            let ty = self.first_equal(ty);
            let function = called.iter().position(|other| *other == ty).unwrap_or_else(|| {
                called.push(ty);
                called.len() - 1
            });
            bytes.extend(&old[copied..at]);
            Instruction::GlobalSet(self.globals).encode(&mut bytes);
            call(u32::try_from(self.functions.len() + function)?).encode(&mut bytes);
            copied = operators.original_position() - first;
        }
        bytes.extend(&old[copied..]);
        Ok(bytes)
    }

    /// Returns the function that calls the table entry at the index in the global, if its type is `ty`.
    ///
    /// It has one block for each callee, the first one innermost, and the call follows the block's end.
    fn calling(&self, ty: usize) -> Result<Function> {
        let of_type = |entry: &Option<u32>| entry.filter(|function| self.functions[*function as usize] == ty);
        let targets: BTreeSet<u32> = self.entries.iter().filter_map(of_type).collect();
        let blocks: HashMap<u32, u32> = targets.iter().copied().zip(0..).collect();
        let nothing = u32::try_from(targets.len())?;
        let block_of = |entry| of_type(entry).map_or(nothing, |function| blocks[&function]);
        let mut table: Vec<u32> = self.entries.iter().map(block_of).collect();
        while table.pop_if(|block| *block == nothing).is_some() {}

        let mut function = Function::new([]);
        for _ in 0..=nothing {
            function.instruction(&Instruction::Block(BlockType::Empty));
        }
        function.instruction(&Instruction::GlobalGet(self.globals));
        function.instruction(&Instruction::BrTable(table.into(), nothing));
        for target in targets {
            function.instruction(&Instruction::End);
            for (parameter, _) in (0..).zip(self.types[ty].params()) {
                function.instruction(&Instruction::LocalGet(parameter));
            }
            function.instruction(&Instruction::ReturnCall(target));
        }
        function.instruction(&Instruction::End);
        function.instruction(&Instruction::Unreachable);
        function.instruction(&Instruction::End);
        Ok(function)
    }
}

#[cfg(test)]
mod tests;
