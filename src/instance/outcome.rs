//! Converts the end of an execution to the report for its caller.

use std::time::Duration;

use wasmtime::Trap;

use super::End;
use crate::execution::{ExecutionId, GuestError, Outcome, Report, Usage};
use crate::hostcall::{HostState, wire};
use crate::limits::Limits;

pub(super) fn report(
    id: ExecutionId,
    end: End,
    state: &mut HostState,
    limits: &Limits,
    usage: Usage,
) -> Report {
    let (stdout, stderr) = state.take_outputs();
    let plan = state.take_plan();
    let mut report = Report { stdout, stderr, usage, plan, ..Report::bare(id, Outcome::Failure, None) };
    match end {
        End::Returned => returned(&mut report, state, limits),
        End::CpuTime | End::Trapped(Trap::OutOfFuel) => {
            report.outcome = Outcome::CpuLimit;
            report.error = Some(limit_reached("CPU budget of ", limits.cpu_time, "s exhausted"));
        }
        End::WallTime => {
            report.outcome = Outcome::Timeout;
            report.error = Some(limit_reached("Execution exceeded ", limits.wall_time, "s timeout"));
        }
        End::Cancelled => {
            report.outcome = Outcome::Cancelled;
            report.error = Some(error("", "Execution was cancelled"));
        }
        End::Trapped(Trap::StackOverflow) => {
            report.error = Some(error("RecursionError", "The interpreter's stack is exhausted"));
        }
        End::Trapped(trap) => report.error = Some(crashed(&trap.to_string())),
        End::Exited(status) => report.error = Some(crashed(&format!("exit status {status}"))),
        End::Crashed(why) => report.error = Some(crashed(&why)),
        // Does not get here: the guest is restarted in another thread.
        End::Sliced => report.error = Some(crashed("it did not yield")),
    }
    report
}

/// Returns whether a guest that has returned has handed over a result that can be read.
pub(super) fn has_result(state: &HostState, limits: &Limits) -> bool {
    state.result().and_then(|bytes| wire::decode_result(bytes, limits.result_bytes_max)).is_some()
}

/// Fills `report` with the result of a guest that has returned.
fn returned(report: &mut Report, state: &HostState, limits: &Limits) {
    let result = state.result().and_then(|bytes| wire::decode_result(bytes, limits.result_bytes_max));
    let readable = result.and_then(|mut result| Some((result.take_files()?, result)));
    let Some(((files, left_out), result)) = readable else {
        report.error = Some(crashed("it ended without a readable result"));
        return;
    };
    (report.files, report.files_left_out) = (files, left_out);
    report.value = result.value;
    report.value_is_repr = result.value_is_repr;
    match result.error.map(GuestError::from) {
        None => report.outcome = Outcome::Completed,
        Some(raised) if raised.kind == "MemoryError" && state.memory.refused => {
            let megabytes = limits.memory_bytes_max >> 20;
            report.outcome = Outcome::MemoryLimit;
            report.error = Some(GuestError {
                kind: String::new(),
                message: format!("Memory limit of {megabytes} MB exceeded"),
                ..raised
            });
        }
        raised => report.error = raised,
    }
}

fn limit_reached(before: &str, time: Duration, after: &str) -> GuestError {
    error("", &format!("{before}{}{after}", time.as_secs_f64()))
}

fn crashed(why: &str) -> GuestError {
    error("SystemError", &format!("The interpreter crashed: {why}"))
}

fn error(kind: &str, message: &str) -> GuestError {
    GuestError { kind: kind.into(), message: message.into(), ..GuestError::default() }
}
