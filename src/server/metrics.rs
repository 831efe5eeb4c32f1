//! Metrics of the service itself, in addition to those of the sandbox's executions.

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::refusal::Code;
use crate::hardening::resident_bytes;
use crate::metrics::{Labelled, Metrics};

/// Counters of the service. A handle: its clones share the counters.
#[derive(Clone)]
pub(super) struct ServerMetrics {
    refusals: Labelled<Counter>,
    wrong_tokens: Counter,
    closed_for_memory: Counter,
}

impl Default for ServerMetrics {
    fn default() -> Self {
        let refusals = Labelled::<Counter>::default();
        // Create all series now: `rate` does not see the first event of a series that appears with it.
        for code in Code::all() {
            refusals.get_or_create(&[("code", code.name())]).inc_by(0);
        }
        Self { refusals, wrong_tokens: Counter::default(), closed_for_memory: Counter::default() }
    }
}

impl ServerMetrics {
    /// Counts a request that was refused.
    pub(super) fn refused(&self, code: Code) {
        self.refusals.get_or_create(&[("code", code.name())]).inc();
    }

    /// Counts a request with a wrong token.
    pub(super) fn wrong_token(&self) {
        self.wrong_tokens.inc();
    }

    /// Counts a connection that was closed because others needed its memory.
    pub(super) fn connection_closed_for_memory(&self) {
        self.closed_for_memory.inc();
    }

    /// Returns these metrics and the sandbox's as `OpenMetrics` text.
    pub(super) fn encode(&self, sandbox: &Metrics, is_ready: bool) -> String {
        let mut registry = Registry::default();
        registry.register(
            "code_executor_refusals",
            "Requests that were refused, by the code in their answer",
            self.refusals.clone(),
        );
        registry.register(
            "code_executor_wrong_tokens",
            "Requests with a wrong token",
            self.wrong_tokens.clone(),
        );
        registry.register(
            "code_executor_connections_closed_for_memory",
            "Slow connections that were closed because others needed the memory that they held",
            self.closed_for_memory.clone(),
        );
        let ready = Gauge::<i64>::default();
        ready.set(is_ready.into());
        registry.register("code_executor_ready", "1 while programs can run", ready);
        if let Some(bytes) = resident_bytes() {
            let resident = Gauge::<i64>::default();
            resident.set(i64::try_from(bytes).unwrap_or(i64::MAX));
            registry.register("process_resident_memory_bytes", "Resident memory of the process", resident);
        }
        let mut text = sandbox.series();
        // Writing to a `String` cannot fail.
        let _ = text::encode(&mut text, &registry);
        text
    }
}
