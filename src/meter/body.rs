//! Reads a function for the meter: its loops, its calls, and where it works on memory.

use wasmparser::{BlockType, FunctionBody, Operator};
use wasmtime::{Result, bail};

/// A function. Positions are byte offsets from the start of its body.
#[derive(Default)]
pub(super) struct Body<'a> {
    /// The encoded body, from the locals to the last `end`.
    pub(super) bytes: &'a [u8],
    /// The position of the first operator.
    pub(super) start: usize,
    /// The number of locals, without parameters.
    pub(super) locals: u32,
    /// The number of operators outside of loops.
    pub(super) operators: u32,
    pub(super) loops: Vec<Loop>,
    /// The instructions that grow, copy or fill memory, with their positions.
    pub(super) bulk: Vec<(usize, Bulk)>,
    /// The positions after the first plain loop where the function may end or call.
    pub(super) settled: Vec<usize>,
    /// The callees, one for each call instruction. Index 0 is the module's first function that is not imported.
    pub(super) callees: Vec<usize>,
    /// Whether the function continues after some call, so that not all of its calls are tail calls.
    pub(super) is_returned_to: bool,
}

/// An instruction whose work depends on its operands.
#[derive(Clone, Copy)]
pub(super) struct Bulk {
    pub(super) kind: BulkKind,
    /// The position of the next operator.
    pub(super) after: usize,
}

/// In the order of the functions that replace the instructions.
#[derive(Clone, Copy)]
pub(super) enum BulkKind {
    Grow,
    Copy,
    Fill,
}

pub(super) struct Loop {
    /// The position of its first operator.
    pub(super) start: usize,
    /// The branches to its head. `None` if one of them has other targets too or passes values: then the loop is charged
    /// at its head.
    pub(super) repeats: Option<Vec<Repeat>>,
    /// The number of operators of one iteration, without inner loops.
    pub(super) operators: u32,
    /// The callees of one iteration, as in [`Body::callees`].
    pub(super) callees: Vec<usize>,
    /// Whether the loop calls nothing, does no work on memory, has no conditional return, and has no inner loop.
    pub(super) is_plain: bool,
}

/// A branch to the head of a loop.
pub(super) struct Repeat {
    pub(super) at: usize,
    pub(super) after: usize,
    pub(super) depth: u32,
    pub(super) is_conditional: bool,
}

impl<'a> Body<'a> {
    /// Reads a function. `imported` is the number of imported functions of the module.
    ///
    /// # Errors
    ///
    /// Fails for malformed code, and for instructions whose work is not metered.
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
        // For each open block: the index of the loop, if it is one.
        let mut labels: Vec<Option<usize>> = vec![None];
        while !operators.eof() {
            let at = operators.original_position() - first;
            let operator = operators.read()?;
            let after = operators.original_position() - first;
            let innermost = labels.iter().rev().copied().find_map(|label| label);
            match innermost {
                None => body.operators += 1,
                Some(index) => body.loops[index].operators += 1,
            }
            let out_of_all = labels.len() - 1;
            let branches_out = match &operator {
                Operator::BrIf { relative_depth } => *relative_depth as usize == out_of_all,
                Operator::BrTable { targets } => {
                    let mut targets = targets.targets().chain([Ok(targets.default())]);
                    targets.any(|target| target.is_ok_and(|target| target as usize == out_of_all))
                }
                _ => false,
            };
            let is_call = matches!(operator, Operator::Call { .. });
            body.is_returned_to |= is_call;
            // The count of a plain loop is charged before calls, which may enter the function again, and before branches
            // that return. A loop that contains one of these would charge in every iteration, so counting in a local
            // would gain nothing. Nor would it in a loop that works on memory, which takes time anyway.
            let is_long = matches!(
                operator,
                Operator::Loop { .. }
                    | Operator::MemoryCopy { .. }
                    | Operator::MemoryFill { .. }
                    | Operator::MemoryGrow { .. }
            );
            if is_call || branches_out || is_long {
                labels.iter().flatten().for_each(|index| body.loops[*index].is_plain = false);
            }
            if is_call || branches_out || returns(&operator, out_of_all) {
                body.settled.push(at);
            }
            match operator {
                Operator::Block { .. } | Operator::If { .. } => labels.push(None),
                Operator::Loop { blockty } => {
                    labels.push(Some(body.loops.len()));
                    let repeats = (!matches!(blockty, BlockType::FuncType(_))).then(Vec::new);
                    let callees = Vec::new();
                    body.loops.push(Loop { start: after, repeats, operators: 0, callees, is_plain: true });
                }
                Operator::End => drop(labels.pop()),
                Operator::Br { relative_depth: depth } | Operator::BrIf { relative_depth: depth } => {
                    let label = labels[out_of_all - depth as usize];
                    if let Some(repeats) = label.and_then(|index| body.loops[index].repeats.as_mut()) {
                        let is_conditional = matches!(operator, Operator::BrIf { .. });
                        repeats.push(Repeat { at, after, depth, is_conditional });
                    }
                }
                Operator::BrTable { targets } => {
                    for depth in targets.targets().chain([Ok(targets.default())]) {
                        if let Some(index) = labels[out_of_all - depth? as usize] {
                            body.loops[index].repeats = None;
                        }
                    }
                }
                Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                    let callee = function_index.checked_sub(imported).map(|callee| callee as usize);
                    body.callees.extend(callee);
                    if let Some(index) = innermost {
                        body.loops[index].callees.extend(callee);
                    }
                }
                Operator::MemoryGrow { .. } => body.bulk.push((at, Bulk { kind: BulkKind::Grow, after })),
                Operator::MemoryCopy { .. } => body.bulk.push((at, Bulk { kind: BulkKind::Copy, after })),
                Operator::MemoryFill { .. } => body.bulk.push((at, Bulk { kind: BulkKind::Fill, after })),
                Operator::MemoryInit { .. } => {
                    bail!("the work of an instruction is not metered: {operator:?}");
                }
                _ => {}
            }
        }
        // Control flow is structured. A position before the first plain loop is therefore reached before that loop
        // runs, or after it by way of the back edge of an enclosing loop, where the count is charged.
        let first = body.loops.iter().find(|round| round.is_plain).map_or(usize::MAX, |round| round.start);
        body.settled.retain(|at| *at >= first);
        Ok(body)
    }

    /// Returns whether all calls are tail calls, those that the meter adds included.
    pub(super) fn only_tail_calls(&self) -> bool {
        !self.is_returned_to && self.bulk.is_empty() && self.loops.iter().all(|round| round.is_plain)
    }

    /// Returns whether it calls imported functions only.
    pub(super) fn is_leaf(&self) -> bool {
        self.callees.is_empty()
    }
}

/// Returns whether `operator` unconditionally ends the function. `out_of_all` is the label of its outermost block.
fn returns(operator: &Operator<'_>, out_of_all: usize) -> bool {
    match operator {
        Operator::End => out_of_all == 0,
        Operator::Br { relative_depth } => *relative_depth as usize == out_of_all,
        Operator::Return | Operator::ReturnCall { .. } => true,
        _ => false,
    }
}
