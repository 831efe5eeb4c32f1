//! Compares the tokens that a model reads when it calls tools one by one, when it writes a program that calls them, and when
//! it does that over the Model Context Protocol.
//!
//! Three questions about a house are answered in each way. Tokens are counted with `o200k_base`. Each text is counted
//! once, although a model that calls tools one by one reads all earlier replies again with each call.
//!
//! ```sh
//! cargo run --release --example token_savings
//! ```

#[path = "homeiq/house.rs"]
mod house;
#[path = "homeiq/services.rs"]
mod services;

use std::collections::HashMap;
use std::error::Error;

use ai_code_executor::server::{Service, Settings, Token};
use ai_code_executor::tools::catalogue::prompt;
use ai_code_executor::tools::{Catalogue, Surroundings, Tool, ToolCard, ToolFile};
use ai_code_executor::{Execution, Policy, Sandbox};
use house::EventQuery;
use http_signing::{Key, Signer};
use jiff::Timestamp;
use serde_json::{Value, json};
use services::Behaviour;
use tiktoken_rs::CoreBPE;
use tokio::net::TcpListener;

/// The time at which the questions are asked. It is fixed, so that the answers are the same on every run.
const NOW: &str = "2026-11-20T19:30:00Z";

const TOKEN: &str = "a-token-that-nobody-else-has-to-know";

