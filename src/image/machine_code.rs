//! The interpreter's machine code, from the cache or from this process.

#![allow(unsafe_code)]

use std::fs::File;

use wasmtime::{Engine, Module};

use crate::error::Error;

/// Machine code of this engine.
pub(super) enum MachineCode {
    File(File),
    Bytes(Vec<u8>),
}

impl MachineCode {
    pub(super) fn module(&self, engine: &Engine) -> Result<Module, Error> {
        let module = match self {
            Self::File(file) => file.try_clone().map_err(wasmtime::Error::from).and_then(|file| {
                // SAFETY: the artifact's owner, mode and digest were checked: these are the bytes that this program's
                // `precompile_module` made.
                unsafe { Module::deserialize_open_file(engine, file) }
            }),
            // SAFETY: these bytes come from `precompile_module`, a moment ago, in this process.
            Self::Bytes(bytes) => unsafe { Module::deserialize(engine, bytes) },
        };
        module.map_err(|error| Error::image("mapping the compiled interpreter").caused_by(error))
    }
}
