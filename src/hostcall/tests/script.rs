//! Programs for `guest.wat`: lists of operations.

/// The initial size of the guest's memory in bytes.
pub(crate) const MEMORY_BYTES: u64 = 2 << 16;

/// What an operation does. The first ones are the guest's own; the others call the host function of that name with the
/// operation's arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Function {
    /// Traps unless the previous operation returned this result. Argument: the result.
    ExpectResult,
    /// Traps unless memory holds these eight bytes. Arguments: address, bytes.
    ExpectMemory,
    /// Writes eight bytes to memory. Arguments: address, bytes.
    Store,
    /// Grows memory. Argument: number of pages.
    Grow,
    /// Loops without effect. Argument: number of iterations.
    Spin,
    /// Recurses without end.
    Recurse,
    Call,
    Wait,
    Finish,
    ClockResGet,
    ClockTimeGet,
    FdRead,
    FdWrite,
    PollOneoff,
    ProcExit,
    RandomGet,
    SchedYield,
    Refuel,
}

/// A function and its arguments. For arguments of 32 bits, the lower half counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation(pub(crate) Function, pub(crate) [u64; 4]);

impl Function {
    /// Returns an operation with these arguments, padded with zeros.
    pub(crate) fn with<const N: usize>(self, arguments: [u64; N]) -> Operation {
        let mut all = [0; 4];
        all[..N].copy_from_slice(&arguments);
        Operation(self, all)
    }
}

/// Returns operations that write `bytes` to memory, padded with zeros to a multiple of eight.
pub(crate) fn store(address: u64, bytes: &[u8]) -> Vec<Operation> {
    let words = bytes.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    });
    let addresses = (address..).step_by(8);
    words.zip(addresses).map(|(word, address)| Function::Store.with([address, word])).collect()
}

/// Encodes a program as letters, which JSON does not escape.
pub(crate) fn text(operations: &[Operation]) -> String {
    let bytes = operations.iter().flat_map(|Operation(function, arguments)| {
        [*function as u8].into_iter().chain(arguments.iter().flat_map(|argument| argument.to_le_bytes()))
    });
    bytes.flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(b'a' + digit)).collect()
}
