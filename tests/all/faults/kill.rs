//! `kill -9` at any moment: the next start works and uses no partial file.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Service, code_artifact, executor, files_below, signal};

/// Number of kills, 100 ms apart. Making an image takes a fraction of a second if its machine code is cached, else some
/// seconds.
const STEPS: u32 = 12;

fn prepare(cache: &Path) -> Child {
    executor().arg("prepare").env("CACHE_DIR", cache).stderr(Stdio::null()).spawn().unwrap()
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn is_unfinished(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "tmp")
}

/// Checks that every file with an artifact's name is complete: its digest is the one in its name.
fn assert_no_partial_artifacts(cache: &Path) {
    for path in files_below(cache).into_iter().filter(|path| !is_unfinished(path)) {
        let digest = blake3::hash(&fs::read(&path).unwrap()).to_hex();
        assert!(path.file_stem().unwrap().to_str().unwrap().ends_with(digest.as_str()), "{}", path.display());
    }
}

/// Checks that the next start works and removes partial files.
fn assert_recovers(cache: &Path) {
    let program = cache.with_extension("py");
    fs::write(&program, "print(6 * 7)").unwrap();
    let output = executor().arg("run").arg(program).env("CACHE_DIR", cache).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "42\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_no_partial_artifacts(cache);
    let left: Vec<_> = files_below(cache).into_iter().filter(|path| is_unfinished(path)).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Starts `prepare` and kills it as soon as it has written `bytes` bytes of an artifact.
fn kill_while_it_writes(cache: &Path, bytes: u64) {
    let child = prepare(cache);
    let started = Instant::now();
    let is_writing = || {
        let files = fs::read_dir(cache).into_iter().flatten().filter_map(Result::ok);
        let mut unfinished = files.filter(|file| is_unfinished(&file.path()));
        unfinished.any(|file| file.metadata().is_ok_and(|metadata| metadata.len() >= bytes))
    };
    while !is_writing() {
        assert!(started.elapsed() < Duration::from_mins(2), "no artifact is being written");
    }
    kill(child);
}

#[test]
fn an_image_is_made_again_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    kill_while_it_writes(&cache, 1);
    assert_no_partial_artifacts(&cache);
    assert!(
        files_below(&cache).iter().any(|path| is_unfinished(path)),
        "killed before the artifact was complete"
    );
    assert_recovers(&cache);

    let forget_memory = || {
        let is_memory = |path: &Path| path.extension().is_some_and(|extension| extension == "memory");
        files_below(&cache)
            .iter()
            .filter(|path| is_memory(path))
            .for_each(|path| fs::remove_file(path).unwrap());
    };
    for bytes in [0, 1, 4 << 20, 12 << 20] {
        forget_memory();
        kill_while_it_writes(&cache, bytes);
        assert_no_partial_artifacts(&cache);
    }
    for step in 0..STEPS {
        forget_memory();
        let child = prepare(&cache);
        std::thread::sleep(Duration::from_millis(100) * step);
        kill(child);
        assert_no_partial_artifacts(&cache);
    }
    forget_memory();
    assert_recovers(&cache);
}

#[test]
fn several_processes_can_make_the_same_image() {
    let dir = tempfile::tempdir().unwrap();
    let code = code_artifact();
    fs::copy(&code, dir.path().join(code.file_name().unwrap())).unwrap();
    let makers: Vec<Child> = (0..3).map(|_| prepare(dir.path())).collect();
    for mut maker in makers {
        assert!(maker.wait().unwrap().success());
    }
    assert_no_partial_artifacts(dir.path());
    assert_eq!(files_below(dir.path()).len(), 2, "{:?}", files_below(dir.path()));
}

#[test]
fn a_killed_service_restarts_on_the_same_port() {
    let mut service = Service::start(&[]);
    let (_, port) = service.address.rsplit_once(':').unwrap();
    let port = port.to_owned();
    for _ in 0..5 {
        std::thread::scope(|scope| {
            let service = &service;
            let running = ["while True: pass", "import asyncio\nawait asyncio.sleep(20)"]
                .map(|code| scope.spawn(move || service.execute(&json!({"code": code})).0));
            service.await_metric("code_executions_active 2\n");
            signal(service, Signal::KILL);
            assert!(
                running.into_iter().all(|run| run.join().unwrap() == 0),
                "connections are closed without an answer"
            );
        });
        service = Service::start(&[("SERVICE_PORT", &port)]);
        assert!(service.is_honest());
    }
}
