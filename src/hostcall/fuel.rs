//! What a guest may burn, handed out in portions: at the end of each, it yields.

use wasmtime::{AsContextMut, Caller, Global, Instance, Result, Trap, Val, format_err};

use super::HostState;
use crate::meter::FUEL;

/// Fuel between two looks at the clock: about a millisecond of ordinary guest code.
const PORTION: u64 = 3_000_000;

#[derive(Clone, Copy)]
pub(super) struct Fuel {
    max: u64,
    /// Without one, the guest gets all at once and never yields.
    portion: Option<u64>,
    given: u64,
    /// What is left of the last portion, or less than nothing.
    counter: Option<Global>,
}

impl Fuel {
    pub(super) fn new(max: u64) -> Self {
        Self { max, portion: Some(PORTION), given: 0, counter: None }
    }

    /// Another instance goes on where so much was burned.
    pub(super) fn move_on(&mut self, burned: u64) {
        (self.given, self.counter) = (burned, None);
    }

    /// All at once: nobody waits for the guest to yield.
    pub(super) fn unlimited() -> Self {
        Self { portion: None, ..Self::new(i64::MAX.cast_unsigned()) }
    }
}

/// Gives a guest that has just been instantiated its first portion.
pub(crate) fn fill(instance: &Instance, mut store: impl AsContextMut<Data = HostState>) -> Result<()> {
    let counter =
        instance.get_global(&mut store, FUEL).ok_or_else(|| format_err!("the guest has no meter"))?;
    let mut store = store.as_context_mut();
    store.data_mut().fuel.counter = Some(counter);
    give(store)
}

/// What a guest has burned so far. What a loop had counted before it was ended by force is not known.
pub(crate) fn burned(mut store: impl AsContextMut<Data = HostState>) -> u64 {
    let Fuel { max, given, counter, .. } = store.as_context_mut().data().fuel;
    let left = counter.and_then(|counter| counter.get(store).i64()).unwrap_or_default();
    given.saturating_add_signed(left.saturating_neg()).min(max)
}

pub(super) async fn refuel(mut caller: Caller<'_, HostState>) -> Result<()> {
    give(&mut caller)?;
    if caller.data().fuel.portion.is_some() {
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// # Errors
///
/// [`Trap::OutOfFuel`] when all has been burned.
fn give(mut store: impl AsContextMut<Data = HostState>) -> Result<()> {
    let burned = burned(&mut store);
    let mut store = store.as_context_mut();
    let fuel = &mut store.data_mut().fuel;
    let portion = (fuel.max - burned).min(fuel.portion.unwrap_or(u64::MAX));
    let Some(counter) = fuel.counter.filter(|_| portion > 0) else { return Err(Trap::OutOfFuel.into()) };
    fuel.given = burned + portion;
    counter.set(store, Val::I64(portion.cast_signed()))
}
