//! Configures how the process's allocator keeps memory and returns it to the kernel. The library leaves this to its
//! embedder.

#![allow(unsafe_code)]

use std::num::NonZero;

/// Larger blocks are mapped, so freeing them returns them to the kernel. Results of a usual size are smaller.
const MAPPED_BYTES_MIN: libc::c_int = 4 << 20;

/// Free memory kept at the end of a heap. Each execution allocates and frees a few hundred KiB there. By default,
/// glibc returns everything beyond 128 KiB at once, and getting it back costs a page fault for each page.
const KEPT_BYTES: libc::c_int = 8 << 20;

/// Number of threads that share a heap. By default each thread has its own heap, and only the end of the first heap
/// is ever returned.
const THREADS_PER_HEAP: usize = 4;

/// With a single heap, two parsing threads spend most of their time waiting for its lock.
const HEAPS_MIN: usize = 2;

/// Sets all parameters. Otherwise glibc raises the first two to 32 and 64 MiB, as it frees larger blocks.
pub(super) fn tune() {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let heaps = libc::c_int::try_from(cores.div_ceil(THREADS_PER_HEAP).max(HEAPS_MIN)).unwrap_or(1);
    // SAFETY: `mallopt` only sets numbers in the allocator.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES_MIN);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES);
        libc::mallopt(libc::M_ARENA_MAX, heaps);
    }
}

/// While an image is made, blocks from this size on are mapped, and free memory is returned. The compiler allocates and frees
/// hundreds of MiB in blocks of such sizes; with this, it takes a sixth less memory, and no more time.
const BYTES_WHILE_MAKING: libc::c_int = 64 << 10;

/// Calls `make`, which may make an image, and then returns what is free to the kernel.
pub(super) fn thrifty<T>(make: impl FnOnce() -> T) -> T {
    // SAFETY: as above.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, BYTES_WHILE_MAKING);
        libc::mallopt(libc::M_TRIM_THRESHOLD, BYTES_WHILE_MAKING);
    }
    let made = make();
    tune();
    give_back();
    made
}

/// Returns every free page to the kernel, except at the ends of heaps other than the first.
pub(super) fn give_back() {
    // SAFETY: `malloc_trim` takes the heaps' own locks, and touches no memory that is in use.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}
