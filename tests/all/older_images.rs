//! States and executions of an earlier list of tools: they go on in the image that they began as.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ai_code_executor::sealed_store::{Embedded, Key, Sealer};
use ai_code_executor::{
    Answer, Approval, CallerTool, Error, Execution, KeepState, Limits, OnWait, Outcome, Policy, Report,
    Sandbox, SandboxBuilder, Tool, ToolCall, WaitLimits,
};
use futures::future::join_all;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::hardening::landlock_version;
use crate::support::{Service, code_artifact, value_of};

/// A cache of its own, which other tests do not prune, and a store.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        DirBuilder::new().mode(0o700).create(home.cache()).unwrap();
        let code = code_artifact();
        let copy = home.cache().join(code.file_name().unwrap());
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(copy).unwrap();
        std::io::copy(&mut fs::File::open(code).unwrap(), &mut file).unwrap();
        home
    }

    fn cache(&self) -> PathBuf {
        self.0.path().join("cache")
    }

    /// Returns the artifacts with memories.
    fn memories(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.cache()).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|extension| extension == "memory")).collect()
    }

    /// Builds a sandbox with the store, once nothing else uses it.
    async fn open(&self, change: impl FnOnce(SandboxBuilder) -> SandboxBuilder) -> Sandbox {
        let begun = Instant::now();
        let store = loop {
            match Embedded::open(&self.0.path().join("store"), 64 << 20) {
                Ok(store) => break store,
                Err(error) => assert!(begun.elapsed() < Duration::from_secs(20), "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let sealer = Sealer::new(Key::derive(&[7; 32]).unwrap(), None);
        let limits = WaitLimits::default().park_after(Duration::ZERO);
        let builder = Sandbox::builder().cache_dir(self.cache()).wait_limits(limits).store(store, sealer);
        change(builder).build().unwrap()
    }
}

fn one(name: &str, kind: &str) -> Value {
    json!({"properties": {name: {"type": kind}}, "required": [name]})
}

/// Returns a tool that replies with its name and its arguments.
fn tool(name: &'static str, parameters: Value) -> Tool {
    let reply = move |call: ToolCall| async move { Ok(json!([name, call.arguments])) };
    Tool::new("home", name, reply).parameters(parameters)
}

fn before(builder: SandboxBuilder) -> SandboxBuilder {
    builder.tools([
        tool("kept", one("room", "string")).describe("As it was."),
        tool("changed", one("day", "string")),
        tool("removed", json!({})),
    ])
}

fn afterwards(builder: SandboxBuilder) -> SandboxBuilder {
    builder.tools([
        tool("kept", one("room", "string")).describe("Its description does not matter."),
        tool("changed", one("date", "string")),
        tool("added", json!({})),
    ])
}

fn after(report: &Report) -> KeepState {
    KeepState::After(report.state.unwrap_or_else(|| panic!("no state: {report:?}")))
}

async fn follow(sandbox: &Sandbox, state: KeepState, code: &str) -> Report {
    sandbox.run(Execution::new(code).state(state)).await.unwrap()
}

/// Runs `code` after `state` and returns its value.
async fn value_after(sandbox: &Sandbox, state: &Report, code: &str) -> Value {
    let report = follow(sandbox, after(state), code).await;
    assert_eq!(report.error, None, "{code}");
    value_of(&report)
}

const REMEMBER: &str = "import home\nfrom home import changed, removed\nx = [1, 2]\ndef call(): return home.kept('hall')\n\
    await home.removed(), await changed('monday')";

#[tokio::test(flavor = "multi_thread")]
async fn a_state_goes_on_after_a_restart_with_other_tools() {
    let home = Home::new();
    let first = home.open(before).await;
    let kept = follow(&first, KeepState::New, REMEMBER).await;
    assert_eq!(value_of(&kept), json!([["removed", {}], ["changed", {"day": "monday"}]]));
    drop(first);

    let second = home.open(afterwards).await;
    let code = "x.append(3)\n[x, await call(), await home.added()]";
    let expected = json!([[1, 2, 3], ["kept", {"room": "hall"}], ["added", {}]]);
    let next = follow(&second, after(&kept), code).await;
    assert_eq!((&next.error, value_of(&next)), (&None, expected.clone()));
    let refusals = [
        ("await changed('monday')", "'home.changed' has changed since it was imported"),
        ("await home.changed(date='monday')", "'home.changed' has changed since it was imported"),
        ("await removed()", "'home.removed' is not there any more"),
    ];
    for state in [&kept, &next] {
        for (code, why) in refusals {
            let error = follow(&second, after(state), code).await.error.unwrap();
            assert!(error.kind == "ToolDenied" && error.message.starts_with(why), "{code}: {error}");
        }
        let again = value_after(&second, state, "import home\nawait home.changed(date='monday')").await;
        assert_eq!(again, json!(["changed", {"date": "monday"}]));
    }
    // A fresh interpreter has only the current tools.
    let fresh = second.run(Execution::new("import home\nhome.removed")).await;
    assert!(matches!(fresh, Err(Error::Rejected(_))), "{fresh:?}");
    drop(second);

    // With the first tools again, the interpreters know which ones they had last.
    let third = home.open(before).await;
    let error = follow(&third, after(&next), "await home.added()").await.error.unwrap();
    assert!(error.message.starts_with("'home.added' is not there any more"), "{error}");
    let code = "import home\n[await home.removed(), await home.changed('x'), x]";
    assert_eq!(
        value_after(&third, &next, code).await,
        json!([["removed", {}], ["changed", {"day": "x"}], [1, 2, 3]])
    );
    assert_eq!(value_after(&third, &kept, "await removed()").await, json!(["removed", {}]));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_images_are_used_in_one_process() {
    let home = Home::new();
    let first = home.open(before).await;
    let old = follow(&first, KeepState::New, "name, secret = 'old', 'only-the-old-one-has-this'").await;
    drop(first);
    let second = home.open(|builder| afterwards(builder).concurrency(4).queue(100)).await;
    let new = follow(&second, KeepState::New, "name = 'new'").await;
    let code = "total = sum(range(20_000))\n[name, total]";
    let run = async |state: &Report| value_after(&second, state, code).await[0].clone();
    for _ in 0..10 {
        assert_eq!((run(&old).await, run(&new).await), (json!("old"), json!("new")));
        let fresh = second.run(Execution::new("1 + 1")).await.unwrap();
        assert_eq!(value_of(&fresh), json!(2));
        let fresh = second.run(Execution::new("secret")).await.unwrap();
        assert_eq!(fresh.error.unwrap().kind, "NameError");
    }
    let ran = join_all((0..40).map(|n| run(if n % 2 == 0 { &old } else { &new }))).await;
    for (n, name) in ran.iter().enumerate() {
        assert_eq!(name, if n % 2 == 0 { "old" } else { "new" });
    }
    // Limits hold there too, and a guest that fails leaves the others alone.
    let limits = Limits::default().memory_bytes_max(64 << 20).wall_time(Duration::from_millis(300));
    for (code, outcome) in
        [("x = bytearray(60_000_000)", Outcome::MemoryLimit), ("while True: pass", Outcome::Timeout)]
    {
        let execution = Execution::new(code).state(after(&old)).limits(limits);
        assert_eq!(second.run(execution).await.unwrap().outcome, outcome);
    }
    assert_eq!((run(&old).await, run(&new).await, second.is_sound()), (json!("old"), json!("new"), true));
}

/// More than stay open.
#[tokio::test(flavor = "multi_thread")]
async fn many_images_are_used_in_turn() {
    let (home, names) = (Home::new(), ["a", "b", "c", "d", "e", "f"]);
    let mut states = Vec::new();
    for name in names {
        let sandbox = home.open(|builder| builder.tool(tool(name, json!({})))).await;
        states.push(follow(&sandbox, KeepState::New, &format!("import home\nname = '{name}'")).await);
    }
    let last = home.open(|builder| builder.tool(tool("a", json!({}))).tool(tool("z", json!({})))).await;
    for _ in 0..2 {
        for (name, state) in names.iter().zip(&states) {
            assert_eq!(value_after(&last, state, "name").await, json!(name));
        }
        let code = "[await home.a(), name]";
        assert_eq!(value_after(&last, &states[0], code).await, json!([["a", {}], "a"]));
    }
    let all =
        join_all(states.iter().map(|state| value_after(&last, state, "import home\nawait home.z()"))).await;
    assert!(all.iter().all(|value| *value == json!(["z", {}])), "{all:?}");
}

async fn gone(sandbox: &Sandbox, state: &Report) {
    for _ in 0..2 {
        let refused = sandbox.run(Execution::new("x").state(after(state))).await;
        assert!(matches!(refused, Err(Error::ImageGone)), "{refused:?}");
    }
    assert_eq!(value_of(&sandbox.run(Execution::new("6 * 7")).await.unwrap()), json!(42));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_not_what_it_was_is_gone() {
    let home = Home::new();
    let first = home.open(before).await;
    let kept = follow(&first, KeepState::New, "x = 1").await;
    drop(first);
    let [memory] = &home.memories()[..] else { panic!("{:?}", home.memories()) };
    // Without guards it is other code: a state must not take them away.
    let open = home.open(|builder| before(builder).policy(Policy::open())).await;
    gone(&open, &kept).await;
    drop(open);
    let intact = fs::read(memory).unwrap();
    let mut damaged = intact.clone();
    damaged[1_000_000] ^= 1;
    fs::write(memory, damaged).unwrap();
    let second = home.open(afterwards).await;
    gone(&second, &kept).await;
    drop(second);
    fs::write(memory, &intact).unwrap();
    let second = home.open(afterwards).await;
    assert_eq!(value_after(&second, &kept, "x").await, json!(1));
    drop(second);
    fs::remove_file(memory).unwrap();
    let second = home.open(afterwards).await;
    gone(&second, &kept).await;
}

/// Adds newer artifacts than the cache keeps beside those that are needed.
fn crowd(cache: &Path, begin: char) {
    for n in 0..9 {
        fs::write(cache.join(format!("{begin}{n}-none.memory")), "").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_stays_in_the_cache_while_the_store_refers_to_it() {
    let home = Home::new();
    let first = home.open(before).await;
    let kept = follow(&first, KeepState::New, "x = 1").await;
    drop(first);
    let memory = home.memories().remove(0);
    crowd(&home.cache(), 'a');
    let second = home.open(afterwards).await;
    assert!(memory.exists() && home.memories().len() < 11, "{:?}", home.memories());
    crowd(&home.cache(), 'b');
    // Another process makes room too.
    Sandbox::builder().cache_dir(home.cache()).build().unwrap();
    assert!(memory.exists());
    assert_eq!(value_after(&second, &kept, "x").await, json!(1));
    for state in second.states().await.unwrap() {
        second.forget_state(state.handle).await.unwrap();
    }
    drop(second);
    crowd(&home.cache(), 'c');
    let third = home.open(|builder| builder.tool(tool("other", json!({})))).await;
    assert!(!memory.exists(), "nothing refers to it any more");
    drop(third);
}

/// Returns tools that need approval, before a restart and after it. `paid` counts calls.
fn tools_to_approve(paid: &Arc<AtomicU32>, is_later: bool) -> Vec<Tool> {
    let pay = |name: &'static str, parameters: Value| {
        let paid = paid.clone();
        let pay = Tool::new("bank", name, move |call: ToolCall| {
            paid.fetch_add(1, Ordering::Relaxed);
            async move { Ok(json!(call.arguments)) }
        });
        pay.parameters(parameters).approval(Approval::Always)
    };
    let euros = || one("euros", "integer");
    let same = pay("same", euros());
    if is_later {
        let other = json!({"properties": {"cents": {"type": "integer"}}, "required": ["cents"], "additionalProperties": false});
        vec![same, pay("described", euros()).describe("Pays twice."), pay("misfit", other)]
    } else {
        vec![same, pay("described", euros()), pay("misfit", euros()), pay("removed", euros())]
    }
}

fn epoch(report: &Report) -> u32 {
    report.waiting.as_ref().unwrap_or_else(|| panic!("{report:?}")).epoch
}

#[tokio::test(flavor = "multi_thread")]
async fn approvals_are_for_the_tools_that_there_are() {
    let (home, paid) = (Home::new(), Arc::<AtomicU32>::default());
    let first = home.open(|builder| builder.tools(tools_to_approve(&paid, false))).await;
    let wait = async |code: &str| {
        let code = format!(
            "import bank, asyncio\ntry:\n    _ = {code}\nexcept bank.ToolDenied as error:\n    _ = str(error)"
        );
        let report = first.run(Execution::new(code).on_wait(OnWait::Return)).await.unwrap();
        assert_eq!((report.outcome, epoch(&report)), (Outcome::Waiting, 1), "{report:?}");
        report.id
    };
    let same = wait("await bank.same(euros=1)").await;
    let described = wait("await bank.described(euros=2)").await;
    let misfit = wait("await bank.misfit(euros=3)").await;
    let removed = wait("await bank.removed(euros=4)").await;
    let both = "await asyncio.gather(bank.same(euros=5), bank.removed(euros=6), return_exceptions=True)";
    let both = wait(&format!("[str(each) for each in {both}]")).await;
    first.shutdown(Duration::from_secs(10)).await;
    drop(first);

    let second = home.open(|builder| builder.tools(tools_to_approve(&paid, true))).await;
    let approve = async |id, epoch| second.resume(id, epoch, vec![(0, Answer::Approve)], None).await;
    assert_eq!(value_of(&approve(same, 1).await.unwrap()), json!({"euros": 1}));
    let refused = approve(described, 1).await.unwrap_err();
    assert!(matches!(refused, Error::StaleEpoch { .. }), "it is asked again: {refused:?}");
    assert_eq!(value_of(&approve(described, 2).await.unwrap()), json!({"euros": 2}));
    let end = async |id| second.wait(id, 2, Duration::from_secs(20)).await.unwrap().into_report().unwrap();
    for (id, why) in [(misfit, "has no argument 'euros'"), (removed, "not granted")] {
        let end = end(id).await;
        let said = value_of(&end).to_string();
        assert!(
            end.outcome == Outcome::Completed && said.contains("was denied") && said.contains(why),
            "{end:?}"
        );
    }
    let waiting = end(both).await;
    let calls: Vec<_> =
        waiting.waiting.as_ref().unwrap().calls.iter().map(|call| call.tool.as_str()).collect();
    assert_eq!(calls, ["bank.same"]);
    let ended = approve(both, epoch(&waiting)).await.unwrap();
    let said = value_of(&ended);
    assert!(said[0] == "{'euros': 5}" && said[1].as_str().unwrap().contains("was denied"), "{said}");
    assert_eq!(paid.load(Ordering::Relaxed), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_that_waits_goes_on_with_other_tools() {
    let home = Home::new();
    let first = home.open(before).await;
    let code = "import home, agenda\nfrom home import changed, removed\nprint('asks')\nday = await agenda.ask()\ndenied = []
for call in (changed(day='x'), removed()):
    try: await call
    except home.ToolDenied as error: denied.append(str(error).split(':')[0])
[day, await home.kept(room=day), denied]";
    let waiting = Execution::new(code).caller_tools([CallerTool::new("agenda.ask")]).state(KeepState::New);
    let waiting = first.run(waiting).await.unwrap();
    assert_eq!(waiting.outcome, Outcome::Waiting, "{waiting:?}");
    let sleeper = Execution::new("import asyncio, home\nawait asyncio.sleep(0.5)\nawait home.kept('bed')");
    let sleeper = first.start(sleeper).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    first.shutdown(Duration::from_secs(10)).await;
    drop(first);

    let second = home.open(afterwards).await;
    let reply = Answer::Reply(RawValue::from_string("\"monday\"".into()).unwrap());
    let end = second.resume(waiting.id, 1, vec![(0, reply)], None).await.unwrap();
    let changed = "'home.changed' has changed since it was imported";
    let removed = "'home.removed' is not there any more";
    assert_eq!((&end.error, end.stdout.text.as_str()), (&None, "asks\n"));
    assert_eq!(value_of(&end), json!(["monday", ["kept", {"room": "monday"}], [changed, removed]]));
    assert_eq!(value_after(&second, &end, "day").await, json!("monday"));
    let end = second.wait(sleeper, 0, Duration::from_secs(20)).await.unwrap().into_report().unwrap();
    assert_eq!(value_of(&end), json!(["kept", {"room": "bed"}]), "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_that_waits_keeps_its_callers_tools_when_the_executor_gets_the_same() {
    let home = Home::new();
    let first = home.open(before).await;
    let code = "import home\nday = await home2.ask()\nday, await home2.ask(), await home.kept('hall')";
    let code = format!("import home2, tools\n{code}, [tool['name'] for tool in tools.search('')]");
    let of_caller = [CallerTool::new("home2.ask")];
    let waiting =
        first.run(Execution::new(code).caller_tools(of_caller).state(KeepState::New)).await.unwrap();
    first.shutdown(Duration::from_secs(10)).await;
    drop(first);

    let own = |name: &str| Tool::new("home2", name, async |_| Ok(json!("the executor's")));
    let second = home.open(|builder| afterwards(builder).tools([own("ask"), own("other")])).await;
    let reply = |json: &str| Answer::Reply(RawValue::from_string(json.into()).unwrap());
    let end = second.resume(waiting.id, 1, vec![(0, reply("1"))], None).await.unwrap();
    assert_eq!(end.outcome, Outcome::Waiting, "{end:?}");
    let end = second.resume(waiting.id, epoch(&end), vec![(1, reply("2"))], None).await.unwrap();
    let found = json!(["home.added", "home.changed", "home.kept", "home2.ask"]);
    let mut value = value_of(&end);
    value[3].as_array_mut().unwrap().sort_by_key(Value::to_string);
    assert_eq!(value, json!([1, 2, ["kept", {"room": "hall"}], found]), "{end:?}");
    // The next program has the executor's.
    let gone = follow(&second, after(&end), "await home2.ask()").await;
    assert!(gone.error.is_some_and(|error| error.message.contains("import it again")));
    let value = value_after(&second, &end, "import home2\nday, await home2.ask(), await home2.other()").await;
    assert_eq!(value, json!([1, "the executor's", "the executor's"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_that_has_not_begun_begins_with_the_current_tools() {
    let home = Home::new();
    let first = home.open(|builder| before(builder).concurrency(1)).await;
    let busy = tokio::spawn({
        let first = first.clone();
        async move { first.run(Execution::new("while True: pass")).await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let queued = first
        .start(Execution::new("import home\nawait home.kept('bed'), hasattr(home, 'added')"))
        .await
        .unwrap();
    let agenda =
        || Execution::new("import home2\nawait home2.ask()").caller_tools([CallerTool::new("home2.ask")]);
    let of_caller = first.start(agenda()).await.unwrap();
    first.shutdown(Duration::ZERO).await;
    drop(first);
    assert_eq!(busy.await.unwrap().unwrap().outcome, Outcome::Cancelled);

    let second = home
        .open(|builder| afterwards(builder).tool(Tool::new("home2", "own", async |_| Ok(json!(1)))))
        .await;
    let end = second.wait(queued, 0, Duration::from_secs(20)).await.unwrap().into_report().unwrap();
    assert_eq!(value_of(&end), json!([["kept", {"room": "bed"}], true]), "{end:?}");
    let lost = second.wait(of_caller, 0, Duration::from_secs(20)).await.unwrap().into_report().unwrap();
    assert_eq!(lost.outcome, Outcome::Lost, "{lost:?}");
    let why = lost.error.unwrap().message;
    assert!(why.contains("its module 'home2' is one of the executor's own"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_that_waits_is_lost_without_its_image() {
    let home = Home::new();
    let first = home.open(before).await;
    let ask =
        || Execution::new("import agenda\nawait agenda.ask()").caller_tools([CallerTool::new("agenda.ask")]);
    let waiting = [first.run(ask()).await.unwrap().id, first.run(ask()).await.unwrap().id];
    first.shutdown(Duration::from_secs(10)).await;
    drop(first);
    let memory = home.memories().remove(0);
    let mut damaged = fs::read(&memory).unwrap();
    damaged[1_000_000] ^= 1;
    fs::write(&memory, damaged).unwrap();
    let second = home.open(afterwards).await;
    let reply = Answer::Reply(RawValue::from_string("1".into()).unwrap());
    let end = second.resume(waiting[0], 1, vec![(0, reply)], None).await.unwrap();
    assert_eq!(end.outcome, Outcome::Lost, "{end:?}");
    second.shutdown(Duration::from_secs(10)).await;
    drop(second);
    fs::remove_file(memory).unwrap();
    let third = home.open(afterwards).await;
    for id in waiting {
        let end = third.status(id).await.unwrap().into_report().unwrap();
        assert_eq!(end.outcome, Outcome::Lost, "{end:?}");
    }
}

const REGISTRY: &str = "services.house = { url = 'http://127.0.0.1:9', signed = false }\n";

#[test]
fn a_hardened_service_opens_an_older_image() {
    let home = Home::new();
    let [registry, store, stubs] = ["tools.toml", "store", "stubs"].map(|name| home.0.path().join(name));
    let start = |tools: &str, mode: &str| {
        fs::write(&registry, format!("{REGISTRY}{tools}")).unwrap();
        Service::start(&[
            ("CACHE_DIR", home.cache().to_str().unwrap()),
            ("ENABLE_MCP_NETWORK_TOOLS", "true"),
            ("TOOL_SIGNING_KEY", "a key of the tests that has at least 32 bytes"),
            ("TOOLS_CONFIG", registry.to_str().unwrap()),
            ("MCP_WORKSPACE_DIR", stubs.to_str().unwrap()),
            ("STORE", store.to_str().unwrap()),
            ("STORE_MB", "32"),
            ("HARDENING", mode),
        ])
    };
    let mode = if landlock_version() < 6 { "on" } else { "require" };
    let service = start("[tools.house.old]\npath = '/old'\n", mode);
    let (_, first) = service.execute(&json!({"code": "import house\nx = 41", "state": "new"}));
    drop(service);
    let service = start("[tools.house.new]\npath = '/new'\n", mode);
    let code = "try:\n    await house.old()\nexcept house.ToolDenied as error:\n    x += 1\nx";
    let (status, second) = service.execute(&json!({"code": code, "state": first["state"]}));
    assert_eq!((status, &second["return_value"]), (200, &json!(42)), "{second}");
    let (_, third) = service.execute(&json!({"code": "x", "state": second["state"]}));
    assert_eq!(third["return_value"], 42, "{third}");
    drop(service);
    home.memories().iter().for_each(|memory| fs::remove_file(memory).unwrap());
    let service = start("", mode);
    let (status, refused) = service.execute(&json!({"code": "x", "state": second["state"]}));
    assert_eq!((status, &refused["code"]), (410, &json!("image_gone")), "{refused}");
}
