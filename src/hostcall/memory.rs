//! Access to a guest's linear memory at addresses that the guest chooses. Each access is checked against its size.

use wasmtime::{Caller, Extern, Result, bail};

use super::HostState;

/// Returns the guest's memory together with its host state.
pub(super) fn of<'a>(caller: &'a mut Caller<'_, HostState>) -> Result<(&'a mut [u8], &'a mut HostState)> {
    let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
        bail!("the guest exports no memory");
    };
    Ok(memory.data_and_store_mut(caller))
}

pub(super) fn slice(memory: &[u8], ptr: u32, len: u32) -> Result<&[u8]> {
    match memory.get(ptr as usize..ptr as usize + len as usize) {
        Some(slice) => Ok(slice),
        None => bail!("a pointer is outside the guest's memory"),
    }
}

pub(super) fn slice_mut(memory: &mut [u8], ptr: u32, len: u32) -> Result<&mut [u8]> {
    match memory.get_mut(ptr as usize..ptr as usize + len as usize) {
        Some(slice) => Ok(slice),
        None => bail!("a pointer is outside the guest's memory"),
    }
}

pub(super) fn write(memory: &mut [u8], ptr: u32, bytes: &[u8]) -> Result<()> {
    slice_mut(memory, ptr, u32::try_from(bytes.len())?)?.copy_from_slice(bytes);
    Ok(())
}
