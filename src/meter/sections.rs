//! Rewrites a module section by section.

use wasm_encoder::{Encode, Module, RawSection, Section, SectionId};
use wasmparser::{BinaryReader, Parser};
use wasmtime::{Result, bail};

/// What becomes of a section.
pub(crate) enum Change {
    Remove,
    /// Entries are appended to the section, which starts with a count.
    Append {
        count: usize,
        entries: Vec<u8>,
    },
    /// Whole sections take its place.
    Replace(Vec<u8>),
}

impl Change {
    /// Returns the change that appends `count` entries, which `encode` encodes.
    pub(super) fn append(count: usize, encode: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut entries = Vec::new();
        encode(&mut entries);
        Self::Append { count, entries }
    }

    /// Returns the change that puts `sections` in place of a section.
    pub(super) fn replace(sections: &[&dyn Section]) -> Self {
        let mut replacement = Vec::new();
        for section in sections {
            section.append_to(&mut replacement);
        }
        Self::Replace(replacement)
    }
}

/// Returns `wasm` with some sections changed. Sections without a change are copied.
///
/// # Errors
///
/// Fails if the module lacks a section to append to or to replace, or if its sections are malformed.
pub(crate) fn rewrite(wasm: &[u8], changes: &[(SectionId, Change)]) -> Result<Vec<u8>> {
    let (mut module, mut found) = (Module::HEADER.to_vec(), Vec::new());
    for section in Parser::new(0).parse_all(wasm) {
        let Some((id, range)) = section?.as_section() else { continue };
        let old = &wasm[range];
        found.push(id);
        match changes.iter().find(|(changed, _)| u8::from(*changed) == id) {
            None => RawSection { id, data: old }.append_to(&mut module),
            Some((_, Change::Remove)) => {}
            Some((_, Change::Append { count, entries })) => {
                let data = &with_more(old, *count, entries)?;
                RawSection { id, data }.append_to(&mut module);
            }
            Some((_, Change::Replace(sections))) => module.extend(sections),
        }
    }
    for (id, change) in changes {
        if !matches!(change, Change::Remove) && !found.contains(&u8::from(*id)) {
            bail!("the module has no {id:?} section");
        }
    }
    Ok(module)
}

/// Returns `old`, which starts with a count, with `count` more entries.
pub(super) fn with_more(old: &[u8], count: usize, entries: &[u8]) -> Result<Vec<u8>> {
    let mut old = BinaryReader::new(old, 0);
    let mut new = Vec::new();
    (old.read_var_u32()? as usize + count).encode(&mut new);
    new.extend(old.read_bytes(old.bytes_remaining())?);
    new.extend(entries);
    Ok(new)
}
