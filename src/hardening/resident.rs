//! What this process has in memory, which it can still tell when it reads no more files.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

/// `None` where there is no `/proc`.
static STATM: OnceLock<Option<File>> = OnceLock::new();

fn statm() -> Option<&'static File> {
    STATM.get_or_init(|| File::open("/proc/self/statm").ok()).as_ref()
}

/// Opens what [`resident_bytes`] reads.
pub(super) fn open_before_hardening() {
    let _ = statm();
}

/// Resident memory of this process in bytes: see proc(5).
pub(crate) fn resident_bytes() -> Option<u64> {
    let mut text = [0; 128];
    let length = statm()?.read_at(&mut text, 0).ok()?;
    let text = std::str::from_utf8(&text[..length]).ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
