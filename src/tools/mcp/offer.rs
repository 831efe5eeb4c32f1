//! Which of a server's tools programs are to find, while the server changes them.
//!
//! People approve calls by the name of a tool. So what they know under a name stays what they know, until a restart: a tool whose
//! calls need approval keeps its definition and its Python name, also while the server does not offer it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::definition::{Definition, Listed};
use crate::tools::names::{self, Kind};

/// The most tools, counting those that are only kept for their names.
const TOOLS_MAX: usize = 4096;

/// The tools of a server.
#[derive(Default)]
pub(super) struct Offer {
    /// Digests of the definitions that the server offers now.
    listed: BTreeMap<String, [u8; 32]>,
    /// Those that programs are to find; `None` before the first list.
    known: Option<BTreeMap<String, Arc<Definition>>>,
}

/// What a list has brought. Names are those that the server gives.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// Tools that are new, gone or others, and taken over.
    pub(super) taken: Vec<String>,
    /// Tools that are not taken over before a restart.
    pub(super) held: Vec<String>,
    /// Whether this was the first list.
    pub(super) is_first: bool,
}

impl Offer {
    pub(super) fn known(&self) -> Option<&BTreeMap<String, Arc<Definition>>> {
        self.known.as_ref()
    }

    /// Takes over what can be taken over of a list. `asks_for` tells whether calls of a tool need approval.
    pub(super) fn take(&mut self, listed: &Listed, asks_for: impl Fn(&Definition) -> bool) -> News {
        self.listed = listed.definitions.iter().map(|(name, tool)| (name.clone(), tool.digest)).collect();
        let Some(before) = &self.known else {
            self.known = Some(listed.definitions.clone());
            return News { is_first: true, ..News::default() };
        };
        let mut news = News::default();
        // What people know stays.
        let mut known: BTreeMap<_, _> = before
            .iter()
            .filter(|(_, tool)| asks_for(tool))
            .map(|(name, tool)| (name.clone(), tool.clone()))
            .collect();
        let mut added = BTreeMap::new();
        for (name, tool) in &listed.definitions {
            match before.get(name) {
                Some(other) if other.digest == tool.digest => drop(known.insert(name.clone(), tool.clone())),
                Some(other) if asks_for(other) || asks_for(tool) => {
                    known.insert(name.clone(), other.clone());
                    news.held.push(name.clone());
                }
                Some(_) => {
                    known.insert(name.clone(), tool.clone());
                    news.taken.push(name.clone());
                }
                None => drop(added.insert(name.clone(), tool.clone())),
            }
        }
        news.taken.extend(before.keys().filter(|name| !known.contains_key(*name)).cloned());
        // New tools must not get the Python names of others that people know.
        let with_added = known.keys().chain(added.keys());
        let paths = python_names(with_added);
        let keeps_names = python_names(known.keys()).iter().all(|(name, path)| paths.get(name) == Some(path));
        let is_known_to_people = known.values().any(|tool| asks_for(tool));
        if (keeps_names || !is_known_to_people) && known.len() + added.len() <= TOOLS_MAX {
            news.taken.extend(added.keys().cloned());
            known.extend(added);
        } else {
            news.held.extend(added.into_keys());
        }
        self.known = Some(known);
        news
    }

    /// Returns why a tool that programs know by a definition with this digest cannot be called.
    pub(super) fn refusal(&self, tool: &str, digest: [u8; 32]) -> Option<&'static str> {
        let known = self.known.as_ref()?;
        match self.listed.get(tool) {
            Some(listed) if *listed == digest => None,
            Some(_) if known.get(tool).is_some_and(|known| known.digest == digest) => Some(
                "its definition has changed, and its calls need approval; a restart of the executor takes over the new one",
            ),
            Some(_) => Some(
                "its definition has changed since the program began; a later run of the program finds the new one",
            ),
            None => Some("its server does not offer it any more"),
        }
    }
}

