//! Selects the functions that are charged on entry, so that every cycle of calls contains one.
//!
//! Functions that replace the table ([`super::table`]) may call any function, so all of them are charged. Other cycles
//! remain. Finding the smallest set of functions that breaks them is NP-hard (Karp 1972: feedback node set). Repeatedly
//! choosing the function that is called from most places finds a small set.

use wasmtime::Result;

use super::body::Body;
use super::longest_path;

/// The longest path through a function that stays free of charge, in operators, callees included. Code without cycles
/// can still be long.
const OPERATORS_MAX: u32 = 10_000;

/// What each function is charged.
pub(super) struct Charges {
    /// Whether the function is charged on entry.
    pub(super) on_entry: Vec<bool>,
    /// For functions that are not charged on entry, the operators on the longest path through them; for others, 0.
    pub(super) longest_paths: Vec<u32>,
}

impl Charges {
    /// Selects the functions to charge. The last `for_table` functions replace the table.
    ///
    /// # Errors
    ///
    /// Fails for malformed code.
    pub(super) fn of(bodies: &[Body<'_>], imported: u32, for_table: usize) -> Result<Self> {
        let callees: Vec<&[usize]> = bodies.iter().map(|body| &body.callees[..]).collect();
        let mut on_entry = vec![false; bodies.len()];
        on_entry[bodies.len() - for_table..].fill(true);
        break_cycles(&callees, &mut on_entry);
        let longest_paths = bound_chains(bodies, imported, &callees, &mut on_entry)?;
        Ok(Self { on_entry, longest_paths })
    }
}

/// The calls among functions that are not charged. Removing functions leaves the cycles.
struct Calls<'a> {
    callees: &'a [&'a [usize]],
    callers: Vec<Vec<usize>>,
    /// The number of places that call a function, and of places from which it calls.
    into: Vec<usize>,
    out_of: Vec<usize>,
    removed: Vec<bool>,
}

impl<'a> Calls<'a> {
    fn new(callees: &'a [&'a [usize]], charged: &[bool]) -> Self {
        let functions = callees.len();
        let mut calls = Self {
            callees,
            callers: vec![Vec::new(); functions],
            into: vec![0; functions],
            out_of: vec![0; functions],
            removed: charged.to_vec(),
        };
        for caller in (0..functions).filter(|caller| !charged[*caller]) {
            for &callee in callees[caller].iter().filter(|callee| !charged[**callee]) {
                calls.callers[callee].push(caller);
                calls.into[callee] += 1;
                calls.out_of[caller] += 1;
            }
        }
        calls
    }

    /// Removes a function, and then those that have no calls left into them or out of them: they are on no cycle.
    fn remove(&mut self, function: usize) {
        let mut going = vec![function];
        while let Some(function) = going.pop() {
            if std::mem::replace(&mut self.removed[function], true) {
                continue;
            }
            for &callee in self.callees[function].iter().filter(|callee| !self.removed[**callee]) {
                self.into[callee] -= 1;
                going.extend((self.into[callee] == 0).then_some(callee));
            }
            for &caller in self.callers[function].iter().filter(|caller| !self.removed[**caller]) {
                self.out_of[caller] -= 1;
                going.extend((self.out_of[caller] == 0).then_some(caller));
            }
        }
    }
}

fn break_cycles(callees: &[&[usize]], charged: &mut [bool]) {
    let mut calls = Calls::new(callees, charged);
    for function in 0..callees.len() {
        if calls.into[function] == 0 || calls.out_of[function] == 0 {
            calls.remove(function);
        }
    }
    while let Some(most) = (0..callees.len())
        .filter(|function| !calls.removed[*function])
        .max_by_key(|function| calls.into[*function])
    {
        charged[most] = true;
        calls.remove(most);
    }
}

/// Computes the longest path through each function, and charges functions whose path is too long.
///
/// Callees come before their callers. That order exists because no cycles are left.
fn bound_chains(
    bodies: &[Body<'_>],
    imported: u32,
    callees: &[&[usize]],
    charged: &mut [bool],
) -> Result<Vec<u32>> {
    let mut calls = Calls::new(callees, charged);
    let mut longest_paths = vec![0; bodies.len()];
    let mut settled: Vec<usize> =
        (0..bodies.len()).filter(|function| !charged[*function] && calls.out_of[*function] == 0).collect();
    while let Some(function) = settled.pop() {
        let cost =
            |callee: u32| callee.checked_sub(imported).map_or(0, |callee| longest_paths[callee as usize]);
        let longest = longest_path::longest(bodies[function].bytes, cost)?;
        charged[function] = longest > OPERATORS_MAX;
        longest_paths[function] = if charged[function] { 0 } else { longest };
        for &caller in &calls.callers[function] {
            calls.out_of[caller] -= 1;
            settled.extend((calls.out_of[caller] == 0).then_some(caller));
        }
    }
    Ok(longest_paths)
}
