//! The documents: links resolve, code blocks are what they seem, the book has every page.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use ai_code_executor::validator::{Policy, validate};
use serde_json::Value;

use crate::support::{Service, executor, files_below};

/// What the README may have: it is read in five minutes or not at all.
const README_WORDS_MAX: usize = 800;

/// Modules of tools that programs in the documents import.
const TOOL_MODULES: [&str; 3] = ["automation", "data", "tools"];

/// A fenced code block.
#[derive(Debug, PartialEq)]
struct Block {
    /// What stands behind the fence, such as `python rejected`.
    info: String,
    text: String,
}

/// A page without its code, and the code.
#[derive(Debug, Default, PartialEq)]
struct Page {
    prose: String,
    blocks: Vec<Block>,
}

impl Page {
    fn read(path: &Path) -> Self {
        Self::parse(&fs::read_to_string(path).unwrap())
    }

    fn parse(text: &str) -> Self {
        let mut page = Self::default();
        let mut fenced = false;
        for line in text.lines() {
            let Some(info) = line.trim_start().strip_prefix("```") else {
                let into = if fenced { &mut page.blocks.last_mut().unwrap().text } else { &mut page.prose };
                into.extend([line, "\n"]);
                continue;
            };
            if !fenced {
                page.blocks.push(Block { info: info.to_owned(), text: String::new() });
            }
            fenced = !fenced;
        }
        assert!(!fenced, "a code block does not end");
        page
    }

    /// Targets of links and pictures.
    fn links(&self) -> Vec<&str> {
        let outside_of_code = self.prose.split('`').step_by(2);
        let targets = outside_of_code.flat_map(|text| {
            let starts = text.match_indices("](").map(|(at, found)| &text[at + found.len()..]);
            starts.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
        });
        targets.collect()
    }

    /// What links may name behind `#`: headings, as GitHub and mdBook turn them into identifiers.
    fn anchors(&self) -> BTreeSet<String> {
        let mut seen = BTreeMap::<String, usize>::new();
        let headings = self.prose.lines().filter(|line| line.starts_with('#'));
        let identifiers = headings.map(|line| {
            let kept = line.trim_start_matches('#').trim().chars();
            let kept = kept.filter(|char| char.is_alphanumeric() || " -_".contains(*char));
            let identifier = kept.collect::<String>().to_lowercase().replace(' ', "-");
            let earlier = seen.entry(identifier.clone()).or_default();
            *earlier += 1;
            if *earlier == 1 { identifier } else { format!("{identifier}-{}", *earlier - 1) }
        });
        identifiers.collect()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All pages of the repository.
fn pages() -> Vec<PathBuf> {
    let entries = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    let own = entries.filter(|path| !path.ends_with("target") && !path.ends_with(".git"));
    let files = own.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] });
    let pages: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect();
    assert!(pages.len() > 20, "{pages:?}");
    pages
}

/// Pages whose Python is programs for the sandbox.
fn user_pages() -> impl Iterator<Item = PathBuf> {
    let docs = root().join("docs");
    pages().into_iter().filter(move |path| path.starts_with(&docs) || *path == root().join("README.md"))
}

/// Why `target`, on the page at `path`, leads nowhere.
fn broken(path: &Path, target: &str) -> Option<String> {
    if target.starts_with("https://") || target.starts_with("http://") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let file = if file.is_empty() { path.to_owned() } else { path.parent().unwrap().join(file) };
    if !file.exists() {
        return Some(format!("{}: {target}: there is no such file", path.display()));
    }
    let found = anchor.is_empty() || Page::read(&file).anchors().contains(anchor);
    (!found).then(|| format!("{}: {target}: there is no such heading", path.display()))
}

/// Whether a page shows what `check` prints. An `…` at its end stands for the rest.
fn shows(shown: &str, printed: &str) -> bool {
    match shown.trim_end().strip_suffix('…') {
        Some(beginning) => printed.starts_with(beginning),
        None => printed == shown.trim_end(),
    }
}

/// What `ai-code-executor check` prints of the program.
fn findings(program: &str) -> Option<String> {
    let mut policy = Policy::default();
    policy.allowed_imports.extend(TOOL_MODULES.map(str::to_owned));
    let findings = validate(program.to_owned(), &policy).err()?;
    let lines = findings.iter().map(|finding| {
        let hint = finding.hint.as_ref().map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
        let (line, column, code) = (finding.line, finding.column, finding.rule.code());
        format!("program.py:{line}:{column}: {code} {}{hint}", finding.message)
    });
    Some(lines.collect::<Vec<_>>().join("\n"))
}

#[test]
fn every_relative_link_resolves() {
    let mut links = 0;
    let mut problems = Vec::new();
    for path in pages() {
        let page = Page::read(&path);
        links += page.links().len();
        problems.extend(page.links().iter().filter_map(|target| broken(&path, target)));
    }
    assert_eq!(problems, Vec::<String>::new());
    assert!(links > 100, "{links} links");
}

