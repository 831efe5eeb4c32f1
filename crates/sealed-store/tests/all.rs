//! A store as its users see it: revisions, room, times, crashes, damage.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use sealed_store::{
    ENTRY_BYTES_MAX, Embedded, Entry, Error, InMemory, NAME_BYTES_MAX, OpenError, Share, Store,
};

const FILE_BYTES: u64 = 16 << 20;

fn entry(bytes: impl Into<Vec<u8>>) -> Entry {
    let expires_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
    Entry { bytes: bytes.into(), share: Share::Whole, expires_at, wakes_at: None }
}

/// Bytes that differ for each seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[tokio::test]
async fn one_of_those_who_replace_a_revision_succeeds() {
    let dir = tempfile::tempdir().unwrap();
    let in_file = Embedded::open(dir.path(), FILE_BYTES).unwrap();
    let stores: [Box<dyn Store>; 2] = [Box::new(in_file), Box::new(InMemory::new(FILE_BYTES))];
    for store in stores {
        let first = store.create("a", entry("1")).await.unwrap();
        assert_eq!(store.create("a", entry("2")).await, Err(Error::Exists));
        assert_eq!(store.swap("b", first, entry("2")).await, Err(Error::Conflict));
        let texts: Vec<_> = (0..20).map(|n| n.to_string()).collect();
        let swaps = texts.iter().map(|text| store.swap("a", first, entry(text.as_bytes())));
        let swapped = futures::future::join_all(swaps).await;
        let won: Vec<_> = swapped.iter().filter_map(|swap| swap.as_ref().ok()).collect();
        assert_eq!(won.len(), 1, "{swapped:?}");
        let (revision, found) = store.get("a").await.unwrap().unwrap();
        assert!(
            revision > first
                && revision == *won[0]
                && texts.contains(&String::from_utf8(found.bytes).unwrap())
        );
        assert_eq!(store.remove("a", Some(first)).await, Err(Error::Conflict));
        assert_eq!(store.remove("a", Some(revision)).await, Ok(true));
        assert_eq!((store.remove("a", None).await, store.get("a").await), (Ok(false), Ok(None)));
        assert!(store.create("a", entry("3")).await.unwrap() > revision);
    }
}

#[tokio::test]
async fn entries_and_revisions_are_there_after_the_store_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let wakes_at = Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1234));
    let large = Entry { share: Share::Half, wakes_at, ..entry(noise(1, 1 << 20)) };
    let (first, last) = {
        let store = Embedded::open(dir.path(), FILE_BYTES).unwrap();
        let first = store.create("large", large.clone()).await.unwrap();
        store.create("empty", entry("")).await.unwrap();
        let last = store.create("gone", entry("x")).await.unwrap();
        store.remove("gone", None).await.unwrap();
        (first, last)
    };
    let store = Embedded::open(dir.path(), FILE_BYTES).unwrap();
    assert_eq!(store.get("large").await.unwrap(), Some((first, large)));
    assert_eq!(store.get("empty").await.unwrap().unwrap().1, entry(""));
    assert_eq!(store.get("gone").await.unwrap(), None);
    assert!(store.create("new", entry("")).await.unwrap() > last, "no revision comes back");
    let names: Vec<_> = store.list("").await.unwrap().into_iter().map(|listed| listed.name).collect();
    assert_eq!(names, ["empty", "large", "new"]);
    assert_eq!(store.list("la").await.unwrap()[0].bytes, 1 << 20);
}

#[tokio::test]
async fn what_expires_or_wakes_first_is_due_first() {
    let store = InMemory::new(FILE_BYTES);
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    for (name, expires, wakes) in
        [("c", 30, None), ("a", 50, Some(10)), ("b", 20, Some(40)), ("d", 90, Some(60))]
    {
        let entry = Entry { expires_at: at(expires), wakes_at: wakes.map(at), ..entry("") };
        store.create(name, entry).await.unwrap();
    }
    let due = async |until, max| {
        let due = store.due(at(until), max).await.unwrap();
        due.into_iter().map(|listed| listed.name).collect::<String>()
    };
    assert_eq!(due(9, 10).await, "");
    assert_eq!(due(30, 10).await, "abc");
    assert_eq!(due(99, 2).await, "ab");
    store.remove("a", None).await.unwrap();
    assert_eq!(due(99, 10).await, "bcd");
}

