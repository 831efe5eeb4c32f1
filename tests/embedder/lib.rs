//! An example embedder: each sandbox gives its programs one room's temperature.

use ai_code_executor::{Error, Execution, Report, Sandbox, Tool, ToolError};
use serde_json::{Value, json};

/// Returns a sandbox whose programs can read the temperature of one room.
///
/// # Errors
///
/// If the interpreter's image cannot be made.
pub fn room(temperature: f64) -> Result<Sandbox, Error> {
    let read =
        Tool::new("room", "temperature", move |_| async move { Ok::<_, ToolError>(json!(temperature)) });
    Sandbox::builder().tool(read.describe("Degrees Celsius").read_only()).build()
}

/// Runs a program with one context variable.
///
/// # Errors
///
/// If the program is rejected or cannot be run. A Python exception is part of the report.
pub async fn analyse(sandbox: &Sandbox, code: &str, name: &str, value: &Value) -> Result<Report, Error> {
    sandbox.run(Execution::new(code).variable(name, value)).await
}