struct Question {
    text: &'static str,
    /// The calls that answer the question, with their replies.
    calls: Vec<(&'static str, Value, Value)>,
    program: &'static str,
}

fn questions(now: Timestamp) -> [Question; 3] {
    let week = now - jiff::SignedDuration::from_hours(7 * 24);
    let day = now - jiff::SignedDuration::from_hours(24);
    let last_week = |entity_id: &str| {
        let arguments = json!({"entity_id": entity_id, "start_time": "-7d", "end_time": "now"});
        let reply = house::history(entity_id, week, now, &[]).unwrap_or_default();
        ("query_device_history", arguments, reply)
    };
    let devices = house::devices(now);
    let ids = |suffix: &str| -> Vec<String> {
        let all = devices["devices"].as_array().into_iter().flatten();
        let ids = all.filter_map(|device| device["entity_id"].as_str());
        ids.filter(|id| id.ends_with(suffix)).map(str::to_owned).collect()
    };
    let patterns = || {
        let arguments = json!({"start_time": "-7d", "end_time": "now", "pattern_types": ["time-based"]});
        ("detect_patterns", arguments, house::patterns(&["time-based".to_owned()]))
    };
    let mut power = vec![("get_devices", json!({}), devices.clone())];
    power.extend(ids("_power").first().map(|id| last_week(id)));
    power.push(patterns());
    let mut climate = vec![("get_devices", json!({}), devices.clone())];
    climate.extend(ids("_temperature").iter().map(|id| last_week(id)));
    let query =
        EventQuery { entity_id: None, event_type: Some("state_changed"), start: day, end: now, limit: 1000 };
    let evening = vec![
        (
            "search_events",
            json!({"event_type": "state_changed", "start_time": "-24h", "end_time": "now", "limit": 1000}),
            house::events(&query),
        ),
        patterns(),
    ];
    [
        Question {
            text: "How often did the first power meter show more than 1,000 W last week, and what happens at fixed times?",
            calls: power,
            program: POWER,
        },
        Question {
            text: "How warm was it in each room last week, and where was it ever below 19 degrees?",
            calls: climate,
            program: CLIMATE,
        },
        Question {
            text: "What was switched most since yesterday, and which habits should I automate?",
            calls: evening,
            program: EVENING,
        },
    ]
}

const POWER: &str = r#"import asyncio, automation, data

devices = (await data.get_devices())["devices"]
meter = next(d["entity_id"] for d in devices if d["device_class"] == "power")
history, patterns = await asyncio.gather(
    data.query_device_history(meter, start_time="-7d", end_time="now"),
    automation.detect_patterns(start_time="-7d", end_time="now", pattern_types=["time-based"]),
)
high = [p for p in history["data"] if p["value"] > 1000]
{
    "meter": meter,
    "times": len(high),
    "highest": max(high, key=lambda p: p["value"], default=None),
    "habits": [p["description"] for p in patterns["patterns"]],
}
"#;

const CLIMATE: &str = r#"import asyncio, data
from statistics import mean

devices = (await data.get_devices())["devices"]
sensors = {d["entity_id"]: d["area_name"] for d in devices if d["device_class"] == "temperature"}
histories = await asyncio.gather(*(
    data.query_device_history(sensor, start_time="-7d", end_time="now") for sensor in sensors
))
rooms = {}
for history in histories:
    values = [p["value"] for p in history["data"]]
    rooms[sensors[history["entity_id"]]] = {"mean": round(mean(values), 1), "lowest": min(values)}
{"rooms": rooms, "below_19": [room for room, t in rooms.items() if t["lowest"] < 19]}
"#;

const EVENING: &str = r#"import asyncio, automation, data
from collections import Counter

events, patterns = await asyncio.gather(
    data.search_events(event_type="state_changed", start_time="-24h", end_time="now", limit=1000),
    automation.detect_patterns(start_time="-7d", end_time="now", pattern_types=["time-based"]),
)
{
    "switched_most": Counter(e["entity_id"] for e in events["events"]).most_common(5),
    "automate": [p["suggestion"] for p in patterns["patterns"] if p["confidence"] > 0.85],
}
"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let now: Timestamp = NOW.parse()?;
    let tools = tools(now).await?;
    let catalogue = Catalogue::new(tools.clone())?;
    let sandbox = Sandbox::builder().tools(tools).build()?;
    let tokenizer = tiktoken_rs::o200k_base()?;
    let cards: Vec<&ToolCard> = catalogue.tools().iter().collect();
    let definition = |tool: &&ToolCard| json!({"name": tool.path, "description": tool.summary, "inputSchema": tool.parameters});
    let definitions = Value::from(cards.iter().map(definition).collect::<Vec<_>>()).to_string();
    let prompt = prompt(&cards, &Policy::default());
    let agent = Agent::start(&sandbox).await?;
    println!(
        "| question | tools one by one | a program | saved | by MCP | saved |\n|---|---:|---:|---:|---:|---:|"
    );
    let mut totals = (0, 0, 0);
    for question in questions(now) {
        let raw = raw_tokens(&tokenizer, &definitions, &question);
        let summary = summary(&sandbox, &question).await?;
        let texts = [prompt.as_str(), question.text, question.program, &summary];
        let program = texts.iter().map(|text| count(&tokenizer, text)).sum();
        let by_mcp = agent.read(&question).await?.iter().map(|text| count(&tokenizer, text)).sum();
        print_row(question.text, raw, program, by_mcp);
        totals = (totals.0 + raw, totals.1 + program, totals.2 + by_mcp);
    }
    print_row("all three", totals.0, totals.1, totals.2);
    Ok(())
}

fn print_row(what: &str, raw: usize, program: usize, by_mcp: usize) {
    let saved = |read: usize| {
        let saved = 1000 - 1000 * read / raw;
        format!("{}.{} %", saved / 10, saved % 10)
    };
    println!("| {what} | {raw} | {program} | {} | {by_mcp} | {} |", saved(program), saved(by_mcp));
}

/// A client of the Model Context Protocol.
struct Agent {
    url: String,
    /// The definitions of the executor's own tools.
    definitions: String,
}

