//! Records the end of each execution: one event in the log, and the metrics.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tracing::info;

use super::records::Facts;
use crate::error::Error;
use crate::execution::{Execution, ExecutionId, Outcome, Report};
use crate::metrics::{CONTEXT, Metrics};

/// An execution whose end has not been recorded yet. If it is dropped without an end, it is recorded as cancelled,
/// because this happens when its caller goes away.
pub(super) struct AuditRecord {
    metrics: Metrics,
    id: ExecutionId,
    request_id: Option<String>,
    /// `None` until the program was checked, which a large program may have to wait for.
    pub(super) code_sha256: Option<String>,
    code_bytes: usize,
    /// `Some` only if the operator has enabled logging of programs.
    code: Option<String>,
    started: Option<Instant>,
    /// Number of tool calls that the execution has started.
    tool_calls: Arc<AtomicU32>,
    ended: bool,
}

impl AuditRecord {
    pub(super) fn new(metrics: &Metrics, id: ExecutionId, execution: &Execution, log_code: bool) -> Self {
        Self {
            metrics: metrics.clone(),
            id,
            request_id: execution.request_id.clone(),
            code_sha256: None,
            code_bytes: execution.code.len(),
            code: log_code.then(|| execution.code.clone()),
            started: None,
            tool_calls: Arc::default(),
            ended: false,
        }
    }

    /// Returns the record of an execution that another process has begun.
    pub(super) fn again(metrics: &Metrics, facts: &Facts) -> Self {
        Self {
            metrics: metrics.clone(),
            id: facts.id,
            request_id: facts.grants.request_id.as_deref().map(str::to_owned),
            code_sha256: facts.code_sha256.clone(),
            code_bytes: facts.code_bytes,
            code: None,
            started: None,
            tool_calls: facts.grants.started.clone(),
            ended: false,
        }
    }

    /// Records that the execution has its slot. `tool_calls` is its counter of tool calls.
    pub(super) fn start(&mut self, tool_calls: &Arc<AtomicU32>) {
        self.started = Some(Instant::now());
        self.tool_calls = tool_calls.clone();
    }

    /// Records the end of the execution, or its refusal.
    pub(super) fn end(mut self, end: Result<&Report, &Error>) {
        self.ended = true;
        match end {
            Ok(report) => {
                self.metrics.observe(report);
                self.log(report.outcome.name(), "", Some(report));
            }
            Err(Error::Rejected(findings)) => {
                let codes = findings.iter().map(|finding| finding.rule.code()).collect();
                self.reject(&codes, findings.iter().any(|finding| finding.rule.is_security()));
            }
            Err(Error::Context { .. } | Error::File { .. }) => self.reject(&BTreeSet::from([CONTEXT]), false),
            Err(Error::Busy { .. }) => self.metrics.busy(),
            Err(Error::Config { .. } | Error::Image { .. } | Error::Internal { .. }) => self.fail(),
            // Refused because of the request, not because of the program: it does not count as an execution.
            Err(_) => {}
        }
    }

    /// Says that the execution goes on in another process, where its end is recorded.
    pub(super) fn leave(mut self) {
        self.ended = true;
    }

    fn reject(&self, codes: &BTreeSet<&'static str>, is_security: bool) {
        self.metrics.rejected(codes, is_security);
        let rules: Vec<&str> = codes.iter().copied().collect();
        self.log("rejected", &rules.join(","), None);
    }

    fn fail(&self) {
        self.metrics.host_failed();
        self.log("host_failure", "", None);
    }

    fn log(&self, outcome: &str, rules: &str, report: Option<&Report>) {
        let usage = report.map(|report| report.usage);
        let stages = report.map(|report| report.stages);
        info!(
            execution_id = %self.id,
            request_id = self.request_id.as_deref(),
            outcome,
            rules = (!rules.is_empty()).then_some(rules),
            queue_us = stages.map(|stages| micros(stages.queue)),
            instantiate_us = stages.map(|stages| micros(stages.instantiate)),
            run_us = stages.map(|stages| micros(stages.run)),
            teardown_us = stages.map(|stages| micros(stages.teardown)),
            cpu_us = usage.map(|usage| micros(usage.cpu_time)),
            fuel = usage.map(|usage| usage.fuel),
            memory_bytes_peak = usage.map(|usage| usage.memory_bytes_peak),
            tool_calls = usage.map(|usage| usage.tool_calls),
            code_sha256 = self.code_sha256,
            code_bytes = self.code_bytes,
            code = self.code.as_deref(),
            "execution"
        );
    }
}

impl Drop for AuditRecord {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if std::thread::panicking() {
            return self.fail();
        }
        let tool_calls = self.tool_calls.load(Ordering::Relaxed);
        self.metrics.cancelled(self.started.map(|started| started.elapsed()), tool_calls);
        self.log(Outcome::Cancelled.name(), "", None);
    }
}

/// Returns the SHA-256 of a program in hexadecimal, which identifies it in the log.
pub(super) fn code_sha256(code: &str) -> String {
    base16ct::lower::encode_string(&Sha256::digest(code))
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
