//! Arguments of tools, read one by one so that an error names the argument.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::JsonObject;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};

/// The arguments of a call. What is wrong with them is for the model to read.
#[derive(Default)]
pub(super) struct Arguments(BTreeMap<String, Box<RawValue>>);

/// Arguments on their way through the protocol's library, which clones what belongs to a request.
#[derive(Clone)]
pub(super) struct OnTheWay(Arc<Mutex<Option<Arguments>>>);

impl OnTheWay {
    pub(super) fn new(arguments: Option<Arguments>) -> Self {
        Self(Arc::new(Mutex::new(arguments)))
    }

    pub(super) fn take(&self) -> Option<Arguments> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Arguments {
    /// Returns `None` if the text is not that of an object.
    pub(super) fn parse(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok().map(Self)
    }

    pub(super) fn new(parsed: JsonObject) -> Self {
        let raw = parsed.into_iter().filter_map(|(name, value)| Some((name, to_raw_value(&value).ok()?)));
        Self(raw.collect())
    }

    /// Removes an argument. Null counts as absent.
    pub(super) fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, String> {
        match self.0.remove(name) {
            Some(value) if value.get() != "null" => {
                serde_json::from_str(value.get()).map(Some).map_err(|error| format!("{name}: {error}"))
            }
            _ => Ok(None),
        }
    }

    /// Fails if an argument is left that nobody has taken.
    pub(super) fn end(self, known: &str) -> Result<(), String> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(format!("There is no argument {:?}; there are {known}", super::shown(name))),
        }
    }
}