impl Agent {
    /// Starts a service and reads what a model is told about its tools.
    async fn start(sandbox: &Sandbox) -> Result<Self, Box<dyn Error>> {
        let service = Service::new(Settings::default().token(Token::new(TOKEN)));
        service.ready(sandbox.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/mcp", listener.local_addr()?);
        tokio::spawn(async move { service.serve(listener, std::future::pending()).await });
        let listed = ask(&url, json!({"method": "tools/list"})).await?;
        let tools = listed["tools"].as_array().into_iter().flatten();
        let shown = tools.map(|tool| {
            json!({"name": tool["name"], "description": tool["description"], "inputSchema": tool["inputSchema"]})
        });
        Ok(Self { definitions: shown.collect::<Value>().to_string(), url })
    }

    /// Returns all that a model reads: definitions, the question, its search for functions, its program, the results.
    async fn read(&self, question: &Question) -> Result<Vec<String>, Box<dyn Error>> {
        let mut texts = vec![self.definitions.clone(), question.text.to_owned()];
        let search = json!({"query": question.text, "detail": "full", "limit": 4});
        for (name, arguments) in
            [("search_tools", search), ("execute_python", json!({"code": question.program}))]
        {
            let params = json!({"name": name, "arguments": arguments});
            let result = ask(&self.url, json!({"method": "tools/call", "params": params})).await?;
            if result["isError"] == true {
                return Err(result.to_string().into());
            }
            let said = result["content"][0]["text"].as_str().unwrap_or_default();
            texts.extend([params.to_string(), said.to_owned()]);
        }
        Ok(texts)
    }
}

/// Sends one request of the Model Context Protocol and returns its result.
async fn ask(url: &str, mut request: Value) -> Result<Value, Box<dyn Error>> {
    request["jsonrpc"] = "2.0".into();
    request["id"] = 1.into();
    let post = ureq::post(url).header("Authorization", format!("Bearer {TOKEN}"));
    let answer =
        tokio::task::spawn_blocking(move || post.send_json(request)?.body_mut().read_json::<Value>());
    let answer = answer.await??;
    answer.get("result").cloned().ok_or_else(|| answer.to_string().into())
}

fn count(tokenizer: &CoreBPE, text: &str) -> usize {
    tokenizer.encode_ordinary(text).len()
}

/// Counts the tokens of the tool definitions, the question, and each call with its reply.
fn raw_tokens(tokenizer: &CoreBPE, definitions: &str, question: &Question) -> usize {
    let calls = question.calls.iter().map(|(name, arguments, reply)| {
        let call = json!({"name": name, "arguments": arguments});
        count(tokenizer, &call.to_string()) + count(tokenizer, &reply.to_string())
    });
    count(tokenizer, definitions) + count(tokenizer, question.text) + calls.sum::<usize>()
}

/// Runs the program and returns its value: all that the model reads of it.
async fn summary(sandbox: &Sandbox, question: &Question) -> Result<String, Box<dyn Error>> {
    let report = sandbox.run(Execution::new(question.program)).await?;
    match (report.value, report.error) {
        (Some(value), None) => Ok(value.get().to_owned()),
        (_, error) => Err(format!("{}: {error:?}", question.text).into()),
    }
}

/// Starts the services in this process and returns the built-in tools that call them.
async fn tools(now: Timestamp) -> Result<Vec<Tool>, Box<dyn Error>> {
    let behaviour = Behaviour { now: Some(now), ..Behaviour::default() };
    let mut urls = HashMap::new();
    let names = ["DATA_API_URL", "AI_AUTOMATION_URL", "DEVICE_INTELLIGENCE_URL"];
    for (name, (_, _, router)) in names.into_iter().zip(services::services(&behaviour)) {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        urls.insert(name, format!("http://{}", listener.local_addr()?));
        tokio::spawn(async move { axum::serve(listener, router).await });
    }
    let variable = |name: &str| urls.get(name).cloned();
    let surroundings = Surroundings::new(&variable, &|path| std::fs::read(path));
    let file = ToolFile::homeiq(surroundings)?;
    let signer = Signer::new(Key::new("token-savings", "a key that nobody else has to know")?)?;
    Ok(file.connect(Some(&signer))?)
}
