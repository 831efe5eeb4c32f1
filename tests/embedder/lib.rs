//! A house whose programs see one room each.

use ai_code_executor::{Error, Execution, Report, Sandbox, Tool, ToolError};
use serde_json::{Value, json};

/// A sandbox whose programs can read the temperature of one room.
///
/// # Errors
///
/// The interpreter's image cannot be made.
pub fn room(temperature: f64) -> Result<Sandbox, Error> {
    let read =
        Tool::new("room", "temperature", move |_| async move { Ok::<_, ToolError>(json!(temperature)) });
    Sandbox::builder().tool(read.describe("Degrees Celsius").read_only()).build()
}

/// Runs a program with one variable.
///
/// # Errors
///
/// The program was rejected, or cannot be run at all. A Python exception is in the report.
pub async fn analyse(sandbox: &Sandbox, code: &str, name: &str, value: &Value) -> Result<Report, Error> {
    sandbox.run(Execution::new(code).variable(name, value)).await
}
