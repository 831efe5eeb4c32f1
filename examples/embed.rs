//! Runs one program with one tool: `cargo run --release --no-default-features --example embed`.

use ai_code_executor::{Execution, Sandbox, Tool, ToolError};
use serde_json::json;

const PROGRAM: &str = "
import house
rooms = {room: await house.temperature(room=room) for room in ('kitchen', 'hall', 'attic')}
{room: degrees for room, degrees in rooms.items() if degrees < limit}
";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let temperature = Tool::new("house", "temperature", async |call| {
        let room = call.arguments["room"].as_str().unwrap_or_default();
        Ok::<_, ToolError>(json!(12 + room.len()))
    });
    let schema = json!({"properties": {"room": {"type": "string"}}, "required": ["room"]});
    let temperature = temperature.describe("Degrees Celsius in a room").parameters(schema).read_only();

    // The first start builds the interpreter image, which takes some seconds. Later starts load it from this directory.
    let cache = std::env::temp_dir().join("embed-example");
    let sandbox = Sandbox::builder().tool(temperature).cache_dir(cache).build()?;
    let report = sandbox.run(Execution::new(PROGRAM).variable("limit", &json!(18))).await?;
    match report.error {
        Some(error) => eprintln!("{error}"),
        None => println!("{}", report.value.as_ref().map_or("null", |value| value.get())),
    }
    Ok(())
}
