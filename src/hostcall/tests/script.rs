//! Programs for `guest.wat`: what it is to do, operation after operation.

/// The bytes of the guest's memory, unless it grows.
pub(crate) const MEMORY_BYTES: u64 = 2 << 16;

/// What an operation does: those of the guest alone, then the functions of the host. Arguments are the host function's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Function {
    /// Traps unless the operation before gave this result.
    ExpectResult,
    /// Traps unless these eight bytes stand at this address.
    ExpectMemory,
    /// Writes eight bytes to an address.
    Store,
    /// Asks for so many pages of memory.
    Grow,
    /// Does nothing, so many times.
    Spin,
    Recurse,
    Call,
    Wait,
    Finish,
    ArgsGet,
    ArgsSizesGet,
    EnvironGet,
    EnvironSizesGet,
    ClockResGet,
    ClockTimeGet,
    FdClose,
    FdFdstatGet,
    FdFilestatGet,
    FdPrestatGet,
    FdRead,
    FdWrite,
    PollOneoff,
    ProcExit,
    RandomGet,
    SchedYield,
    /// One of those that no guest gets.
    FdSeek,
    Refuel,
}

/// A function and its arguments; those of 32 bits are the lower half.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation(pub(crate) Function, pub(crate) [u64; 4]);

impl Function {
    /// This function with these arguments; zeros follow.
    pub(crate) fn with<const N: usize>(self, arguments: [u64; N]) -> Operation {
        let mut all = [0; 4];
        all[..N].copy_from_slice(&arguments);
        Operation(self, all)
    }
}

/// Writes `bytes` to memory, zeros up to the next multiple of eight.
pub(crate) fn store(address: u64, bytes: &[u8]) -> Vec<Operation> {
    let words = bytes.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    });
    let addresses = (address..).step_by(8);
    words.zip(addresses).map(|(word, address)| Function::Store.with([address, word])).collect()
}

/// The program's text: letters, which JSON keeps as they are.
pub(crate) fn text(operations: &[Operation]) -> String {
    let bytes = operations.iter().flat_map(|Operation(function, arguments)| {
        [*function as u8].into_iter().chain(arguments.iter().flat_map(|argument| argument.to_le_bytes()))
    });
    bytes.flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(b'a' + digit)).collect()
}
