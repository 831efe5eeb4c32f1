//! Interpreters as bytes: of an execution that waits, and of a program that has ended.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{Guest, Life};
use crate::framing;
use crate::hostcall::{self, HostRecord, fuel};
use crate::memory::{Base, Delta, WASM_PAGE_BYTES};

/// The interpreter that a program leaves.
pub(crate) struct Kept {
    pub(super) delta: Delta,
    /// The image that it began as.
    pub(crate) base: Base,
    /// The digest of the sandbox's tools that it knows.
    pub(super) tools: String,
    /// What its monotonic clock said, and when.
    pub(super) monotonic: Duration,
    pub(super) said_at: SystemTime,
}

/// An execution that waits without an instance.
pub(crate) struct Frozen {
    pub(super) host: HostRecord,
    used: Duration,
    cpu_time: Duration,
    /// What it has written to standard output and standard error.
    pub(super) written: [Vec<u8>; 2],
    pub(super) delta: Delta,
}

#[derive(Serialize, Deserialize)]
struct Head {
    host: HostRecord,
    used: Duration,
    cpu_time: Duration,
}

#[derive(Serialize, Deserialize)]
struct KeptHead {
    tools: String,
    monotonic: Duration,
    said_at: SystemTime,
}

impl Frozen {
    pub(super) fn new(guest: &mut Guest, life: &Life, delta: Delta) -> Self {
        let burned = fuel::burned(&mut guest.store);
        guest.store.data_mut().leave_calls();
        let state = guest.store.data();
        let written = state.written().map(<[u8]>::to_vec);
        Self { host: state.record(burned), used: life.used, cpu_time: life.cpu_time, written, delta }
    }

    pub(super) fn tell(&self, life: &mut Life) {
        (life.used, life.cpu_time) = (self.used, self.cpu_time);
    }

    /// Returns it as bytes.
    pub(crate) fn encode(self) -> Vec<u8> {
        let Self { host, used, cpu_time, written: [stdout, stderr], delta } = self;
        framing::join(&Head { host, used, cpu_time }, &[&stdout, &stderr, delta.bytes()])
    }

    /// Returns what [`Frozen::encode`] made bytes of, or `None` if these are others.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (head, [stdout, stderr, delta]) = framing::split::<Head, 3>(bytes)?;
        let Head { host, used, cpu_time } = head;
        let written = [stdout.to_vec(), stderr.to_vec()];
        Some(Self { host, used, cpu_time, written, delta: Delta::from_bytes(delta.to_vec()) })
    }
}

impl Kept {
    /// Returns it as bytes.
    pub(crate) fn encode(self) -> Vec<u8> {
        let Self { delta, tools, monotonic, said_at, .. } = self;
        framing::join(&KeptHead { tools, monotonic, said_at }, &[delta.bytes()])
    }

    /// Returns what [`Kept::encode`] made bytes of, which began as `base`, or `None` if these are others.
    pub(crate) fn decode(bytes: &[u8], base: Base) -> Option<Self> {
        let (KeptHead { tools, monotonic, said_at }, [delta]) = framing::split(bytes)?;
        Some(Self { delta: Delta::from_bytes(delta.to_vec()), base, tools, monotonic, said_at })
    }

    /// Returns the size of the linear memory in bytes, or `None` if it is damaged.
    pub(crate) fn memory_bytes(&self) -> Option<u64> {
        self.delta.memory_bytes().ok().map(|bytes| bytes as u64)
    }
}

/// Returns the pages that a guest has written, in at most `bytes_max` bytes.
pub(super) fn delta_of(guest: &mut Guest, bytes_max: usize) -> std::io::Result<Delta> {
    let memory = hostcall::memory_of(&guest.instance, &mut guest.store).map_err(std::io::Error::other)?;
    guest.base.delta(memory.data(&guest.store), bytes_max)
}

/// Writes pages into a new guest's memory.
pub(super) fn restore(guest: &mut Guest, delta: &Delta) -> wasmtime::Result<()> {
    // The writes below give the memory private pages, outside the time in which page faults are counted. So
    // report one fault, or the slot would be reset without a scan for written pages.
    guest.faults = 1;
    let memory = hostcall::memory_of(&guest.instance, &mut guest.store)?;
    let more = delta.memory_bytes()?.saturating_sub(memory.data_size(&guest.store));
    memory.grow(&mut guest.store, (more / WASM_PAGE_BYTES) as u64)?;
    Ok(guest.base.apply(delta, memory.data_mut(&mut guest.store))?)
}
