//! One function of a module, as far as its fuel is concerned.

use wasmparser::{BlockType, FunctionBody, Operator};
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
    /// Where it grows, copies or fills memory.
    pub(super) bulk: Vec<(usize, Bulk)>,
    /// Where it may end or call, after a plain loop.
    pub(super) settled: Vec<usize>,
    /// What it calls, one for each place that does: functions of the module, from 0 for the first that is not imported.
    pub(super) callees: Vec<usize>,
    /// It goes on after a call: not all of them are its last act.
    pub(super) is_returned_to: bool,
}

/// An instruction whose work depends on its operands.
#[derive(Clone, Copy)]
pub(super) struct Bulk {
    pub(super) kind: BulkKind,
    /// Where the next operator is.
    pub(super) after: usize,
}

/// In the order of the functions that stand for them.
#[derive(Clone, Copy)]
pub(super) enum BulkKind {
    Grow,
    Copy,
    Fill,
}

pub(super) struct Loop {
    /// Where its first operator is.
    pub(super) start: usize,
    /// Branches to its head; `None` if one of them has other targets too, or hands over values: then it is charged at its
    /// head.
    pub(super) repeats: Option<Vec<Repeat>>,
    /// Operators of a round, without loops inside.
    pub(super) operators: u32,
    /// What a round calls, as in [`Body::callees`].
    pub(super) callees: Vec<usize>,
    /// It calls nothing, does no work on memory, does not return on a condition, and no loop is inside.
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
        // Of each open block, the loop that it is.
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
            // What a loop has counted is charged in front of calls, which may come back to it, and of branches that
            // return: in a loop with one of these it would never come to much. Work on memory takes its time.
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
                    bail!("it has an instruction whose work is not metered: {operator:?}");
                }
                _ => {}
            }
        }
        // In structured code, what comes before the first plain loop is before it, or behind the head of a loop around.
        let first = body.loops.iter().find(|round| round.is_plain).map_or(usize::MAX, |round| round.start);
        body.settled.retain(|at| *at >= first);
        Ok(body)
    }

    /// Its calls are its last act, also with a meter in it.
    pub(super) fn only_tail_calls(&self) -> bool {
        !self.is_returned_to && self.bulk.is_empty() && self.loops.iter().all(|round| round.is_plain)
    }

    /// It calls nothing but what is imported.
    pub(super) fn is_leaf(&self) -> bool {
        self.callees.is_empty()
    }
}

/// Whether a function ends with this, for certain. `out_of_all`: the label of its outermost block.
fn returns(operator: &Operator<'_>, out_of_all: usize) -> bool {
    match operator {
        Operator::End => out_of_all == 0,
        Operator::Br { relative_depth } => *relative_depth as usize == out_of_all,
        Operator::Return | Operator::ReturnCall { .. } => true,
        _ => false,
    }
}
