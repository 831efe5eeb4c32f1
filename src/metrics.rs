//! Metrics for operators: one set per [`Metrics`], in the text format of `OpenMetrics`.

mod services;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use crate::execution::{Outcome, Report, Rule};
use services::Services;

/// Histogram buckets in seconds, from a trivial program to the longest usual timeout.
const SECONDS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Histogram buckets in MiB, from the interpreter alone to the largest memory that WebAssembly can have.
const MEGABYTES: [f64; 12] = [24.0, 28.0, 32.0, 48.0, 64.0, 96.0, 128.0, 192.0, 256.0, 512.0, 1024.0, 4096.0];

const STATUSES: [&str; 4] = ["success", "failure", "timeout", "security_blocked"];

/// Code of a rejection that is not one of the validator's rules: the context cannot become variables.
pub(crate) const CONTEXT: &str = "context";

/// Outcomes in addition to those of a [`Report`].
const REJECTED: &str = "rejected";
const HOST_FAILURE: &str = "host_failure";

/// Outcomes of tool calls.
const TOOL_STATUSES: [&str; 8] =
    ["aborted", "arguments", "denied", "failed", "interrupted", "ok", "planned", "timeout"];

/// Results of comparing a memory with the image. The index is whether they were equal.
const AUDITS: [&str; 2] = ["different", "same"];

/// A family of metrics with one label.
pub(crate) type Labelled<M> = Family<[(&'static str, &'static str); 1], M>;
type Seconds = Counter<f64, AtomicU64>;
type ToolCalls = Family<[(&'static str, String); 2], Counter>;
type ToolTimes = Family<[(&'static str, String); 1], Histogram, fn() -> Histogram>;

/// Counts executions: their outcomes, their usage and their waiting time. `Metrics` is a handle: clones count into the
/// same metrics.
///
/// A sandbox makes its own unless [`SandboxBuilder::metrics`](crate::SandboxBuilder::metrics) sets one. The names of
/// all metrics begin with `code_execut`.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    executions: Labelled<Counter>,
    outcomes: Labelled<Counter>,
    rejections: Labelled<Counter>,
    duration: Histogram,
    memory: Histogram,
    queue: Histogram,
    active: Gauge,
    queued: Gauge,
    busy: Counter,
    fuel: Counter,
    cpu: Seconds,
    tool_calls: Counter,
    calls_by_tool: ToolCalls,
    times_by_tool: ToolTimes,
    services: Services,
    image: Labelled<Gauge<f64, AtomicU64>>,
    audits: Labelled<Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("code_executor_build", "The executor's version", build);
        let services = Services::default();
        registry.register_collector(Box::new(services.clone()));
        let mut add = Adder(&mut registry);
        let seconds = || Histogram::new(SECONDS);
        let metrics = Inner {
            executions: add.metric("code_executions", "Executions by how they ended", Family::default()),
            outcomes: add.metric(
                "code_execution_outcomes",
                "Executions by how they ended, in detail",
                Family::default(),
            ),
            rejections: add.metric(
                "code_execution_rejections",
                "Programs rejected before they ran, by the rules that they break; one may break several",
                Family::default(),
            ),
            duration: add.metric(
                "code_execution_duration_seconds",
                "Wall-clock time in the sandbox",
                seconds(),
            ),
            memory: add.metric(
                "code_execution_memory_mb",
                "Linear memory at its largest, in MiB",
                Histogram::new(MEGABYTES),
            ),
            queue: add.metric("code_execution_queue_seconds", "Time spent waiting for a slot", seconds()),
            active: add.metric("code_executions_active", "Executions under way", Gauge::default()),
            queued: add.metric(
                "code_executions_queued",
                "Executions waiting for a slot, and large programs waiting for their check",
                Gauge::default(),
            ),
            busy: add.metric(
                "code_executions_busy",
                "Requests turned away because the queue was full",
                Counter::default(),
            ),
            fuel: add.metric(
                "code_execution_fuel",
                "Work of guests: loops, calls and memory",
                Counter::default(),
            ),
            cpu: add.metric("code_execution_cpu_seconds", "CPU time of guests", Seconds::default()),
            tool_calls: add.metric(
                "code_execution_tool_calls",
                "Tool calls that programs started",
                Counter::default(),
            ),
            calls_by_tool: add.metric(
                "code_executor_tool_calls",
                "Calls of registered tools by their result",
                ToolCalls::default(),
            ),
            times_by_tool: add.metric(
                "code_executor_tool_call_seconds",
                "Wall-clock time of the calls that were made to registered tools",
                ToolTimes::new_with_constructor(|| Histogram::new(SECONDS)),
            ),
            services,
            image: add.metric(
                "code_executor_image_seconds",
                "Time to map the interpreter image from the cache, or to build it",
                Family::default(),
            ),
            audits: add.metric(
                "code_executor_memory_audits",
                "Memories compared with the image after a reset",
                Family::default(),
            ),
            registry,
        };
        // Create all series now: if a series appears together with its first event, `rate` does not show that event.
        for status in STATUSES {
            metrics.executions.get_or_create(&[("status", status)]).inc_by(0);
        }
        let ends = Outcome::ALL.into_iter().filter(|outcome| *outcome != Outcome::Waiting).map(Outcome::name);
        for outcome in ends.chain([REJECTED, HOST_FAILURE]) {
            metrics.outcomes.get_or_create(&[("outcome", outcome)]).inc_by(0);
        }
        for code in Rule::ALL.map(Rule::code).into_iter().chain([CONTEXT]) {
            metrics.rejections.get_or_create(&[("code", code)]).inc_by(0);
        }
        for result in AUDITS {
            metrics.audits.get_or_create(&[("result", result)]).inc_by(0);
        }
        Self(Arc::new(metrics))
    }
}

struct Adder<'a>(&'a mut Registry);

impl Adder<'_> {
    fn metric<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.0.register(name, help, metric.clone());
        metric
    }
}

