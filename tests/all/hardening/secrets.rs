//! Secrets in the memory of a running service.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use tempfile::NamedTempFile;

use crate::support::Service;

const SIGNING_KEY: &str = "a-signing-key-of-32-bytes-for-tests-0123456789";
const API_TOKEN: &str = "an-api-token-that-stands-nowhere-else-9876543210";

/// Larger mappings are reserved address space.
const BYTES_MAX: u64 = 1 << 30;

fn file(content: &str) -> (NamedTempFile, String) {
    let file = NamedTempFile::new().unwrap();
    fs::write(&file, format!("{content}\n")).unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    (file, path)
}

/// Returns how often `text` occurs in the writable memory of the process `pid`.
fn count(pid: u32, text: &str) -> usize {
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mappings = maps.lines().filter_map(|line| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let bound = |text: &str| u64::from_str_radix(text, 16).ok();
        let (start, end) = (bound(start)?, bound(end)?);
        (rest.starts_with("rw") && end - start < BYTES_MAX).then_some((start, end))
    });
    let in_mapping = |(start, end): (u64, u64)| {
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        // The mapping may have been removed meanwhile.
        let Ok(read) = memory.read_at(&mut bytes, start) else { return 0 };
        bytes[..read].windows(text.len()).filter(|window| *window == text.as_bytes()).count()
    };
    mappings.map(in_mapping).sum()
}

#[test]
fn a_token_from_a_file_is_not_kept_in_memory() {
    let ((_token, token), (_key, key)) = (file(API_TOKEN), file(SIGNING_KEY));
    // Without hardening, so that a user may read the memory of its own process.
    let settings = [
        ("HARDENING", "off"),
        ("EXECUTOR_API_TOKEN", ""),
        ("EXECUTOR_API_TOKEN_FILE", token.as_str()),
        ("TOOL_SIGNING_KEY_FILE", key.as_str()),
    ];
    let service = Service::start(&settings);
    let pid = service.child.id();
    // The signing key has to be in memory, once.
    assert_eq!(count(pid, SIGNING_KEY), 1);
    assert_eq!(count(pid, API_TOKEN), 0);
}
