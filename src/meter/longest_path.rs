//! How much a function can do without going round in a loop.

use wasmparser::{BinaryReader, FunctionBody, Operator};
use wasmtime::{Result, format_err};

/// Operators of the longest way through a function to its end, or back to the head of a loop. `cost`: those of a function
/// that it calls.
///
/// # Errors
///
/// Malformed code.
pub(super) fn longest(body: &[u8], cost: impl Fn(u32) -> u32) -> Result<u32> {
    let mut labels = vec![Label::default()];
    let mut longest = 0;
    // None where nothing leads to.
    let mut way = Some(0u32);
    let mut operators = FunctionBody::new(BinaryReader::new(body, 0)).get_operators_reader()?;
    while !operators.eof() {
        let operator = operators.read()?;
        let called = match operator {
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                cost(function_index)
            }
            _ => 0,
        };
        way = way.map(|way| way.saturating_add(1).saturating_add(called));
        longest = longest.max(way.unwrap_or_default());
        let innermost = labels.len() - 1;
        match operator {
            Operator::Block { .. } => labels.push(Label::default()),
            Operator::Loop { .. } => labels.push(Label { is_loop: true, ..Label::default() }),
            Operator::If { .. } => labels.push(Label { otherwise: way, ..Label::default() }),
            Operator::Else => {
                labels[innermost].reach(way);
                way = labels[innermost].otherwise.take();
            }
            Operator::End => {
                let label = labels.pop().ok_or_else(|| format_err!("an end of nothing"))?;
                let branch = if label.is_loop { None } else { label.reached };
                way = way.max(branch).max(label.otherwise);
            }
            Operator::BrIf { relative_depth } => labels[innermost - relative_depth as usize].reach(way),
            Operator::Br { relative_depth } => {
                labels[innermost - relative_depth as usize].reach(way);
                way = None;
            }
            Operator::BrTable { targets } => {
                for depth in targets.targets().chain([Ok(targets.default())]) {
                    labels[innermost - depth? as usize].reach(way);
                }
                way = None;
            }
            Operator::Return | Operator::ReturnCall { .. } | Operator::Unreachable => way = None,
            _ => {}
        }
    }
    Ok(longest)
}

/// An open block.
#[derive(Default)]
struct Label {
    is_loop: bool,
    /// The longest way that branches to it.
    reached: Option<u32>,
    /// The way to its `else`, until that comes.
    otherwise: Option<u32>,
}

impl Label {
    fn reach(&mut self, way: Option<u32>) {
        self.reached = self.reached.max(way);
    }
}
