//! Registry files. Each is either refused, with the line of every problem, or gives a catalogue whose stubs are valid
//! Python.

#![no_main]

use std::io;
use std::sync::LazyLock;

use ai_code_executor::http_signing::{Key, Signer};
use ai_code_executor::tools::catalogue::{prompt, stubs};
use ai_code_executor::tools::{Surroundings, ToolFile};
use ai_code_executor::validator::{CODE_BYTES_CEILING, validate};
use ai_code_executor::{Catalogue, Policy, Rule};
use libfuzzer_sys::{Corpus, fuzz_target};

static SIGNER: LazyLock<Signer> = LazyLock::new(|| {
    let key = Key::new("fuzz", "a secret of thirty-two bytes or more").expect("a key");
    Signer::new(key).expect("the key can sign")
});

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Ok(text) = std::str::from_utf8(bytes) else { return Corpus::Reject };
    let variable = |name: &str| (!name.contains("UNSET")).then(|| "http://service:80".to_owned());
    let surroundings = Surroundings::new(&variable, &|_| Err(io::ErrorKind::NotFound.into()));
    match ToolFile::parse("tools.toml", text, surroundings) {
        Ok(file) => accepted(&file),
        Err(error) => refused(text, &error.problems),
    }
    Corpus::Keep
});

fn refused(text: &str, problems: &[String]) {
    let line_of = |problem: &String| {
        let (line, what) = problem.strip_prefix("tools.toml:")?.split_once(": ")?;
        line.parse().ok().filter(|_| !what.is_empty())
    };
    let lines: Vec<usize> =
        problems.iter().map(|problem| line_of(problem).unwrap_or_else(|| panic!("{problem}"))).collect();
    assert!(!lines.is_empty() && lines.is_sorted(), "{problems:?}");
    let last = 1 + text.matches('\n').count();
    assert!(lines.iter().all(|line| (1..=last).contains(line)), "{last} lines: {problems:?}");
}

fn accepted(file: &ToolFile) {
    let tools = file.connect(Some(&SIGNER)).expect("tools without connections");
    let catalogue = Catalogue::new(tools).expect("an accepted file makes a catalogue");
    let cards: Vec<_> = catalogue.tools().iter().collect();
    for card in &cards {
        assert!(catalogue.find(&card.path).is_some_and(|found| found.path == card.path));
        is_python(&card.stub);
    }
    is_python(&stubs(&cards));
    assert!(!prompt(&cards, &Policy::default()).is_empty());
    assert!(catalogue.search("weather of a city").len() <= cards.len());
    assert_eq!(catalogue.search("").len(), cards.len());
}

fn is_python(text: &str) {
    let policy = Policy::default().code_bytes_max(CODE_BYTES_CEILING).ast_nodes_max(usize::MAX);
    if let Err(findings) = validate(text.to_owned(), &policy) {
        let broken = findings.iter().find(|finding| finding.rule == Rule::Syntax);
        assert!(broken.is_none(), "{broken:?}:\n{text}");
    }
}
