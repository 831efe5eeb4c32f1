//! Which functions are charged on entry: so many that no cycle of calls is left without one.
//!
//! Functions that stand for the table ([`super::table`]) may lead anywhere, and are charged. What is left are cycles of other
//! calls. A smallest set of functions that breaks them is hard to find (Karp 1972: feedback node set); taking the one that is
//! called from most places, again and again, finds a small one.

use wasmtime::Result;

use super::body::Body;
use super::longest_path;

/// Operators on the longest way through a function, its callees' included, before it is charged after all: what has no
/// cycle can still be long.
const OPERATORS_MAX: u32 = 10_000;

/// What is known of each function.
pub(super) struct Charges {
    /// Whether it is charged on entry.
    pub(super) on_entry: Vec<bool>,
    /// If it is not: the operators on the longest way through it.
    pub(super) ways: Vec<u32>,
}

impl Charges {
    /// `for_table`: how many functions, the last ones, stand for the table.
    ///
    /// # Errors
    ///
    /// Malformed code.
    pub(super) fn of(bodies: &[Body<'_>], imported: u32, for_table: usize) -> Result<Self> {
        let callees: Vec<&[usize]> = bodies.iter().map(|body| &body.callees[..]).collect();
        let mut on_entry = vec![false; bodies.len()];
        on_entry[bodies.len() - for_table..].fill(true);
        break_cycles(&callees, &mut on_entry);
        let ways = bound_chains(bodies, imported, &callees, &mut on_entry)?;
        Ok(Self { on_entry, ways })
    }
}

/// What is left of the calls among functions that are not charged.
struct Calls<'a> {
    callees: &'a [&'a [usize]],
    callers: Vec<Vec<usize>>,
    /// Places that call a function, and that it calls from.
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

    /// Removes a function; those that have no calls left, into them or out of them, are no part of a cycle and go too.
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

/// The ways through functions. Callees before their callers: there are no cycles any more.
fn bound_chains(
    bodies: &[Body<'_>],
    imported: u32,
    callees: &[&[usize]],
    charged: &mut [bool],
) -> Result<Vec<u32>> {
    let mut calls = Calls::new(callees, charged);
    let mut ways = vec![0; bodies.len()];
    let mut settled: Vec<usize> =
        (0..bodies.len()).filter(|function| !charged[*function] && calls.out_of[*function] == 0).collect();
    while let Some(function) = settled.pop() {
        let cost = |callee: u32| callee.checked_sub(imported).map_or(0, |callee| ways[callee as usize]);
        let longest = longest_path::longest(bodies[function].bytes, cost)?;
        charged[function] = longest > OPERATORS_MAX;
        ways[function] = if charged[function] { 0 } else { longest };
        for &caller in &calls.callers[function] {
            calls.out_of[caller] -= 1;
            settled.extend((calls.out_of[caller] == 0).then_some(caller));
        }
    }
    Ok(ways)
}
