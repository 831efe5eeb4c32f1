//! How the user wants text on a terminal.

use std::env;

/// Whether without colours: <https://no-color.org>, and terminals that know none.
pub(crate) fn is_plain() -> bool {
    let wants_none = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    wants_none || env::var_os("TERM").is_some_and(|terminal| terminal == "dumb")
}
