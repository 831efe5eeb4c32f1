//! Makes images with other tools while executions run.

use std::io;
use std::time::Instant;

use serde_json::Value;
use tracing::info;
use wasmtime::{Engine, Module};

use super::interpreter::Interpreter;
use super::{ImageSpec, millis, recipe, start};
use crate::error::Error;
use crate::memory::{Base, Memories, MemoryImage, Origin, SpareFiles};

/// Files for images: the current one, two that are kept after it, one that is being made, and one whose last execution has
/// not ended.
const FILES: usize = 5;

/// Makes memories of interpreters that run in the code of the sandbox's first image. A hardened process can do this too: it
/// needs no new file, and no other machine code.
pub(crate) struct Maker {
    spec: ImageSpec,
    origin: Origin,
    engine: Engine,
    module: Module,
    memories: Memories,
    /// What an interpreter starts in.
    zeros: Base,
    files: SpareFiles,
}

impl Maker {
    /// # Errors
    ///
    /// [`Error::Image`] if its files cannot be made.
    pub(super) fn new(
        spec: ImageSpec,
        origin: Origin,
        engine: Engine,
        module: Module,
        memories: Memories,
    ) -> Result<Self, Error> {
        let files = SpareFiles::make(FILES);
        let files = files.map_err(|error| Error::image("making files for later images").caused_by(error))?;
        let zeros = start::zeros_for(&module)?;
        Ok(Self { spec, origin, engine, module, memories, zeros, files })
    }

    /// Makes an image with these tools, of at most `memory_bytes_max`. It is not in the cache. **Blocks** for a second or so.
    ///
    /// # Errors
    ///
    /// [`Error::Image`] if the interpreter cannot initialise itself, if it needs more memory, or if too many images are in
    /// use.
    pub(crate) fn make(&self, tools: &Value, memory_bytes_max: u64) -> Result<Base, Error> {
        let started = Instant::now();
        // Memories that are ready for reuse keep files of earlier images.
        self.memories.clear();
        let data = Interpreter::data(&self.spec.interpreter)?;
        let take = |memory: &[u8]| {
            let made = MemoryImage::map_memory(memory, &self.origin, &self.files);
            made.map_err(|error| match error.kind() {
                io::ErrorKind::WouldBlock => {
                    wasmtime::format_err!("programs still use too many earlier images")
                }
                _ => error.into(),
            })
        };
        let made = start::with_memory(
            &self.engine,
            &self.module,
            &self.zeros,
            &data,
            recipe(&self.spec, tools),
            memory_bytes_max,
            take,
        );
        let (image, digest) = made?;
        info!(elapsed_ms = millis(started), "another interpreter image made");
        Ok(Base::new(image, &digest.to_hex()))
    }

    /// Makes memories that begin as `base` the ones that are reused.
    pub(crate) fn make_current(&self, base: Base) {
        self.memories.make_current(base);
    }
}
