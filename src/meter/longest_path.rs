//! Computes how much a function can do without repeating a loop.

use wasmparser::{BinaryReader, FunctionBody, Operator};
use wasmtime::{Result, format_err};

/// Returns the number of operators on the longest path from the function's start to its end or back to the head of a
/// loop.
///
/// `cost` returns that number for a callee.
///
/// # Errors
///
/// Fails for malformed code.
pub(super) fn longest(body: &[u8], cost: impl Fn(u32) -> u32) -> Result<u32> {
    let mut labels = vec![Label::default()];
    let mut longest = 0;
    // `None` in unreachable code.
    let mut path = Some(0u32);
    let mut operators = FunctionBody::new(BinaryReader::new(body, 0)).get_operators_reader()?;
    while !operators.eof() {
        let operator = operators.read()?;
        let called = match operator {
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                cost(function_index)
            }
            _ => 0,
        };
        path = path.map(|path| path.saturating_add(1).saturating_add(called));
        longest = longest.max(path.unwrap_or_default());
        let innermost = labels.len() - 1;
        match operator {
            Operator::Block { .. } => labels.push(Label::default()),
            Operator::Loop { .. } => labels.push(Label { is_loop: true, ..Label::default() }),
            Operator::If { .. } => labels.push(Label { otherwise: path, ..Label::default() }),
            Operator::Else => {
                labels[innermost].reach(path);
                path = labels[innermost].otherwise.take();
            }
            Operator::End => {
                let label = labels.pop().ok_or_else(|| format_err!("an end of nothing"))?;
                let branch = if label.is_loop { None } else { label.reached };
                path = path.max(branch).max(label.otherwise);
            }
            Operator::BrIf { relative_depth } => labels[innermost - relative_depth as usize].reach(path),
            Operator::Br { relative_depth } => {
                labels[innermost - relative_depth as usize].reach(path);
                path = None;
            }
            Operator::BrTable { targets } => {
                for depth in targets.targets().chain([Ok(targets.default())]) {
                    labels[innermost - depth? as usize].reach(path);
                }
                path = None;
            }
            Operator::Return | Operator::ReturnCall { .. } | Operator::Unreachable => path = None,
            _ => {}
        }
    }
    Ok(longest)
}

/// An open block.
#[derive(Default)]
struct Label {
    is_loop: bool,
    /// The longest path that ends in a branch to the block.
    reached: Option<u32>,
    /// The path to its `else`, until that is reached.
    otherwise: Option<u32>,
}

impl Label {
    fn reach(&mut self, path: Option<u32>) {
        self.reached = self.reached.max(path);
    }
}
