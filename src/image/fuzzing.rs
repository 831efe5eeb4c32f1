//! What the fuzz target of the meter needs of this module.

use wasmtime::{Engine, Result};

use super::engine;
use crate::memory::{Memories, MemoryImage, PollingPages};
use crate::meter;

/// What each memory has at first, all zeros. Modules may ask for less, not for more.
pub const MEMORY_BYTES: usize = 64 << 10;

/// Runs modules as executions are run, and counts what they do by wasmtime's own fuel, too.
pub struct Runner {
    pub engine: Engine,
    polling_pages: PollingPages,
}

impl Runner {
    pub fn new() -> Result<Self> {
        let memories = Memories::new(MemoryImage::zeros(MEMORY_BYTES)?, Box::new(|_| ()))?;
        let polling_pages = memories.polling_pages().clone();
        Ok(Self { engine: engine::counting(memories)?, polling_pages })
    }

    /// Ends the guest whose memory begins there.
    pub fn close_polling_page(&self, memory: *mut u8) {
        let page = self.polling_pages.of(memory).expect("the memory is one of its own");
        page.close().expect("the page is mapped");
    }
}

pub fn metered(wasm: &[u8]) -> Result<Vec<u8>> {
    meter::add(wasm)
}

/// Ways around the meter.
pub fn faults(metered: &[u8]) -> Result<Vec<String>> {
    Ok(meter::check::check(metered)?.faults)
}
