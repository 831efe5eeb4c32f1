//! Compares the validator with CPython: accepted programs must compile in the guest, and programs with a syntax error
//! must not.
//!
//! The programs come from CPython's own tests, which are not part of this repository. `CPYTHON_TESTS` names the
//! directory `Lib/test` of a CPython 3.13; without it, the test is skipped.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ai_code_executor::validator::{CODE_BYTES_CEILING, validate};
use ai_code_executor::{Execution, Layers, Limits, Policy, Rule, Sandbox};
use ruff_python_ast::Expr;
use ruff_python_ast::visitor::{Visitor, walk_expr};
use ruff_python_parser::{Mode, ParseOptions, parse_unchecked};
use ruff_text_size::Ranged;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::support::{cache_dir, files_below, value_of};

const BATCH_BYTES: usize = 1 << 20;

/// Programs up to this size are also damaged, to get more programs.
const DAMAGED_BYTES_MAX: usize = 600;

/// Known differences: CPython refuses identifiers with characters newer than its Unicode version, and surrogates in a
/// docstring. The validator accepts them, and the guest then refuses them.
const KNOWN: [&str; 2] = ["SyntaxError: invalid non-printable character", "UnicodeEncodeError: "];

/// Runs the guest's steps before execution on each program, and counts the nodes of `ast.walk`.
const JUDGE: &str = "
import ast, sys
compile_source = sys.modules['guest_program'].compile_source
sys.modules['guest_guards'].enabled = True
def judge(code):
    try:
        nodes = sum(1 for _ in ast.walk(ast.parse(code)))
        compile(code, 'main.py', 'exec', ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        compile_source(code, {})
        return [None, nodes]
    except Exception as error:
        return [f'{type(error).__name__}: {error}'[:200], 0]
[judge(code) for code in programs]
";

#[tokio::test]
async fn validator_and_cpython_agree_on_cpythons_tests() {
    let Some(folder) = std::env::var_os("CPYTHON_TESTS") else {
        eprintln!("skipped: set CPYTHON_TESTS to the Lib/test directory of a CPython 3.13");
        return;
    };
    let programs: Vec<String> = corpus(Path::new(&folder)).into_iter().collect();
    assert!(programs.len() > 1000, "only {} programs in {}", programs.len(), folder.display());
    let policy = Policy::default().context_bytes_max(16 * BATCH_BYTES);
    let sandbox = Sandbox::builder()
        .layers(Layers::WallOnly)
        .policy(policy)
        .ceilings(limits())
        .cache_dir(cache_dir())
        .build()
        .unwrap();
    let mut tally = Tally::default();
    for batch in batches(&programs) {
        let verdicts = judge(&sandbox, batch).await;
        batch.iter().zip(verdicts).for_each(|(program, verdict)| tally.compare(program, &verdict));
    }
    tally.conclude();
}

fn limits() -> Limits {
    Limits::default()
        .wall_time(std::time::Duration::from_mins(5))
        .cpu_time(std::time::Duration::from_mins(5))
        .memory_bytes_max(1 << 30)
        .result_bytes_max(16 << 20)
}

/// Returns the guest's verdict on each program: its error if any, and the number of its nodes.
async fn judge(sandbox: &Sandbox, programs: &[String]) -> Vec<(Option<String>, u64)> {
    let execution = Execution::new(JUDGE).variable("programs", &json!(programs));
    let report = sandbox.run(execution.limits(limits())).await.unwrap();
    let verdicts = value_of(&report);
    let verdicts = verdicts.as_array().unwrap_or_else(|| panic!("{:?}", report.error));
    verdicts
        .iter()
        .map(|verdict| (verdict[0].as_str().map(str::to_owned), verdict[1].as_u64().unwrap()))
        .collect()
}

fn batches(programs: &[String]) -> Vec<&[String]> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, program) in programs.iter().enumerate() {
        bytes += program.len();
        if bytes > BATCH_BYTES {
            batches.push(&programs[start..=index]);
            (start, bytes) = (index + 1, 0);
        }
    }
    batches.push(&programs[start..]);
    batches
}

#[derive(Default)]
struct Tally {
    agreed: usize,
    refused_by_both: usize,
    known: usize,
    wrongly_accepted: Vec<String>,
    wrongly_refused: Vec<String>,
    counted_differently: Vec<String>,
}

impl Tally {
    fn compare(&mut self, program: &str, (error, nodes): &(Option<String>, u64)) {
        if program.trim().is_empty() {
            return;
        }
        let policy = Policy::default().code_bytes_max(CODE_BYTES_CEILING).ast_nodes_max(0);
        let findings = validate(program.into(), &policy).unwrap_err();
        let refused = findings.iter().find(|finding| finding.rule == Rule::Syntax);
        // A relative import is refused anyway, so the validator need not agree about the names in it.
        let is_relative = findings.iter().any(|finding| finding.rule == Rule::RelativeImport);
        let shown =
            |why: &str| format!("{why}\n    {}", program.escape_debug().take(300).collect::<String>());
        match (refused, error) {
            (Some(_), Some(_)) => self.refused_by_both += 1,
            (Some(finding), None) => self.wrongly_refused.push(shown(&finding.message)),
            (None, Some(_)) if is_relative => self.refused_by_both += 1,
            (None, Some(error)) if KNOWN.iter().any(|known| error.starts_with(known)) => self.known += 1,
            (None, Some(error)) => self.wrongly_accepted.push(shown(error)),
            (None, None) => {
                self.agreed += 1;
                let counted = format!("Code is too complex ({nodes} AST nodes); limit is 0");
                if findings[0].message != counted {
                    self.counted_differently.push(shown(&format!("{nodes}: {}", findings[0].message)));
                }
            }
        }
    }

