//! Keys and their algorithms.

use std::fmt;
use std::sync::Arc;

use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey};
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox};
use sha2::{Digest, Sha256};

/// Minimum length of a shared secret: the output size of SHA-256.
const SECRET_BYTES_MIN: usize = 32;

/// Block size of SHA-256. HMAC pads a shorter secret with zeros and replaces a longer one by its digest.
const BLOCK_BYTES: usize = 64;

/// Maximum length of a key id.
const ID_BYTES_MAX: usize = 128;

/// A key and its id, by which signatures name it.
#[derive(Clone)]
pub struct Key {
    id: String,
    material: Material,
}

/// The algorithm is determined by the key, never by a message.
#[derive(Clone)]
enum Material {
    Hmac(Arc<SecretBox<[u8; BLOCK_BYTES]>>),
    Private(SigningKey),
    Public(VerifyingKey),
}

/// Why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The id has characters that a header cannot hold unescaped, or the wrong length.
    #[error(
        "a key id must have 1 to {ID_BYTES_MAX} letters, digits and ASCII punctuation without '\"' and '\\'"
    )]
    Id,
    /// The shared secret is too short.
    #[error("the shared secret of key '{id}' has {bytes} bytes; use at least {SECRET_BYTES_MIN} random ones")]
    Short {
        /// The key's id.
        id: String,
        /// The secret's length in bytes.
        bytes: usize,
    },
    /// The text is PEM, but not a usable key.
    #[error(
        "key '{id}' is PEM, but not an Ed25519 key in PKCS#8 ({why}); make one with \
         `openssl genpkey -algorithm ed25519`"
    )]
    Pem {
        /// The key's id.
        id: String,
        /// The problem.
        why: String,
    },
    /// A public key was given for signing.
    #[error("key '{id}' is a public key, which cannot sign; use the private key (`BEGIN PRIVATE KEY`)")]
    CannotSign {
        /// The key's id.
        id: String,
    },
}

impl Key {
    /// Parses a key. PEM of an Ed25519 key may be private (PKCS#8, `BEGIN PRIVATE KEY`), for signing and verifying, or
    /// public (`BEGIN PUBLIC KEY`), for verifying only. Any other text is a shared secret, used byte for byte.
    ///
    /// # Errors
    ///
    /// If the id has characters that headers cannot hold unescaped, if the secret is shorter than 32 bytes, or if the
    /// PEM is not an Ed25519 key.
    pub fn new(id: impl Into<String>, secret: &str) -> Result<Self, KeyError> {
        if secret.trim_start().starts_with("-----BEGIN ") {
            Self::from_pem(id.into(), secret.trim())
        } else {
            Self::from_secret(id.into(), secret.as_bytes())
        }
    }

    fn from_pem(id: String, pem: &str) -> Result<Self, KeyError> {
        let material = if pem.starts_with("-----BEGIN PRIVATE KEY-----") {
            SigningKey::from_pkcs8_pem(pem).map(Material::Private).map_err(|error| error.to_string())
        } else if pem.starts_with("-----BEGIN PUBLIC KEY-----") {
            VerifyingKey::from_public_key_pem(pem).map_err(|error| error.to_string()).and_then(strong)
        } else {
            Err("neither `BEGIN PRIVATE KEY` nor `BEGIN PUBLIC KEY`".to_owned())
        };
        match material {
            Ok(material) => Self::checked(id, material),
            Err(why) => Err(KeyError::Pem { id, why }),
        }
    }

    pub(super) fn from_secret(id: String, secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() < SECRET_BYTES_MIN {
            return Err(KeyError::Short { id, bytes: secret.len() });
        }
        let mut block = SecretBox::new(Box::new([0; BLOCK_BYTES]));
        let filled = block.expose_secret_mut();
        if secret.len() > BLOCK_BYTES {
            filled[..32].copy_from_slice(&Sha256::digest(secret));
        } else {
            filled[..secret.len()].copy_from_slice(secret);
        }
        Self::checked(id, Material::Hmac(Arc::new(block)))
    }

    fn checked(id: String, material: Material) -> Result<Self, KeyError> {
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        let fits = (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(plain);
        if fits { Ok(Self { id, material }) } else { Err(KeyError::Id) }
    }

    /// Returns the id by which signatures name the key.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the algorithm's name in the registry of RFC 9421.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        match self.material {
            Material::Hmac(_) => "hmac-sha256",
            Material::Private(_) | Material::Public(_) => "ed25519",
        }
    }

    /// Signs `message`; returns `None` for a public key.
    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match &self.material {
            Material::Hmac(block) => {
                Some(mac(block.expose_secret(), message).finalize().into_bytes().to_vec())
            }
            Material::Private(key) => Some(ed25519_dalek::Signer::sign(key, message).to_bytes().to_vec()),
            Material::Public(_) => None,
        }
    }

    /// Returns whether `signature` is valid for `message`. A MAC is compared in constant time.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let ed25519 = |key: &VerifyingKey| {
            Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok())
        };
        match &self.material {
            Material::Hmac(block) => mac(block.expose_secret(), message).verify_slice(signature).is_ok(),
            Material::Private(key) => ed25519(&key.verifying_key()),
            Material::Public(key) => ed25519(key),
        }
    }

    /// Returns the key, or an error if it is a public key.
    pub(super) fn can_sign(self) -> Result<Self, KeyError> {
        match self.material {
            Material::Public(_) => Err(KeyError::CannotSign { id: self.id }),
            Material::Hmac(_) | Material::Private(_) => Ok(self),
        }
    }
}

fn mac(block: &[u8; BLOCK_BYTES], message: &[u8]) -> Hmac<Sha256> {
    <Hmac<Sha256> as KeyInit>::new(block.into()).chain_update(message)
}

/// Refuses keys of small order: with such a key, one signature is valid for many messages.
fn strong(key: VerifyingKey) -> Result<Material, String> {
    if key.is_weak() { Err("a weak public key".to_owned()) } else { Ok(Material::Public(key)) }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut masked = f.debug_struct("Key");
        masked.field("id", &self.id).field("algorithm", &self.algorithm()).finish_non_exhaustive()
    }
}
