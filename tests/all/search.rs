//! Search queries and the tools that they should rank first.

use ai_code_executor::{Catalogue, Tool};
use serde_json::{Value, json};

/// Path, description, argument names.
const TOOLS: [(&str, &str, &str); 36] = [
    (
        "automation.detect_patterns",
        "Finds patterns in what devices did. Time-based or by sequence.",
        "start_time end_time pattern_types",
    ),
    ("automation.list_automations", "All automations with their triggers.", ""),
    ("automation.run_automation", "Runs an automation at once.", "automation_id"),
    ("agenda.create_event", "Adds an appointment to a calendar.", "calendar_id title start end attendees"),
    ("agenda.delete_event", "Removes an appointment from a calendar.", "event_id"),
    ("agenda.find_free_time", "Finds a time at which all attendees are free.", "attendees duration_minutes"),
    ("agenda.list_calendars", "The calendars that the user can see.", ""),
    ("agenda.list_events", "Appointments between two dates.", "calendar_id start end"),
    ("data.get_devices", "All devices of the house with their areas.", ""),
    (
        "data.query_device_history",
        "Values of a sensor over time, as they were recorded.",
        "entity_id start_time end_time fields",
    ),
    (
        "data.search_events",
        "Searches what happened in the house: state changes, calls of services.",
        "entity_id event_type start_time end_time limit",
    ),
    ("device.get_device_capabilities", "What a device can do: its features and settings.", "entity_id"),
    ("files.move_file", "Moves or renames a file.", "source destination"),
    ("files.read_file", "The content of a text file.", "path"),
    ("files.search_files", "Finds files by their name.", "pattern"),
    ("files.write_file", "Writes a text file; replaces what was there.", "path content"),
    ("git.commit", "Records staged changes in the repository.", "message"),
    ("git.create_branch", "Creates a branch.", "name base"),
    ("git.diff", "Shows what differs between two commits.", "from to"),
    ("git.log", "The history of commits.", "max_count path"),
    ("github.createPullRequest", "Opens a pull request on GitHub.", "owner repo title head base body"),
    ("github.getIssue", "One issue of a repository, with its comments.", "owner repo number"),
    ("github.searchIssues", "Searches issues and pull requests.", "q sort order"),
    ("lights.dim_light", "Sets the brightness of a lamp.", "entity_id brightness"),
    ("lights.turn_off", "Switches lights off.", "entity_id area"),
    ("lights.turn_on", "Switches lights on.", "entity_id area color brightness"),
    ("climate.get_temperature", "The temperature in a room now.", "area"),
    ("climate.set_thermostat", "Sets the temperature that the heating keeps.", "area temperature"),
    ("mail.list_folders", "The folders of the mailbox.", ""),
    ("mail.search_messages", "Finds e-mails by sender, subject or text.", "query from subject since"),
    ("mail.send_message", "Sends an e-mail.", "to subject body attachments"),
    ("media.play", "Plays music or a radio station on a speaker.", "speaker uri volume"),
    ("shopping.add_item", "Puts something on the shopping list.", "item quantity"),
    ("shopping.list_items", "What is on the shopping list.", ""),
    ("weather.current", "Weather outside now: wind, rain, temperature.", "latitude longitude"),
    ("weather.forecast", "Weather of the next days.", "latitude longitude days"),
];

fn catalogue() -> Catalogue {
    let tool = |(path, description, arguments): (&str, &str, &str)| {
        let (module, name) = path.split_once('.').unwrap();
        let properties: Value =
            arguments.split_whitespace().map(|name| (name.to_owned(), json!({}))).collect();
        Tool::new(module, name, async |_| Ok(Value::Null))
            .describe(description)
            .parameters(json!({"type": "object", "properties": properties}))
    };
    Catalogue::new(TOOLS.into_iter().map(tool).collect()).unwrap()
}

fn paths<'a>(catalogue: &'a Catalogue, query: &str) -> Vec<&'a str> {
    catalogue.search(query).into_iter().map(|tool| tool.path.as_str()).collect()
}

#[test]
fn queries_rank_the_expected_tools_first() {
    let cases: [(&str, &[&str]); 31] = [
        ("history", &["data.query_device_history", "git.log"]),
        ("devices", &["data.get_devices"]),
        ("device history", &["data.query_device_history"]),
        ("history of a sensor", &["data.query_device_history"]),
        ("DEVICE_CAPABILITIES", &["device.get_device_capabilities"]),
        ("what can a device do", &["device.get_device_capabilities"]),
        ("data.get_devices", &["data.get_devices"]),
        ("data.get_device", &["data.get_devices"]),
        ("get_devics", &["data.get_devices"]),
        ("patterns", &["automation.detect_patterns"]),
        ("pattern detection", &["automation.detect_patterns"]),
        ("run automation", &["automation.run_automation"]),
        ("send e-mail", &["mail.send_message"]),
        ("emails", &[]),
        ("find an e-mail by its sender", &["mail.search_messages"]),
        ("folder", &["mail.list_folders"]),
        ("pull request", &["github.createPullRequest"]),
        ("create pull request", &["github.createPullRequest"]),
        ("GitHub issues", &["github.searchIssues"]),
        ("brightness", &["lights.dim_light"]),
        ("switch the lights off", &["lights.turn_off"]),
        ("thermostat", &["climate.set_thermostat"]),
        ("temperature", &["climate.get_temperature"]),
        ("temp", &["climate.get_temperature"]),
        ("the devices of the house", &["data.get_devices"]),
        ("free time of attendees", &["agenda.find_free_time"]),
        ("delete appointment", &["agenda.delete_event"]),
        ("weather tomorrow", &["weather.current", "weather.forecast"]),
        ("shopping", &["shopping.list_items", "shopping.add_item"]),
        ("rename a file", &["files.move_file"]),
        ("play music", &["media.play"]),
    ];
    let catalogue = catalogue();
    for (query, expected) in cases {
        let found = paths(&catalogue, query);
        assert!(found.starts_with(expected), "{query}: {found:?}");
        assert!(!expected.is_empty() || found.is_empty(), "{query}: {found:?}");
    }
}

#[test]
fn a_query_without_words_returns_all_in_order() {
    let catalogue = catalogue();
    let mut all: Vec<&str> = TOOLS.iter().map(|(path, ..)| *path).collect();
    all.sort_unstable();
    for query in ["", "  ", "?!", "\u{0}\u{202e}"] {
        assert_eq!(paths(&catalogue, query), all, "{query}");
    }
    assert_eq!(paths(&Catalogue::default(), "x"), Vec::<&str>::new());
    assert_eq!(paths(&Catalogue::default(), ""), Vec::<&str>::new());
}

#[test]
fn hostile_queries_are_bounded() {
    let catalogue = catalogue();
    let words = (0..100_000).map(|number| format!("w{number}")).collect::<Vec<_>>().join(" ");
    for query in ["\u{0}devices\u{0}", "devices'; --", "größe devices 家"] {
        assert_eq!(paths(&catalogue, query)[0], "data.get_devices", "{query}");
    }
    for query in [words, "x".repeat(10 << 20), "Aa".repeat(1 << 20), "ſ".repeat(1000), "s es ies".into()] {
        let started = std::time::Instant::now();
        let found = catalogue.search(&query).len();
        assert!(
            started.elapsed().as_millis() < 100,
            "{} bytes, {found} found, took {:?}",
            query.len(),
            started.elapsed()
        );
    }
}
