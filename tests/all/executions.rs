//! Executions that wait and states, over HTTP: a service in a process of its own, with a store, killed and restarted.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Service, TOKEN, executor, signal};

const PERSON: &str = "a-token-of-a-person";

/// A service whose requests are kept. Paths that end with `hang` get no answer.
struct Upstream {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, requests) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
        let kept = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, kept) = (stream.unwrap(), kept.clone());
                std::thread::spawn(move || serve(stream, &kept));
            }
        });
        Self { address, requests }
    }

    /// Returns how many requests came for a path.
    fn count(&self, path: &str) -> usize {
        let wanted = format!(" {path} ");
        self.requests.lock().unwrap().iter().filter(|request| request.contains(&wanted)).count()
    }

    fn registry(&self) -> String {
        format!(
            r#"
            [services.up]
            url = "http://{}"
            signed = false
            [tools.up.read]
            path = "/read"
            method = "GET"
            read_only = true
            [tools.up.write]
            path = "/write"
            [tools.up.hang]
            path = "/hang"
            timeout = 20
            [tools.up.pay]
            path = "/pay"
            approval = "always"
            parameters = {{ required = ["euros"], properties.euros = {{ type = "integer" }} }}
            "#,
            self.address
        )
    }
}

fn serve(stream: TcpStream, kept: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or_default() == 0 {
                return;
            }
        }
        let head = head.to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or_default()];
        reader.read_exact(&mut body).unwrap();
        let hangs = head.contains("/hang ");
        kept.lock().unwrap().push(head);
        if hangs {
            std::thread::sleep(Duration::from_secs(30));
            return;
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\r\ntrue";
        if reader.get_mut().write_all(answer).is_err() {
            return;
        }
    }
}

/// Starts a service with a store and the tools of `upstream`.
fn start(dir: &Path, upstream: &Upstream, more: &[(&str, &str)]) -> Service {
    let (registry, store) = (dir.join("tools.toml"), dir.join("store"));
    std::fs::write(&registry, upstream.registry()).unwrap();
    let key = "k".repeat(32);
    let mut settings = vec![
        ("APPROVER_TOKEN", PERSON),
        ("ENABLE_MCP_NETWORK_TOOLS", "true"),
        ("TOOL_SIGNING_KEY", &key),
        ("TOOLS_CONFIG", registry.to_str().unwrap()),
        ("STORE", store.to_str().unwrap()),
        ("STORE_MB", "32"),
        ("PARK_AFTER", "0"),
    ];
    settings.extend(more);
    Service::start(&settings)
}

fn call(service: &Service, method: &str, path: &str, token: &str, body: Option<&Value>) -> (u16, Value) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_mins(1)))
        .build()
        .into();
    let url = format!("http://{}{path}", service.address);
    let authorization = format!("Bearer {token}");
    let answer = match (method, body) {
        ("POST", Some(body)) => agent
            .post(url)
            .header("Authorization", &authorization)
            .header("Content-Type", "application/json")
            .send(body.to_string()),
        ("DELETE", _) => agent.delete(url).header("Authorization", &authorization).call(),
        _ => agent.get(url).header("Authorization", &authorization).call(),
    };
    let mut answer = answer.unwrap();
    let body = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), serde_json::from_str(&body).unwrap_or(Value::String(body)))
}

fn resume(service: &Service, token: &str, id: &str, body: &Value) -> (u16, Value) {
    call(service, "POST", &format!("/executions/{id}/resume"), token, Some(body))
}

fn get(service: &Service, path: &str) -> Value {
    let (status, body) = call(service, "GET", path, TOKEN, None);
    assert_eq!(status, 200, "{path}: {body}");
    body
}

