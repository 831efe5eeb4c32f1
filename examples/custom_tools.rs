//! Tools with typed arguments, a policy that decides about each call, and a failure that the program sees as an
//! exception: `cargo run --release --no-default-features --example custom_tools`.

use std::pin::Pin;

use ai_code_executor::{Decision, Execution, Sandbox, Tool, ToolCall, ToolError, ToolPolicy, ToolRequest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, JsonSchema)]
struct Door {
    /// The door's name
    name: String,
}

#[derive(Serialize, JsonSchema)]
struct State {
    locked: bool,
}

/// Denies every call that would unlock the front door.
struct FrontDoorStaysLocked;

impl ToolPolicy for FrontDoorStaysLocked {
    fn decide<'a>(&'a self, request: ToolRequest<'a>) -> Pin<Box<dyn Future<Output = Decision> + Send + 'a>> {
        Box::pin(async move {
            let is_allowed = request.tool.is_read_only() || request.arguments["name"] != "front";
            if is_allowed { Decision::Allow } else { Decision::Deny("ask the owner".into()) }
        })
    }
}

const PROGRAM: &str = "
import door
said = []
for name in ('garden', 'front', 'cellar'):
    try:
        state = await door.unlock(name)
        said.append(f'{name} {state}')
    except ToolError as error:
        said.append(f'{type(error).__name__}: {error}')
said
";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let unlock = Tool::typed("door", "unlock", async |call: ToolCall<Door>| match &*call.arguments.name {
        "garden" | "front" => Ok(State { locked: false }),
        // The program sees only the message. The host's log contains the cause too.
        name => Err(ToolError::failed(format!("there is no door '{name}'"))
            .caused_by(std::io::Error::other("lock-7 does not answer"))),
    });
    let unlock = unlock.describe("Unlocks a door.").destructive();
    let cache = std::env::temp_dir().join("embed-example");
    let builder = Sandbox::builder().tool(unlock).tool_policy(FrontDoorStaysLocked).cache_dir(cache);
    let report = builder.build()?.run(Execution::new(PROGRAM)).await?;
    if let Some(error) = &report.error {
        return Err(error.to_string().into());
    }
    for line in report.value_as::<Vec<String>>()? {
        println!("{line}");
    }
    Ok(())
}
