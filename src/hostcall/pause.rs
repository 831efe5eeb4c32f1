//! Pauses: a guest that waits gives its stack back, so that its linear memory holds the whole program.
//!
//! The host asks for the stack with a special completion. The guest's event loop then returns from `run`. Calling `run`
//! again continues the program, in the same instance or in another one with the same memory.

use super::wire::Pause;

/// The id of a completion that belongs to no call: the host asks for the stack.
pub(super) const STACK_WANTED: u32 = u32::MAX;

/// How often in a row a guest is asked for its stack. The first wait may be a call that blocks because it runs alone,
/// the second is its event loop's. A guest that waits again after that has more on its stack and cannot give it back.
const ASKED_MAX: u8 = 2;

/// A shorter sleep is not worth a pause, which takes some tens of microseconds.
const NAP_NS_MIN: i64 = 2_000_000;

/// When the host asks a guest for its stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pauses {
    #[default]
    Never,
    /// When nothing is under way for the guest in the host, and it waits for somebody outside, or, with `naps`, sleeps.
    WhenIdle { naps: bool },
}

/// What the guest waits for.
#[derive(Clone, Copy)]
pub(super) struct Waits {
    pub(super) timeout_ns: i64,
    /// Nothing is under way for it in the host, and nothing is ready.
    pub(super) is_idle: bool,
    /// A call waits for somebody outside.
    pub(super) has_outside: bool,
}

/// Whether to ask a guest for its stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Yes,
    No,
    /// It was asked and cannot give it back.
    InVain,
}

/// The requests for the stack of one execution, and the guest's answer.
#[derive(Default)]
pub(super) struct Asking {
    pauses: Pauses,
    /// How often in a row the guest has been asked.
    asked: u8,
    pause: Option<Pause>,
}

impl Asking {
    pub(super) fn new(pauses: Pauses) -> Self {
        Self { pauses, ..Self::default() }
    }

    /// Returns whether to ask a guest for its stack. Counts the requests.
    pub(super) fn ask(&mut self, waits: Waits) -> Ask {
        let Waits { timeout_ns, is_idle, has_outside } = waits;
        let is_wanted = timeout_ns != 0
            && match self.pauses {
                Pauses::Never => false,
                Pauses::WhenIdle { naps } => is_idle && (has_outside || (naps && timeout_ns >= NAP_NS_MIN)),
            };
        let asks = is_wanted && self.asked < ASKED_MAX;
        self.asked = if asks { self.asked + 1 } else { 0 };
        match (is_wanted, asks) {
            (_, true) => Ask::Yes,
            (true, false) => Ask::InVain,
            (false, false) => Ask::No,
        }
    }

    /// Records that the guest has given its stack back. Returns whether it was asked to.
    pub(super) fn pause(&mut self, pause: Pause) -> bool {
        let was_asked = self.asked > 0 && self.pause.is_none();
        self.pause = Some(pause);
        was_asked
    }

    /// Ends the pause and returns it, if there was one.
    pub(super) fn end(&mut self) -> Option<Pause> {
        self.asked = if self.pause.is_some() { 0 } else { self.asked };
        self.pause.take()
    }

    pub(super) fn is_paused(&self) -> bool {
        self.pause.is_some()
    }
}
