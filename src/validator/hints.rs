//! What a model can write instead of what it may not.

use super::Policy;

/// For a call of an async function without `await`.
pub(super) const ADD_AWAIT: &str =
    "Add `await` before the call; to use its result at once: `(await f(x))['key']`.";

/// For a module that is not on the allow-list.
pub(super) fn for_import(name: &str, policy: &Policy, with_list: bool) -> Option<String> {
    let beneath = format!("{name}.");
    let from_there = policy.allowed_imports.range(beneath.clone()..).map(String::as_str);
    let submodules: Vec<&str> = from_there.take_while(|allowed| allowed.starts_with(&beneath)).collect();
    if !submodules.is_empty() {
        return Some(format!("Import {} instead.", submodules.join(", ")));
    }
    let root = name.split('.').next().unwrap_or(name);
    let why = REASONS.iter().find(|(roots, _)| roots.contains(&root)).map_or("", |(_, why)| why);
    let list = if with_list {
        let allowed: Vec<&str> = policy.allowed_imports.iter().map(String::as_str).collect();
        format!("Importable here: {}.", allowed.join(", "))
    } else {
        String::new()
    };
    Some(why.to_owned() + &list).filter(|hint| !hint.is_empty()).map(|hint| hint.trim_end().to_owned())
}

/// Why a class of modules is not there, and what does its work.
const REASONS: [(&[&str], &str); 6] = [
    (
        &["aiohttp", "http", "httpx", "requests", "socket", "ssl", "urllib", "urllib3"],
        "There is no network: call the tools that are granted, or take the data from the context. ",
    ),
    (
        &["glob", "os", "pathlib", "shutil", "tempfile"],
        "There are no files, processes or environment: take the data from the context and return the result. ",
    ),
    (&["concurrent", "multiprocessing", "threading"], "There are no threads: use asyncio. "),
    (
        &["numpy", "pandas", "polars", "scipy"],
        "Only the standard library is here: use statistics, collections, itertools and csv. ",
    ),
    (&["logging", "sys"], "Use print for output, and let the last expression be the result. "),
    (&["pickle"], "Use json. "),
];

/// For what the parser says.
pub(super) fn for_syntax(why: &str) -> Option<String> {
    let is_async = ["async function", "asynchronous function"].iter().any(|words| why.contains(words));
    is_async.then(|| "Write `async def` in place of `def`, and await the calls of that function too.".into())
}

/// For a name.
pub(super) fn for_name(name: &str, policy: &Policy) -> Option<String> {
    let hint = match name {
        "compile" | "eval" | "exec" => {
            "Write the code in the program itself; for expressions in data use json.loads or float()."
        }
        "open" => {
            "There are no files: use context for input, the last expression for the result, and io.StringIO for text."
        }
        "input" => "There is nobody to ask: pass values as context.",
        "globals" | "locals" | "vars" | "dir" => "Keep values in a dict of your own.",
        "os" | "subprocess" | "sys" => {
            "There are no files, processes or environment; rename it if it is a variable of your own."
        }
        // The module is there if there are tools.
        "help" if policy.allowed_imports.contains("tools") => {
            "Leave it out; for a tool, print(tools.describe('module.tool')), after `import tools`."
        }
        "breakpoint" | "help" => "Leave it out.",
        "exit" | "quit" => "Let the program run to its end, or raise SystemExit.",
        _ => return for_attribute(name),
    };
    Some(hint.into())
}

/// For an attribute.
pub(super) fn for_attribute(name: &str) -> Option<String> {
    let hint = match name {
        "__class__" => "Use type(x).",
        "__dict__" => "Name the attributes that you need, or use dataclasses.asdict().",
        "__bases__" | "__base__" | "__mro__" | "__subclasses__" => "Use isinstance() or issubclass().",
        "__setattr__" => "Use setattr(), or a property.",
        "__getattribute__" => "Use getattr(), or define __getattr__.",
        "__init_subclass__" => "Use a class decorator.",
        "__reduce__" | "__reduce_ex__" => "Use copy or json.",
        "__import__" => "Use an import statement.",
        "compile" => "Only re.compile is allowed, written with the name that re was imported as.",
        _ => return None,
    };
    Some(hint.into())
}