#[test]
fn a_page_is_read_as_markdown() {
    let page =
        Page::parse("# A `b`: c_d\n[`x`](y.md) `[n](o)` ![p](q.svg)\n```json\n[a](b)\n```\n## A b c_d\n");
    assert_eq!(page.links(), ["y.md", "q.svg"]);
    assert_eq!(page.blocks, [Block { info: "json".into(), text: "[a](b)\n".into() }]);
    assert_eq!(page.anchors(), BTreeSet::from(["a-b-c_d".into(), "a-b-c_d-1".into()]));
    let here = root().join("README.md");
    assert_eq!(broken(&here, "docs/start.md"), None);
    assert!(broken(&here, "docs/no.md").unwrap().contains("no such file"));
    assert!(broken(&here, "docs/start.md#no").unwrap().contains("no such heading"));
}

#[test]
fn python_runs_or_is_rejected_as_the_page_shows() {
    let (mut accepted, mut rejected) = (0, 0);
    for path in user_pages() {
        let blocks = Page::read(&path).blocks;
        for (at, block) in blocks.iter().enumerate().filter(|(_, block)| block.info.starts_with("python")) {
            let context = format!("{}:\n{}", path.display(), block.text);
            match (findings(&block.text), block.info.as_str()) {
                (None, "python") => accepted += 1,
                (Some(printed), "python rejected") => {
                    let next = blocks.get(at + 1).filter(|next| next.info == "text");
                    let shown = &next.unwrap_or_else(|| panic!("no text follows: {context}")).text;
                    assert!(shows(shown, &printed), "{context}shown:\n{shown}printed:\n{printed}");
                    rejected += 1;
                }
                (findings, info) => panic!("{info}: {findings:?}: {context}"),
            }
        }
    }
    assert!(accepted > 5 && rejected > 5, "{accepted} accepted, {rejected} rejected");
}

#[test]
fn json_parses() {
    let mut blocks = 0;
    for path in pages() {
        for block in Page::read(&path).blocks.iter().filter(|block| block.info == "json") {
            let parsed = serde_json::from_str::<Value>(&block.text);
            assert!(parsed.is_ok(), "{}: {parsed:?}\n{}", path.display(), block.text);
            blocks += 1;
        }
    }
    assert!(blocks > 1, "{blocks} blocks");
}

#[test]
fn the_readme_is_short() {
    let words = fs::read_to_string(root().join("README.md")).unwrap().split_whitespace().count();
    assert!(words <= README_WORDS_MAX, "{words} words");
}

#[test]
fn the_readmes_request_has_the_readmes_answer() {
    let blocks = Page::read(&root().join("README.md")).blocks;
    let asks = blocks.iter().position(|block| block.text.contains("localhost:8030/execute")).unwrap();
    let (_, body) = blocks[asks].text.split_once("-d '").unwrap();
    let body: Value = serde_json::from_str(body.split_once('\'').unwrap().0).unwrap();
    let mut shown: Value = serde_json::from_str(&blocks[asks + 1].text).unwrap();
    let (status, mut answer) = Service::start(&[]).execute(&body);
    assert_eq!(status, 200, "{answer}");
    // These differ each time, or with each change of the interpreter.
    for path in ["/execution_time", "/execution_id", "/memory_used_mb", "/usage/fuel", "/usage/cpu_time"]
        .into_iter()
        .chain(["/usage/wall_time", "/usage/memory_peak_bytes"])
    {
        *shown.pointer_mut(path).unwrap() = Value::Null;
        *answer.pointer_mut(path).unwrap() = Value::Null;
    }
    assert_eq!(answer, shown);
}

#[test]
fn the_book_has_every_page() {
    let summary = root().join("docs/SUMMARY.md");
    let listed: BTreeSet<PathBuf> = Page::read(&summary)
        .links()
        .into_iter()
        .map(|target| fs::canonicalize(root().join("docs").join(target)).unwrap())
        .collect();
    let belongs = |path: &PathBuf| {
        let folder = path.parent().unwrap();
        (folder == root() || folder.ends_with("docs")) && *path != summary
    };
    for page in pages().into_iter().filter(belongs) {
        assert!(
            listed.contains(&fs::canonicalize(&page).unwrap()),
            "{} is not in docs/SUMMARY.md",
            page.display()
        );
    }
}

#[test]
fn the_settings_are_those_of_the_program() {
    let page = fs::read_to_string(root().join("docs/settings.md")).unwrap();
    let is_name =
        |word: &&str| word.len() > 3 && word.chars().all(|char| char.is_ascii_uppercase() || char == '_');
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|line| line.split(" | ").next());
    let described: BTreeSet<&str> = cells.flat_map(|cell| cell.split('`')).filter(is_name).collect();
    let output = executor().arg("config").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let first_words = printed.lines().filter_map(|line| line.split(|char: char| " =".contains(char)).next());
    let actual: BTreeSet<&str> = first_words.filter(is_name).collect();
    assert_eq!(described, actual);
}
