//! Full-text search over tools.
//!
//! BM25F (Robertson, Zaragoza and Taylor, "Simple BM25 extension to multiple weighted fields", CIKM 2004). A word's
//! frequency in a tool is summed over the tool's fields, each weighted and normalised by the mean length of that field.
//! A tool's score is summed over the words of the query:
//!
//! ```text
//! tf(word, tool)     = Σ_field  weight · count / (1 − B + B · length / mean length)
//! score(query, tool) = Σ_word   ln(1 + (N − n + ½) / (n + ½)) · tf / (K + tf)     n of N tools have the word
//! ```
//!
//! A query word also matches longer words that begin with it, with a lower weight.

use std::collections::{BTreeMap, BTreeSet};

use crate::tools::registry::Registered;

/// Weights of the fields: name, module, summary, argument names, and the descriptions of tool and arguments.
const WEIGHTS: [f64; 5] = [8.0, 4.0, 3.0, 2.0, 1.0];

const B: f64 = 0.5;
const K: f64 = 4.0;

const PREFIX_WEIGHT: f64 = 0.3;

/// Shorter query words match whole words only.
const PREFIX_CHARS_MIN: usize = 3;

/// Tools that score less than this share of the best score are dropped: they share little more with the query than
/// words such as `of` and `the`.
const SCORE_SHARE_MIN: f64 = 0.1;

/// Only this much of a query is used.
const QUERY_CHARS_MAX: usize = 500;
const QUERY_TERMS_MAX: usize = 32;

/// The words of a tool, by field.
pub(super) type Fields = [Vec<String>; WEIGHTS.len()];

/// Inverted index: for each word, the tools that contain it and its weighted frequency in each.
#[derive(Debug, Default)]
pub(super) struct Index {
    tools: usize,
    frequencies: BTreeMap<String, Vec<(usize, f64)>>,
}

/// Returns the searchable words of a tool.
pub(super) fn fields(tool: &Registered) -> Fields {
    let parameters = &tool.signature.parameters;
    let names: Vec<&str> = parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    let descriptions = parameters.iter().map(|parameter| parameter.description.as_str());
    let texts: Vec<&str> = std::iter::once(tool.description.as_str()).chain(descriptions).collect();
    let texts = [
        tool.name.clone(),
        tool.module.clone(),
        super::summary(&tool.description),
        names.join(" "),
        texts.join(" "),
    ];
    texts.map(|text| terms(&text))
}

impl Index {
    pub(super) fn new(tools: impl Iterator<Item = Fields>) -> Self {
        let tools: Vec<Fields> = tools.collect();
        let lengths = |field: usize| tools.iter().map(|fields| fields[field].len()).sum::<usize>();
        let means: [f64; WEIGHTS.len()] =
            std::array::from_fn(|field| real(lengths(field)) / real(tools.len()));
        let mut frequencies: BTreeMap<String, Vec<(usize, f64)>> = BTreeMap::new();
        for (place, fields) in tools.iter().enumerate() {
            for ((words, weight), mean) in fields.iter().zip(WEIGHTS).zip(means) {
                let one = weight / (1.0 - B + B * real(words.len()) / mean);
                for word in words {
                    let found = frequencies.entry(word.clone()).or_default();
                    match found.last_mut() {
                        Some((last, frequency)) if *last == place => *frequency += one,
                        _ => found.push((place, one)),
                    }
                }
            }
        }
        Self { tools: tools.len(), frequencies }
    }

    /// Returns the indexes of the tools that match `query`, the best first; `None` if the query has no words.
    pub(super) fn rank(&self, query: &str) -> Option<Vec<usize>> {
        let query: String = query.chars().take(QUERY_CHARS_MAX).collect();
        let words: BTreeSet<String> = terms(&query).into_iter().take(QUERY_TERMS_MAX).collect();
        if words.is_empty() {
            return None;
        }
        let mut scores: BTreeMap<usize, f64> = BTreeMap::new();
        for word in &words {
            let frequencies = self.frequencies_of(word);
            let (all, having) = (real(self.tools), real(frequencies.len()));
            let rarity = (1.0 + (all - having + 0.5) / (having + 0.5)).ln();
            for (place, frequency) in frequencies {
                *scores.entry(place).or_default() += rarity * frequency / (K + frequency);
            }
        }
        let best = scores.values().copied().fold(0.0, f64::max);
        let mut ranked: Vec<(usize, f64)> =
            scores.into_iter().filter(|(_, score)| *score >= best * SCORE_SHARE_MIN).collect();
        // The sort is stable: tools of equal score stay in the order of their paths.
        ranked.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        Some(ranked.into_iter().map(|(place, _)| place).collect())
    }

    fn frequencies_of(&self, word: &str) -> BTreeMap<usize, f64> {
        let mut frequencies: BTreeMap<usize, f64> = BTreeMap::new();
        let beginning =
            self.frequencies.range(word.to_owned()..).take_while(|(found, _)| found.starts_with(word));
        for (found, tools) in beginning {
            let weight = match found == word {
                true => 1.0,
                false if word.chars().count() < PREFIX_CHARS_MIN => continue,
                false => PREFIX_WEIGHT,
            };
            for (place, frequency) in tools {
                *frequencies.entry(*place).or_default() += weight * frequency;
            }
        }
        frequencies
    }
}

/// Returns the words of a text in lower case, with the singular of each plural. A compound such as `getHTTPLogs` yields
/// itself and its three parts.
fn terms(text: &str) -> Vec<String> {
    let mut terms = Vec::new();
    for word in text.split(|char: char| !char.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let parts = camel_case_parts(word);
        let whole = (parts.len() > 1).then(|| word.to_owned());
        for word in whole.iter().chain(&parts).map(|word| word.to_lowercase()) {
            let singular = singular(&word);
            if singular != word {
                terms.push(singular);
            }
            terms.push(word);
        }
    }
    terms
}

/// `getHTTPLog` → `get`, `HTTP`, `Log`.
fn camel_case_parts(word: &str) -> Vec<String> {
    let chars: Vec<char> = word.chars().collect();
    let begins = |place: usize| {
        let (before, here, after) = (chars[place - 1], chars[place], chars.get(place + 1));
        here.is_uppercase() && (!before.is_uppercase() || after.is_some_and(|after| after.is_lowercase()))
    };
    let starts = (1..chars.len()).filter(|&place| begins(place));
    let places: Vec<usize> = std::iter::once(0).chain(starts).chain([chars.len()]).collect();
    places.windows(2).map(|ends| chars[ends[0]..ends[1]].iter().collect()).collect()
}

/// Plural endings and their singulars; the first match applies. Based on Harman's S stemmer ("How effective is
/// suffixing?", JASIS 1991), extended for the plurals of `switch`, `dish`, `class` and `box`.
const ENDINGS: [(&str, &str); 8] = [
    ("ies", "y"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("sses", "ss"),
    ("xes", "x"),
    ("ss", "ss"),
    ("us", "us"),
    ("s", ""),
];

fn singular(word: &str) -> String {
    let ending = ENDINGS.iter().find_map(|(plural, singular)| Some((word.strip_suffix(plural)?, singular)));
    match ending {
        Some((stem, singular)) if stem.chars().count() > 1 => format!("{stem}{singular}"),
        _ => word.to_owned(),
    }
}

/// Lossless below 2³², which the number of tools and words never reaches.
fn real(count: usize) -> f64 {
    u32::try_from(count).unwrap_or(u32::MAX).into()
}
