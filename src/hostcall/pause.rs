//! Pauses: a guest that waits gives its stack back, so that its linear memory holds the whole program.
//!
//! The host asks for the stack with a special completion. The guest's event loop then returns from `run`. Calling `run`
//! again continues the program, in the same instance or in another one with the same memory.

/// The id of a completion that belongs to no call: the host asks for the stack.
pub(super) const STACK_WANTED: u32 = u32::MAX;

/// How often in a row a guest is asked for its stack. The first wait may be a call that blocks because it runs alone,
/// the second is its event loop's. A guest that waits again after that has more on its stack and cannot give it back.
const ASKED_MAX: u8 = 2;

/// When the host asks a guest for its stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pauses {
    #[default]
    Never,
    /// Whenever the guest waits; for tests.
    Always,
}

/// The requests for the stack of one execution, and the guest's answer.
#[derive(Default)]
pub(super) struct Asking {
    pauses: Pauses,
    /// How often in a row the guest has been asked.
    asked: u8,
    is_paused: bool,
}

impl Asking {
    pub(super) fn new(pauses: Pauses) -> Self {
        Self { pauses, ..Self::default() }
    }

    /// Returns whether to ask a guest for its stack that waits for `timeout_ns` (negative: no limit). Counts the
    /// requests.
    pub(super) fn asks(&mut self, timeout_ns: i64) -> bool {
        let asks = self.pauses == Pauses::Always && timeout_ns != 0 && self.asked < ASKED_MAX;
        self.asked = if asks { self.asked + 1 } else { 0 };
        asks
    }

    /// Records that the guest has given its stack back. Returns whether it was asked to.
    pub(super) fn pause(&mut self) -> bool {
        let was_asked = self.asked > 0 && !self.is_paused;
        self.is_paused = true;
        was_asked
    }

    /// Ends the pause; returns whether there was one. The next wait of the continued guest does not ask for the stack again.
    pub(super) fn end(&mut self) -> bool {
        if self.is_paused {
            self.asked = ASKED_MAX;
        }
        std::mem::take(&mut self.is_paused)
    }

    pub(super) fn is_paused(&self) -> bool {
        self.is_paused
    }
}
