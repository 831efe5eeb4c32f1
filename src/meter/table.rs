//! Calls through the table, made direct.
//!
//! wasmtime fills tables as they are used: in each fresh instance, the first call through each entry asks the host, and
//! the instance holds a descriptor of each function in the table. But nothing changes the table. So for each type that is
//! called through it there is a function of that type, which ends in a tail call of what stands at an index; the table
//! itself is left out. The index is in a global, so that the arguments stay in the registers where they are. One that leads
//! to nothing, or to a function of another type, traps as before.

use std::collections::{BTreeSet, HashMap};

use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, Encode, Function, GlobalType, Instruction, Module, RawSection,
    SectionId, ValType,
};
use wasmparser::{
    ElementItems, ElementKind, ExternalKind, FuncType, FunctionBody, Operator, Parser, Payload, TypeRef,
};
use wasmtime::{Result, bail};

use super::with_more;

/// A module that has no table any more.
pub(super) struct Direct {
    pub(super) wasm: Vec<u8>,
    /// How many functions, its last ones, stand for the table.
    pub(super) functions: usize,
}

/// # Errors
///
/// Tables that change, that others see, or of which there are two.
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

    let mut module = Module::new();
    for section in Parser::new(0).parse_all(wasm) {
        let Some((id, range)) = section?.as_section() else { continue };
        let old = &wasm[range];
        let data = if id == u8::from(SectionId::Table) || id == u8::from(SectionId::Element) {
            continue;
        } else if id == u8::from(SectionId::Code) {
            module.section(&code);
            continue;
        } else if id == u8::from(SectionId::Function) {
            with_more(old, functions, |new| called.iter().for_each(|ty| ty.encode(new)))?
        } else if id == u8::from(SectionId::Global) {
            with_more(old, 1, |new| {
                GlobalType { val_type: ValType::I32, mutable: true, shared: false }.encode(new);
                ConstExpr::i32_const(0).encode(new);
            })?
        } else {
            module.section(&RawSection { id, data: old });
            continue;
        };
        module.section(&RawSection { id, data: &data });
    }
    Ok(Direct { wasm: module.finish(), functions })
}

/// A module's table, and what it takes to call through it.
#[derive(Default)]
struct Table<'a> {
    types: Vec<FuncType>,
    /// The type of each function, of imported ones first: of equal types, the first.
    functions: Vec<usize>,
    /// The function at each index.
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
                            TypeRef::Table(_) => bail!("its table is imported"),
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
                Payload::TableSection(tables) if tables.count() > 1 => bail!("it has more than one table"),
                Payload::ExportSection(exports) => {
                    for export in exports {
                        if export?.kind == ExternalKind::Table {
                            bail!("its table is exported");
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
        bail!("elements of its table without a fixed place")
    }

    /// `called`: types that are called through the table, one new function for each.
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
                | Operator::RefFunc { .. }) => bail!("its table is more than called through: {operator:?}"),
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

    /// Calls what stands at the index, if it is of this type. One block for each function, the first one innermost, and its
    /// call behind the block's end.
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
