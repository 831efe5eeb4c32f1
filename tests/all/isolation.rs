//! Tests that executions share no state and do not affect each other.

use std::collections::HashSet;
use std::time::Duration;

use ai_code_executor::{Error, Execution, Layers, Limits, Outcome, Sandbox};
use futures::future::join_all;
use tokio::time::timeout;

use crate::support::{cache_dir, run, value_of};

#[tokio::test]
async fn nothing_is_left_for_the_next_execution() {
    run("import json, math\njson.secret = 1\nmath.secret = 2\nsecret = 3\n").await;
    let look = "import json, math\n[hasattr(json, 'secret'), hasattr(math, 'secret')]";
    assert_eq!(value_of(&run(look).await).to_string(), "[false,false]");
    assert_eq!(run("secret").await.error.unwrap().kind, "NameError");
}

#[tokio::test]
async fn no_two_executions_share_their_randomness() {
    let code = "import random, uuid, secrets\n\
        import numpy as np\n\
        [random.random(), random.getrandbits(64), str(uuid.uuid4()), secrets.token_hex(8), random.Random().random(),\n\
         np.random.rand(), np.random.default_rng().random(), np.random.RandomState().rand()]";
    let mut seen = HashSet::new();
    for _ in 0..5 {
        for value in value_of(&run(code).await).as_array().unwrap() {
            assert!(seen.insert(value.to_string()), "{value} came twice");
        }
    }
}

#[tokio::test]
async fn the_clock_shows_the_current_time() {
    let report = run("import time, datetime\n[time.time(), datetime.datetime.now(datetime.UTC).year]").await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let value = value_of(&report);
    assert!((value[0].as_f64().unwrap() - now).abs() < 5.0);
    assert!(value[1].as_i64().unwrap() >= 2026);
}

/// Reads every function of `time` that takes no argument and returns a number, every clock by its number, and the
/// clocks outside of `time`. For each, returns the last digits of its microseconds.
const CLOCKS: &str = "
import time, datetime, asyncio, os
await asyncio.sleep(0)
reads = {f'time.{name}': getattr(time, name) for name in dir(time)}
reads |= {f'clock {n}': (lambda n=n: time.clock_gettime(n)) for n in range(16)}
reads['datetime'] = lambda: datetime.datetime.now().timestamp()
reads['loop'] = asyncio.get_running_loop().time
reads['times'] = lambda: os.times().elapsed
reads['user'] = lambda: os.times().user
found = {}
for name, read in reads.items():
    try: values = {read() for _ in range(2000)}
    except Exception: continue
    if not all(type(value) in (int, float) for value in values): continue
    scale = 1 if name.endswith('_ns') else 1e9
    found[name] = sorted({round(value * scale / 1000) % 10 for value in values})
found
";

#[tokio::test]
async fn no_clock_is_finer_than_ten_microseconds() {
    let sandbox = Sandbox::builder().layers(Layers::WallOnly).cache_dir(cache_dir()).build().unwrap();
    let report = sandbox.run(Execution::new(CLOCKS)).await.unwrap();
    let found = value_of(&report);
    let found = found.as_object().unwrap_or_else(|| panic!("{report:?}"));
    for name in ["time.time_ns", "time.perf_counter_ns", "time.monotonic", "clock 0", "datetime", "loop"] {
        assert!(found.contains_key(name), "{name}: {found:?}");
    }
    for (name, digits) in found {
        assert_eq!(digits, &serde_json::json!([0]), "the last digit of {name}'s microseconds");
    }
}

fn one_slot() -> Sandbox {
    Sandbox::builder().concurrency(1).queue(1).cache_dir(cache_dir()).build().unwrap()
}

#[tokio::test]
async fn a_dropped_execution_frees_its_slot() {
    let sandbox = one_slot();
    for code in
        ["while True: pass", "import time\ntime.sleep(100)", "import asyncio\nawait asyncio.sleep(100)"]
    {
        let abandoned = timeout(Duration::from_millis(50), sandbox.run(Execution::new(code))).await;
        assert!(abandoned.is_err(), "{code}");
        let next = timeout(Duration::from_secs(10), sandbox.run(Execution::new("1"))).await.expect(code);
        assert_eq!(next.unwrap().outcome, Outcome::Completed);
    }
}

