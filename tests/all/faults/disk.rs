//! Full and read-only disks, for the image cache and for the log.

use std::fs::File;
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use crate::support::{Service, TOKEN, code_artifact, executor};

/// Runs `6 * 7` with a cache on a file system of its own, which `commands` prepare; the cache holds only the machine
/// code. Also lists the files in it afterwards. Returns `None` if this user cannot mount file systems.
fn run_with_cache_on(commands: &str) -> Option<Output> {
    let dir = tempfile::tempdir().unwrap();
    let script = format!("{commands} && {{ echo 'print(6 * 7)' | \"$0\" run -; ls -A .; }}");
    let mut command = Command::new("unshare");
    command
        .args(["--map-root-user", "--mount", "sh", "-c", &script])
        .arg(executor().get_program())
        .arg(code_artifact());
    let output = command.current_dir(dir.path()).env("CACHE_DIR", dir.path()).output().ok()?;
    if output.stdout.is_empty() {
        println!("skipped: {}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    Some(output)
}

#[test]
fn a_full_or_read_only_cache_is_only_a_warning() {
    let mount =
        "mount -t tmpfs -o mode=0700,size=22m none \"$CACHE_DIR\" && cd \"$CACHE_DIR\" && cp \"$1\" .";
    let cases = [
        (mount.to_owned(), "No space left on device"),
        (format!("{mount} && mount -o remount,ro \"$CACHE_DIR\""), "Read-only file system"),
    ];
    for (commands, why) in cases {
        let Some(output) = run_with_cache_on(&commands) else { return };
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("image not cached") && said.contains(why), "{said}");
        // No partial file is left behind.
        let code = code_artifact().file_name().unwrap().to_owned().into_string().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("42\n{code}\n"), "{said}");
    }
}

/// Returns an address on which nothing listens yet.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn a_failing_log_does_not_stop_the_service() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    for log in [Stdio::from(full), Stdio::from(writer)] {
        let address = free_address();
        let (_, port) = address.rsplit_once(':').unwrap();
        let mut command = executor();
        command
            .env("EXECUTOR_API_TOKEN", TOKEN)
            .env("SERVICE_PORT", port)
            .env("LOG_LEVEL", "DEBUG")
            .stderr(log);
        let mut service =
            Service { child: command.spawn().unwrap(), address, log: Arc::default() }.until_ready();
        assert!(service.is_honest());
    }
}
