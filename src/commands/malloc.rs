//! How the process's heap keeps memory, and gives it back to the kernel. The library leaves this to whoever embeds it.

#![allow(unsafe_code)]

use std::num::NonZero;

/// Larger blocks are mapped: they go back to the kernel when they are freed. Results of a usual size are none of them.
const MAPPED_BYTES_MIN: libc::c_int = 4 << 20;

/// What is kept at the end of a heap. Each execution allocates and frees some hundred KiB there; by default, glibc returns
/// more than 128 KiB at once, and taking it again costs a fault for each page.
const KEPT_BYTES: libc::c_int = 8 << 20;

/// Threads share a heap by so many. By default each has its own, and only the first heap's end is ever given back.
const THREADS_PER_HEAP: usize = 4;

/// With one heap, two threads that parse wait for its lock more than they work.
const HEAPS_MIN: usize = 2;

/// Sets all of them. Else glibc raises the first two with the largest block that is ever freed, to 32 and 64 MiB.
pub(super) fn tune() {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let heaps = libc::c_int::try_from(cores.div_ceil(THREADS_PER_HEAP).max(HEAPS_MIN)).unwrap_or(1);
    // SAFETY: these set numbers in the allocator.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES_MIN);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES);
        libc::mallopt(libc::M_ARENA_MAX, heaps);
    }
}

/// Gives back every page that is free, but at the ends of further heaps.
pub(super) fn give_back() {
    // SAFETY: it takes the heap's own locks, and touches nothing that is in use.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}
