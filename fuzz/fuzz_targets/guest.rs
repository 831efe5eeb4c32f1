//! A sandbox whose guest is `guest.wat` instead of Python. It executes the operations that its program lists.

use std::future::pending;
use std::sync::LazyLock;

use ai_code_executor::{Layers, Policy, Sandbox, Tool, ToolError, validator};
use serde_json::{Map, Value, json};
use tokio::runtime::{Builder, Runtime};

pub static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().expect("a runtime"));

pub fn sandbox() -> Sandbox {
    let wasm =
        wat::parse_str(include_str!("../../src/hostcall/tests/guest.wat")).expect("guest.wat is valid");
    let interpreter = zstd::encode_all(&wasm[..], 1).expect("memory");
    let policy = Policy::default().code_bytes_max(validator::CODE_BYTES_CEILING);
    let parameters = json!({
        "properties": {"number": {"type": "integer", "minimum": 1}, "text": {"type": "string", "maxLength": 9}},
        "required": ["number"],
    });
    let quick = Tool::new("tool", "quick", async |call| Ok(Value::Object(Map::from_iter(call.arguments))));
    let never = Tool::new("tool", "never", async |_| pending().await);
    let large = Tool::new("tool", "large", async |_| Ok(json!("x".repeat(100_000))));
    let fails = Tool::new("tool", "fails", async |_| Err(ToolError::failed("no")));
    let tools = [quick.parameters(parameters).describe("Answers at once."), never, large, fails];
    let builder = Sandbox::builder().interpreter(interpreter).policy(policy).layers(Layers::NoValidator);
    builder.tools(tools).build().expect("a sandbox")
}
