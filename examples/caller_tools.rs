//! Functions of the caller as tools: the program waits for them, and its interpreter goes on from one program to the next:
//! `cargo run --release --no-default-features --example caller_tools`.

use ai_code_executor::{Answer, CallerTool, Execution, KeepState, Report, Sandbox, WaitingCall};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

const FIRST: &str = "
import agenda, asyncio
days = ['monday', 'tuesday']
found = await asyncio.gather(*map(agenda.get_events, days))
events = dict(zip(days, found))
sum(map(len, found))
";

const SECOND: &str = "max(events, key=lambda day: len(events[day]))";

/// The caller's function.
fn get_events(call: &WaitingCall) -> Result<Box<RawValue>, serde_json::Error> {
    let arguments: Value = serde_json::from_str(call.arguments.get())?;
    to_raw_value(match arguments["day"].as_str() {
        Some("monday") => &["dentist"][..],
        _ => &["school", "cinema"],
    })
}

/// Answers what the program asks, until it has ended.
async fn answered(sandbox: &Sandbox, mut report: Report) -> Result<Report, Box<dyn std::error::Error>> {
    while let Some(waiting) = &report.waiting {
        let mut answers = Vec::new();
        for call in &waiting.calls {
            answers.push((call.call, Answer::Reply(get_events(call)?)));
        }
        report = sandbox.resume(report.id, waiting.epoch, answers, None).await?;
    }
    Ok(report)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sandbox = Sandbox::builder().cache_dir(std::env::temp_dir().join("embed-example")).build()?;
    let schema = json!({"properties": {"day": {"type": "string"}}, "required": ["day"]});
    let tool =
        CallerTool::new("agenda.get_events").describe("Events of a day.").parameters(schema).read_only();
    let first = Execution::new(FIRST).caller_tools([tool]).state(KeepState::New);
    let first = answered(&sandbox, sandbox.run(first).await?).await?;
    println!("{} events", first.value_as::<u32>()?);
    let state = KeepState::After(first.state.ok_or("the interpreter was not kept")?);
    let second = sandbox.run(Execution::new(SECOND).state(state)).await?;
    println!("most on {}", second.value_as::<String>()?);
    Ok(())
}