impl Metrics {
    /// Counts an execution that has ended.
    pub(crate) fn observe(&self, report: &Report) {
        let (metrics, usage) = (&self.0, &report.usage);
        self.ended(status_of(report.outcome), report.outcome.name());
        metrics.duration.observe(usage.wall_time.as_secs_f64());
        metrics.queue.observe(report.stages.queue.as_secs_f64());
        metrics.memory.observe(usage.memory_mib_peak());
        metrics.fuel.inc_by(usage.fuel);
        metrics.cpu.inc_by(usage.cpu_time.as_secs_f64());
        metrics.tool_calls.inc_by(usage.tool_calls.into());
    }

    /// Counts a program that was rejected before it ran. `codes` are the rules that it breaks.
    pub(crate) fn rejected(&self, codes: &BTreeSet<&'static str>, is_security: bool) {
        self.ended(if is_security { "security_blocked" } else { "failure" }, REJECTED);
        for code in codes {
            self.0.rejections.get_or_create(&[("code", code)]).inc();
        }
    }

    /// Counts an execution whose caller went away, after `tool_calls` calls of tools. `wall_time` is how long it ran,
    /// or `None` if it was still waiting.
    pub(crate) fn cancelled(&self, wall_time: Option<Duration>, tool_calls: u32) {
        self.0.tool_calls.inc_by(tool_calls.into());
        self.ended(status_of(Outcome::Cancelled), Outcome::Cancelled.name());
        if let Some(wall_time) = wall_time {
            self.0.duration.observe(wall_time.as_secs_f64());
        }
    }

    /// Counts an execution that failed because of the host.
    pub(crate) fn host_failed(&self) {
        self.ended("failure", HOST_FAILURE);
    }

    /// Counts a request that was refused because the queue was full. It does not count as an execution.
    pub(crate) fn busy(&self) {
        self.0.busy.inc();
    }

