//! Tests the names of metrics, and their exact values after a known sequence of requests.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ai_code_executor::server::Settings;
use ai_code_executor::{Decision, ToolPolicy, ToolRequest};
use futures::future::BoxFuture;
use serde_json::{Value, json};

use crate::local::Local;
use crate::tools::with_tools;

#[test]
fn all_metrics_exist_before_the_first_execution() {
    let local = Local::start_unready(Settings::default());
    let answer = local.get("/metrics");
    assert_eq!(
        answer.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    for status in ["success", "failure", "timeout", "security_blocked"] {
        let sample = format!("code_executions_total{{status=\"{status}\"}} 0\n");
        assert!(answer.body.contains(&sample), "{}", answer.body);
    }
    for line in [
        "# TYPE code_execution_duration_seconds histogram",
        "# TYPE code_execution_memory_mb histogram",
        "# TYPE code_executions_active gauge",
        "code_executions_active 0",
        "code_executor_ready 0",
        "code_executor_build_info{version=\"1.0.0\"} 1",
    ] {
        assert!(answer.body.lines().any(|present| present == line), "{line} is not in\n{}", answer.body);
    }
    assert!(answer.body.ends_with("# EOF\n"));
}

#[test]
fn every_outcome_is_counted_once() {
    let local = Local::start(Settings::default(), with_tools);
    let requests = [
        json!({"code": "1"}),
        json!({"code": "import garden\nawait garden.count()\nawait garden.count()"}),
        json!({"code": "1 / 0"}),
        json!({"code": "x = 'a' * (1 << 30)"}),
        json!({"code": "while True: pass", "timeout": 0.2}),
        json!({"code": "while True: pass", "max_cpu_seconds": 0.2}),
        json!({"code": "x = = 1\ny = = 2"}),
        json!({"code": "1", "context": {"__x": 1}}),
        json!({"code": ""}),
        json!({"code": "import os\nimport sys"}),
        // Refused requests that do not count as executions: an unknown field, and a memory limit that is too low.
        json!({"code": "1", "nonsense": 1}),
        json!({"code": "1", "max_memory_mb": 1}),
    ];
    for request in &requests {
        local.execute(request);
    }
    let left = local.begin(&json!({"code": "while True: pass"}));
    local.await_metric("code_executions_active", 1.0);
    drop(left);
    local.await_metric("code_execution_outcomes_total{outcome=\"cancelled\"}", 1.0);
    // An execution is counted when its client disconnects, but ends only at its next yield.
    local.await_metric("code_executions_active", 0.0);
    let samples = [
        ("code_executions_total{status=\"success\"}", 2.0),
        ("code_executions_total{status=\"failure\"}", 6.0),
        ("code_executions_total{status=\"timeout\"}", 2.0),
        ("code_executions_total{status=\"security_blocked\"}", 1.0),
        ("code_execution_outcomes_total{outcome=\"completed\"}", 2.0),
        ("code_execution_outcomes_total{outcome=\"failure\"}", 1.0),
        ("code_execution_outcomes_total{outcome=\"memory_limit\"}", 1.0),
        ("code_execution_outcomes_total{outcome=\"timeout\"}", 1.0),
        ("code_execution_outcomes_total{outcome=\"cpu_limit\"}", 1.0),
        ("code_execution_outcomes_total{outcome=\"rejected\"}", 4.0),
        ("code_execution_outcomes_total{outcome=\"host_failure\"}", 0.0),
        ("code_execution_rejections_total{code=\"syntax_error\"}", 1.0),
        ("code_execution_rejections_total{code=\"context\"}", 1.0),
        ("code_execution_rejections_total{code=\"empty\"}", 1.0),
        ("code_execution_rejections_total{code=\"import_not_permitted\"}", 1.0),
        ("code_execution_duration_seconds_count", 7.0),
        ("code_execution_memory_mb_count", 6.0),
        ("code_execution_queue_seconds_count", 6.0),
        ("code_execution_tool_calls_total", 2.0),
        ("code_executions_active", 0.0),
        ("code_executions_queued", 0.0),
        ("code_executions_busy_total", 0.0),
        ("code_executor_ready", 1.0),
    ];
    for (sample, value) in samples {
        local.assert_metric(sample, value);
    }
    assert!((0.2..60.0).contains(&local.metric("code_execution_cpu_seconds_total")));
    assert!(local.metric("code_execution_fuel_total") > 1e6);
    assert!(local.metric("code_execution_memory_mb_sum") > 6.0 * 20.0);
}

/// Records that a call has reached its policy, and allows it.
struct Seen(Arc<AtomicBool>);

impl ToolPolicy for Seen {
    fn decide<'a>(&'a self, _: ToolRequest<'a>) -> BoxFuture<'a, Decision> {
        self.0.store(true, Ordering::SeqCst);
        Box::pin(async { Decision::Allow })
    }
}

#[test]
fn calls_of_executions_whose_client_left_are_counted() {
    let seen = Arc::new(AtomicBool::new(false));
    let policy = Seen(seen.clone());
    let local = Local::start(Settings::default(), |builder| with_tools(builder).tool_policy(policy));
    let left = local.begin(&json!({"code": "import home\nawait home.hang()"}));
    while !seen.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(left);
    local.await_metric("code_execution_outcomes_total{outcome=\"cancelled\"}", 1.0);
    local.assert_metric("code_execution_tool_calls_total", 1.0);
}

#[test]
fn calls_are_counted_by_tool_and_names_that_programs_make_up_are_not() {
    let local = Local::start(Settings::default(), with_tools);
    let assert_calls = |tool: &str, status: &str, calls: f64| {
        let labels = format!("tool=\"{tool}\",status=\"{status}\"");
        local.assert_metric(&format!("code_executor_tool_calls_total{{{labels}}}"), calls);
    };
    for status in ["aborted", "arguments", "denied", "failed", "ok", "timeout"] {
        assert_calls("home.echo", status, 0.0);
    }
    let code = "
import home, tools
tools.search('echo')
for call in [home.echo(1), home.echo(2), home.fail(), home.echo(1, 2), home.crash()]:
    try: await call
    except ToolError: pass
";
    local.execute(&json!({"code": code}));
    local.execute(&json!({"code": "import home\nawait home.hang()", "timeout": 0.3}));
    // The tool is not granted. The guest's own checks let the call pass, and the host denies it.
    let denied = "import home\ntry: await home.fail()\nexcept ToolError: pass";
    local.execute(&json!({"code": denied, "tools": ["home.echo"]}));
    let expected = [
        ("home.echo", "ok", 2.0),
        ("home.echo", "arguments", 1.0),
        ("home.fail", "failed", 1.0),
        ("home.crash", "failed", 1.0),
        ("home.hang", "aborted", 1.0),
        ("home.fail", "denied", 1.0),
        ("garden.count", "ok", 0.0),
    ];
    for (tool, status, count) in expected {
        assert_calls(tool, status, count);
    }
    local.assert_metric("code_executor_tool_call_seconds_count{tool=\"home.echo\"}", 2.0);
    local.assert_metric("code_executor_tool_call_seconds_count{tool=\"home.fail\"}", 1.0);
    let text = local.get("/metrics").body;
    assert!(!text.contains("tool=\"tools.search\"") && !text.contains("tool=\"?\""), "{text}");
}

#[test]
fn resident_memory_is_that_of_the_process() {
    let local = Local::start_unready(Settings::default());
    let resident = local.metric("process_resident_memory_bytes");
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let expected = line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0;
    // Other tests run in this process at the same time, so the two values differ.
    assert!((0.3..3.0).contains(&(resident / expected)), "{resident}, {expected}");
}

/// A dashboard or an alert that uses an unknown metric shows no data and reports no error.
#[test]
fn dashboards_and_alerts_ask_for_metrics_that_exist() {
    let local = Local::start(Settings::default(), with_tools);
    local.execute(&json!({"code": "import home\nawait home.echo(1)"}));
    let text = local.get("/metrics").body;
    // A family without samples, such as that of services, has only its `# TYPE` line.
    let names = text.lines().map(|line| line.strip_prefix("# TYPE ").unwrap_or(line));
    let samples = names.filter_map(|line| line.split(['{', ' ']).next()).collect::<BTreeSet<_>>();
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    for file in ["grafana-dashboard.json", "prometheus-alerts.yml"] {
        let asked = std::fs::read_to_string(deploy.join(file)).unwrap();
        let words = asked.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let names: BTreeSet<&str> = words.filter(|word| word.starts_with("code_execut")).collect();
        assert!(names.len() >= 4, "{file}: {names:?}");
        for name in names {
            assert!(samples.contains(name), "{file} asks for {name}, which is not in\n{text}");
        }
    }
}

#[test]
fn grafana_can_import_the_dashboard() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/grafana-dashboard.json");
    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 36);
    assert_eq!(dashboard["templating"]["list"][0]["type"], "datasource");
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
        assert!(panel["gridPos"].is_object() && panel["title"].is_string(), "{panel}");
        assert!(!panel["targets"].as_array().unwrap().is_empty(), "{panel}");
    }
    assert!(panels.len() >= 8);
}
