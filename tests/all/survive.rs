//! Hostile programs, `tests/survive/*.py`, against four services, each in a process of its own: with all layers,
//! without the validator, with WebAssembly (the wall) alone, and with the policy `open`. The program's own expectations
//! must be met, and `invariants` must hold whatever it does.

mod invariants;
mod target;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ai_code_executor::{Layers, PolicyKind};
use serde_json::Value;

use crate::expectations::{Program, programs};
use target::{Attack, Target};

/// The expectations: those for the wall alone, and optional ones for the layers in front of it.
const KEYS: [&str; 9] = [
    "class",
    "outcome",
    "error_type",
    "value",
    "stdout_starts",
    "limits",
    "guarded_error",
    "guarded_value",
    "rejected",
];
const OUTCOMES: [&str; 6] = ["completed", "failure", "timeout", "cpu_limit", "memory_limit", "cancelled"];

/// The classes of SECURITY.md, and how many programs each must have at least.
const CLASSES: [(&str, usize); 7] = [
    ("escape", 40),
    ("host leak", 9),
    ("exfiltration", 6),
    ("lateral movement", 4),
    ("host denial of service", 100),
    ("peer denial of service", 10),
    ("self denial of service", 20),
];

#[test]
fn all_layers_survive() {
    attack(Layers::All, PolicyKind::Strict);
}

#[test]
fn the_guards_survive_without_the_validator() {
    attack(Layers::NoValidator, PolicyKind::Strict);
}

#[test]
fn the_wall_alone_survives() {
    attack(Layers::WallOnly, PolicyKind::Strict);
}

#[test]
fn the_open_policy_survives() {
    attack(Layers::All, PolicyKind::Open);
}

/// Each program is written down at its beginning, and goes on in another instance.
#[test]
fn the_wall_survives_where_programs_are_parked() {
    let _alone = alone();
    let (programs, mut tally) = (programs("survive"), Tally::default());
    let mut target = Target::parking();
    for program in &programs {
        let attack = target.attack(program);
        tally.judge(
            program,
            &attack,
            answered(&attack).into_iter().chain(invariants::broken(&target, &attack)),
        );
        if !target.is_honest() {
            tally.buried(program, &target);
            target = Target::parking();
        }
    }
    tally.end(&target, "parked", programs.len());
}

#[test]
fn every_program_has_a_class() {
    let mut found = BTreeMap::<String, usize>::new();
    for program in programs("survive") {
        program.assert_keys(&KEYS);
        let class = program.get("class").and_then(Value::as_str);
        *found
            .entry(class.unwrap_or_else(|| panic!("{} has no class", program.name)).to_owned())
            .or_default() += 1;
    }
    for (class, least) in CLASSES {
        let count = found.remove(class).unwrap_or_default();
        assert!(count >= least, "{class}: {count} programs");
    }
    assert!(found.is_empty(), "unknown classes: {found:?}");
}

/// All slots are taken by guests that never yield, one after the other, while a client polls the service.
#[test]
fn health_answers_beside_guests_that_do_not_yield() {
    const QUESTIONS: usize = 300;
    let _alone = alone();
    let target = Target::start(Layers::WallOnly, PolicyKind::Strict);
    let ring = programs("survive").into_iter().find(|program| program.name == "types_in_a_ring").unwrap();
    let body = serde_json::json!({"code": ring.code, "timeout": 0.3});
    let asking = AtomicBool::new(true);
    let mut answers = std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while asking.load(Ordering::Relaxed) {
                    assert_eq!(target.service.execute(&body).1["outcome"], "timeout");
                }
            });
        }
        let answers: Vec<Duration> = (0..QUESTIONS)
            .map(|question| {
                let asked = Instant::now();
                let path = ["/health", "/ready", "/metrics"][question % 3];
                assert_eq!(target.service.get(path).0, 200, "{path}");
                asked.elapsed()
            })
            .collect();
        asking.store(false, Ordering::Relaxed);
        answers
    });
    println!("health while guests do not yield: {}", percentiles(&mut answers));
    // The documented bound is 20 ms on an idle machine; a guest that blocked a connection's thread would block it for
    // 300.
    assert!(answers[QUESTIONS * 99 / 100] < Duration::from_millis(150), "{}", percentiles(&mut answers));
}

/// Runs these tests one at a time: their load would affect each other's times.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the programs one after the other against a service with `layers` and a policy.
fn attack(layers: Layers, policy: PolicyKind) {
    let _alone = alone();
    let programs = programs("survive");
    let mut target = Target::start(layers, policy);
    let mut tally = Tally::default();
    for program in &programs {
        let attack = target.attack(program);
        let expected = match policy {
            PolicyKind::Open => unguarded,
            _ if layers == Layers::WallOnly => strict,
            _ => guarded,
        };
        let wrong =
            expected(program, &attack, layers).into_iter().chain(invariants::broken(&target, &attack));
        tally.judge(program, &attack, wrong);
        tally.measure(&attack);
        if !target.is_honest() {
            tally.buried(program, &target);
            target = Target::start(layers, policy);
        }
    }
    tally.end(&target, &format!("{layers:?}, {}", policy.name()), programs.len());
}

/// Returns what is wrong if the answer is none about the end of a program. In an execution that waits for its caller, sleeping
/// takes none of its time, so programs end in other ways than they expect.
fn answered(Attack { status, answer, .. }: &Attack) -> Option<String> {
    let is_end = *status == 200 && OUTCOMES.contains(&answer["outcome"].as_str().unwrap_or_default());
    (!is_end).then(|| "it has no end".to_owned())
}

