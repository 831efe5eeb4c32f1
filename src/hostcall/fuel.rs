//! What a guest may burn, handed out in portions: at the end of each, it yields.

use wasmtime::{AsContextMut, Caller, Global, Instance, Result, Trap, Val, format_err};

use super::HostState;
use crate::image::{FUEL, FUEL_MIN};

/// Fuel between two looks at the clock: about a millisecond of ordinary guest code.
const PORTION: u64 = 3_000_000;

/// A loop that calls nothing goes through memory. It is looked at every 2³¹ units, and may owe so many for each byte that
/// there can be: with 128 MiB it is stopped after 2³², which is the most that a round for each byte is charged. What does
/// more goes round in circles, in a guest that has overwritten its own memory, for a second or two; for a minute or two, if
/// each round waits for memory that no cache holds.
const OVERDRAFT_PER_BYTE: u64 = 16;

pub(super) struct Fuel {
    max: u64,
    portion: u64,
    least: i64,
    given: u64,
    /// What is left of the last portion, or less than nothing.
    counter: Option<Global>,
}

impl Fuel {
    pub(super) fn new(max: u64, memory_bytes_max: u64) -> Self {
        let overdraft = memory_bytes_max.saturating_mul(OVERDRAFT_PER_BYTE);
        let least = 0i64.saturating_sub_unsigned(overdraft).max(-i64::MAX);
        Self { max, portion: PORTION, least, given: 0, counter: None }
    }

    /// All at once: nobody waits for the guest to yield.
    pub(super) fn unlimited() -> Self {
        let max = i64::MAX.cast_unsigned();
        Self { portion: max, ..Self::new(max, u64::MAX) }
    }
}

/// Gives a guest that has just been instantiated its first portion.
pub(crate) fn fill(instance: &Instance, mut store: impl AsContextMut<Data = HostState>) -> Result<()> {
    let [counter, least] = [FUEL, FUEL_MIN].map(|name| instance.get_global(&mut store, name));
    let least = least.ok_or_else(|| format_err!("the guest has no meter"))?;
    let mut store = store.as_context_mut();
    let fuel = &mut store.data_mut().fuel;
    fuel.counter = counter;
    let value = Val::I64(fuel.least);
    least.set(&mut store, value)?;
    give(store)
}

/// What a guest has burned so far.
pub(crate) fn burned(mut store: impl AsContextMut<Data = HostState>) -> u64 {
    let Fuel { max, given, .. } = store.as_context_mut().data().fuel;
    // What it counted before it ran out is not known.
    let left = if is_out(&mut store) { 0 } else { left(store) };
    given.saturating_add_signed(-left).min(max)
}

/// Whether a guest that trapped did so because it had counted more than any may.
pub(crate) fn is_out(store: impl AsContextMut<Data = HostState>) -> bool {
    left(store) == i64::MIN
}

fn left(mut store: impl AsContextMut<Data = HostState>) -> i64 {
    let counter = store.as_context_mut().data().fuel.counter;
    counter.and_then(|counter| counter.get(store).i64()).unwrap_or_default()
}

pub(super) async fn refuel(mut caller: Caller<'_, HostState>) -> Result<()> {
    give(&mut caller)?;
    tokio::task::yield_now().await;
    Ok(())
}

/// # Errors
///
/// [`Trap::OutOfFuel`] when all has been burned.
fn give(mut store: impl AsContextMut<Data = HostState>) -> Result<()> {
    let burned = burned(&mut store);
    let mut store = store.as_context_mut();
    let fuel = &mut store.data_mut().fuel;
    let portion = (fuel.max - burned).min(fuel.portion);
    let Some(counter) = fuel.counter.filter(|_| portion > 0) else { return Err(Trap::OutOfFuel.into()) };
    fuel.given = burned + portion;
    counter.set(store, Val::I64(portion.cast_signed()))
}
