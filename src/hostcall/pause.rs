//! Pauses: a guest that waits gives its stack back, and then all that its program is lies in linear memory.
//!
//! The host asks for the stack in a completion. The guest's event loop returns from `run`, and `run` continues it: in the
//! same instance, or in another whose memory holds the same.

use std::time::Duration;

/// In place of a call's id in a completion: the host asks for the stack.
pub(super) const STACK_WANTED: u32 = u32::MAX;

/// A lone call and the event loop under it wait one after the other. A guest that still waits after that has more on its stack.
const ASKED_MAX: u8 = 2;

/// When a guest is asked for its stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pauses {
    #[default]
    Never,
    /// Whenever it waits: for tests.
    Always,
}

/// The guest waits without a stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pause {
    /// When it goes on, although no call has ended. The guest's own word.
    pub(crate) wakes_after: Option<Duration>,
}

/// What one execution has been asked, and said.
#[derive(Default)]
pub(super) struct Asking {
    pauses: Pauses,
    /// How often in a row.
    asked: u8,
    pause: Option<Pause>,
}

impl Asking {
    pub(super) fn new(pauses: Pauses) -> Self {
        Self { pauses, ..Self::default() }
    }

    /// The guest waits for so long (negative: without a limit). Whether it is to be asked for its stack.
    pub(super) fn asks(&mut self, timeout_ns: i64) -> bool {
        let asks = self.pauses == Pauses::Always && timeout_ns != 0 && self.asked < ASKED_MAX;
        self.asked = if asks { self.asked + 1 } else { 0 };
        asks
    }

    /// The guest says that it has given its stack back. `false`: nobody has asked for it.
    pub(super) fn pause(&mut self, pause: Pause) -> bool {
        let was_asked = self.asked > 0 && self.pause.is_none();
        self.pause = Some(pause);
        was_asked
    }

    /// What it has said, once. When it goes on, it may wait where it is.
    pub(super) fn take(&mut self) -> Option<Pause> {
        self.pause.take().inspect(|_| self.asked = ASKED_MAX)
    }

    pub(super) fn is_paused(&self) -> bool {
        self.pause.is_some()
    }
}
