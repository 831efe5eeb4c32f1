//! The initial memory of the guests in the tables, and the addresses in it.

/// The size of memory in bytes: the first address outside it.
pub(super) const END: u64 = 2 << 16;

/// The largest pointer, length, count or number there is.
pub(super) const MAX: u64 = u32::MAX as u64;
pub(super) const HALF: u64 = 1 << 31;
/// Free space for the functions' output.
pub(super) const AT: u64 = 0x1000;
pub(super) const ODD: u64 = AT + 1;

// Arrays of buffers.
pub(super) const VECTORS: u64 = 0x100;
pub(super) const EMPTY_FIRST: u64 = 0x110;
pub(super) const BEYOND: u64 = 0x120;
pub(super) const HUGE: u64 = 0x128;
pub(super) const BEYOND_LAST: u64 = 0x130;
pub(super) const EMPTY_NOWHERE: u64 = 0x140;
pub(super) const ITSELF: u64 = 0x148;
pub(super) const PAGE: u64 = 0x150;

// Subscriptions.
pub(super) const NOW: u64 = 0x400;
pub(super) const NOW_AND_LATER: u64 = 0x430;
pub(super) const REALTIME: u64 = 0x490;
pub(super) const PAST: u64 = 0x4c0;
pub(super) const SOON: u64 = 0x4f0;
pub(super) const NEVER: u64 = 0x520;
pub(super) const CPU_TIME: u64 = 0x550;
pub(super) const UNKNOWN_CLOCK: u64 = 0x580;
pub(super) const UNKNOWN_KIND: u64 = 0x5b0;
pub(super) const UNKNOWN_FLAGS: u64 = 0x5e0;
pub(super) const INPUT: u64 = 0x610;
pub(super) const OUTPUT: u64 = 0x640;
pub(super) const CLOSED: u64 = 0x670;
pub(super) const NOW_AND_NOW: u64 = 0x6a0;
pub(super) const MINUTE: u64 = 0x710;
pub(super) const FUTURE: u64 = 0x740;
/// A path of one letter.
pub(super) const PATH: u64 = 0x700;
/// Zeros: as many vectors and subscriptions as a call can have.
pub(super) const ZEROS: u64 = 0x4000;
pub(super) const EVENTS: u64 = 0x8000;

/// Returns the initial byte at an address: a letter, so that output is readable, and different from its neighbours'.
fn untouched(at: u64) -> u8 {
    b'A' + u8::try_from(at % 23).unwrap()
}

pub(super) fn prepare(memory: &mut [u8]) {
    for (at, byte) in (0..).zip(memory.iter_mut()) {
        *byte = untouched(at);
    }
    for (at, bytes) in contents() {
        memory[at..at + bytes.len()].copy_from_slice(&bytes);
    }
}

fn contents() -> Vec<(usize, Vec<u8>)> {
    let vectors = [
        (VECTORS, AT, 8),
        (VECTORS + 8, AT + 0x100, 4),
        (EMPTY_FIRST, END, 0),
        (EMPTY_FIRST + 8, AT, 6),
        (BEYOND, END - 1, 2),
        (HUGE, MAX, MAX),
        (BEYOND_LAST, AT, 8),
        (BEYOND_LAST + 8, END - 1, 2),
        (EMPTY_NOWHERE, MAX, 0),
        (ITSELF, ITSELF, 8),
        (PAGE, 0x10000, 0x10000),
    ];
    let vectors = vectors.map(|(at, ptr, len)| (at, (ptr | len << 32).to_le_bytes().to_vec()));
    let subscriptions = [
        (NOW, 0, 1, 0, 0),
        (NOW_AND_LATER, 0, 1, 0, 0),
        (NOW_AND_LATER + 48, 0, 1, 60_000_000_000, 0),
        (REALTIME, 0, 0, 1_000_000, 0),
        (PAST, 0, 0, 1_000_000_000_000, 1),
        (SOON, 0, 1, 1_000_000, 1),
        (NEVER, 0, 0, u64::MAX, 0),
        (MINUTE, 0, 0, 60_000_000_000, 0),
        (FUTURE, 0, 0, u64::MAX, 1),
        (CPU_TIME, 0, 3, 0, 0),
        (UNKNOWN_CLOCK, 0, 4, 0, 0),
        (UNKNOWN_KIND, 3, 0, 0, 0),
        (UNKNOWN_FLAGS, 0, 1, 0, 2),
        (INPUT, 1, 0, 0, 0),
        (OUTPUT, 2, 1, 0, 0),
        (CLOSED, 1, 5, 0, 0),
        (NOW_AND_NOW, 0, 1, 0, 0),
        (NOW_AND_NOW + 48, 0, 0, 0, 0),
    ];
    let subscriptions = subscriptions.map(|(at, kind, of, timeout, flags)| {
        let mut bytes = vec![0; 48];
        // `userdata` is the address. A clock's id and a file descriptor have the same offset.
        bytes[..8].copy_from_slice(&u64::to_le_bytes(at));
        (bytes[8], bytes[16], bytes[40]) = (kind, of, flags);
        bytes[24..32].copy_from_slice(&u64::to_le_bytes(timeout));
        (at, bytes)
    });
    let others = [(PATH, b"a".to_vec()), (ZEROS, vec![0; 0x3000])];
    let all = vectors.into_iter().chain(subscriptions).chain(others);
    all.map(|(at, bytes)| (usize::try_from(at).unwrap(), bytes)).collect()
}
