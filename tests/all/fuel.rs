//! Fuel consumption of fixed programs. Fuel is a count, so a regression shows on any machine, however busy it is.
//!
//! `benches/fuel.json` holds the limits; `make fuel` updates it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ai_code_executor::Outcome;

use crate::support::{files_below, run};

/// Accepted growth in percent before the limits must be updated.
const GROWTH_PERCENT_MAX: u64 = 2;

const SMALLEST: &str = "1 + 1";

fn benches() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches")
}

/// Returns the name and code of each program.
fn programs() -> BTreeMap<String, String> {
    let read = |path: &PathBuf| {
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap())
    };
    let mut programs: BTreeMap<_, _> = files_below(&benches().join("programs")).iter().map(read).collect();
    programs.insert(SMALLEST.into(), SMALLEST.into());
    programs
}

#[tokio::test]
async fn programs_burn_no_more_fuel_than_before() {
    let path = benches().join("fuel.json");
    let mut burned = BTreeMap::new();
    for (name, code) in programs() {
        let report = run(&code).await;
        assert_eq!(report.outcome, Outcome::Completed, "{name}: {:?}", report.error);
        burned.insert(name, report.usage.fuel);
    }
    if std::env::var_os("WRITE_FUEL").is_some() {
        return fs::write(path, serde_json::to_string_pretty(&burned).unwrap() + "\n").unwrap();
    }
    let allowed: BTreeMap<String, u64> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert!(allowed.keys().eq(burned.keys()), "benches/fuel.json lists other programs; run `make fuel`");
    let dearer =
        burned.iter().filter(|(name, fuel)| **fuel * 100 > allowed[*name] * (100 + GROWTH_PERCENT_MAX));
    let dearer: Vec<_> =
        dearer.map(|(name, fuel)| format!("{name} burns {fuel}, not {}", allowed[name])).collect();
    assert!(dearer.is_empty(), "{}\nif the growth is justified, run `make fuel`", dearer.join("\n"));
}
