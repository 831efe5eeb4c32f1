//! Checks that code cannot escape the meter of a module.
//!
//! The checker shares no code with the meter, and relies on nothing but the module's bytes. Each of the following is a
//! fault:
//!
//! - a cycle in the control flow of a function without a charge and without a read of the polling page;
//! - a cycle of calls without a function that is charged on entry;
//! - a count of iterations that is never charged;
//! - work on memory outside of the functions that do it in pieces;
//! - a use of the counter outside of the meter's own code.

mod added;
mod flow;
mod function;
mod metered;
mod pieces;

use std::collections::HashMap;

use petgraph::graph::{DiGraph, NodeIndex};
use wasmtime::Result;

use added::Again;
use function::{Entry, Function};
use metered::Metered;

/// The faults, and the number of charges and of reads of the polling page.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) faults: Vec<String>,
    pub(crate) charges: usize,
    pub(crate) polls: usize,
}

/// Checks a metered module.
///
/// # Errors
///
/// Fails if the module has a table, lacks `fuel` or `refuel`, or uses a feature that the checker does not know.
pub(crate) fn check(wasm: &[u8]) -> Result<Findings> {
    let module = Metered::read(wasm)?;
    let (mut findings, mut entries, mut agains) = (Findings::default(), HashMap::new(), Vec::new());
    let mut calls = DiGraph::<(), ()>::new();
    let nodes: Vec<NodeIndex> = (0..module.functions()).map(|_| calls.add_node(())).collect();
    for index in module.defined() {
        let operators = module.operators(index)?;
        if module.is_in_pieces(index) {
            continue;
        }
        if index == module.names.refuel {
            findings.faults.extend(module.check_refuel(&operators));
            continue;
        }
        if let Some(again) = module.names.again(&operators) {
            agains.push((index, again));
            continue;
        }
        let function = Function::read(&module, index, &operators);
        findings.charges += function.charges;
        findings.polls += function.polls.len();
        findings.faults.extend(function.faults.iter().map(|fault| format!("function {index}: {fault}")));
        match function.entry {
            Some(entry) => drop(entries.insert(index, entry)),
            None => function.callees.iter().for_each(|callee| {
                calls.add_edge(nodes[index as usize], nodes[*callee as usize], ());
            }),
        }
    }
    findings.faults.extend(check_again(&module, &entries, &agains));
    for cycle in flow::cycles(&calls) {
        let functions: Vec<usize> = cycle.into_iter().map(NodeIndex::index).collect();
        findings.faults.push(format!("functions {functions:?} call each other without a charge on entry"));
    }
    Ok(findings)
}

/// Checks the functions that refuel by [`Again`]: the refund must equal the entry charge of the function that they call
/// again, and that function must call them when it has to refuel.
fn check_again(module: &Metered<'_>, entries: &HashMap<u32, Entry>, agains: &[(u32, Again)]) -> Vec<String> {
    let mut faults = Vec::new();
    for (index, again) in agains {
        let is_its_own = entries.get(&again.function).is_some_and(|entry| {
            entry.fuel == again.fuel && entry.again.is_some_and(|called| called.function == *index)
        });
        if !is_its_own || again.parameters != module.parameters(*index) {
            faults
                .push(format!("function {index} refunds fuel that function {} did not burn", again.function));
        }
    }
    for (function, entry) in entries {
        let is_known = |called: added::TailCall| {
            called.parameters == module.parameters(*function)
                && agains
                    .iter()
                    .any(|(index, again)| *index == called.function && again.function == *function)
        };
        if entry.again.is_some_and(|called| !is_known(called)) {
            faults.push(format!("function {function} is not called again after it has refuelled"));
        }
    }
    faults
}

#[cfg(test)]
mod tests;