    /// Counts a memory that was compared with the image after a reset. `is_image` is whether they were equal.
    pub(crate) fn audited(&self, is_image: bool) {
        self.0.audits.get_or_create(&[("result", AUDITS[usize::from(is_image)])]).inc();
    }

    /// Creates the series of a tool, so that they exist before its first call.
    pub(crate) fn tool(&self, tool: &str) {
        for status in TOOL_STATUSES {
            self.0.calls_by_tool.get_or_create(&tool_labels(tool, status)).inc_by(0);
        }
        drop(self.0.times_by_tool.get_or_create(&[("tool", tool.to_owned())]));
    }

    /// Removes the series of a tool. Whoever chooses the names of tools must not be able to fill memory with them.
    pub(crate) fn forget_tool(&self, tool: &str) {
        for status in TOOL_STATUSES {
            self.0.calls_by_tool.remove(&tool_labels(tool, status));
        }
        self.0.times_by_tool.remove(&[("tool", tool.to_owned())]);
    }

    /// Counts a call of a tool, if it has series. `time` is `None` if the call was refused before it was made.
    pub(crate) fn tool_called(&self, tool: &str, status: &'static str, time: Option<Duration>) {
        if let Some(calls) = self.0.calls_by_tool.get(&tool_labels(tool, status)) {
            calls.inc();
        }
        if let (Some(time), Some(times)) = (time, self.0.times_by_tool.get(&[("tool", tool.to_owned())])) {
            times.observe(time.as_secs_f64());
        }
    }

    /// Adds a service of tools. `is_open` is whether its circuit breaker is open.
    pub(crate) fn service(&self, name: &str, is_open: Arc<AtomicBool>) {
        self.0.services.add(name, is_open);
    }

    /// Records how long it took to map the interpreter image, or to build it if `built` is set.
    pub(crate) fn image(&self, built: bool, elapsed: Duration) {
        let source = if built { "built" } else { "cache" };
        self.0.image.get_or_create(&[("source", source)]).set(elapsed.as_secs_f64());
    }

    /// Returns all metrics as a complete `OpenMetrics` text, which ends with `# EOF`.
    #[must_use]
    pub fn encode(&self) -> String {
        self.series() + "# EOF\n"
    }

    /// Returns all metrics without the final `# EOF`, to combine them with the process's own metrics.
    ///
    /// ```no_run
    /// # fn example(sandbox: &ai_code_executor::Sandbox, of_the_process: &str) -> String {
    /// // `of_the_process`: OpenMetrics text that another registry has written, without `# EOF`.
    /// format!("{of_the_process}{}# EOF\n", sandbox.metrics().series())
    /// # }
    /// ```
    #[must_use]
    pub fn series(&self) -> String {
        let mut text = String::new();
        // Writing to a `String` does not fail.
        let _ = text::encode_registry(&mut text, &self.0.registry);
        text
    }

    /// Counts an active execution until the returned value is dropped.
    pub(crate) fn active(&self) -> Present {
        Present::new(&self.0.active)
    }

    /// Counts a waiting execution until the returned value is dropped.
    pub(crate) fn queued(&self) -> Present {
        Present::new(&self.0.queued)
    }

    fn ended(&self, status: &'static str, outcome: &'static str) {
        self.0.executions.get_or_create(&[("status", status)]).inc();
        self.0.outcomes.get_or_create(&[("outcome", outcome)]).inc();
    }
}

fn tool_labels(tool: &str, status: &str) -> [(&'static str, String); 2] {
    [("tool", tool.to_owned()), ("status", status.to_owned())]
}

/// Increments a gauge while it exists.
pub(crate) struct Present(Gauge);

impl Present {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn status_of(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Completed => "success",
        Outcome::Timeout | Outcome::CpuLimit => "timeout",
        Outcome::Failure | Outcome::MemoryLimit | Outcome::Cancelled | Outcome::Waiting | Outcome::Lost => {
            "failure"
        }
    }
}
