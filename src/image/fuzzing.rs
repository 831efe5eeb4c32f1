//! The parts of this module that the fuzz target of the meter uses.

use wasmtime::{Engine, Result};

use super::engine;
use crate::memory::{Base, Memories, MemoryImage, PollingPages};
use crate::meter;

/// The initial size of each memory, all zeros. A module may declare a smaller minimum, not a larger one.
pub const MEMORY_BYTES: usize = 64 << 10;

/// Runs modules like executions, and also counts wasmtime's own fuel.
pub struct Runner {
    pub engine: Engine,
    polling_pages: PollingPages,
}

impl Runner {
    pub fn new() -> Result<Self> {
        let memories = Memories::new(Base::new(MemoryImage::zeros(MEMORY_BYTES)?, ""), Box::new(|_| ()))?;
        let polling_pages = memories.polling_pages().clone();
        Ok(Self { engine: engine::counting(memories)?, polling_pages })
    }

    /// Stops the guest whose memory starts at `memory`.
    pub fn close_polling_page(&self, memory: *mut u8) {
        let page = self.polling_pages.of(memory).expect("the memory belongs to this runner");
        page.close().expect("the page is mapped");
    }
}

pub fn metered(wasm: &[u8]) -> Result<Vec<u8>> {
    meter::add(wasm)
}

/// Returns the faults that the meter's checker finds.
pub fn faults(metered: &[u8]) -> Result<Vec<String>> {
    Ok(meter::check::check(metered)?.faults)
}
