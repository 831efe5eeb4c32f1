//! The meter's instructions, and where they go.

use wasm_encoder::{BlockType, BranchHint, BranchHints, CodeSection, Encode, Function, Instruction, ValType};
use wasmtime::Result;

use super::body::{Body, Loop, Repeat};
use super::graph::Charges;
use super::input::Input;
use super::with_more;

/// What one entry or round is charged at most. Functions and loops with more operators than this are full of branches:
/// few ways through them take most.
const CHARGE_MAX: u32 = 32;

/// Bytes that are copied or filled for one unit of fuel, as a power of two.
const BYTES_PER_FUEL_LOG2: i64 = 3;

/// An instruction that asks for more memory.
const MEMORY_GROW_BYTES: usize = 2;

/// A page that is new must be faulted in and zeroed by the host.
const FUEL_PER_PAGE_LOG2: i64 = 8;

/// Indices of what the meter consists of.
pub(super) struct Meter {
    pub(super) fuel: u32,
    pub(super) fuel_min: u32,
    pub(super) refuel: u32,
    /// The first of the functions that are added.
    pub(super) charge_bytes: u32,
}

impl Meter {
    /// All functions; the branches in them that lead to the guest's `refuel`; the types of those that are new.
    pub(super) fn code(
        &self,
        input: &Input<'_>,
        charges: &Charges,
    ) -> Result<(CodeSection, BranchHints, Vec<u32>)> {
        let (mut code, mut hints) = (CodeSection::new(), BranchHints::new());
        let i32_to_i32 = u32::try_from(input.types.len())?;
        let mut types = vec![i32_to_i32; 2];
        let mut new = vec![self.bytes_charged(), self.memory_grown()];
        for (index, (body, charged)) in input.bodies.iter().zip(&charges.on_entry).enumerate() {
            let function = input.functions_imported + u32::try_from(index)?;
            let ty = input.functions[index];
            let parameters = input.types[ty as usize];
            let mut again = None;
            if *charged && body.only_tail_calls() {
                again = Some(Again { function: self.charge_bytes + u32::try_from(new.len())?, parameters });
                types.push(ty);
                new.push(self.again(function, parameters, body.operators));
            }
            let (bytes, unlikely) =
                self.metered(body, *charged, again, parameters + body.locals, &charges.ways)?;
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

    /// A function with charges in it, and the branches that lead to the guest's `refuel`. `uncharged` is a new local; `ways`
    /// lead through the functions of the module.
    fn metered(
        &self,
        body: &Body<'_>,
        charged: bool,
        again: Option<Again>,
        uncharged: u32,
        ways: &[u32],
    ) -> Result<(Vec<u8>, Vec<usize>)> {
        let counts = body.loops.iter().any(|round| round.is_plain);
        let entry = charged.then_some((body.start, Insertion::Enter(body.operators)));
        // A round takes as long as what it calls.
        let operators = |round: &Loop| {
            round.callees.iter().fold(round.operators, |sum, callee| sum.saturating_add(ways[*callee]))
        };
        let heads = body.loops.iter().filter_map(|round| match round.repeats {
            _ if round.is_plain => Some((round.start, Insertion::Count(round.operators))),
            None => Some((round.start, Insertion::Charge(operators(round)))),
            Some(_) => None,
        });
        let repeats = body.loops.iter().filter(|round| !round.is_plain).flat_map(|round| {
            round.repeats.iter().flatten().map(move |repeat| repeat.charged(operators(round)))
        });
        let fills = body.copies.iter().map(|at| (*at, Insertion::Copy));
        let grows = body.grows.iter().map(|at| (*at, Insertion::Grow));
        let ends = body.settled.iter().map(|at| (*at, Insertion::Settle));
        // What stands at the head of a loop comes before what belongs to its first operator.
        let mut insertions: Vec<_> =
            entry.into_iter().chain(heads).chain(repeats).chain(fills).chain(grows).chain(ends).collect();
        insertions.sort_by_key(|(at, _)| *at);

        let refuel = [Instruction::Call(self.refuel)];
        let charge = |operators: u32, bytes: &mut Vec<u8>| {
            if !counts {
                return self.charge(&[charge_for(operators)], &refuel, bytes);
            }
            let [get, extend] = uncharged_fuel(uncharged);
            let fuel = [get, extend, charge_for(operators), Instruction::I64Add];
            let at = self.charge(&fuel, &refuel, bytes);
            encode(&none_uncharged(uncharged), bytes);
            at
        };
        let (mut bytes, mut unlikely, mut copied) =
            (body.bytes[..body.start].to_vec(), Vec::new(), body.start);
        if counts {
            bytes = with_more(&bytes, 1, |new| {
                1u32.encode(new);
                ValType::I32.encode(new);
            })?;
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
                Insertion::Count(operators) => unlikely.push(self.count(operators, uncharged, &mut bytes)),
                Insertion::Copy => Instruction::Call(self.charge_bytes).encode(&mut bytes),
                Insertion::Grow => {
                    Instruction::Call(self.grow()).encode(&mut bytes);
                    copied += MEMORY_GROW_BYTES;
                }
                Insertion::Settle => encode(&self.settle(uncharged), &mut bytes),
            }
        }
        bytes.extend(&body.bytes[copied..]);
        Ok((bytes, unlikely))
    }

    /// Counts the operators of a round in the local `uncharged`. When that overflows, it is charged. A guest that then has
    /// burned too much of what it does not have goes on no more: it is out of fuel.
    fn count(&self, operators: u32, uncharged: u32, bytes: &mut Vec<u8>) -> usize {
        encode(
            &[
                Instruction::LocalGet(uncharged),
                Instruction::I32Const(fuel_for(operators).cast_signed()),
                Instruction::I32Add,
                Instruction::LocalTee(uncharged),
                Instruction::I32Const(0),
                Instruction::I32LtS,
            ],
            bytes,
        );
        let stop = [
            Instruction::GlobalGet(self.fuel),
            Instruction::GlobalGet(self.fuel_min),
            Instruction::I64LtS,
            Instruction::If(BlockType::Empty),
            Instruction::I64Const(i64::MIN),
            Instruction::GlobalSet(self.fuel),
            Instruction::Unreachable,
            Instruction::End,
        ];
        let overflow = [&self.settle(uncharged)[..], &stop].concat();
        unlikely(&overflow, bytes)
    }

    /// Takes from the counter what was counted in the local `uncharged`.
    fn settle(&self, uncharged: u32) -> [Instruction<'static>; 7] {
        let [count, extend] = uncharged_fuel(uncharged);
        let [zero, reset] = none_uncharged(uncharged);
        let [get, set] = [Instruction::GlobalGet(self.fuel), Instruction::GlobalSet(self.fuel)];
        [get, count, extend, Instruction::I64Sub, set, zero, reset]
    }

    /// Takes from the counter what `fuel` puts on the stack, and refuels if nothing is left.
    fn charge(&self, fuel: &[Instruction<'_>], refuel: &[Instruction<'_>], bytes: &mut Vec<u8>) -> usize {
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

    /// Charges for so many bytes, and gives their number back.
    fn bytes_charged(&self) -> Function {
        let fuel = fuel_for_parameter(Instruction::I64ShrU, BYTES_PER_FUEL_LOG2);
        let mut bytes = Vec::new();
        self.charge(&fuel, &[Instruction::Call(self.refuel)], &mut bytes);
        encode(&[Instruction::LocalGet(0), Instruction::End], &mut bytes);
        function_of([], bytes)
    }

    fn grow(&self) -> u32 {
        self.charge_bytes + 1
    }

    /// Asks for so many pages of memory, and charges for them if they are there.
    fn memory_grown(&self) -> Function {
        let fuel = fuel_for_parameter(Instruction::I64Shl, FUEL_PER_PAGE_LOG2);
        let mut bytes = Vec::new();
        encode(
            &[
                Instruction::LocalGet(0),
                Instruction::MemoryGrow(0),
                Instruction::LocalTee(1),
                Instruction::I32Const(-1),
                Instruction::I32Ne,
                Instruction::If(BlockType::Empty),
            ],
            &mut bytes,
        );
        self.charge(&fuel, &[Instruction::Call(self.refuel)], &mut bytes);
        encode(&[Instruction::End, Instruction::LocalGet(1), Instruction::End], &mut bytes);
        function_of([ValType::I32], bytes)
    }

    /// Refuels and calls a function again, which charges the same as it did before.
    fn again(&self, function: u32, parameters: u32, operators: u32) -> Function {
        let mut bytes = Vec::new();
        encode(
            &[
                Instruction::Call(self.refuel),
                Instruction::GlobalGet(self.fuel),
                charge_for(operators),
                Instruction::I64Add,
                Instruction::GlobalSet(self.fuel),
            ],
            &mut bytes,
        );
        encode(&Again { function, parameters }.instructions(), &mut bytes);
        encode(&[Instruction::End], &mut bytes);
        function_of([], bytes)
    }
}

/// A call of a function with the parameters of the one that it stands in, as its last act. Where a function has to refuel
/// before anything else, and never goes on after a call, then nothing is live across any call: its compiled code needs no
/// stack.
#[derive(Clone, Copy)]
struct Again {
    function: u32,
    parameters: u32,
}

impl Again {
    fn instructions(self) -> Vec<Instruction<'static>> {
        (0..self.parameters)
            .map(Instruction::LocalGet)
            .chain([Instruction::ReturnCall(self.function)])
            .collect()
    }
}

/// `if`, with its place.
fn unlikely(then: &[Instruction<'_>], bytes: &mut Vec<u8>) -> usize {
    let at = bytes.len();
    Instruction::If(BlockType::Empty).encode(bytes);
    encode(then, bytes);
    Instruction::End.encode(bytes);
    at
}

/// That a branch is not taken.
fn hint(at: usize) -> Result<BranchHint> {
    Ok(BranchHint { branch_func_offset: u32::try_from(at)?, branch_hint_value: 0 })
}

fn fuel_for(operators: u32) -> u32 {
    operators.clamp(1, CHARGE_MAX)
}

fn charge_for(operators: u32) -> Instruction<'static> {
    Instruction::I64Const(fuel_for(operators).into())
}

/// What was counted in a local.
fn uncharged_fuel(uncharged: u32) -> [Instruction<'static>; 2] {
    [Instruction::LocalGet(uncharged), Instruction::I64ExtendI32U]
}

fn none_uncharged(uncharged: u32) -> [Instruction<'static>; 2] {
    [Instruction::I32Const(0), Instruction::LocalSet(uncharged)]
}

/// A function's only parameter, shifted by so many bits.
fn fuel_for_parameter(shift: Instruction<'static>, bits: i64) -> [Instruction<'static>; 4] {
    [Instruction::LocalGet(0), Instruction::I64ExtendI32U, Instruction::I64Const(bits), shift]
}

fn encode(instructions: &[Instruction<'_>], bytes: &mut Vec<u8>) {
    for instruction in instructions {
        instruction.encode(bytes);
    }
}

fn function_of<const N: usize>(locals: [ValType; N], bytes: Vec<u8>) -> Function {
    let mut function = Function::new_with_locals_types(locals);
    function.raw(bytes);
    function
}

impl Repeat {
    /// A branch on a condition is charged only where it is taken.
    fn charged(&self, operators: u32) -> (usize, Insertion<'_>) {
        let insertion = if self.is_conditional {
            Insertion::ChargeAndRepeat(operators, self)
        } else {
            Insertion::Charge(operators)
        };
        (self.at, insertion)
    }
}

/// What is inserted into a function; numbers are of operators.
enum Insertion<'a> {
    Enter(u32),
    Charge(u32),
    ChargeAndRepeat(u32, &'a Repeat),
    Count(u32),
    Copy,
    Grow,
    Settle,
}
