//! Reasons why our implementation differs from wasmtime-wasi's ("theirs").

pub(super) const ALL_BUFFERS: &str =
    "ours handles all buffers; theirs stops after the first that is not empty";
pub(super) const ANY_STATUS: &str = "a guest that exits has failed, whatever the status";
pub(super) const BOUNDED: &str =
    "ours bounds the number of items; theirs bounds their bytes, at hundreds of megabytes";
pub(super) const CHECKED: &str = "ours checks all pointers first, also those of empty arrays and buffers";
pub(super) const CLOCKS_ONLY: &str = "ours can only wait for two clocks";
pub(super) const CPU_CLOCKS: &str = "the specification says EINVAL for an unsupported clock";
pub(super) const DESCRIPTOR_FIRST: &str = "ours checks the descriptor before the array";
pub(super) const NOTHING_TO_READ: &str =
    "zero bytes were requested and ours reads none; theirs returns EINTR";
pub(super) const ONE_EVENT: &str =
    "ours reports only the first clock, which is enough to wake a guest; padding is zeros";
pub(super) const OTHER_FLAGS: &str = "ours ignores undefined flags";
pub(super) const PADDING: &str = "ours writes padding as zeros; theirs leaves it unchanged";
pub(super) const UNALIGNED: &str =
    "ours accepts unaligned pointers; the compiler aligns those of honest guests";
pub(super) const UNKNOWN: &str = "ours returns an error for an undefined number; theirs traps";
