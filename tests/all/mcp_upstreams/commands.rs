//! Servers at the other end of pipes: a Python program that does what it is asked to.

use std::path::Path;
use std::time::Duration;

use ai_code_executor::{Answer, Execution, KeepState, Limits, OnWait, Sandbox};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{SECRET, built, call, following, tools};
use crate::support::{Service, TOKEN, cache_dir, executor, value_of};

const SCRIPT: &str = "tests/all/mcp_upstreams/fake.py";

/// Returns the `command` of a registry file.
fn command() -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(SCRIPT);
    format!("command = [\"python3\", \"-u\", \"{}\"]", script.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_a_module() {
    let dir = TempDir::new().unwrap();
    let text = format!(
        "[mcp.py]\n{0}\nenv = {{ KEY = \"${{SECRET}}\" }}\ncwd = \"{1}\"\ntimeout = 5\n[mcp.other]\n{0}\ntimeout = 5\n",
        command(),
        dir.path().display()
    );
    let sandbox = built(tools(&text), Limits::default().tool_reply_bytes_max(100_000));
    let ask = async |text: &str| call(&sandbox, text).await;
    assert_eq!(ask("py.echo(value={'a': [1.5, 'ü', None]})").await, Ok(json!({"a": [1.5, "ü", null]})));
    assert_eq!(ask("other.junk()").await, Ok(json!("well")));
    assert_eq!(ask("other.wrong_id()").await, Ok(json!("well")));
    assert_eq!(ask("other.log()").await, Ok(json!("logged")));
    let why = ask("py.huge()").await.unwrap_err();
    assert_eq!(why, "ToolError: Tool reply is larger than its limit of 100000 bytes");
    assert_eq!(ask("py.echo(value=[1])").await, Ok(json!([1])), "the connection goes on");
    let why = ask("py.drip()").await.unwrap_err();
    assert_eq!(why, "ToolTimeout: Tool 'py.drip' did not answer within 5s");
    // The environment is the file's, and a few variables that every command needs.
    let Err(environ) = call_raw(&sandbox, "other.environ()").await else { panic!() };
    assert!(!environ.contains("CARGO") && !environ.contains(SECRET) && environ.contains("PATH"), "{environ}");
}

/// Returns what a call returns as text, whatever it is.
async fn call_raw(sandbox: &Sandbox, text: &str) -> Result<Value, String> {
    let module = text.split('.').next().unwrap();
    let code = format!("import {module}\n_ = repr(await {text})");
    let report = sandbox.run(Execution::new(code)).await.unwrap();
    Err(value_of(&report).to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_dies_is_started_again() {
    let sandbox = built(tools(&format!("[mcp.py]\n{}\n", command())), Limits::default());
    let why = call(&sandbox, "py.die()").await.unwrap_err();
    assert!(why.contains("connection failed: closed before the answer"), "{why}");
    let mut found = Err(String::new());
    for _ in 0..200 {
        found = call(&sandbox, "py.echo(value=[2])").await;
        if found.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(found, Ok(json!([2])));
}

/// Runs a call again and again until its result is as wanted, at most for 30 seconds.
async fn until(sandbox: &Sandbox, code: &str, is_wanted: impl Fn(&Result<Value, String>) -> bool) {
    let mut found = Err(String::new());
    for _ in 0..600 {
        found = call(sandbox, code).await;
        if is_wanted(&found) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{code}: {found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_changes_is_refused_where_nobody_follows() {
    let sandbox = built(tools(&format!("[mcp.py]\n{}\n", command())), Limits::default());
    assert_eq!(call(&sandbox, "py.change()").await, Ok(json!("changed")));
    let why = "its definition has changed since the program began";
    until(&sandbox, "py.echo(value=[3])", |found| found.as_ref().is_err_and(|found| found.contains(why)))
        .await;
    assert_eq!(call(&sandbox, "py.junk()").await, Ok(json!("well")), "others go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_that_change_are_taken_over() {
    let sandbox = following(&format!("[mcp.py]\n{}\n", command()));
    let limits = Limits::default().wall_time(Duration::from_mins(1));
    let earlier = "import asyncio, py
why = None
while why is None:
    await asyncio.sleep(0.1)
    try: await py.echo(value=1)
    except ToolError as error: why = str(error)
why, hasattr(py, 'added'), await py.junk()";
    let kept = sandbox.run(Execution::new("import py\nx = 1").state(KeepState::New)).await.unwrap();
    let before = tokio::spawn({
        let sandbox = sandbox.clone();
        async move { sandbox.run(Execution::new(earlier).limits(limits)).await.unwrap() }
    });
    assert_eq!(call(&sandbox, "py.change()").await, Ok(json!("changed")));
    until(&sandbox, "py.added(value=[3])", |found| *found == Ok(json!([3]))).await;
    assert_eq!(call(&sandbox, "py.echo(value=[2])").await, Ok(json!([2])), "with its new definition");
    let described = sandbox.catalogue().find("py.echo").unwrap().summary.clone();
    assert!(described.contains("Now another."), "{described}");
    let gone = call(&sandbox, "py.wrong_id()").await.unwrap_err();
    assert!(gone.contains("wrong_id"), "{gone}");
    // What began before goes on with what it knew.
    let before = value_of(&before.await.unwrap());
    assert!(before[0].as_str().unwrap().contains("has changed since the program began"), "{before}");
    assert_eq!((&before[1], &before[2]), (&json!(false), &json!("well")));
    let state = KeepState::After(kept.state.unwrap());
    let after = Execution::new("x, await py.added(value=[x]), await py.junk()").state(state);
    assert_eq!(value_of(&sandbox.run(after).await.unwrap()), json!([1, [1], "well"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_changes_and_needs_approval_is_held_back() {
    let text = format!("[mcp.py]\n{}\napproval = \"always\"\n", command());
    let sandbox = following(&text);
    let asked = |code: &str| Execution::new(format!("import py\nawait {code}")).on_wait(OnWait::Return);
    let approved = async |code: &str| {
        let waiting = sandbox.run(asked(code)).await.unwrap();
        let epoch = waiting.waiting.as_ref().unwrap_or_else(|| panic!("{waiting:?}")).epoch;
        sandbox.resume(waiting.id, epoch, vec![(0, Answer::Approve)], None).await.unwrap()
    };
    assert_eq!(value_of(&approved("py.change()").await), json!("changed"));
    for _ in 0..600 {
        if sandbox.catalogue().find("py.added").is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        value_of(&approved("py.added(value=[4])").await),
        json!([4]),
        "one that is new can be approved"
    );
    let held = approved("py.echo(value=5)").await.error.unwrap().message;
    assert!(held.contains("its definition has changed, and its calls need approval"), "{held}");
    let described = sandbox.catalogue().find("py.echo").unwrap().summary.clone();
    assert!(!described.contains("Now another."), "{described}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_answers_later_gets_its_tools() {
    let dir = TempDir::new().unwrap();
    let (script, there) = (Path::new(env!("CARGO_MANIFEST_DIR")).join(SCRIPT), dir.path().join("there"));
    let shell = format!("test -e {} && exec python3 -u {}", there.display(), script.display());
    let sandbox = following(&format!("[mcp.py]\ncommand = [\"sh\", \"-c\", \"{shell}\"]\n"));
    let why = call(&sandbox, "py.unavailable()").await.unwrap_err();
    assert!(why.contains("MCP server 'py' has not answered yet"), "{why}");
    std::fs::write(there, "").unwrap();
    until(&sandbox, "py.echo(value=[3])", |found| *found == Ok(json!([3]))).await;
}

#[test]
fn a_command_that_does_not_exist_says_so() {
    let found = super::paths(tools("[mcp.none]\ncommand = [\"/no/such/command\"]\n"));
    assert_eq!(found, ["none.unavailable"]);
}

/// Returns the settings of a service with a command, and its registry file.
fn start(dir: &TempDir, hardening: &str) -> Service {
    let file = dir.path().join("tools.toml");
    let text = format!("[mcp.py]\n{}\nenv = {{ KEY = \"${{KEY_OF_PY}}\" }}\n", command());
    std::fs::write(&file, text).unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, TOKEN).unwrap();
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o400)).unwrap();
    let mut command = executor();
    command.env("SERVICE_PORT", "0").env("ENABLE_MCP_NETWORK_TOOLS", "true");
    command.env("TOOL_SIGNING_KEY", "k".repeat(32)).env("KEY_OF_PY", SECRET);
    command.env("TOOLS_CONFIG", &file).env("EXECUTOR_API_TOKEN_FILE", &token).env("HARDENING", hardening);
    command.env("STORE", dir.path().join("store")).env("PATH", std::env::var_os("PATH").unwrap());
    Service::spawn(command).until_ready()
}

fn value(service: &Service, code: &str) -> Value {
    let (status, answer) = service.execute(&json!({"code": format!("import py\n_ = {code}")}));
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["success"], true, "{answer}");
    answer["return_value"].clone()
}

fn is_running(pid: &Value) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[test]
fn the_service_starts_commands_although_it_is_hardened() {
    let dir = TempDir::new().unwrap();
    let mut service = start(&dir, "on");
    let in_force = service.get("/health").1["hardening"].clone();
    assert_eq!(in_force["seccomp"], true);
    if in_force.as_object().unwrap().values().all(|field| field == true) {
        drop(service);
        service = start(&dir, "require");
    }
    assert_eq!(value(&service, "await py.echo(value=[1])"), json!([1]));
    let environ = value(&service, "await py.environ()");
    assert_eq!(environ["KEY"], SECRET, "{environ}");
    for name in ["TOOL_SIGNING_KEY", "EXECUTOR_API_TOKEN_FILE"] {
        assert!(environ.get(name).is_none(), "{environ}");
    }
    let pids = value(&service, "await py.pid()");
    // It is started again, by the launcher: the service itself cannot start processes.
    let died = service.execute(&json!({"code": "import py\nawait py.die()"})).1;
    assert_eq!(died["success"], false, "{died}");
    let again = (0..200).find_map(|_| {
        std::thread::sleep(Duration::from_millis(50));
        let (_, answer) = service.execute(&json!({"code": "import py\n_ = await py.pid()"}));
        answer["success"].as_bool().unwrap_or_default().then(|| answer["return_value"].clone())
    });
    let again = again.expect("the command was not started again");
    assert_ne!(pids[0], again[0]);
    assert!(is_running(&again[0]) && is_running(&again[1]));
    // A sealed process can make another image.
    assert_eq!(value(&service, "await py.change()"), json!("changed"));
    let added = (0..600).find_map(|_| {
        std::thread::sleep(Duration::from_millis(50));
        let (status, answer) = service.execute(&json!({"code": "import py\nawait py.added(value=[7])"}));
        (status == 200).then_some(answer)
    });
    assert_eq!(added.expect("the tools were not taken over")["return_value"], json!([7]));
    let (_, again_and_again) = service.execute(&json!({"code": "[n for n in range(3)]"}));
    assert_eq!(again_and_again["return_value"], json!([0, 1, 2]));
    service.child.kill().unwrap();
    service.child.wait().unwrap();
    for _ in 0..100 {
        if !is_running(&again[0]) && !is_running(&again[1]) {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("the command outlived the service");
}

#[test]
fn commands_cannot_reach_the_cache_the_store_and_secrets() {
    let dir = TempDir::new().unwrap();
    let service = start(&dir, "on");
    if service.get("/health").1["hardening"]["filesystem"] != true {
        // Without Landlock there is nothing to test: the log says what is missing.
        let log = service.log.lock().unwrap().join("\n");
        assert!(log.contains("cannot be kept from it: Landlock"), "{log}");
        return;
    }
    let read =
        |path: &Path| value(&service, &format!("await py.read(value={:?})", path.display().to_string()));
    let write =
        |path: &Path| value(&service, &format!("await py.write(value={:?})", path.display().to_string()));
    std::fs::write(dir.path().join("notes"), "a note").unwrap();
    assert_eq!(read(&dir.path().join("token")), "PermissionError");
    for path in [cache_dir().join("new"), dir.path().join("store/key.new"), dir.path().join("token")] {
        assert_eq!(write(&path), "PermissionError", "{}", path.display());
    }
    assert_eq!(read(Path::new("/proc/self/comm")).as_str().map(str::trim), Some("python3"));
    let free = TempDir::new_in("/var/tmp").unwrap();
    assert_eq!(write(&free.path().join("file")), "written");
}
