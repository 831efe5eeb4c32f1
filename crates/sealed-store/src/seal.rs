//! Encryption of entries: XChaCha20-Poly1305 with a random nonce
//! (draft-irtf-cfrg-xchacha, on RFC 8439), bound to what the entry is.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

/// The format of sealed bytes: this byte, the nonce, the ciphertext with its tag.
const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;

/// Fewer cannot be a key of 256 bits, in whatever way they are written.
const SECRET_BYTES_MIN: usize = 32;

/// A key that seals and opens.
#[derive(Clone)]
pub struct Key([u8; 32]);

/// The secret that a key was to be made of is too short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key needs a secret of at least {SECRET_BYTES_MIN} bytes")]
pub struct WeakKey;

/// These bytes were not sealed by any of the keys for what they are said to be, or were changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the entry is damaged, or is another one")]
pub struct Damaged;

impl Key {
    /// The key that is made of `secret`, the same each time. `secret` is random, in any encoding: this is no hash for passwords.
    ///
    /// # Errors
    ///
    /// [`WeakKey`] for less than 32 bytes.
    pub fn derive(secret: &[u8]) -> Result<Self, WeakKey> {
        if secret.len() < SECRET_BYTES_MIN {
            return Err(WeakKey);
        }
        Ok(Self(blake3::derive_key("sealed-store 2026-11 entries", secret)))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&self.0).into())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// Seals with one key, and opens what that one or the one before it has sealed.
#[derive(Clone, Debug)]
pub struct Sealer {
    current: Key,
    previous: Option<Key>,
}

impl Sealer {
    /// `previous` is the key that `current` has replaced, while entries that it sealed are still there.
    #[must_use]
    pub fn new(current: Key, previous: Option<Key>) -> Self {
        Self { current, previous }
    }

    /// Encrypts and authenticates `bytes`. They can be opened as the same `parts` only: name all that they belong to.
    ///
    /// # Panics
    ///
    /// If the operating system has no random numbers.
    #[must_use]
    pub fn seal(&self, parts: &[&[u8]], bytes: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        #[expect(clippy::expect_used, reason = "without random numbers nothing may be sealed")]
        getrandom::fill(&mut nonce).expect("the operating system has random numbers");
        let payload = Payload { msg: bytes, aad: &bound(parts) };
        #[expect(clippy::expect_used, reason = "the cipher refuses 256 GiB and more")]
        let sealed = self.current.cipher().encrypt(&XNonce::from(nonce), payload).expect("it fits in memory");
        [&[VERSION][..], &nonce, &sealed].concat()
    }

    /// The bytes that were sealed as `parts`.
    ///
    /// # Errors
    ///
    /// [`Damaged`]: nothing of them is to be used.
    pub fn open(&self, parts: &[&[u8]], sealed: &[u8]) -> Result<Vec<u8>, Damaged> {
        let (version, rest) = sealed.split_first().ok_or(Damaged)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(Damaged)?;
        if *version != VERSION {
            return Err(Damaged);
        }
        let aad = bound(parts);
        let open = |key: &Key| {
            let payload = Payload { msg: ciphertext, aad: &aad };
            key.cipher().decrypt(&XNonce::from(*nonce), payload).ok()
        };
        open(&self.current).or_else(|| open(self.previous.as_ref()?)).ok_or(Damaged)
    }
}

/// Each part with its length, so that no two lists of parts are bound alike.
fn bound(parts: &[&[u8]]) -> Vec<u8> {
    let with_length = |part: &&[u8]| [&(part.len() as u64).to_le_bytes()[..], part].concat();
    [vec![VERSION], parts.iter().flat_map(with_length).collect()].concat()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn key(byte: u8) -> Key {
        Key::derive(&[byte; 32]).unwrap()
    }

    #[test]
    fn opens_only_what_it_was_sealed_as() {
        let sealer = Sealer::new(key(1), None);
        let parts: [&[u8]; 2] = [b"execution/1", b"image"];
        let bytes = sealer.seal(&parts, b"text");
        assert_eq!(sealer.open(&parts, &bytes).unwrap(), b"text");
        for others in
            [&[&b"execution/2"[..], b"image"][..], &[b"execution/1image", b""], &[b"execution/1"], &[]]
        {
            assert_eq!(sealer.open(others, &bytes), Err(Damaged));
        }
        assert_ne!(sealer.seal(&parts, b"text"), bytes, "each has its nonce");
    }

    #[test]
    fn each_bit_counts() {
        let sealer = Sealer::new(key(1), None);
        let bytes = sealer.seal(&[b"a"], b"some text");
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(sealer.open(&[b"a"], &changed), Err(Damaged), "bit {bit}");
        }
        for end in 0..bytes.len() {
            assert_eq!(sealer.open(&[b"a"], &bytes[..end]), Err(Damaged));
        }
    }

    #[test]
    fn a_key_that_was_replaced_opens_and_does_not_seal() {
        let (old, new) = (Sealer::new(key(1), None), Sealer::new(key(2), Some(key(1))));
        let bytes = old.seal(&[], b"text");
        assert_eq!(new.open(&[], &bytes).unwrap(), b"text");
        assert_eq!(old.open(&[], &new.seal(&[], b"text")), Err(Damaged));
        assert_eq!(Sealer::new(key(2), None).open(&[], &bytes), Err(Damaged));
    }

    #[test]
    fn secrets_are_long_and_not_shown() {
        assert_eq!(Key::derive(&[7; 31]).unwrap_err(), WeakKey);
        assert_eq!(format!("{:?}", key(1)), "Key(…)");
    }
}
