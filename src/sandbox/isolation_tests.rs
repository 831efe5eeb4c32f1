//! Isolation, checked from the host: whatever an execution does and however it ends, the next one starts with memory
//! that equals the image in every byte.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use tokio::sync::Barrier;
use tokio::time::timeout;
use uuid::Uuid;

use super::*;
use crate::instance::Opened;
use crate::tools::{Tool, ToolCall};

const SLOTS: u32 = 3;

/// The memory limit of executions in these tests.
const BYTES_MAX: u64 = 96 << 20;

/// A program that stores the secret from its context wherever CPython stores data: in strings of each width, interned
/// strings, keys and names, bytes, large and small objects, caches, frames of a deep stack, modules, and both streams.
const EVERYWHERE: &str = r"
import array, collections, functools, json, random, re, sys, types, zlib
kept = [secret * n for n in (1, 2, 300, 70_000)]
kept += [secret + '\u0416', secret + '\U0001f600', (secret + '\u0416') * 5000, (secret + '\U0001f600') * 5000]
kept += [secret.encode(), bytearray(secret.encode() * 9000), array.array('u', secret * 50)]
kept += [{secret + str(n): n for n in range(3000)}, collections.Counter(secret * 3)]
kept += [type(secret, (), {secret: secret}), types.SimpleNamespace(**{secret: secret}), sys.intern(secret * 2)]
setattr(json, 'left_behind', secret)
json.dumps({secret: [secret]}), json.loads(json.dumps([secret] * 1000))
re.compile(secret), re.sub(secret, 'x', secret * 10)
functools.lru_cache(lambda text: text * 2)(secret)
random.seed(secret)
zlib.compress(secret.encode() * 1000)
def descend(n, carried):
    own = carried + str(n)
    return own if n == 0 else descend(n - 1, carried)
descend(400, secret)
print(secret * 20_000)
print(secret, file=sys.stderr)
";

/// Ends of programs that have stored the secret everywhere: code, and the beginning of the error ("" for none). They add
/// the secret to tracebacks, and to a tool's arguments and reply.
const ENDS: [(&str, &str); 14] = [
    ("secret", ""),
    ("raise ValueError(secret)", "ValueError: secret"),
    ("def f(own): return f(own + secret)\nf(secret)", "RecursionError: "),
    ("import spy\nawait spy.echo(secret * 1000)", ""),
    ("import spy, asyncio\nawait asyncio.gather(spy.echo(secret), spy.never(secret))", "ToolTimeout: "),
    ("import time\ntime.sleep(60)", "Execution exceeded 10s timeout"),
    ("while True: secret + secret", "CPU budget of 1s exhausted"),
    ("kept.append(secret.encode() * (1 << 24))", "Memory limit of 96 MB exceeded"),
    ("while True: kept.append(bytearray(secret.encode() * 50_000))", "Memory limit of 96 MB exceeded"),
    ("raise SystemExit(secret)", "SystemExit: secret"),
    (
        "class Loud:\n    def __repr__(self): return self.__repr__() + secret\nrepr(Loud())",
        "RecursionError: ",
    ),
    ("import json\njson.loads('[' * 200_000)", "RecursionError: "),
    ("import os\nos.abort()", "SystemError: The interpreter crashed: "),
    ("import os\nos._exit(3)", "SystemError: The interpreter crashed: exit status 3"),
];

pub(crate) fn cache_dir() -> PathBuf {
    // The executable is target/<profile>/deps/<this test>.
    let executable = std::env::current_exe().unwrap();
    executable.ancestors().nth(3).unwrap().join("tmp/images")
}

fn sandbox(meeting: &Arc<Barrier>) -> Sandbox {
    let meeting = meeting.clone();
    let meet = Tool::new("spy", "meet", move |_| {
        let meeting = meeting.clone();
        async move {
            meeting.wait().await;
            Ok(json!(null))
        }
    });
    let one = json!({"properties": {"value": {}}});
    let echo =
        Tool::new("spy", "echo", async |call: ToolCall| Ok(json!(call.arguments))).parameters(one.clone());
    let never = Tool::new("spy", "never", |_| std::future::pending()).parameters(one);
    let ceilings = Limits {
        memory_bytes_max: BYTES_MAX,
        wall_time: Duration::from_secs(10),
        cpu_time: Duration::from_secs(1),
        tool_time: Duration::from_millis(700),
        ..Limits::default()
    };
    let builder = Sandbox::builder().concurrency(SLOTS).queue(64).ceilings(ceilings).layers(Layers::WallOnly);
    builder.tools([meet, echo, never]).cache_dir(cache_dir()).build().unwrap()
}

fn execution(code: &str, secret: &str, limits: Limits) -> Execution {
    Execution { limits, ..Execution::new(code) }.variable("secret", &json!(secret))
}

