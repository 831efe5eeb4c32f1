//! A service to attack, surrounded by canaries that no answer may contain.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use ai_code_executor::server::{Service as Server, Settings, Token};
use ai_code_executor::{Layers, Limits, Metrics, PolicyKind, Sandbox, WaitLimits};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use super::invariants;
use crate::expectations::Program;
use crate::local::execute;
use crate::support::{Service, TOKEN, cache_dir, executor};

/// Limits of executions, unless a program asks for less.
const WALL_TIME: Duration = Duration::from_secs(20);
const CPU_TIME: Duration = Duration::from_secs(3);

/// Generous bound for any step, for machines that are also busy with other work. The report of the test shows the real
/// times.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// The environment variable that turns this test binary into a service.
const SERVE: &str = "SERVE_WITHOUT_LAYERS";

/// The environment variable that makes that service write executions down as soon as they wait.
const PARKS: &str = "PARKS_AT_ONCE";

/// How long executions of that service wait for anything outside.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// The first lines of a program that begins to run in the instance in which it goes on.
const GATE: &str = "import gate\nawait gate.enter()\n";

/// Keeps canaries in its memory until its client disconnects.
const PEER: &str = "import time\nkept = [canary + str(n) for n in range(100)]\ntime.sleep(1000)";

pub(super) struct Target {
    pub(super) service: Service,
    /// A listener on the loopback interface that nothing may connect to.
    pub(super) listener: TcpListener,
    pub(super) canaries: Vec<String>,
    peers_canary: String,
    attacks: Vec<String>,
    /// Whether programs are written down before they do anything.
    parks: bool,
    pub(super) working_directory: TempDir,
}

/// The result of a program, and its limits.
pub(super) struct Attack {
    pub(super) status: u16,
    pub(super) answer: Value,
    pub(super) elapsed: Duration,
    pub(super) wall_time: Duration,
    pub(super) cpu_time: Duration,
    /// Problems with the execution that ran beside it, and with its slot.
    pub(super) complaints: Vec<String>,
}

impl Target {
    pub(super) fn start(layers: Layers, policy: PolicyKind) -> Self {
        Self::with(if layers == Layers::All { the_product() } else { this_test(layers) }, policy, false)
    }

    /// Starts a service without layers, where each program is written down and continued before it does anything.
    pub(super) fn parking() -> Self {
        let mut command = this_test(Layers::WallOnly);
        command.env(PARKS, "1");
        Self::with(command, PolicyKind::Strict, true)
    }

