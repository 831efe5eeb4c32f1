//! What MCP servers send: streams of events, messages, lists of tools, results. Values are JSON, and the stubs of the tools
//! are valid Python, whatever their names, texts and schemas are.

#![no_main]

use ai_code_executor::tools::catalogue::stubs;
use ai_code_executor::tools::listed_in;
use ai_code_executor::validator::{CODE_BYTES_CEILING, validate};
use ai_code_executor::{Catalogue, Policy, Rule};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let tools = listed_in(bytes);
    if tools.is_empty() {
        return;
    }
    let catalogue = Catalogue::new(tools).expect("tools that are not left out make a catalogue");
    let cards: Vec<_> = catalogue.tools().iter().collect();
    let text = stubs(&cards);
    let policy = Policy::default().code_bytes_max(CODE_BYTES_CEILING).ast_nodes_max(usize::MAX);
    if let Err(findings) = validate(text.clone(), &policy) {
        let broken = findings.iter().find(|finding| finding.rule == Rule::Syntax);
        assert!(broken.is_none(), "{broken:?}:\n{text}");
    }
});