/// Returns the instance of an execution that has not started.
async fn open(sandbox: &Sandbox, execution: &Execution) -> Opened {
    let source = ValidatedSource::unchecked(execution.code.clone());
    let grants = Grants::default();
    let id = ExecutionId::random();
    let edition = sandbox.0.shared.edition();
    let run = Run {
        id,
        base: &edition.base,
        source: &source,
        execution,
        grants,
        in_callers_thread: false,
        pauses: Pauses::Never,
        after: None,
    };
    sandbox.0.shared.template.open(run).await.unwrap()
}

/// Asserts that the memory of every slot holds the image, followed by zeros up to the memory limit.
async fn assert_nothing_is_left(sandbox: &Sandbox, image: &[u8], after: &str) {
    let execution = Execution { limits: sandbox.0.shared.ceilings, ..Execution::new("1") };
    let mut next = join_all((0..=SLOTS).map(|_| open(sandbox, &execution))).await;
    let zeros = vec![0; usize::try_from(BYTES_MAX).unwrap() - image.len()];
    for opened in &mut next {
        assert!(opened.memory() == image, "memory differs from the image after {after}");
        opened.grow(image.len() + zeros.len()).unwrap();
        assert!(opened.memory()[image.len()..] == zeros, "memory that grew is not zero after {after}");
    }
}

/// Returns whether a page of `memory` that differs from the image contains `what`.
fn holds(memory: &[u8], image: &[u8], what: &[u8]) -> bool {
    let pages = memory
        .chunks(4096)
        .enumerate()
        .filter(|(n, page)| image.get(n * 4096..n * 4096 + page.len()) != Some(page));
    pages.into_iter().any(|(_, page)| page.windows(what.len()).any(|window| window == what))
}

/// Encodes ASCII text with this number of bytes for each character, as CPython stores it.
fn wide(text: &str, bytes: usize) -> Vec<u8> {
    text.bytes().flat_map(|byte| [byte, 0, 0, 0].into_iter().take(bytes)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_execution_starts_with_the_image() {
    let meeting = Arc::new(Barrier::new(SLOTS as usize));
    let sandbox = sandbox(&meeting);
    let (secret, limits) = (format!("secret{}", Uuid::new_v4().simple()), sandbox.0.shared.ceilings);
    let image = open(&sandbox, &execution("1", &secret, limits)).await.memory().to_vec();

    // First show that the search works: after the program has run, it finds the secret in all widths.
    let mut opened = open(&sandbox, &execution(EVERYWHERE, &secret, limits)).await;
    assert!(opened.memory() == image, "memory must equal the image before the program runs");
    opened.run().await.unwrap();
    for width in [1, 2, 4] {
        assert!(
            holds(opened.memory(), &image, &wide(&secret, width)),
            "the secret is not found with {width} bytes for each character"
        );
    }
    drop(opened);
    assert_nothing_is_left(&sandbox, &image, "an inspected instance").await;

    for (end, said) in ENDS {
        // All slots are in use at the same time, so the secret is in each of them.
        let code = format!("import spy\nawait spy.meet()\n{EVERYWHERE}\n{end}");
        let runs = join_all((0..SLOTS).map(|_| sandbox.run(execution(&code, &secret, limits)))).await;
        for report in runs {
            let report = report.unwrap();
            assert!(report.stdout.text.contains(&secret), "{end}: {:?}", report.error);
            let error = report.error.map(|error| error.to_string()).unwrap_or_default();
            assert!(error.starts_with(said) && error.is_empty() == said.is_empty(), "{end}: {error}");
        }
        assert_nothing_is_left(&sandbox, &image, end).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn abandoned_executions_leave_nothing() {
    let sandbox = sandbox(&Arc::new(Barrier::new(1)));
    let (secret, limits) = (format!("secret{}", Uuid::new_v4().simple()), sandbox.0.shared.ceilings);
    let image = open(&sandbox, &execution("1", &secret, limits)).await.memory().to_vec();
    for end in [
        "import spy\nawait spy.never(secret * 1000)",
        "while True: secret + secret",
        "import time\ntime.sleep(60)",
    ] {
        for patience in [1, 20, 200, 500] {
            let code = format!("{EVERYWHERE}\n{end}");
            let patience = Duration::from_millis(patience);
            let given_up = join_all(
                (0..SLOTS).map(|_| timeout(patience, sandbox.run(execution(&code, &secret, limits)))),
            )
            .await;
            assert!(given_up.iter().all(Result::is_err), "{end}");
            // Wait until the abandoned guests have stopped, which they do at their next yield.
            while !sandbox.metrics().encode().contains("code_executions_active 0\n") {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert_nothing_is_left(&sandbox, &image, end).await;
        }
    }
}
