//! Tests what a program can reach from the modules that it may import. Computed names are tested by
//! `tests/survive/guard_*.py` and by the guest's own tests.

use std::time::Duration;

use ai_code_executor::validator::REFUSED_NAMES;
use ai_code_executor::{Execution, Layers, Limits, Policy, Sandbox};
use serde_json::{Value, json};

use crate::support::{cache_dir, value_of};

const NAMES: &str = concat!(include_str!("../guards/things.py"), include_str!("../guards/names.py"));
const PATHS: &str = concat!(include_str!("../guards/things.py"), include_str!("../guards/paths.py"));

const FROZEN: &str = include_str!("../guards/frozen.py");

const BYTES_MAX: usize = 16 << 20;

fn limits() -> Limits {
    let wall_time = Duration::from_mins(5);
    Limits::default().wall_time(wall_time).cpu_time(wall_time).result_bytes_max(BYTES_MAX)
}

fn sandbox(layers: Layers) -> Sandbox {
    let policy = Policy::default().context_bytes_max(BYTES_MAX);
    let builder = Sandbox::builder().layers(layers).ceilings(limits()).policy(policy);
    builder.cache_dir(cache_dir()).build().unwrap()
}

async fn value(sandbox: &Sandbox, code: String, context: &Value) -> Value {
    let mut execution = Execution::new(code).limits(limits());
    for (name, value) in context.as_object().unwrap() {
        execution = execution.variable(name, value);
    }
    let report = sandbox.run(execution).await.unwrap();
    assert!(report.error.is_none(), "{:?}", report.error);
    value_of(&report)
}

/// Returns a program that imports every allowed module under a name of its own and then runs `PATHS`.
fn walk(allowed: &[String]) -> String {
    let imports = allowed.iter().enumerate().map(|(number, name)| format!("import {name} as m{number}\n"));
    let modules = allowed.iter().enumerate().map(|(number, name)| format!("'{name}': m{number}, "));
    format!("{}modules = {{{}}}\n{PATHS}", imports.collect::<String>(), modules.collect::<String>())
}

#[tokio::test]
async fn no_chain_of_attributes_reaches_another_module() {
    let allowed: Vec<String> =
        Policy::default().allowed_imports.into_iter().filter(|name| name != "__future__").collect();
    let open = sandbox(Layers::WallOnly);
    let context = json!({"allowed": allowed, "refused": REFUSED_NAMES});
    let names = value(&open, NAMES.into(), &context).await;
    assert!(names.as_object().unwrap().len() > 100, "{names}");
    let context = json!({"allowed": allowed, "names": names, "refused": REFUSED_NAMES});

    let reached = value(&sandbox(Layers::All), walk(&allowed), &context).await;
    assert_eq!(reached["paths"], json!([]));
    let met = reached["met"].as_array().unwrap();
    for module in
        ["json.decoder", "collections.abc", "asyncio.events", "urllib.parse", "xml.etree.ElementTree"]
    {
        assert!(met.contains(&json!(module)), "{module} was not visited: {met:?}");
    }
    assert!(reached["visited"].as_u64().unwrap() > 3000);

    // Without the guards, the same walk finds forbidden modules.
    let reached = value(&open, walk(&allowed), &context).await;
    let paths = reached["paths"].to_string();
    for path in [".gc is gc", "random._os is os", "is <built-in function globals>"] {
        assert!(paths.contains(path), "{path} was not found: {paths}");
    }
}

#[tokio::test]
async fn frozen_modules_can_be_imported() {
    let lost = value(&sandbox(Layers::WallOnly), FROZEN.into(), &json!({})).await;
    assert_eq!(lost, json!({}));
}

#[tokio::test]
async fn disabled_tools_are_reported() {
    let policy = Policy::default().disabled_imports(["data"]);
    let sandbox = Sandbox::builder().policy(policy).cache_dir(cache_dir()).build().unwrap();
    for program in ["import data", "from data import get_devices"] {
        let report = sandbox.run(Execution::new(program)).await.unwrap();
        let said = report.error.map(|error| error.to_string());
        assert_eq!(
            said.as_deref(),
            Some("ImportError: Network tools are disabled on this executor"),
            "{program}"
        );
    }
}
