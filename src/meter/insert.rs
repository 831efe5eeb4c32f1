//! Inserts the meter's instructions into functions.

use wasm_encoder::{BlockType, BranchHint, BranchHints, CodeSection, Encode, Instruction, MemArg, ValType};
use wasmtime::Result;

use super::body::{Body, Bulk, Loop, Repeat};
use super::graph::Charges;
use super::input::Input;
use super::sections::with_more;
use super::{POLLED_AT, POLLED_BYTES};

/// The most fuel that one entry or iteration is charged. Functions and loops with more operators consist of many
/// branches, and few paths through them execute most of the operators.
const CHARGE_MAX: u32 = 32;

/// The indices of the meter's parts in the module.
pub(super) struct Meter {
    pub(super) fuel: u32,
    pub(super) refuel: u32,
    /// The first added function.
    pub(super) first_new: u32,
}

impl Meter {
    /// Returns all functions, hints for the branches that lead to the guest's `refuel`, and the types of the added
    /// functions.
    ///
    /// # Errors
    ///
    /// Fails if an index does not fit into 32 bits, or if the code is malformed.
    pub(super) fn code(
        &self,
        input: &Input<'_>,
        charges: &Charges,
    ) -> Result<(CodeSection, BranchHints, Vec<u32>)> {
        let (mut code, mut hints) = (CodeSection::new(), BranchHints::new());
        let first_type = u32::try_from(input.types.len())?;
        let mut types = vec![first_type, first_type + 1, first_type + 1];
        let mut new = vec![self.grown(), self.copied(), self.filled()];
        for (index, (body, charged)) in input.bodies.iter().zip(&charges.on_entry).enumerate() {
            let function = input.functions_imported + u32::try_from(index)?;
            let ty = input.functions[index];
            let parameters = input.types[ty as usize];
            let mut again = None;
            if *charged && body.only_tail_calls() {
                again = Some(Again { function: self.first_new + u32::try_from(new.len())?, parameters });
                types.push(ty);
                new.push(self.again(function, parameters, body.operators));
            }
            let (bytes, unlikely) =
                self.metered(body, *charged, again, parameters + body.locals, &charges.longest_paths)?;
            code.raw(&bytes);
            if !unlikely.is_empty() {
                let unlikely: Vec<_> = unlikely.into_iter().map(hint).collect::<Result<_>>()?;
                hints.function_hints(function, unlikely);
            }
        }
        for function in &new {
            code.function(function);
        }
        Ok((code, hints, types))
    }

    /// Returns a function with charges, and the positions of the branches that lead to the guest's `refuel`.
    ///
    /// `uncharged` is the index of a new local. `longest_paths` are those of the module's functions.
    fn metered(
        &self,
        body: &Body<'_>,
        charged: bool,
        again: Option<Again>,
        uncharged: u32,
        longest_paths: &[u32],
    ) -> Result<(Vec<u8>, Vec<usize>)> {
        let counts = body.loops.iter().any(|round| round.is_plain);
        let entry = charged.then_some((body.start, Insertion::Enter(body.operators)));
        // An iteration includes the work of its callees.
        let operators = |round: &Loop| {
            round
                .callees
                .iter()
                .fold(round.operators, |sum, callee| sum.saturating_add(longest_paths[*callee]))
        };
        let heads = (0u32..).zip(&body.loops).filter_map(|(index, round)| match round.repeats {
            _ if round.is_plain => Some((round.start, Insertion::Count(round.operators, index))),
            None => Some((round.start, Insertion::Charge(operators(round)))),
            Some(_) => None,
        });
        let repeats = body.loops.iter().filter(|round| !round.is_plain).flat_map(|round| {
            round.repeats.iter().flatten().map(move |repeat| repeat.charged(operators(round)))
        });
        let bulk = body.bulk.iter().map(|(at, bulk)| (*at, Insertion::Bulk(*bulk)));
        let ends = body.settled.iter().map(|at| (*at, Insertion::Settle));
        // The order matters, because the sort is stable: what goes to the head of a loop comes before what belongs to
        // the loop's first operator.
        let mut insertions: Vec<_> =
            entry.into_iter().chain(heads).chain(repeats).chain(bulk).chain(ends).collect();
        insertions.sort_by_key(|(at, _)| *at);

        let refuel = [Instruction::Call(self.refuel)];
        let charge = |operators: u32, bytes: &mut Vec<u8>| {
            if !counts {
                return self.charge(&[charge_for(operators)], &refuel, bytes);
            }
            let fuel = [Instruction::LocalGet(uncharged), charge_for(operators), Instruction::I64Add];
            let at = self.charge(&fuel, &refuel, bytes);
            encode(&none_uncharged(uncharged), bytes);
            at
        };
        let (mut bytes, mut unlikely, mut copied) =
            (body.bytes[..body.start].to_vec(), Vec::new(), body.start);
        if counts {
            let mut local = Vec::new();
            1u32.encode(&mut local);
            ValType::I64.encode(&mut local);
            bytes = with_more(&bytes, 1, &local)?;
        }
        for (at, insertion) in insertions {
            bytes.extend(&body.bytes[copied..at]);
            copied = at;
            match insertion {
                Insertion::Enter(operators) => {
                    let refuel = again.map_or_else(|| refuel.to_vec(), Again::instructions);
                    unlikely.push(self.charge(&[charge_for(operators)], &refuel, &mut bytes));
                }
                Insertion::Charge(operators) => unlikely.push(charge(operators, &mut bytes)),
                Insertion::ChargeAndRepeat(operators, repeat) => {
                    Instruction::If(BlockType::Empty).encode(&mut bytes);
                    unlikely.push(charge(operators, &mut bytes));
                    encode(&[Instruction::Br(repeat.depth + 1), Instruction::End], &mut bytes);
                    copied = repeat.after;
                }
                Insertion::Count(operators, index) => encode(&count(operators, index, uncharged), &mut bytes),
                Insertion::Bulk(bulk) => {
                    Instruction::Call(self.first_new + bulk.kind as u32).encode(&mut bytes);
                    copied = bulk.after;
                }
                Insertion::Settle => encode(&self.settle(uncharged), &mut bytes),
            }
        }
        bytes.extend(&body.bytes[copied..]);
        Ok((bytes, unlikely))
    }

