//! Arguments of tools, read field by field so that an error names the field.

use rmcp::model::JsonObject;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The arguments of a call. What is wrong with them is for the model to read.
pub(super) struct Arguments(pub(super) JsonObject);

impl Arguments {
    /// Removes an argument. Null counts as absent.
    pub(super) fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, String> {
        match self.0.shift_remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                serde_json::from_value(value).map(Some).map_err(|error| format!("{name}: {error}"))
            }
        }
    }

    /// Fails if an argument is left that nobody has taken.
    pub(super) fn end(self, known: &str) -> Result<(), String> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => {
                let name: String = name.chars().take(100).collect();
                Err(format!("There is no argument {name:?}; there are {known}"))
            }
        }
    }
}
