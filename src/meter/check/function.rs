//! What one function does, beside what the meter has added to it.

use std::collections::HashSet;

use wasmparser::Operator;

use super::added::{Added, TailCall};
use super::flow::{Act, Flow};
use super::metered::Metered;

/// What is known of a function.
#[derive(Default)]
pub(super) struct Function {
    /// What it is charged before it does anything.
    pub(super) entry: Option<Entry>,
    pub(super) callees: Vec<u32>,
    pub(super) charges: usize,
    /// Where it reads from the polling page.
    pub(super) polls: Vec<u64>,
    pub(super) faults: Vec<&'static str>,
    /// Locals in which rounds are counted, and others.
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
                    self.faults.push("it begins anew in the middle");
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
            | Operator::MemoryInit { .. } => self.faults.push("it works on memory, but not in pieces"),
            _ => flow.operator(operator),
        }
    }

    /// There is one local that counts, zero at first, and the function does not know of it. No read of the polling page
    /// makes another superfluous.
    fn check_counts(&mut self, parameters: usize) {
        if self.counts.len() > 1
            || self.counts.iter().any(|count| (*count as usize) < parameters || self.locals.contains(count))
        {
            self.faults.push("it counts in a local that is not for that");
        }
        let different: HashSet<_> = self.polls.iter().collect();
        if different.len() < self.polls.len() {
            self.faults.push("two loops read from one address");
        }
    }
}