    /// Subtracts the local `uncharged` from the counter, and resets the local.
    fn settle(&self, uncharged: u32) -> [Instruction<'static>; 6] {
        let count = Instruction::LocalGet(uncharged);
        let [zero, reset] = none_uncharged(uncharged);
        let [get, set] = [Instruction::GlobalGet(self.fuel), Instruction::GlobalSet(self.fuel)];
        [get, count, Instruction::I64Sub, set, zero, reset]
    }

    /// Subtracts the value that `fuel` pushes from the counter, and executes `refuel` if the counter is below zero.
    /// Returns the position of that branch.
    pub(super) fn charge(
        &self,
        fuel: &[Instruction<'_>],
        refuel: &[Instruction<'_>],
        bytes: &mut Vec<u8>,
    ) -> usize {
        Instruction::GlobalGet(self.fuel).encode(bytes);
        encode(fuel, bytes);
        encode(
            &[
                Instruction::I64Sub,
                Instruction::GlobalSet(self.fuel),
                Instruction::GlobalGet(self.fuel),
                Instruction::I64Const(0),
                Instruction::I64LtS,
            ],
            bytes,
        );
        unlikely(refuel, bytes)
    }
}

/// A tail call that passes on the parameters of the function that contains it.
///
/// It refuels a function that is charged on entry and whose own calls are all tail calls. Nothing is then live across
/// any call in the function, so its compiled code needs no stack frame.
#[derive(Clone, Copy)]
pub(super) struct Again {
    pub(super) function: u32,
    pub(super) parameters: u32,
}

impl Again {
    pub(super) fn instructions(self) -> Vec<Instruction<'static>> {
        (0..self.parameters)
            .map(Instruction::LocalGet)
            .chain([Instruction::ReturnCall(self.function)])
            .collect()
    }
}

/// Encodes an `if` with the body `then`. Returns its position.
fn unlikely(then: &[Instruction<'_>], bytes: &mut Vec<u8>) -> usize {
    let at = bytes.len();
    Instruction::If(BlockType::Empty).encode(bytes);
    encode(then, bytes);
    Instruction::End.encode(bytes);
    at
}

/// Returns the hint that the branch at `at` is unlikely.
fn hint(at: usize) -> Result<BranchHint> {
    Ok(BranchHint { branch_func_offset: u32::try_from(at)?, branch_hint_value: 0 })
}

fn fuel_for(operators: u32) -> u32 {
    operators.clamp(1, CHARGE_MAX)
}

pub(super) fn charge_for(operators: u32) -> Instruction<'static> {
    Instruction::I64Const(fuel_for(operators).into())
}

/// Adds the operators of an iteration to the local `uncharged`, and reads from the polling page.
///
/// The loops of a function read different addresses. Otherwise, the compiler would reuse what an earlier loop has read.
fn count(operators: u32, index: u32, uncharged: u32) -> [Instruction<'static>; 7] {
    let offset = u64::from(POLLED_AT) + u64::from(index) % POLLED_BYTES as u64;
    let polled = MemArg { offset, align: 0, memory_index: 0 };
    [
        Instruction::LocalGet(uncharged),
        charge_for(operators),
        Instruction::I64Add,
        Instruction::LocalSet(uncharged),
        Instruction::I32Const(0),
        Instruction::I32Load8U(polled),
        Instruction::Drop,
    ]
}

fn none_uncharged(uncharged: u32) -> [Instruction<'static>; 2] {
    [Instruction::I64Const(0), Instruction::LocalSet(uncharged)]
}

pub(super) fn encode(instructions: &[Instruction<'_>], bytes: &mut Vec<u8>) {
    for instruction in instructions {
        instruction.encode(bytes);
    }
}

impl Repeat {
    /// Returns the insertion that charges for the branch. A conditional branch is charged only when it is taken.
    fn charged(&self, operators: u32) -> (usize, Insertion<'_>) {
        let insertion = if self.is_conditional {
            Insertion::ChargeAndRepeat(operators, self)
        } else {
            Insertion::Charge(operators)
        };
        (self.at, insertion)
    }
}

/// An insertion into a function. The first number is a count of operators.
enum Insertion<'a> {
    Enter(u32),
    Charge(u32),
    ChargeAndRepeat(u32, &'a Repeat),
    /// The second number is the index of the loop.
    Count(u32, u32),
    Bulk(Bulk),
    Settle,
}
