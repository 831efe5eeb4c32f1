//! What glibc's heap keeps for the next execution, and what it gives back to the kernel.

#![allow(unsafe_code)]

/// Lets the heap keep what an execution gives back, results among it. In a process's first thread, glibc returns more than
/// 128 KiB at its end to the kernel at once, and taking it again costs a fault for each page. It keeps twice the largest
/// block that was ever mapped and freed: `M_MMAP_THRESHOLD` in mallopt(3).
pub(super) fn keep() {
    const LARGEST_BLOCK_BYTES: usize = 4 << 20;
    drop(std::hint::black_box(Vec::<u8>::with_capacity(LARGEST_BLOCK_BYTES)));
}

/// Gives back what the compiler has freed, but for some 30 MiB at the ends of its threads' heaps. Otherwise 150 MiB more
/// stay, and count towards the limit of a container in which programs are then run.
pub(super) fn give_back() {
    // SAFETY: it takes the heap's own locks, and touches nothing that is in use.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}