#[tokio::test]
async fn a_full_store_refuses_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Embedded::open(dir.path(), FILE_BYTES).unwrap();
    let half = |n: u64| Entry { share: Share::Half, ..entry(noise(n, 200_000)) };
    let mut halves = 0;
    while store.create(&format!("half/{halves}"), half(halves)).await.is_ok() {
        halves += 1;
    }
    let share = halves * 200_000;
    assert!(share > store.bytes_max() * 2 / 5 && share <= store.bytes_max() / 2, "{share}");
    let mut wholes = 0;
    loop {
        match store.create(&format!("whole/{wholes}"), entry(noise(wholes, 50_000))).await {
            Ok(_) => wholes += 1,
            Err(error) => break assert_eq!(error, Error::Full),
        }
    }
    let (revision, _) = store.get("half/0").await.unwrap().unwrap();
    assert_eq!(store.swap("half/0", revision, entry(noise(0, 400_000))).await, Err(Error::Full));
    assert_eq!(store.get("half/0").await.unwrap(), Some((revision, half(0))));
    store.remove("whole/0", None).await.unwrap();
    store.create("whole/0", entry(noise(9, 40_000))).await.unwrap();
    assert_eq!(store.create("x", entry(vec![0; ENTRY_BYTES_MAX + 1])).await, Err(Error::TooLarge));
    assert_eq!(store.create(&"x".repeat(NAME_BYTES_MAX + 1), entry("")).await, Err(Error::TooLarge));
}

/// Entries of all sizes come and go for a long time near the limit: the database never needs more than the file.
#[tokio::test(flavor = "multi_thread")]
async fn the_file_never_grows() {
    let dir = tempfile::tempdir().unwrap();
    let store = Embedded::open(dir.path(), FILE_BYTES).unwrap();
    let (mut refused, mut random) = (0, 7_u64);
    for round in 0..700 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (name, length) =
            (format!("n{}", (random >> 33) % 60), (random >> 20) % (1 << (8 + (random >> 50) % 14)));
        let new = entry(noise(round, usize::try_from(length).unwrap()));
        let changed = match (store.get(&name).await.unwrap(), round % 5) {
            (None, _) => store.create(&name, new).await.map(drop),
            (Some(_), 0) => store.remove(&name, None).await.map(drop),
            (Some((revision, _)), _) => store.swap(&name, revision, new).await.map(drop),
        };
        match changed {
            Err(Error::Full) => refused += 1,
            changed => changed.unwrap(),
        }
    }
    assert!(refused > 8, "only {refused} were refused");
    let file = std::fs::metadata(dir.path().join("store")).unwrap();
    assert_eq!(file.len(), FILE_BYTES);
    assert!(file.blocks() * 512 >= FILE_BYTES, "it is allocated");
}

#[tokio::test]
async fn a_store_belongs_to_one_process_and_one_user() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("made");
    let store = Embedded::open(&inner, FILE_BYTES).unwrap();
    let error = Embedded::open(&inner, FILE_BYTES).unwrap_err();
    assert!(matches!(error, OpenError::InUse(_)) && error.to_string().contains("made/store"), "{error}");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&inner), mode(&inner.join("store"))), (0o700, 0o600));
    drop(store);
    drop(Embedded::open(&inner, FILE_BYTES).unwrap());
    assert!(matches!(Embedded::open(&inner, 1 << 20).unwrap_err(), OpenError::TooSmall));
    drop(Embedded::open(&inner, 2 * FILE_BYTES).unwrap());
    drop(Embedded::open(&inner, FILE_BYTES).unwrap());
    assert_eq!(std::fs::metadata(inner.join("store")).unwrap().len(), 2 * FILE_BYTES, "it keeps its size");
}

