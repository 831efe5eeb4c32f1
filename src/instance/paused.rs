//! An execution that has stopped running: it has ended, or waits in its instance without a stack.

use std::time::Duration;

use super::{Guest, Kept, Life};
use crate::execution::{Outcome, Report, Usage};
use crate::hostcall::fuel;
use crate::tools::Outside;

/// The state of an execution that has stopped running.
#[expect(clippy::large_enum_variant, reason = "there is one per execution, which moves it twice")]
pub(crate) enum Progress {
    /// The interpreter is there if it is to be kept, and can be.
    Ended(Report, Option<Kept>),
    Paused(Box<Paused>),
}

/// Why a paused execution ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GiveUp {
    WallTime,
    Cancelled,
    /// Nobody has answered in time, or it sleeps for too long.
    Expired,
    /// It has waited as often as it may.
    Parks,
    /// Nothing can wake it.
    Nothing,
}

/// An execution that waits in its instance, without a stack.
pub(crate) struct Paused {
    pub(super) guest: Guest,
    pub(super) life: Life,
    /// How long until a timer wakes it, from the beginning of the pause.
    pub(crate) wakes_after: Option<Duration>,
}

impl Paused {
    /// Returns its calls that somebody outside must answer.
    pub(crate) fn outside(&self) -> Outside {
        self.guest.store.data().outside().clone()
    }

    /// Returns a report of what it has done so far.
    pub(crate) fn report_so_far(&mut self) -> Report {
        let Self { guest: Guest { store, .. }, life, .. } = self;
        let usage = Usage {
            fuel: fuel::burned(&mut *store),
            cpu_time: life.cpu_time,
            wall_time: life.used,
            memory_bytes_peak: store.data().memory.bytes_peak as u64,
            tool_calls: store.data().tool_calls(),
        };
        let (stdout, stderr) = store.data().outputs_so_far();
        Report { stdout, stderr, usage, stages: life.stages, ..Report::bare(life.id, Outcome::Waiting, None) }
    }
}

impl GiveUp {
    /// What the report of an execution says that waited until it expired.
    pub(crate) const EXPIRED: &str = "Nobody answered in time";
    pub(super) const PARKS: &str = "It has waited as often as it may (MAX_PARKS)";
}

pub(super) fn paused(guest: Guest, life: Life, wakes_after: Option<Duration>) -> Progress {
    Progress::Paused(Box::new(Paused { guest, life, wakes_after }))
}