    fn conclude(&self) {
        let Self { agreed, refused_by_both, known, .. } = self;
        println!(
            "{agreed} programs accepted by both, {refused_by_both} refused by both, {known} known differences"
        );
        let lists = [
            ("accepted, but CPython refuses it", &self.wrongly_accepted),
            ("refused, but CPython compiles it", &self.wrongly_refused),
            ("counted differently", &self.counted_differently),
        ];
        let differences = lists.iter().filter(|(_, programs)| !programs.is_empty());
        let shown: Vec<String> = differences
            .map(|(what, programs)| format!("{} {what}:\n  {}", programs.len(), programs.join("\n  ")))
            .collect();
        assert!(shown.is_empty(), "{}", shown.join("\n"));
    }
}

/// Collects every top-level statement of the files, every string that could be a program, and every docstring example.
fn corpus(folder: &Path) -> BTreeSet<String> {
    let mut programs = BTreeSet::new();
    for file in python_files(folder) {
        // Some files are deliberately in other encodings.
        let Ok(source) = fs::read_to_string(&file) else { continue };
        let Some(parsed) = parse_unchecked(&source, ParseOptions::from(Mode::Module)).try_into_module()
        else {
            continue;
        };
        let statements = parsed.suite();
        programs.extend(statements.iter().map(|statement| source[statement.range()].to_owned()));
        let mut texts = Texts::default();
        texts.visit_body(statements);
        programs.extend(texts.0.iter().map(|text| dedent(text)).filter(|text| text.contains('\n')));
        programs.extend(texts.0.iter().flat_map(|text| examples(text)));
        programs.extend(texts.0);
        programs.insert(source);
    }
    programs.retain(|program| program.len() <= CODE_BYTES_CEILING && !program.trim().is_empty());
    // The validator removes a byte order mark.
    programs.retain(|program| !program.starts_with('\u{feff}'));
    let damaged: Vec<String> = programs.iter().filter_map(|program| damaged(program)).collect();
    programs.extend(damaged);
    programs
}

/// Returns a small program with one token missing, repeated or replaced by another. The choice is derived from the
/// text, so it is reproducible.
fn damaged(program: &str) -> Option<String> {
    let parsed = parse_unchecked(program, ParseOptions::from(Mode::Module));
    let ranges = parsed.tokens().iter().map(Ranged::range);
    let tokens: Vec<_> = ranges.filter(|range| !range.is_empty()).map(|range| range.to_std_range()).collect();
    if program.len() > DAMAGED_BYTES_MAX || !parsed.errors().is_empty() || tokens.is_empty() {
        return None;
    }
    let digest = Sha256::digest(program);
    let token = |byte: usize| tokens[usize::from(digest[byte]) % tokens.len()].clone();
    let replacement = match digest[0] % 3 {
        0 => " ".to_owned(),
        1 => program[token(1)].to_owned(),
        _ => format!("{0} {0}", &program[token(2)]),
    };
    let mut damaged = program.to_owned();
    damaged.replace_range(token(2), &replacement);
    Some(damaged)
}

fn python_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = files_below(folder);
    files.retain(|path| path.extension().is_some_and(|extension| extension == "py"));
    files
}

#[derive(Default)]
struct Texts(BTreeSet<String>);

impl<'a> Visitor<'a> for Texts {
    fn visit_expr(&mut self, expr: &'a Expr) {
        if let Expr::StringLiteral(literal) = expr {
            self.0.insert(literal.value.to_str().to_owned());
        }
        walk_expr(self, expr);
    }
}

fn dedent(text: &str) -> String {
    let indent = |line: &&str| line.len() - line.trim_start_matches(' ').len();
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let common = lines.map(|line| indent(&line)).min().unwrap_or_default();
    text.lines().map(|line| line.get(common..).unwrap_or_default()).collect::<Vec<_>>().join("\n") + "\n"
}

/// Returns the programs after `>>>` and `...`.
fn examples(text: &str) -> Vec<String> {
    let mut examples: Vec<String> = Vec::new();
    let mut inside = false;
    for line in text.lines().map(str::trim_start) {
        if let Some(code) = line.strip_prefix(">>> ") {
            examples.push(format!("{code}\n"));
            inside = true;
        } else if let (true, Some(code)) = (inside, line.strip_prefix("...")) {
            let code = code.strip_prefix(' ').unwrap_or(code);
            if let Some(example) = examples.last_mut() {
                example.push_str(code);
                example.push('\n');
            }
        } else {
            inside = false;
        }
    }
    examples
}
