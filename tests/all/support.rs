//! Shared by the test files: the sandbox, and a service in a process of its own.

use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use ai_code_executor::{Execution, Policy, Report, Sandbox};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// The cache directory. Images are made once and kept for the next run of the tests.
pub(crate) fn cache_dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("images")
}

/// Returns all files in `folder` and its subdirectories, sorted.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let (inner, found): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
        folders.extend(inner);
        files.extend(found);
    }
    files.sort();
    files
}

/// Returns a sandbox with the service's defaults, shared by all tests.
pub(crate) fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::builder().cache_dir(cache_dir()).build().unwrap())
}

/// Returns a sandbox with the policy `open`, shared by all tests.
pub(crate) fn open_sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::builder().policy(Policy::open()).cache_dir(cache_dir()).build().unwrap())
}

/// Returns the machine code that the images of this build share.
pub(crate) fn code_artifact() -> PathBuf {
    sandbox();
    let is_code = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "cwasm");
    let codes = files_below(&cache_dir()).into_iter().filter(is_code);
    codes.max_by_key(|path| path.metadata().unwrap().modified().unwrap()).unwrap()
}

pub(crate) async fn run(code: &str) -> Report {
    sandbox().run(Execution::new(code)).await.unwrap()
}

pub(crate) fn value_of(report: &Report) -> Value {
    report.value.as_ref().map_or(Value::Null, |value| serde_json::from_str(value.get()).unwrap())
}

pub(crate) fn executor() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ai-code-executor"));
    let stubs = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stubs");
    command.env_clear().env("CACHE_DIR", cache_dir()).env("MCP_WORKSPACE_DIR", stubs);
    command
}

/// Returns the executor's command wrapped in another program. `starter` is its name and first arguments; it must take a
/// command after them.
pub(crate) fn executor_under(starter: &[&str]) -> Command {
    let (run, mut command) = (executor(), Command::new(starter[0]));
    command.args(&starter[1..]).arg(run.get_program());
    command.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

/// `ai-code-executor serve` on a free port, killed on drop.
pub(crate) struct Service {
    pub(crate) child: Child,
    pub(crate) address: String,
    /// Lines of standard error since the service listens.
    pub(crate) log: Arc<Mutex<Vec<String>>>,
}

pub(crate) const TOKEN: &str = "a-token-for-tests";

impl Service {
    /// Starts the service with `settings` as environment and waits until it is ready.
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_unready(settings).until_ready()
    }

    pub(crate) fn until_ready(mut self) -> Self {
        for _ in 0..3000 {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the service exited before it was ready: {status}, {:?}", self.log.lock().unwrap());
            }
            if self.get("/ready").0 == 200 {
                return self;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("not ready after five minutes");
    }

    pub(crate) fn start_unready(settings: &[(&str, &str)]) -> Self {
        let mut command = executor();
        command.env("EXECUTOR_API_TOKEN", TOKEN).env("SERVICE_PORT", "0").envs(settings.iter().copied());
        Self::spawn(command)
    }

    /// Starts any command that logs its listening address to standard error.
    pub(crate) fn spawn(command: Command) -> Self {
        let (service, log) = Self::spawn_unread(command);
        let kept = service.log.clone();
        // Keep reading: a full pipe would block the service.
        std::thread::spawn(move || {
            log.for_each(|line| kept.lock().unwrap().push(line.unwrap_or_else(|why| why.to_string())));
        });
        service
    }

    /// Does the same without reading the log, and also returns the rest of it.
    pub(crate) fn spawn_unread(mut command: Command) -> (Self, Lines<BufReader<ChildStderr>>) {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = log.by_ref().map_while(Result::ok).find_map(|line| listening_address(&line));
        let address = address.expect("the service logs its address");
        (Self { child, address, log: Arc::default() }, log)
    }

    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        answer(agent().get(format!("http://{}{path}", self.address)).call())
    }

    pub(crate) fn execute(&self, body: &Value) -> (u16, Value) {
        self.post(&[("X-Executor-Token", TOKEN), ("Content-Type", "application/json")], &body.to_string())
    }

    pub(crate) fn post(&self, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
        self.post_to("/execute", headers, body)
    }

    pub(crate) fn post_to(&self, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
        let mut request = agent().post(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request.send(body))
    }

    /// Waits until `/metrics` has this line.
    pub(crate) fn await_metric(&self, line: &str) {
        self.has_metric_within(Duration::from_secs(30), line).unwrap();
    }

    /// Waits until `/metrics` has this line. After `patience`, returns an error with the metrics.
    pub(crate) fn has_metric_within(&self, patience: Duration, line: &str) -> Result<(), String> {
        let started = Instant::now();
        loop {
            match self.get("/metrics") {
                (200, Value::String(text)) if text.contains(line) => return Ok(()),
                (status, text) if started.elapsed() > patience => {
                    return Err(format!("no {line:?}: HTTP {status}: {text}"));
                }
                _ => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    /// Returns whether the process is alive and answers correctly.
    pub(crate) fn is_honest(&mut self) -> bool {
        let alive = matches!(self.child.try_wait(), Ok(None));
        alive && self.execute(&json!({"code": "6 * 7"})).1["return_value"] == 42
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // The process may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn signal(service: &Service, signal: Signal) {
    kill_process(Pid::from_child(&service.child), signal).unwrap();
}

/// Returns the listening address in a line of a text or JSON log.
fn listening_address(line: &str) -> Option<String> {
    if let Some((_, address)) = line.split_once("listening address=") {
        return Some(address.trim().to_owned());
    }
    let event: Value = serde_json::from_str(line).ok()?;
    (event["message"] == "listening").then(|| event["address"].as_str().unwrap().to_owned())
}

fn agent() -> ureq::Agent {
    let timeout = Some(Duration::from_mins(1));
    ureq::Agent::config_builder().http_status_as_error(false).timeout_global(timeout).build().into()
}

/// Returns status and body. Status 0 means that there was no answer.
fn answer(result: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> (u16, Value) {
    match result {
        Ok(mut response) => {
            let body = response.body_mut().with_config().limit(64 << 20).read_to_string().unwrap_or_default();
            (response.status().as_u16(), serde_json::from_str(&body).unwrap_or(Value::String(body)))
        }
        Err(error) => (0, Value::String(error.to_string())),
    }
}
