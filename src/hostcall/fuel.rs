//! The fuel of a guest, given out in portions. At the end of each portion, the guest yields.

use wasmtime::{AsContextMut, Caller, Global, Instance, Result, Trap, Val, format_err};

use super::HostState;
use crate::meter::FUEL;

/// Fuel between two yields: about a millisecond of ordinary guest code.
const PORTION: u64 = 3_000_000;

#[derive(Clone, Copy)]
pub(super) struct Fuel {
    max: u64,
    /// The size of a portion. If `None`, the guest gets all fuel at once and never yields.
    portion: Option<u64>,
    /// Fuel given out so far, the current portion included.
    given: u64,
    /// The instance's counter: what is left of the current portion. It is negative when the portion is overdrawn.
    counter: Option<Global>,
}

impl Fuel {
    pub(super) fn new(max: u64) -> Self {
        Self { max, portion: Some(PORTION), given: 0, counter: None }
    }

    /// Prepares for another instance, which continues after `burned` fuel.
    pub(super) fn move_on(&mut self, burned: u64) {
        (self.given, self.counter) = (burned, None);
    }

    /// Returns unlimited fuel, given out at once: the guest never yields.
    pub(super) fn unlimited() -> Self {
        Self { portion: None, ..Self::new(i64::MAX.cast_unsigned()) }
    }
}

/// Gives a new instance its first portion. If its execution has burned all fuel before, that portion is empty, and the
/// guest ends at its next use of fuel.
///
/// # Errors
///
/// The guest has no fuel counter.
pub(crate) fn fill(instance: &Instance, mut store: impl AsContextMut<Data = HostState>) -> Result<()> {
    let counter =
        instance.get_global(&mut store, FUEL).ok_or_else(|| format_err!("the guest has no fuel counter"))?;
    let mut store = store.as_context_mut();
    store.data_mut().fuel.counter = Some(counter);
    give(store).map(drop)
}

/// Returns the fuel that a guest has burned so far. Does not include what a loop counted before it was ended by force.
pub(crate) fn burned(mut store: impl AsContextMut<Data = HostState>) -> u64 {
    let Fuel { max, given, counter, .. } = store.as_context_mut().data().fuel;
    let left = counter.and_then(|counter| counter.get(store).i64()).unwrap_or_default();
    given.saturating_add_signed(left.saturating_neg()).min(max)
}

pub(super) async fn refuel(mut caller: Caller<'_, HostState>) -> Result<()> {
    if give(&mut caller)? == 0 {
        return Err(Trap::OutOfFuel.into());
    }
    if caller.data().fuel.portion.is_some() {
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Gives a guest its next portion, and returns its size. It is zero if all fuel has been burned.
fn give(mut store: impl AsContextMut<Data = HostState>) -> Result<u64> {
    let burned = burned(&mut store);
    let mut store = store.as_context_mut();
    let fuel = &mut store.data_mut().fuel;
    let portion = (fuel.max - burned).min(fuel.portion.unwrap_or(u64::MAX));
    let Some(counter) = fuel.counter else { return Ok(0) };
    fuel.given = burned + portion;
    counter.set(store, Val::I64(portion.cast_signed()))?;
    Ok(portion)
}
