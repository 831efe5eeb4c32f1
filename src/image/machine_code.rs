//! Loads the interpreter's machine code, from the cache or from memory.

#![allow(unsafe_code)]

use std::fs::File;

use wasmtime::{Engine, Module};

use crate::error::Error;

/// Machine code that this process or an earlier one has compiled.
pub(super) enum MachineCode {
    File(File),
    Bytes(Vec<u8>),
}

impl MachineCode {
    /// Loads the module.
    ///
    /// # Errors
    ///
    /// [`Error::Image`] if the code does not fit `engine` or cannot be mapped.
    pub(super) fn module(&self, engine: &Engine) -> Result<Module, Error> {
        let module = match self {
            Self::File(file) => file.try_clone().map_err(wasmtime::Error::from).and_then(|file| {
                // SAFETY: `artifact::load` has checked the file's owner, mode and digest, so these are bytes that
                // `precompile_module` made in this program.
                unsafe { Module::deserialize_open_file(engine, file) }
            }),
            // SAFETY: `precompile_module` made these bytes in this process.
            Self::Bytes(bytes) => unsafe { Module::deserialize(engine, bytes) },
        };
        module.map_err(|error| Error::image("mapping the compiled interpreter").caused_by(error))
    }
}