#[tokio::test]
async fn files_of_something_else_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    std::fs::write(&path, "a letter").unwrap();
    let error = Embedded::open(dir.path(), FILE_BYTES).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    assert!(std::fs::read(&path).unwrap().starts_with(b"a letter"));
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/null", &path).unwrap();
    assert!(matches!(Embedded::open(dir.path(), FILE_BYTES).unwrap_err(), OpenError::Io { .. }));
}

/// Whatever byte is changed: the store opens, and what it gives was put there; or it does not open.
#[tokio::test]
async fn a_damaged_file_is_an_error_or_harmless() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = Embedded::open(dir.path(), FILE_BYTES).unwrap();
        for n in 0..40 {
            store.create(&format!("n{n}"), entry(noise(n, 3000))).await.unwrap();
        }
    }
    let path = dir.path().join("store");
    let whole = std::fs::read(&path).unwrap();
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
    let mut refused = 0;
    for n in 0..60_u64 {
        let at = used as u64 * n / 60 + n;
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.write_all_at(&whole, 0).unwrap();
        file.write_all_at(&[!whole[usize::try_from(at).unwrap()]], at).unwrap();
        match Embedded::open(dir.path(), FILE_BYTES) {
            Err(error) => refused += u32::from(matches!(error, OpenError::Damaged { .. })),
            Ok(store) => {
                for n in 0..40 {
                    let found = store.get(&format!("n{n}")).await.unwrap();
                    assert_eq!(found.map(|(_, entry)| entry.bytes), Some(noise(n, 3000)), "byte {at}");
                }
            }
        }
    }
    assert!(refused > 5, "only {refused} were noticed");
}

const CHILD: &str = "SEALED_STORE_CHILD";

/// What the process does that is killed below; a test of nothing otherwise.
#[tokio::test]
async fn child() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let store = Embedded::open(Path::new(&dir), FILE_BYTES).unwrap();
    let mut revision = store.get("counter").await.unwrap().map(|(revision, _)| revision);
    let mut out = std::io::stdout();
    for count in 0_u64.. {
        let new = entry(
            [&count.to_le_bytes()[..], &noise(count, usize::try_from(count * 977 % 90_000).unwrap())]
                .concat(),
        );
        revision = Some(match revision {
            Some(revision) => store.swap("counter", revision, new).await.unwrap(),
            None => store.create("counter", new).await.unwrap(),
        });
        writeln!(out, "answered {count} {}", revision.unwrap()).unwrap();
    }
}

#[tokio::test]
async fn what_was_answered_is_there_after_the_process_was_killed() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--nocapture"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut answered = None;
        for line in lines {
            if let Some(rest) = line.split_once("answered ").map(|(_, rest)| rest.to_owned()) {
                let (count, revision) = rest.split_once(' ').unwrap();
                answered = Some((count.parse::<u64>().unwrap(), revision.parse::<u64>().unwrap()));
                if answered.unwrap().0 == 3 + round {
                    // Somewhere in the middle of the next change.
                    std::thread::sleep(Duration::from_micros(700 * round));
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        let (count, revision) = answered.unwrap();
        let store = Embedded::open(dir.path(), FILE_BYTES).unwrap();
        let (found_revision, found) = store.get("counter").await.unwrap().unwrap();
        let found_count = u64::from_le_bytes(*found.bytes.first_chunk().unwrap());
        // The change under way may have been made, too.
        assert!(
            found_count == count && found_revision == revision
                || found_count == count + 1 && found_revision > revision
        );
        let length = usize::try_from(found_count * 977 % 90_000).unwrap();
        assert_eq!(found.bytes[8..], noise(found_count, length), "whole");
    }
}
