//! Submits a thousand programs at once, each of which runs in its own interpreter:
//! `cargo run --release --no-default-features --example many`.

use std::time::Instant;

use ai_code_executor::{Execution, Sandbox};
use futures::future::try_join_all;
use serde_json::json;

const PROGRAMS: u32 = 1000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cache = std::env::temp_dir().join("embed-example");
    // Eight run at a time; the others wait in the queue.
    let sandbox = Sandbox::builder().concurrency(8).queue(PROGRAMS as usize).cache_dir(cache).build()?;
    let started = Instant::now();
    let runs = (0..PROGRAMS).map(|n| {
        let execution = Execution::new("sum(range(n + 1))").variable("n", &json!(n));
        let sandbox = sandbox.clone();
        async move { tokio::spawn(async move { sandbox.run(execution).await }).await?.map_err(Box::from) }
    });
    let reports = try_join_all(runs).await.map_err(|error: Box<dyn std::error::Error>| error)?;
    let elapsed = started.elapsed();
    for (n, report) in (0..).zip(&reports) {
        assert_eq!(report.value_as::<u32>()?, n * (n + 1) / 2);
    }
    println!("{PROGRAMS} programs in {} ms", elapsed.as_millis());
    Ok(())
}