#[tokio::test]
async fn a_full_queue_refuses_executions() {
    let sandbox = one_slot();
    let limits = Limits::default().wall_time(Duration::from_millis(500));
    let long = || sandbox.run(Execution::new("while True: pass").limits(limits));
    let (first, second, third) = tokio::join!(long(), long(), long());
    let turned_away =
        [&first, &second, &third].iter().filter(|ended| matches!(ended, Err(Error::Busy { .. }))).count();
    assert_eq!(turned_away, 1);
    assert_eq!([first, second, third].into_iter().flatten().count(), 2);
}

#[tokio::test]
async fn shutdown_lets_executions_finish_then_cancels_them() {
    let sandbox = one_slot();
    let finishing = sandbox.run(Execution::new("import time\ntime.sleep(1)\n'done'"));
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        sandbox.shutdown(Duration::from_secs(10)).await;
    };
    let (finished, ()) = tokio::join!(finishing, stopping);
    assert_eq!(finished.unwrap().outcome, Outcome::Completed);
    assert!(matches!(sandbox.run(Execution::new("1")).await, Err(Error::ShuttingDown)));

    let sandbox = one_slot();
    let spinning = sandbox.run(Execution::new("print('so far')\nwhile True: pass"));
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        sandbox.shutdown(Duration::from_millis(10)).await;
    };
    let (cancelled, ()) = tokio::join!(spinning, stopping);
    let cancelled = cancelled.unwrap();
    assert_eq!((cancelled.outcome, cancelled.stdout.text.as_str()), (Outcome::Cancelled, "so far\n"));
}

#[tokio::test]
async fn context_becomes_variables_and_bad_keys_are_named() {
    let context = |json: &str| serde_json::from_str(json).unwrap();
    let execution = Execution::new("[rooms, größe]").context(context(r#"{"rooms": ["hall"], "größe": 2}"#));
    let report = crate::support::sandbox().run(execution).await.unwrap();
    assert_eq!(value_of(&report).to_string(), r#"[["hall"],2]"#);
    for (key, why) in
        [("__builtins__", "underscores"), ("a b", "identifier"), ("", "identifier"), ("1a", "identifier")]
    {
        let execution = Execution::new("1").context(context(&format!("{{\"{key}\": 1}}")));
        let error = crate::support::sandbox().run(execution).await.unwrap_err().to_string();
        assert!(error.contains(&format!("'{key}'")) && error.contains(why), "{error}");
    }
}

#[test]
fn invalid_settings_fail_the_build() {
    let tiny = Limits::default().memory_bytes_max(1 << 20);
    let error = Sandbox::builder().ceilings(tiny).cache_dir(cache_dir()).build().err().unwrap();
    assert!(matches!(error, Error::MemoryBelowImage { .. }), "{error}");
    assert!(matches!(Sandbox::builder().concurrency(0).build().err().unwrap(), Error::Config { .. }));
}

fn large_programs(count: u32) -> impl Iterator<Item = Execution> {
    (0..count).map(|n| Execution::new(format!("x = {n}\n") + &"yyyyyyyy = 1\n".repeat(500) + "x"))
}

/// The check of large programs has its own queue. It is as long as the number of executions that may run and wait.
#[tokio::test]
async fn large_programs_wait_in_a_queue_to_be_checked() {
    let sandbox = Sandbox::builder().concurrency(2).queue(1).cache_dir(cache_dir()).build().unwrap();
    let ended = join_all(large_programs(7).map(|program| sandbox.run(program))).await;
    let mut refused = ended.iter().filter_map(|ended| ended.as_ref().err());
    assert!(refused.all(|error| error.to_string().starts_with("The queue is full: ")), "{ended:?}");
    let busy = ended.iter().filter(|ended| matches!(ended, Err(Error::Busy { .. }))).count();
    let values: Vec<u32> = ended.iter().flatten().filter_map(|report| report.value_as().ok()).collect();
    // While the first is checked, three wait, and the others are refused. Of these four, one may be refused later, if
    // it finds two running and one waiting.
    assert!((3..=4).contains(&busy), "{ended:?}");
    assert!(values.len() == 7 - busy && values.iter().all(|value| *value < 4), "{ended:?}");
}

#[tokio::test]
async fn without_a_queue_as_many_large_programs_are_checked_as_there_are_slots() {
    let sandbox = Sandbox::builder().concurrency(2).queue(0).cache_dir(cache_dir()).build().unwrap();
    let ended = join_all(large_programs(2).map(|program| sandbox.run(program))).await;
    let values: Vec<u32> = ended.iter().flatten().filter_map(|report| report.value_as().ok()).collect();
    assert_eq!(values, [0, 1], "{ended:?}");
}
