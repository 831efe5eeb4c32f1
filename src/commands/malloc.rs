//! How the process's heap keeps memory, and gives it back to the kernel. The library leaves this to whoever embeds it.

#![allow(unsafe_code)]

/// Larger blocks are mapped: they go back to the kernel when they are freed. Results of a usual size are none of them.
const MAPPED_BYTES_MIN: libc::c_int = 4 << 20;

/// What is kept at the end of a heap. Each execution allocates and frees some hundred KiB there; by default, glibc returns
/// more than 128 KiB at once, and taking it again costs a fault for each page.
const KEPT_BYTES: libc::c_int = 8 << 20;

/// Sets both. Else glibc raises them with the largest block that is ever freed, to 32 and 64 MiB.
pub(super) fn tune() {
    // SAFETY: these set numbers in the allocator.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES_MIN);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES);
    }
}

/// Gives back every page that is free, wherever it is.
pub(super) fn give_back() {
    // SAFETY: it takes the heap's own locks, and touches nothing that is in use.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}
