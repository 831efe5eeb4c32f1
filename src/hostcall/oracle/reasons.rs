//! Why ours differs.

pub(super) const ALL_BUFFERS: &str = "it handles all buffers; theirs ends after the first that is not empty";
pub(super) const ANY_STATUS: &str = "a guest that exits has failed, with whatever status";
pub(super) const BOUNDED: &str =
    "it bounds the number of items; theirs the bytes of them, at hundreds of megabytes";
pub(super) const CHECKED: &str = "it looks at all pointers first, those of empty arrays and buffers too";
pub(super) const CLOCKS_ONLY: &str = "there is nothing to wait for but two clocks";
pub(super) const CPU_CLOCKS: &str = "the specification has EINVAL for a clock that is not supported";
pub(super) const DESCRIPTOR_FIRST: &str = "it looks at the descriptor before the array";
pub(super) const NOTHING_TO_READ: &str = "no bytes were asked for and none are read; theirs says EINTR";
pub(super) const ONE_EVENT: &str = "the first clock is enough to wake a guest, and padding is zeros";
pub(super) const OTHER_FLAGS: &str = "flags that mean nothing are ignored";
pub(super) const PADDING: &str = "padding is zeros; theirs leaves it";
pub(super) const RIGHTS: &str =
    "nothing is opened through a stream, which has no rights to pass on; padding is zeros";
pub(super) const STAYS_OPEN: &str = "a guest has its three streams to the end";
pub(super) const UNALIGNED: &str =
    "a pointer may be at any address; the compiler aligns those of honest guests";
pub(super) const UNKNOWN: &str = "a number that means nothing is an error, no trap";