/// Returns the Python names of tools by the names that a server gives them.
fn python_names<'a>(names: impl Iterator<Item = &'a String>) -> BTreeMap<&'a str, String> {
    let mut given: Vec<&str> = names.map(String::as_str).collect();
    // As in the registry, which has them in this order.
    given.sort_unstable();
    let legal = names::all_legal(&given, Kind::Tool);
    given.into_iter().zip(legal).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A list of tools: the name and the description of each.
    fn listed(tools: &[(&str, &str)]) -> Listed {
        let definition = |(name, description): &(&str, &str)| {
            let mut digest = [0; 32];
            digest[..description.len()].copy_from_slice(description.as_bytes());
            let definition = Definition {
                description: (*description).to_owned(),
                parameters: json!({}),
                output: None,
                read_only: description.starts_with("reads"),
                destructive: false,
                digest,
            };
            ((*name).to_owned(), Arc::new(definition))
        };
        Listed { definitions: tools.iter().map(definition).collect(), ..Listed::default() }
    }

    fn after(first: &[(&str, &str)]) -> Offer {
        let mut offer = Offer::default();
        assert!(offer.take(&listed(first), |_| true).is_first);
        offer
    }

    fn known(offer: &Offer) -> Vec<(&str, &str)> {
        let known = offer.known().unwrap().iter();
        known.map(|(name, tool)| (name.as_str(), tool.description.as_str())).collect()
    }

    fn news(taken: &[&str], held: &[&str]) -> News {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        News { taken: owned(taken), held: owned(held), is_first: false }
    }

    #[test]
    fn all_is_taken_over_where_nobody_approves() {
        let mut offer = after(&[("a", "one"), ("b", "two")]);
        let later = listed(&[("a", "other"), ("c", "new"), ("A", "new")]);
        assert_eq!(offer.take(&later, |_| false), news(&["a", "b", "A", "c"], &[]));
        assert_eq!(known(&offer), [("A", "new"), ("a", "other"), ("c", "new")]);
        assert_eq!(offer.take(&later, |_| false), news(&[], &[]));
    }

    #[test]
    fn what_people_know_stays_also_if_it_is_away_for_a_time() {
        let asks = |tool: &Definition| !tool.read_only;
        let mut offer = after(&[("look", "reads"), ("un-lock", "opens")]);
        assert_eq!(offer.take(&listed(&[("look", "reads more")]), asks), news(&["look"], &[]));
        assert_eq!(known(&offer), [("look", "reads more"), ("un-lock", "opens")]);
        let opens = offer.known().unwrap()["un-lock"].digest;
        assert!(offer.refusal("un-lock", opens).unwrap().contains("does not offer it any more"));
        assert_eq!(offer.take(&listed(&[("un-lock", "opens all")]), asks), news(&["look"], &["un-lock"]));
        assert!(offer.refusal("un-lock", opens).unwrap().contains("its calls need approval"));
        // One that reads, as it says now, is not what was known either.
        assert_eq!(offer.take(&listed(&[("un-lock", "reads")]), asks), news(&[], &["un-lock"]));
        assert_eq!(offer.take(&listed(&[("un-lock", "opens")]), asks), news(&[], &[]));
        assert_eq!(offer.refusal("un-lock", opens), None);
    }

    #[test]
    fn new_tools_do_not_get_the_names_of_those_that_people_know() {
        // In Python, `un-lock` is `un_lock`, unless another tool has that name by itself.
        let mut offer = after(&[("un-lock", "opens")]);
        let later = listed(&[("un-lock", "opens"), ("un_lock", "burns")]);
        assert_eq!(offer.take(&later, |_| true), news(&[], &["un_lock"]));
        assert_eq!(known(&offer), [("un-lock", "opens")]);
        assert_eq!(offer.take(&later, |_| false), news(&["un_lock"], &[]));
        let mut offer = after(&[("un_lock", "opens")]);
        assert_eq!(offer.take(&later, |_| true), news(&["un-lock"], &["un_lock"]));
        assert_eq!(known(&offer), [("un-lock", "opens"), ("un_lock", "opens")]);
    }

    #[test]
    fn names_are_kept_up_to_a_number() {
        let names: Vec<_> = (0..1000).map(|n| format!("a{n}")).collect();
        let mut offer = after(&[]);
        for round in 0..6 {
            let tools: Vec<_> = names.iter().map(|name| (format!("{name}_r{round}"), "x")).collect();
            let tools: Vec<_> =
                tools.iter().map(|(name, description)| (name.as_str(), *description)).collect();
            offer.take(&listed(&tools), |_| true);
        }
        assert_eq!(known(&offer).len(), 4000);
    }
}
