//! Recognises the instruction sequences that the meter may add to a function.

use wasmparser::{BlockType, MemArg, Operator};

/// The addresses of the polling page.
const POLLED: std::ops::RangeInclusive<u64> = 0xffff_0000..=0xffff_ffff;

/// The indices of the counter and of the function that asks the host for fuel.
#[derive(Clone, Copy, Default)]
pub(super) struct Names {
    pub(super) fuel: u32,
    pub(super) refuel: u32,
}

/// A sequence of instructions. `count` is the index of the local that counts iterations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Added {
    /// Subtracts `fuel` and the local, if there is one, from the counter, and refuels when the counter is below zero.
    Charge { fuel: i64, count: Option<u32>, again: Option<TailCall> },
    /// Subtracts the local from the counter.
    Settle { count: u32 },
    /// Adds to the local, and reads from the polling page.
    Poll { count: u32, address: u64 },
}

/// A tail call that passes on the first `parameters` parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TailCall {
    pub(super) function: u32,
    pub(super) parameters: usize,
}

/// A function that refuels, refunds what another function is charged on entry, and calls that function.
#[derive(Clone, Copy)]
pub(super) struct Again {
    pub(super) function: u32,
    pub(super) parameters: usize,
    pub(super) fuel: i64,
}

impl Added {
    /// Returns the local that counts iterations.
    pub(super) fn count(self) -> Option<u32> {
        match self {
            Self::Charge { count, .. } => count,
            Self::Settle { count } | Self::Poll { count, .. } => Some(count),
        }
    }
}

impl Names {
    /// Returns the sequence that the operators start with, and its length.
    pub(super) fn added(self, operators: &[Operator<'_>]) -> Option<(Added, usize)> {
        let (added, rest) =
            self.charge(operators).or_else(|| self.settle(operators)).or_else(|| poll(operators))?;
        Some((added, operators.len() - rest.len()))
    }

    fn charge<'a, 'b>(self, operators: &'a [Operator<'b>]) -> Option<(Added, &'a [Operator<'b>])> {
        let (count, fuel, rest) = match self.get(operators)? {
            [Operator::I64Const { value }, rest @ ..] => (None, *value, rest),
            [
                Operator::LocalGet { local_index },
                Operator::I64Const { value },
                Operator::I64Add,
                rest @ ..,
            ] => (Some(*local_index), *value, rest),
            _ => return None,
        };
        let [Operator::I64Sub, rest @ ..] = rest else { return None };
        let [
            Operator::I64Const { value: 0 },
            Operator::I64LtS,
            Operator::If { blockty: BlockType::Empty },
            rest @ ..,
        ] = self.get(self.set(rest)?)?
        else {
            return None;
        };
        let (again, rest) = match rest {
            [Operator::Call { function_index }, rest @ ..] if *function_index == self.refuel => (None, rest),
            _ => tail_call(rest).map(|(call, rest)| (Some(call), rest))?,
        };
        let [Operator::End, rest @ ..] = rest else { return None };
        let rest = match count {
            None => rest,
            Some(count) => reset(count, rest)?,
        };
        (fuel > 0).then_some((Added::Charge { fuel, count, again }, rest))
    }

    fn settle<'a, 'b>(self, operators: &'a [Operator<'b>]) -> Option<(Added, &'a [Operator<'b>])> {
        let [Operator::LocalGet { local_index: count }, Operator::I64Sub, rest @ ..] = self.get(operators)?
        else {
            return None;
        };
        Some((Added::Settle { count: *count }, reset(*count, self.set(rest)?)?))
    }

    /// Returns the function's [`Again`], if its operators are one and nothing else.
    pub(super) fn again(self, operators: &[Operator<'_>]) -> Option<Again> {
        let [Operator::Call { function_index }, rest @ ..] = operators else { return None };
        let [Operator::I64Const { value: fuel }, Operator::I64Add, rest @ ..] = self.get(rest)? else {
            return None;
        };
        let (TailCall { function, parameters }, rest) = tail_call(self.set(rest)?)?;
        let is_all = *function_index == self.refuel && rest == [Operator::End];
        is_all.then_some(Again { function, parameters, fuel: *fuel })
    }

    fn get<'a, 'b>(self, operators: &'a [Operator<'b>]) -> Option<&'a [Operator<'b>]> {
        match operators {
            [Operator::GlobalGet { global_index }, rest @ ..] if *global_index == self.fuel => Some(rest),
            _ => None,
        }
    }

    fn set<'a, 'b>(self, operators: &'a [Operator<'b>]) -> Option<&'a [Operator<'b>]> {
        match operators {
            [Operator::GlobalSet { global_index }, rest @ ..] if *global_index == self.fuel => Some(rest),
            _ => None,
        }
    }
}

/// Matches the instructions that set the local to zero. Returns the operators after them.
fn reset<'a, 'b>(count: u32, operators: &'a [Operator<'b>]) -> Option<&'a [Operator<'b>]> {
    match operators {
        [Operator::I64Const { value: 0 }, Operator::LocalSet { local_index }, rest @ ..]
            if *local_index == count =>
        {
            Some(rest)
        }
        _ => None,
    }
}

fn tail_call<'a, 'b>(operators: &'a [Operator<'b>]) -> Option<(TailCall, &'a [Operator<'b>])> {
    let is_parameter = |(index, operator): &(u32, &Operator<'_>)| matches!(operator, Operator::LocalGet { local_index } if local_index == index);
    let parameters = (0..).zip(operators).take_while(is_parameter).count();
    let [Operator::ReturnCall { function_index }, rest @ ..] = &operators[parameters..] else { return None };
    Some((TailCall { function: *function_index, parameters }, rest))
}

fn poll<'a, 'b>(operators: &'a [Operator<'b>]) -> Option<(Added, &'a [Operator<'b>])> {
    let [
        Operator::LocalGet { local_index: count },
        Operator::I64Const { value: 1.. },
        Operator::I64Add,
        Operator::LocalSet { local_index: counted },
        Operator::I32Const { value: 0 },
        Operator::I32Load8U { memarg: MemArg { offset, .. } },
        Operator::Drop,
        rest @ ..,
    ] = operators
    else {
        return None;
    };
    let is_poll = counted == count && POLLED.contains(offset);
    is_poll.then_some((Added::Poll { count: *count, address: *offset }, rest))
}
