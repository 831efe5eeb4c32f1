//! One function of a module, as far as its fuel is concerned.

use wasmparser::{FunctionBody, Operator};
use wasmtime::{Result, bail};

/// What is read of a function.
#[derive(Default)]
pub(super) struct Body<'a> {
    /// From its locals to its last `end`.
    pub(super) bytes: &'a [u8],
    /// Where its first operator is.
    pub(super) start: usize,
    /// How many locals it has, without its parameters.
    pub(super) locals: u32,
    /// Operators outside of loops.
    pub(super) operators: u32,
    pub(super) loops: Vec<Loop>,
    pub(super) sized: Vec<(usize, Size)>,
    /// Where it ends: its last `end`, and before it what returns.
    pub(super) ends: Vec<usize>,
    /// What it calls, one for each place that does: functions of the module, from 0 for the first that is not imported.
    pub(super) callees: Vec<usize>,
    /// It calls these, or through a table.
    pub(super) calls: bool,
    /// It goes on after a call: not all of them are its last act.
    pub(super) is_returned_to: bool,
}

pub(super) struct Loop {
    /// Where its first operator is.
    pub(super) start: usize,
    /// Operators of a round, without loops inside.
    pub(super) operators: u32,
    /// It calls nothing, and no loop is inside.
    pub(super) is_plain: bool,
}

/// What an instruction's last operand counts, if that is what its work depends on.
#[derive(Clone, Copy)]
pub(super) enum Size {
    Bytes,
    Pages,
}

impl<'a> Body<'a> {
    /// `imported`: how many functions of the module are.
    pub(super) fn read(function: &FunctionBody<'a>, imported: u32) -> Result<Self> {
        let mut operators = function.get_operators_reader()?;
        let first = function.range().start;
        let mut body = Self {
            bytes: function.as_bytes(),
            start: operators.original_position() - first,
            ..Self::default()
        };
        for group in function.get_locals_reader()? {
            body.locals += group?.0;
        }
        // The innermost loop around each open block.
        let mut around: Vec<Option<usize>> = vec![None];
        while !operators.eof() {
            let at = operators.original_position() - first;
            let operator = operators.read()?;
            let after = operators.original_position() - first;
            let innermost = around.last().copied().flatten();
            match innermost {
                None => body.operators += 1,
                Some(index) => body.loops[index].operators += 1,
            }
            let calls = matches!(operator, Operator::Call { .. } | Operator::CallIndirect { .. });
            body.is_returned_to |= calls;
            if matches!(operator, Operator::ReturnCall { .. } | Operator::ReturnCallIndirect { .. }) {
                body.ends.push(at);
            }
            if calls || matches!(operator, Operator::Loop { .. }) {
                around.iter().flatten().for_each(|index| body.loops[*index].is_plain = false);
            }
            match operator {
                Operator::Block { .. } | Operator::If { .. } => around.push(innermost),
                Operator::Loop { .. } => {
                    around.push(Some(body.loops.len()));
                    body.loops.push(Loop { start: after, operators: 0, is_plain: true });
                }
                Operator::End => {
                    around.pop();
                    body.ends.extend(around.is_empty().then_some(at));
                }
                Operator::Return => body.ends.push(at),
                // A branch out of all blocks returns too.
                Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => {
                    body.ends.extend((relative_depth as usize + 1 == around.len()).then_some(at));
                }
                Operator::BrTable { ref targets } => {
                    for target in targets.targets().chain([Ok(targets.default())]) {
                        if target? as usize + 1 == around.len() && body.ends.last() != Some(&at) {
                            body.ends.push(at);
                        }
                    }
                }
                Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                    let callee = function_index.checked_sub(imported);
                    body.callees.extend(callee.map(|callee| callee as usize));
                    body.calls |= callee.is_some();
                }
                Operator::CallIndirect { .. } | Operator::ReturnCallIndirect { .. } => body.calls = true,
                Operator::MemoryCopy { .. } | Operator::MemoryFill { .. } => {
                    body.sized.push((at, Size::Bytes));
                }
                Operator::MemoryGrow { .. } => body.sized.push((at, Size::Pages)),
                Operator::TableCopy { .. }
                | Operator::TableFill { .. }
                | Operator::TableGrow { .. }
                | Operator::TableInit { .. }
                | Operator::MemoryInit { .. } => {
                    bail!("it has an instruction whose work is not metered: {operator:?}")
                }
                _ => {}
            }
        }
        Ok(body)
    }

    pub(super) fn all_operators(&self) -> u32 {
        self.operators + self.loops.iter().map(|round| round.operators).sum::<u32>()
    }
}
