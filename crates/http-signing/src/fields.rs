//! The two headers of signatures as data, RFC 9421 section 4; strict where the RFC leaves a choice.

use http::{HeaderMap, HeaderName};
use sfv::visitor::{DictionaryVisitor, EntryVisitor};
use sfv::{Dictionary, FieldType, InnerList, KeyRef, List, ListEntry, Parser, Version};

use super::error::VerifyError;
use super::{SIGNATURE, SIGNATURE_INPUT};

/// What one of the headers may have, all its lines together: room for a dozen signatures.
const HEADER_BYTES_MAX: usize = 8 << 10;

/// What a nonce may have.
const NONCE_BYTES_MAX: usize = 256;

/// A signature as it came: what it says of itself, and its bytes.
pub(super) struct Entry {
    input: InnerList,
    pub(super) signature: Vec<u8>,
}

/// What a signature says that it covers, and for how long.
pub(super) struct Claim<'a> {
    pub(super) components: Vec<&'a str>,
    pub(super) created: u64,
    pub(super) expires: u64,
    pub(super) nonce: &'a str,
    pub(super) algorithm: Option<&'a str>,
}

/// The signatures of a request, whoever made them.
pub(super) fn entries(headers: &HeaderMap) -> Result<Vec<Entry>, VerifyError> {
    let inputs = dictionary(headers, &SIGNATURE_INPUT)?;
    let mut signatures = dictionary(headers, &SIGNATURE)?;
    let malformed = |header: &HeaderName, why: String| VerifyError::Malformed { header: header.clone(), why };
    let mut entries = Vec::new();
    for (label, input) in inputs {
        let ListEntry::InnerList(input) = input else {
            return Err(malformed(&SIGNATURE_INPUT, format!("`{label}` is not a list of components")));
        };
        let signature = signatures.shift_remove(&label);
        let Some(signature) = signature.as_ref().and_then(bytes) else {
            return Err(malformed(&SIGNATURE, format!("it needs the bytes of `{label}`")));
        };
        entries.push(Entry { input, signature: signature.to_vec() });
    }
    match signatures.keys().next() {
        Some(label) => Err(malformed(&SIGNATURE_INPUT, format!("it needs the components of `{label}`"))),
        None => Ok(entries),
    }
}

/// A header's lines as one dictionary in which nothing stands twice: of two values, another reader may take the other.
pub(super) fn dictionary(headers: &HeaderMap, header: &HeaderName) -> Result<Dictionary, VerifyError> {
    let lines: Vec<_> = headers.get_all(header).iter().map(http::HeaderValue::as_bytes).collect();
    if lines.is_empty() {
        return Err(VerifyError::NoHeader(header.clone()));
    }
    let bytes: usize = lines.iter().map(|line| line.len()).sum();
    if bytes > HEADER_BYTES_MAX {
        return Err(VerifyError::HeaderSize { header: header.clone(), bytes });
    }
    let text = lines.join(&b", "[..]);
    let parser = Parser::new(&text).with_version(Version::Rfc8941);
    let parsed = parser.parse_dictionary_with_visitor(Unique(Dictionary::new()));
    parsed.map_err(|error| VerifyError::Malformed { header: header.clone(), why: error.to_string() })
}

/// The bytes of a dictionary's member, if that is what it has.
pub(super) fn bytes(entry: &ListEntry) -> Option<&[u8]> {
    match entry {
        ListEntry::Item(item) => item.bare_item.as_byte_sequence(),
        ListEntry::InnerList(_) => None,
    }
}

struct Unique(Dictionary);

#[derive(Debug, thiserror::Error)]
#[error("`{0}` stands there twice")]
struct Duplicate(String);

impl<'de> DictionaryVisitor<'de> for Unique {
    type Out = Dictionary;
    type Error = Duplicate;

    fn entry(&mut self, key: &'de KeyRef) -> Result<impl EntryVisitor<'de>, Duplicate> {
        if self.0.contains_key(key) {
            return Err(Duplicate(key.as_str().to_owned()));
        }
        let Ok(entry) = DictionaryVisitor::entry(&mut self.0, key);
        Ok(entry)
    }

    fn finish(self) -> Result<Dictionary, Duplicate> {
        Ok(self.0)
    }
}

impl Entry {
    /// Which key it names, if it does.
    pub(super) fn key_id(&self) -> Option<&str> {
        self.text("keyid")
    }

    /// Its own line of the signature base: the parameters in the order in which they came.
    #[expect(clippy::expect_used, reason = "only a list of nothing has no text")]
    pub(super) fn params(&self) -> String {
        let list: List = vec![self.input.clone().into()];
        list.serialize().expect("the list has one item")
    }

    /// What it says, if that is something that can be checked.
    pub(super) fn claim(&self) -> Result<Claim<'_>, VerifyError> {
        let nonce = self.text("nonce").ok_or(VerifyError::Parameter("nonce"))?;
        if nonce.is_empty() || nonce.len() > NONCE_BYTES_MAX {
            return Err(VerifyError::Parameter("nonce"));
        }
        if self.input.params.contains_key("alg") && self.text("alg").is_none() {
            return Err(VerifyError::Parameter("alg"));
        }
        Ok(Claim {
            components: self.components()?,
            created: self.seconds("created")?,
            expires: self.seconds("expires")?,
            nonce,
            algorithm: self.text("alg"),
        })
    }

    /// Components by name only: a flag (`;sf`, `;bs`, `;req`, `;tr`, `;key`) would make another value of it.
    fn components(&self) -> Result<Vec<&str>, VerifyError> {
        let mut names = Vec::new();
        for item in &self.input.items {
            let name = item.bare_item.as_string().map(sfv::StringRef::as_str);
            match name {
                Some(name) if item.params.is_empty() && !names.contains(&name) => names.push(name),
                Some(name) if item.params.is_empty() => return Err(VerifyError::Repeated(name.to_owned())),
                Some(name) => return Err(VerifyError::Flagged(name.to_owned())),
                None => return Err(VerifyError::Unnamed),
            }
        }
        Ok(names)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.input.params.get(name)?.as_string().map(sfv::StringRef::as_str)
    }

    fn seconds(&self, name: &'static str) -> Result<u64, VerifyError> {
        let seconds = self.input.params.get(name).and_then(sfv::BareItem::as_integer);
        let seconds = seconds.and_then(|seconds| u64::try_from(i64::from(seconds)).ok());
        seconds.ok_or(VerifyError::Parameter(name))
    }
}
