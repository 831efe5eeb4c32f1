//! Checks that programs end the same with this project's WASI and with the reference implementation of
//! `hostcall::oracle`.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use serde_json::Value;

use super::isolation_tests::cache_dir;
use super::*;

fn sandbox() -> Sandbox {
    Sandbox::builder().cache_dir(cache_dir()).build().unwrap()
}

/// Returns everything that a caller sees of an execution, except measurements.
async fn end_of(sandbox: &Sandbox, code: &str) -> String {
    let context = code.lines().find_map(|line| line.strip_prefix("#> context: "));
    let context: Value = serde_json::from_str(context.unwrap_or("{}")).unwrap();
    let execution = context.as_object().unwrap().iter();
    let execution =
        execution.fold(Execution::new(code), |execution, (name, value)| execution.variable(name, value));
    let Report { outcome, value, value_is_repr, stdout, stderr, error, .. } =
        sandbox.run(execution).await.unwrap();
    format!("{outcome:?} {value:?} {value_is_repr} {stdout:?} {stderr:?} {error:?}")
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_end_the_same_with_the_oracle() {
    let (ours, mut theirs) = (sandbox(), sandbox());
    let inner = Arc::get_mut(&mut theirs.0).unwrap();
    Arc::get_mut(&mut inner.shared).unwrap().template.ask_oracle().unwrap();
    let resolution = "import time\ntime.clock_getres(time.CLOCK_MONOTONIC)";
    let resolutions = (end_of(&ours, resolution).await, end_of(&theirs, resolution).await);
    assert!(resolutions.0.contains("1e-05") && resolutions.1.contains("1e-09"), "{resolutions:?}");

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut wrong = Vec::new();
    let mut programs = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let code = std::fs::read_to_string(&path).unwrap();
        let ends = (end_of(&ours, &code).await, end_of(&theirs, &code).await);
        if ends.0 != ends.1 {
            wrong.push(format!("{}\n  ours:   {}\n  theirs: {}", path.display(), ends.0, ends.1));
        }
        programs += 1;
    }
    assert!(programs > 100, "only {programs} programs found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