    fn with(mut command: Command, policy: PolicyKind, parks: bool) -> Self {
        let [environment, file, peer] = ["environment", "file", "peer"].map(canary);
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("host-canary.txt"), &file).unwrap();
        command.env("HOST_CANARY", &environment).env("POLICY", policy.name()).current_dir(&directory);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self {
            service: Service::spawn(command).until_ready(),
            listener,
            canaries: vec![environment, file, peer.clone(), TOKEN.to_owned()],
            peers_canary: peer,
            attacks: Vec::new(),
            parks,
            working_directory: directory,
        }
    }

    /// Runs a program while another execution sleeps.
    pub(super) fn attack(&mut self, program: &Program) -> Attack {
        let mut complaints = Vec::new();
        let peer = self.begin(&json!({"code": PEER, "context": {"canary": self.peers_canary}}));
        complaints.extend(self.await_active(1));
        let mut body = program.get("limits").cloned().unwrap_or_else(|| json!({}));
        let asked = |key: &str, ceiling| body[key].as_f64().map_or(ceiling, Duration::from_secs_f64);
        let (wall_time, cpu_time) = (asked("timeout", WALL_TIME), asked("max_cpu_seconds", CPU_TIME));
        body["code"] = json!(program.code);
        if self.parks {
            body["code"] = json!(format!("{GATE}{}", program.code));
            body["caller_tools"] = json!([{"name": "gate.enter", "input_schema": {}}]);
        }
        body["context"] = json!({"listener_port": self.listener.local_addr().unwrap().port()});
        let headers = [
            ("X-Executor-Token", TOKEN),
            ("Content-Type", "application/json"),
            ("X-Request-Id", &program.name),
        ];
        let started = Instant::now();
        let (mut status, mut answer) = self.service.post(&headers, &body.to_string());
        if self.parks {
            // It has no slot any more.
            complaints.extend(self.await_active(1));
            let resume =
                format!("/executions/{}/resume", answer["execution_id"].as_str().unwrap_or_default());
            let calls = json!({"epoch": answer["waiting"]["epoch"], "calls": {"0": {"reply": null}}});
            (status, answer) = self.service.post_to(&resume, &headers, &calls.to_string());
        }
        let elapsed = started.elapsed();
        self.attacks.push(program.name.clone());
        // Only if the other execution's own time limit cannot have ended it.
        if elapsed < WALL_TIME / 2 {
            complaints.extend(self.await_active(1));
        }
        drop(peer);
        complaints.extend(self.await_active(0));
        Attack { status, answer, elapsed, wall_time, cpu_time, complaints }
    }

    /// Sends a request without waiting for its answer.
    fn begin(&self, body: &Value) -> Option<TcpStream> {
        let mut stream = TcpStream::connect(&self.service.address).ok()?;
        stream.write_all(&execute(&body.to_string(), "")).ok()?;
        Some(stream)
    }

    /// Waits until `count` executions are active.
    fn await_active(&self, count: u32) -> Option<String> {
        self.service.has_metric_within(PATIENCE, &format!("code_executions_active {count}\n")).err()
    }

    /// Returns whether the same process still runs and answers the next request correctly and in time.
    pub(super) fn is_honest(&mut self) -> bool {
        let started = Instant::now();
        self.service.is_honest() && started.elapsed() < PATIENCE
    }

    /// Returns the problems of the log: each attack must be one event.
    pub(super) fn log_complaints(&self) -> Vec<String> {
        let started = Instant::now();
        loop {
            let lines = self.service.log.lock().unwrap().clone();
            let complaints = invariants::broken_in_log(&lines, &self.attacks, &self.canaries);
            // The last lines may still be in the pipe.
            if complaints.is_empty() || started.elapsed() > PATIENCE {
                return complaints;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn canary(place: &str) -> String {
    format!("CANARY-{place}-{}", Uuid::new_v4())
}

fn the_product() -> Command {
    let mut command = executor();
    let (wall, cpu_percent) = (WALL_TIME.as_secs(), 100 * CPU_TIME.as_secs() / WALL_TIME.as_secs());
    command.env("EXECUTION_TIMEOUT", wall.to_string()).env("MAX_CPU_PERCENT", cpu_percent.to_string());
    command.env("EXECUTOR_API_TOKEN", TOKEN).env("SERVICE_PORT", "0").env("LOG_FORMAT", "json");
    command
}

/// Starts this test binary as a service: the product has no setting to disable its layers.
fn this_test(layers: Layers) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "survive::target::serve_without_layers", "--ignored", "--nocapture"]);
    command.env(SERVE, format!("{layers:?}"));
    command
}

#[tokio::test]
#[ignore = "the service process of another test"]
async fn serve_without_layers() {
    let layers = match std::env::var(SERVE).as_deref() {
        Ok("NoValidator") => Layers::NoValidator,
        Ok("WallOnly") => Layers::WallOnly,
        _ => return,
    };
    tracing_subscriber::fmt().json().flatten_event(true).with_writer(std::io::stderr).init();
    let ceilings = Limits::default().wall_time(WALL_TIME).cpu_time(CPU_TIME);
    let metrics = Metrics::default();
    let mut builder = Sandbox::builder().layers(layers).ceilings(ceilings).metrics(metrics.clone());
    if std::env::var_os(PARKS).is_some() {
        builder = builder.wait_limits(WaitLimits::default().park_after(Duration::ZERO).wait_max(WAIT_MAX));
    }
    let server =
        Server::new(Settings::default().token(Token::new(TOKEN)).ceilings(ceilings).metrics(metrics));
    server.ready(builder.cache_dir(cache_dir()).build().unwrap());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    tracing::info!(address = %listener.local_addr().unwrap(), "listening");
    server.serve(listener, std::future::pending()).await;
}