/// Returns the program's expectations that are not met.
fn strict(program: &Program, Attack { status, answer, .. }: &Attack, _: Layers) -> Vec<String> {
    let stdout = answer["stdout"].as_str().unwrap_or_default();
    let starts = program.get("stdout_starts").is_none_or(|text| stdout.starts_with(text.as_str().unwrap()));
    let checks = [
        ("status", *status == 200),
        ("outcome", one_of(program.get("outcome"), &answer["outcome"])),
        ("error_type", one_of(program.get("error_type"), &answer["error_detail"]["type"])),
        ("value", program.get("value").is_none_or(|value| *value == answer["return_value"])),
        ("stdout_starts", starts),
    ];
    complaints(program, &checks)
}

/// With the policy `open`: the validator refuses only what cannot run.
fn unguarded(program: &Program, attack: &Attack, layers: Layers) -> Vec<String> {
    let is_rejected = attack.status == 400 && attack.answer["findings"].is_array();
    if is_rejected { Vec::new() } else { strict(program, attack, layers) }
}

/// With more layers than the wall: checks that there is an answer of any kind, and the program's expectations for these
/// layers.
fn guarded(program: &Program, Attack { status, answer, .. }: &Attack, layers: Layers) -> Vec<String> {
    let (error, value) = (program.get("guarded_error"), program.get("guarded_value"));
    let outcome = answer["outcome"].as_str().unwrap_or_default();
    let is_validated = layers == Layers::All;
    let may_be_rejected = is_validated && error.is_none() && value.is_none();
    let is_rejected = *status == 400 && answer["findings"].is_array();
    let checks = [
        ("answer", (*status == 200 && OUTCOMES.contains(&outcome)) || (is_rejected && may_be_rejected)),
        ("guarded_error", error.is_none_or(|error| *error == answer["error"])),
        ("guarded_value", value.is_none_or(|value| *value == answer["return_value"])),
        ("rejected", is_rejected || !is_validated || program.get("rejected").is_none()),
    ];
    complaints(program, &checks)
}

fn one_of(allowed: Option<&Value>, actual: &Value) -> bool {
    allowed.and_then(Value::as_array).is_none_or(|allowed| allowed.contains(actual))
}

fn complaints(program: &Program, checks: &[(&str, bool)]) -> Vec<String> {
    let failed = checks.iter().filter(|(_, met)| !met);
    failed.map(|(key, _)| format!("{key} should be {:?}", program.get(key))).collect()
}

/// How long after its limit a guest's thread must be free again, whatever the guest did to itself.
const OVERDUE_MAX: Duration = Duration::from_millis(250);

/// The results of all programs.
#[derive(Default)]
struct Tally {
    wrong: Vec<String>,
    deaths: usize,
    /// How long after their time limit the timeouts were answered.
    late: Vec<Duration>,
    /// CPU time in excess of the limit.
    over_budget: Vec<Duration>,
}

impl Tally {
    fn judge(&mut self, program: &Program, attack: &Attack, wrong: impl Iterator<Item = String>) {
        let said: String = attack.answer.to_string().chars().take(600).collect();
        self.wrong
            .extend(wrong.map(|why| format!("{}: {why}: HTTP {}: {said}", program.name, attack.status)));
    }

    fn buried(&mut self, program: &Program, target: &Target) {
        self.wrong.push(format!("{}: the service did not survive it", program.name));
        self.wrong.extend(target.log_complaints());
        self.deaths += 1;
    }

    fn end(mut self, target: &Target, layers: &str, programs: usize) {
        self.wrong.extend(target.log_complaints());
        self.report(layers, programs);
        self.wrong.extend(self.overdue());
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
    }

    fn measure(&mut self, attack: &Attack) {
        match attack.answer["outcome"].as_str() {
            Some("timeout") => self.late.push(attack.elapsed.saturating_sub(attack.wall_time)),
            Some("cpu_limit") => {
                let used = attack.answer["usage"]["cpu_time"].as_f64().unwrap();
                self.over_budget.push(Duration::from_secs_f64(used).saturating_sub(attack.cpu_time));
            }
            _ => {}
        }
    }

    /// Returns the largest excesses if they are too large. A busy machine makes answers late, but not CPU time longer,
    /// so lateness has the wider bound.
    fn overdue(&self) -> Option<String> {
        let (late, over) = (self.late.iter().max(), self.over_budget.iter().max());
        let is_overdue =
            over.is_some_and(|over| *over > OVERDUE_MAX) || late.is_some_and(|late| *late > 4 * OVERDUE_MAX);
        is_overdue
            .then(|| format!("largest delay after a timeout: {late:?}, largest excess of CPU time: {over:?}"))
    }

    /// Writes to standard error directly, because the test harness captures `eprintln!`.
    fn report(&mut self, layers: &str, programs: usize) {
        let (late, over) = (percentiles(&mut self.late), percentiles(&mut self.over_budget));
        let (wrong, deaths) = (self.wrong.len(), self.deaths);
        let line = format!(
            "survive, {layers}: {programs} programs, {wrong} breaches, {deaths} deaths of the service; \
             answers after their timeout: {late}; CPU time over its limit: {over}\n"
        );
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
}

fn percentiles(times: &mut [Duration]) -> String {
    times.sort();
    let at = |share: usize| times.get((times.len() * share / 100).min(times.len().saturating_sub(1)));
    let millis = |time: Option<&Duration>| time.map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0);
    format!("{} times, p50 {:.1} ms, p99 {:.1} ms", times.len(), millis(at(50)), millis(at(99)))
}