fn id_of(answer: &Value) -> String {
    answer["execution_id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

const ASKS: &str = "import agenda\nprint('asks')\nlen(await agenda.find(day='today'))";

fn with_agenda(code: &str) -> Value {
    let schema = json!({"type": "object", "properties": {"day": {"type": "string"}}});
    let tool = json!({"name": "agenda.find", "input_schema": schema, "output_schema": {"type": "array"}});
    json!({"code": code, "caller_tools": [tool]})
}

#[test]
fn a_caller_resumes_its_execution_and_each_role_does_its_own() {
    let (dir, upstream) = (tempfile::tempdir().unwrap(), Upstream::start());
    let service = start(dir.path(), &upstream, &[]);
    let (status, answer) = service.execute(&with_agenda(ASKS));
    assert_eq!((status, &answer["outcome"], &answer["success"]), (200, &json!("waiting"), &json!(false)));
    assert_eq!(
        (&answer["error"], &answer["stdout"], &answer["state"]),
        (&Value::Null, &json!("asks\n"), &Value::Null)
    );
    let waiting = &answer["waiting"];
    let call_0 =
        json!({"call": 0, "tool": "agenda.find", "arguments": {"day": "today"}, "for": "caller", "line": 3});
    assert_eq!((&waiting["epoch"], &waiting["calls"]), (&json!(1), &json!([call_0])));
    assert!(waiting["expires_at"].as_str().unwrap().ends_with('Z'));
    let id = id_of(&answer);
    let reply = json!({"epoch": 1, "calls": {"0": {"reply": [1, 2]}}});
    assert_eq!(resume(&service, PERSON, &id, &reply).0, 403);
    assert_eq!(resume(&service, "wrong", &id, &reply).0, 401);
    for (body, status) in [
        (json!({"epoch": 1, "calls": {}}), 422),
        (json!({"epoch": 1, "calls": {"0": {}}}), 422),
        (json!({"epoch": 1, "calls": {"0": {"reply": 1, "error": "x"}}}), 422),
        (json!({"epoch": 1, "calls": {"0": {"reply": {"no": "list"}}}}), 422),
        (json!({"epoch": 1, "calls": {"5": {"reply": []}}}), 422),
        (json!({"epoch": 1, "calls": {"0": {"approve": true}}}), 403),
        (json!({"epoch": 1, "calls": {"0": {"reply": []}}, "more": 1}), 422),
        (json!({"epoch": 2, "calls": {"0": {"reply": []}}}), 409),
    ] {
        assert_eq!(resume(&service, TOKEN, &id, &body).0, status, "{body}");
    }
    assert_eq!(get(&service, &format!("/executions/{id}"))["status"], "waiting");
    let (status, end) = resume(&service, TOKEN, &id, &reply);
    assert_eq!((status, &end["return_value"], &end["stdout"]), (200, &json!(2), &json!("asks\n")));
    let (status, stale) = resume(&service, TOKEN, &id, &reply);
    assert_eq!(
        (status, &stale["code"], &stale["answer"]["return_value"]),
        (409, &json!("stale_epoch"), &json!(2))
    );
    assert_eq!(get(&service, &format!("/executions/{id}"))["answer"]["outcome"], "completed");
    let unknown = "00000000-0000-4000-8000-000000000000";
    assert_eq!(call(&service, "GET", &format!("/executions/{unknown}"), TOKEN, None).0, 404);
    assert_eq!(call(&service, "GET", "/executions/nothing", TOKEN, None).0, 422);
    assert_eq!(call(&service, "GET", &format!("/executions/{id}"), PERSON, None).0, 403);
    assert_eq!(call(&service, "GET", &format!("/executions/{id}?wait=61"), TOKEN, None).0, 422);
    // `null` is a reply.
    let (_, again) = service.execute(&json!({
        "code": "import agenda\nawait agenda.any() is None",
        "caller_tools": [{"name": "agenda.any", "input_schema": {}}],
    }));
    let null = json!({"epoch": 1, "calls": {"0": {"reply": null}}});
    assert_eq!(resume(&service, TOKEN, &id_of(&again), &null).1["return_value"], true);
}

#[test]
fn a_person_approves_what_a_program_asks() {
    let (dir, upstream) = (tempfile::tempdir().unwrap(), Upstream::start());
    let service = start(dir.path(), &upstream, &[]);
    let code = "import up\n[await up.read(), await up.pay(euros=5)]";
    let (_, answer) = service.execute(&json!({"code": code, "on_wait": "return"}));
    assert_eq!(answer["waiting"]["calls"][0]["prompt"], "Call up.pay?\neuros = 5", "{answer}");
    let id = id_of(&answer);
    let approve = json!({"epoch": 1, "calls": {"1": {"approve": true}}});
    assert_eq!(resume(&service, TOKEN, &id, &approve).0, 403, "a caller does not approve its own calls");
    let (_, list) = call(&service, "GET", "/executions", PERSON, None);
    let approval = &list["approvals"][0];
    assert_eq!((&list["executions"], &approval["execution_id"]), (&json!([]), &json!(id)));
    assert_eq!(
        (&approval["tool"], &approval["arguments"], &approval["caller"]),
        (&json!("up.pay"), &json!({"euros": 5}), &json!("default"))
    );
    assert!(get(&service, "/executions").get("approvals").is_none());
    let (status, answer) = resume(&service, PERSON, &id, &approve);
    assert_eq!((status, answer.as_object().unwrap().len()), (200, 2), "not the program's output: {answer}");
    let end = get(&service, &format!("/executions/{id}?wait=20&epoch=1"));
    assert_eq!(end["answer"]["return_value"], json!([true, true]), "{end}");
    assert_eq!(upstream.count("/pay"), 1);
    let requests = upstream.requests.lock().unwrap().join("");
    assert!(requests.contains(&format!("idempotency-key: {id}/1\r\n")), "{requests}");
}

#[test]
fn what_waits_survives_a_kill_and_what_may_have_had_an_effect_is_lost() {
    let (dir, upstream) = (tempfile::tempdir().unwrap(), Upstream::start());
    let mut service = start(dir.path(), &upstream, &[]);
    let (_, waiting) = service.execute(&with_agenda(ASKS));
    let (_, payment) =
        service.execute(&json!({"code": "import up\nawait up.pay(euros=7)", "on_wait": "return"}));
    let start_async = |code: &str| id_of(&service.execute(&json!({"code": code, "async": true})).1);
    // Parked after an effect: goes on. In the middle of one: lost. Before any: begins again.
    let sleeper =
        start_async("import up, asyncio\nawait up.write()\nawait asyncio.sleep(1.5)\nawait up.read()");
    let in_effect = start_async("import up\nprint('writes')\nawait up.write()\nawait up.hang()");
    let harmless = start_async("import up, time\nawait up.read()\ntime.sleep(1)\n'done'");
    let begun = Instant::now();
    while upstream.count("/write") < 2 || upstream.count("/hang") < 1 || upstream.count("/read") < 1 {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(300));
    service.child.kill().unwrap();
    service.child.wait().unwrap();
    let service = start(dir.path(), &upstream, &[]);
    let ended = |id: &str| get(&service, &format!("/executions/{id}?wait=30&epoch=9"))["answer"].clone();
    let id = id_of(&waiting);
    let (_, end) = resume(&service, TOKEN, &id, &json!({"epoch": 1, "calls": {"0": {"reply": [1]}}}));
    assert_eq!((&end["return_value"], &end["stdout"]), (&json!(1), &json!("asks\n")), "{end}");
    let approve = json!({"epoch": 1, "calls": {"0": {"approve": true}}});
    assert_eq!(resume(&service, PERSON, &id_of(&payment), &approve).0, 200);
    assert_eq!(ended(&id_of(&payment))["return_value"], true);
    assert_eq!(ended(&sleeper)["return_value"], true);
    let lost = ended(&in_effect);
    assert_eq!((&lost["outcome"], &lost["success"]), (&json!("lost"), &json!(false)), "{lost}");
    assert_eq!(ended(&harmless)["return_value"], "done");
    assert_eq!((upstream.count("/write"), upstream.count("/hang"), upstream.count("/pay")), (2, 1, 1));
    service.await_metric("code_executions_active 0");
}

#[test]
fn a_signal_turns_a_held_connection_into_a_waiting_answer() {
    let (dir, upstream) = (tempfile::tempdir().unwrap(), Upstream::start());
    let mut service = start(dir.path(), &upstream, &[("PARK_AFTER", "60")]);
    let held = std::thread::scope(|scope| {
        let held = scope.spawn(|| service.execute(&json!({"code": "import up\nawait up.pay(euros=1)"})));
        while call(&service, "GET", "/executions", PERSON, None).1["approvals"] == json!([]) {
            std::thread::sleep(Duration::from_millis(10));
        }
        signal(&service, Signal::TERM);
        held.join().unwrap()
    });
    assert_eq!((held.0, &held.1["outcome"]), (200, &json!("waiting")), "{held:?}");
    assert!(service.child.wait().unwrap().success());
    let service = start(dir.path(), &upstream, &[]);
    let id = id_of(&held.1);
    let deny = json!({"epoch": 1, "calls": {"0": {"deny": "no money"}}});
    assert_eq!(resume(&service, PERSON, &id, &deny).0, 200);
    let end = get(&service, &format!("/executions/{id}?wait=20&epoch=1"));
    assert_eq!(end["answer"]["error"], "ToolDenied: Tool 'up.pay' was denied: no money");
    assert_eq!(upstream.count("/pay"), 0);
}

#[test]
fn an_answer_comes_line_by_line() {
    let (dir, upstream) = (tempfile::tempdir().unwrap(), Upstream::start());
    let service = start(dir.path(), &upstream, &[]);
    let lines = |path: &str, body: &Value| {
        let body = body.to_string();
        let mut stream = TcpStream::connect(&service.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Accept: application/x-ndjson\r\nX-Executor-Token: {TOKEN}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let json = |line: &str| serde_json::from_str::<Value>(line).ok().filter(Value::is_object);
        (text.clone(), text.lines().filter_map(json).collect::<Vec<_>>())
    };
    let one = |lines: &[Value], key: &str, value: &str| {
        lines.iter().find(|line| line[key] == value).unwrap().clone()
    };
    let events = |lines: &[Value]| {
        let name = |line: &Value| match line["event"].as_str().unwrap() {
            "tool" => format!("{} {}", line["tool"].as_str().unwrap(), line["phase"].as_str().unwrap()),
            name => name.to_owned(),
        };
        let mut names: Vec<_> = lines.iter().map(name).collect();
        // `print` writes a text and its end apart.
        names.dedup();
        names.join(", ")
    };
    let code = "import up\nprint('one')\nawait up.read()\nprint('two')\n3";
    let (text, told) = lines("/execute", &json!({"code": code}));
    assert!(text.contains("content-type: application/x-ndjson"), "{text}");
    assert_eq!(events(&told), "started, stdout, up.read begin, up.read end, stdout, end");
    assert_eq!(told.last().unwrap()["answer"]["return_value"], 3);
    let ended = one(&told, "phase", "end");
    assert!(ended["ms"].as_f64().unwrap() > 0.0 && ended["bytes"] == 4);
    let (_, told) = lines("/execute", &with_agenda(ASKS));
    assert_eq!(events(&told), "started, stdout, agenda.find begin, waiting, end");
    assert_eq!(one(&told, "event", "waiting")["calls"][0]["tool"], "agenda.find");
    let id = id_of(&told[0]);
    let reply = json!({"epoch": 1, "calls": {"0": {"reply": []}}});
    let (_, told) = lines(&format!("/executions/{id}/resume"), &reply);
    assert_eq!(
        (events(&told).as_str(), &told.last().unwrap()["answer"]["return_value"]),
        ("agenda.find end, end", &json!(0))
    );
    let (text, _) = lines("/execute", &json!({"code": "import os"}));
    assert!(text.starts_with("HTTP/1.1 400"), "{text}");
}

#[test]
fn states_are_listed_continued_and_forgotten() {
    let (dir, upstream) = (tempfile::tempdir().unwrap(), Upstream::start());
    let service = start(dir.path(), &upstream, &[]);
    let (_, first) = service.execute(&json!({"code": "x = 40", "state": "new"}));
    let handle = first["state"].as_str().unwrap();
    let (_, second) = service.execute(&json!({"code": "x + y", "state": handle, "context": {"y": 2}}));
    assert_eq!(second["return_value"], 42);
    let list = get(&service, "/states");
    let listed = list["states"].as_array().unwrap();
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().any(|state| state["parent"] == handle && state["handle"] == second["state"]));
    let path = format!("/states/{handle}");
    assert_eq!(call(&service, "DELETE", &path, PERSON, None).0, 403);
    assert_eq!(call(&service, "DELETE", &path, TOKEN, None).0, 204);
    assert_eq!(call(&service, "DELETE", &path, TOKEN, None).0, 404);
    let (status, gone) = service.execute(&json!({"code": "x", "state": handle}));
    assert_eq!((status, &gone["code"]), (404, &json!("unknown_state")));
    assert_eq!(service.execute(&json!({"code": "x", "state": "old"})).0, 422);
    assert_eq!(service.execute(&json!({"code": "x", "state": "new", "plan": true})).0, 422);
    let (_, plan) = service.execute(&json!({"code": "import up\nawait up.pay(euros=1)", "plan": true}));
    assert_eq!(plan["plan"], json!([{"tool": "up.pay", "arguments": {"euros": 1}, "line": 2}]), "{plan}");
    // Nothing of a state is in the file in plain sight.
    service.execute(&json!({"code": "secret = 'SEALED-' + 'MARK' * 3", "state": "new"}));
    let file = std::fs::read(dir.path().join("store/store")).unwrap();
    assert!(!file.windows(11).any(|window| window == b"SEALED-MARK"));
}

#[test]
fn without_a_store_programs_run_and_the_rest_is_refused() {
    let service = Service::start(&[]);
    assert_eq!(service.get("/health").1["store"], false);
    assert_eq!(service.execute(&json!({"code": "1 + 1"})).1["return_value"], 2);
    for body in [json!({"code": "1", "state": "new"}), json!({"code": "1", "async": true})] {
        let (status, refused) = service.execute(&body);
        assert_eq!((status, &refused["code"]), (503, &json!("no_store")), "{body}");
    }
    // A call of a caller's tool keeps its instance.
    let (_, answer) = service.execute(&with_agenda(ASKS));
    let (_, end) =
        resume(&service, TOKEN, &id_of(&answer), &json!({"epoch": 1, "calls": {"0": {"reply": [1, 2, 3]}}}));
    assert_eq!(end["return_value"], 3, "{end}");
}

#[test]
fn a_store_belongs_to_one_process() {
    let (dir, upstream) = (tempfile::tempdir().unwrap(), Upstream::start());
    let first = start(dir.path(), &upstream, &[]);
    let second = start(dir.path(), &upstream, &[]);
    assert_eq!(
        (first.get("/health").1["store"].clone(), second.get("/health").1["store"].clone()),
        (json!(true), json!(false))
    );
    let log = second.log.lock().unwrap().join("\n");
    assert!(log.contains("is in use by another process"), "{log}");
}

/// Runs a command on a terminal: presses `y` before anything is asked, then answers each question with its first argument.
const TERMINAL: &str = r"
import os, pty, sys
pid, terminal = pty.fork()
if not pid:
    os.execv(sys.argv[2], sys.argv[2:])
os.write(terminal, b'y\n' * 9)
shown = b''
while True:
    try:
        more = os.read(terminal, 4096)
    except OSError:
        break
    if not more:
        break
    shown += more
    if shown.endswith(b'[y/N] '):
        os.write(terminal, sys.argv[1].encode() + b'\n')
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";

#[test]
fn run_asks_for_approval_on_its_terminal() {
    let (upstream, dir) = (Upstream::start(), tempfile::tempdir().unwrap());
    let [registry, program] = ["tools.toml", "program.py"].map(|name| dir.path().join(name));
    std::fs::write(&registry, upstream.registry()).unwrap();
    let code = "import up\ntry:\n    await up.pay(euros=3)\n    print('paid')\nexcept up.ToolDenied as e:\n    print('denied:', e)";
    std::fs::write(&program, code).unwrap();
    let said = |mut command: Command| {
        let executor = executor();
        command.envs(executor.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("TOOLS_CONFIG", &registry).env("ENABLE_MCP_NETWORK_TOOLS", "true");
        let output = command.env("TOOL_SIGNING_KEY", "k".repeat(32)).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let answered = |answer: &str| {
        let mut terminal = Command::new("python3");
        terminal.args(["-c", TERMINAL, answer, env!("CARGO_BIN_EXE_ai-code-executor"), "run"]).arg(&program);
        said(terminal)
    };
    let mut alone = executor();
    alone.arg("run").arg(&program);
    let alone = said(alone);
    assert!(alone.contains("denied: ") && alone.contains("nobody could be asked"), "{alone}");
    for answer in ["n", "", "yess"] {
        let shown = answered(answer);
        assert!(shown.contains("up.pay") && shown.contains("refused at the terminal"), "{answer}: {shown}");
    }
    assert_eq!(upstream.count("/pay"), 0);
    let shown = answered("Yes");
    assert!(shown.ends_with("paid\r\n"), "{shown}");
    assert_eq!(upstream.count("/pay"), 1);
}
