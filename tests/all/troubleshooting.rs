//! Checks that the examples of `docs/troubleshooting.md` end as documented.

use std::time::Duration;

use ai_code_executor::{Error, Execution, Limits};

use crate::support::sandbox;

/// Returns how a program ends: its outcome, or the code of the first finding; and the message.
async fn end_of(code: &str) -> (String, String) {
    let (wall_time, cpu_time) = (Duration::from_secs(5), Duration::from_millis(200));
    let limits = Limits::default().wall_time(wall_time).cpu_time(cpu_time);
    match sandbox().run(Execution::new(code).limits(limits)).await {
        Ok(report) => {
            (report.outcome.name().into(), report.error.map(|error| error.to_string()).unwrap_or_default())
        }
        Err(Error::Rejected(findings)) => (findings[0].rule.code().into(), findings[0].message.clone()),
        Err(error) => panic!("{code}: {error}"),
    }
}

/// Returns the first code block of `language`, and the words after the language on its fence.
fn block<'a>(section: &'a str, language: &str) -> Option<(&'a str, &'a str)> {
    let (_, rest) = section.split_once(&format!("\n```{language}"))?;
    let (mark, text) = rest.split_once('\n').unwrap();
    Some((text.split_once("```").unwrap().0, mark.trim()))
}

#[tokio::test]
async fn each_example_ends_as_its_heading_says() {
    let text = include_str!("../../docs/troubleshooting.md");
    let mut examples = 0;
    for section in text.split("\n### `").skip(1) {
        let heading = section.split('`').next().unwrap();
        let Some((program, mark)) = block(section, "python") else { continue };
        let (name, message) = end_of(program).await;
        assert_eq!(name, heading, "{program}: {message}");
        // What is shown of a rejection is compared by `documents`.
        if let (Some((expected, _)), "") = (block(section, "text"), mark) {
            assert_eq!(message, expected.trim_end(), "{heading}");
        }
        examples += 1;
    }
    assert!(examples > 10, "{examples} examples");
}
