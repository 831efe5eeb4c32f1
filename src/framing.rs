//! A head as JSON and parts as bytes, in one piece of bytes: each after its length (8 bytes, little-endian).

use serde::{Deserialize, Serialize};

/// Joins a head and parts.
pub(crate) fn join(head: &impl Serialize, parts: &[&[u8]]) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "heads have nothing in them that JSON cannot hold")]
    let head = serde_json::to_vec(head).expect("heads are JSON");
    let len = parts.iter().map(|part| part.len() + size_of::<u64>()).sum::<usize>();
    let mut bytes = Vec::with_capacity(size_of::<u64>() + head.len() + len);
    for part in std::iter::once(head.as_slice()).chain(parts.iter().copied()) {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

/// Returns the head and the parts that [`join`] joined, or `None` if these bytes are something else.
pub(crate) fn split<'a, T: Deserialize<'a>, const N: usize>(
    mut bytes: &'a [u8],
) -> Option<(T, [&'a [u8]; N])> {
    let mut next = || {
        let (len, rest) = bytes.split_first_chunk()?;
        let (part, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*len)).ok()?)?;
        bytes = rest;
        Some(part)
    };
    let head = serde_json::from_slice(next()?).ok()?;
    let mut parts = [[].as_slice(); N];
    for part in &mut parts {
        *part = next()?;
    }
    bytes.is_empty().then_some((head, parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_joined_is_split_and_nothing_else_is() {
        let bytes = join(&7, &[b"one", b"", b"three"]);
        assert_eq!(split(&bytes), Some((7, [&b"one"[..], b"", b"three"])));
        assert_eq!(split::<u8, 2>(&bytes), None, "there is a part more");
        assert_eq!(split::<u8, 4>(&bytes), None, "there is a part less");
        for cut in 0..bytes.len() {
            assert_eq!(split::<u8, 3>(&bytes[..cut]), None);
        }
        assert_eq!(split::<u8, 1>(&[0xff; 24]), None, "a length beyond the end");
    }
}
