//! Parses the two signature headers, RFC 9421 section 4. Strict where the RFC leaves a choice.

use http::{HeaderMap, HeaderName};
use sfv::visitor::{DictionaryVisitor, EntryVisitor};
use sfv::{Dictionary, FieldType, InnerList, KeyRef, List, ListEntry, Parser, Version};

use super::error::VerifyError;
use super::{SIGNATURE, SIGNATURE_INPUT};

/// Bound for each header, all lines together: enough for a dozen signatures.
const HEADER_BYTES_MAX: usize = 8 << 10;

/// Bound for a nonce.
const NONCE_BYTES_MAX: usize = 256;

/// A received signature: its input list and its bytes.
pub(super) struct Entry {
    input: InnerList,
    pub(super) signature: Vec<u8>,
}

/// The parameters of a signature: what it covers, and for how long.
pub(super) struct Claim<'a> {
    pub(super) components: Vec<&'a str>,
    pub(super) created: u64,
    pub(super) expires: u64,
    pub(super) nonce: &'a str,
    pub(super) algorithm: Option<&'a str>,
}

/// Returns all signatures of a request, whether their keys are known or not.
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
            return Err(malformed(&SIGNATURE, format!("it has no byte sequence for `{label}`")));
        };
        entries.push(Entry { input, signature: signature.to_vec() });
    }
    match signatures.keys().next() {
        Some(label) => Err(malformed(&SIGNATURE_INPUT, format!("it has no components for `{label}`"))),
        None => Ok(entries),
    }
}

/// Parses a header's lines as one dictionary. Refuses duplicate keys: two readers could choose different values.
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

/// Returns the bytes of a dictionary member; `None` if it is not a byte sequence.
pub(super) fn bytes(entry: &ListEntry) -> Option<&[u8]> {
    match entry {
        ListEntry::Item(item) => item.bare_item.as_byte_sequence(),
        ListEntry::InnerList(_) => None,
    }
}

struct Unique(Dictionary);

#[derive(Debug, thiserror::Error)]
#[error("`{0}` is given twice")]
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
    /// Returns the id of the key that the signature names.
    pub(super) fn key_id(&self) -> Option<&str> {
        self.text("keyid")
    }

    /// Returns the value of `@signature-params`: the parameters in the order received.
    #[expect(clippy::expect_used, reason = "serialisation fails only for an empty list")]
    pub(super) fn params(&self) -> String {
        let list: List = vec![self.input.clone().into()];
        list.serialize().expect("the list has one item")
    }

    /// Returns the signature's parameters.
    ///
    /// # Errors
    ///
    /// If a required parameter is missing or invalid, or a component is not a plain name.
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

    /// Returns the names of the covered components. Component parameters (`;sf`, `;bs`, `;req`, `;tr`, `;key`) are
    /// refused: they would change the value.
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
