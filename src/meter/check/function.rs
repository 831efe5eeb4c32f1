//! Checks one function: separates the meter's code from the function's own.

use std::collections::HashSet;

use wasmparser::Operator;

use super::added::{Added, TailCall};
use super::flow::{Act, Flow};
use super::metered::Metered;

/// A function of a metered module.
#[derive(Default)]
pub(super) struct Function {
    /// The charge on entry, before the function does anything else.
    pub(super) entry: Option<Entry>,
    pub(super) callees: Vec<u32>,
    pub(super) charges: usize,
    /// The addresses that it reads in the polling page.
    pub(super) polls: Vec<u64>,
    pub(super) faults: Vec<&'static str>,
    /// The locals that count iterations, and the locals that the function's own code uses.
    counts: HashSet<u32>,
    locals: HashSet<u32>,
}

#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) fuel: i64,
    pub(super) again: Option<TailCall>,
}

impl Function {
    pub(super) fn read(module: &Metered<'_>, index: u32, operators: &[Operator<'_>]) -> Self {
        let (mut function, mut flow, mut at) = (Self::default(), Flow::new(), 0);
        while at < operators.len() {
            if let Some((added, length)) = module.names.added(&operators[at..]) {
                flow.act(function.add(added, at == 0));
                at += length;
            } else {
                function.operator(module, &operators[at], &mut flow);
                at += 1;
            }
        }
        function.check_counts(module.parameters(index));
        function.faults.extend(flow.faults());
        function
    }

    fn add(&mut self, added: Added, is_first: bool) -> Act {
        self.counts.extend(added.count());
        match added {
            Added::Charge { fuel, again, count } => {
                self.charges += 1;
                if is_first {
                    self.entry = Some(Entry { fuel, again });
                } else if again.is_some() {
                    self.faults.push("it calls itself again from its middle");
                }
                Act::Charge { settles: count.is_some() }
            }
            Added::Settle { .. } => Act::Settle,
            Added::Poll { address, .. } => {
                self.polls.push(address);
                Act::Poll
            }
        }
    }

    fn operator(&mut self, module: &Metered<'_>, operator: &Operator<'_>, flow: &mut Flow) {
        match operator {
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                self.callees.push(*function_index);
                let is_work = module.is_in_pieces(*function_index);
                flow.act(if is_work { Act::Work } else { Act::Call });
                if matches!(operator, Operator::ReturnCall { .. }) {
                    flow.leave();
                }
            }
            Operator::GlobalGet { global_index } | Operator::GlobalSet { global_index }
                if *global_index == module.names.fuel =>
            {
                self.faults.push("it touches the counter");
            }
            Operator::LocalGet { local_index }
            | Operator::LocalSet { local_index }
            | Operator::LocalTee { local_index } => drop(self.locals.insert(*local_index)),
            Operator::MemoryCopy { .. }
            | Operator::MemoryFill { .. }
            | Operator::MemoryGrow { .. }
            | Operator::MemoryInit { .. } => self.faults.push("it works on memory in one piece"),
            _ => flow.operator(operator),
        }
    }

    /// Checks the local that counts: it is the only one, it is not a parameter and so starts at zero, and the
    /// function's own code does not use it. Also checks that each read of the polling page has an address of its own,
    /// so that the compiler removes none of them.
    fn check_counts(&mut self, parameters: usize) {
        if self.counts.len() > 1
            || self.counts.iter().any(|count| (*count as usize) < parameters || self.locals.contains(count))
        {
            self.faults.push("it counts in a local with another use");
        }
        let different: HashSet<_> = self.polls.iter().collect();
        if different.len() < self.polls.len() {
            self.faults.push("two loops read from one address");
        }
    }
}
