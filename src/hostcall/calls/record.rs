//! Calls that wait outside, written down.

use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Calls, Held};
use crate::execution::{PlannedCall, WaitingCall, WaitsFor};
use crate::tools::Given;

/// Calls that wait, in a form that outlives the process.
#[derive(Serialize, Deserialize)]
pub(in crate::hostcall) struct CallsRecord {
    started: u32,
    next_id: u32,
    has_denied: bool,
    waiting: Vec<WaitingRecord>,
    plan: Vec<PlannedRecord>,
}

#[derive(Serialize, Deserialize)]
struct WaitingRecord {
    call: u32,
    tool: String,
    arguments: Box<RawValue>,
    line: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct PlannedRecord {
    tool: String,
    arguments: Box<RawValue>,
    line: Option<u32>,
}

impl Calls {
    /// Returns what another instance needs to go on. Nothing may be under way.
    pub(in crate::hostcall) fn record(&self) -> CallsRecord {
        // Not those that are shown outside: one of them may have its answer already.
        let waiting = self.held.iter().filter_map(|(id, held)| {
            let WaitingCall { call, tool, arguments, line, .. } =
                held.begun.waiting(*id, WaitsFor::Caller)?;
            Some(WaitingRecord { call, tool, arguments, line })
        });
        let plan = self.caller.take_plan().into_iter().flatten();
        let plan = plan.map(|PlannedCall { tool, arguments, line }| PlannedRecord { tool, arguments, line });
        let (next_id, has_denied) = (self.next_id, self.has_denied);
        CallsRecord {
            started: self.started(),
            next_id,
            has_denied,
            waiting: waiting.collect(),
            plan: plan.collect(),
        }
    }

    /// Takes over from calls that were written down. Those that wait are shown outside already, or were answered.
    pub(in crate::hostcall) fn take_over(&mut self, record: CallsRecord) {
        self.started.store(record.started, Ordering::Relaxed);
        (self.next_id, self.has_denied) = (record.next_id, record.has_denied);
        let plan = record.plan.into_iter();
        self.caller.set_plan(plan.map(|PlannedRecord { tool, arguments, line }| PlannedCall {
            tool,
            arguments,
            line,
        }));
        for WaitingRecord { call, tool, arguments, line } in record.waiting {
            let message_bytes = arguments.get().len();
            self.message_bytes += message_bytes;
            let given = Given { path: &tool, arguments: arguments.get(), line };
            let begun = self.caller.begin_again(call, given);
            self.held.insert(call, Held { begun, message_bytes });
        }
    }
}
