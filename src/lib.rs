//! Runs AI-written Python in a fresh, real CPython inside WebAssembly.
//!
//! ```no_run
//! use ai_code_executor::{Execution, Sandbox};
//!
//! # async fn example() -> Result<(), ai_code_executor::Error> {
//! let sandbox = Sandbox::builder().build()?;
//! let report = sandbox.run(Execution::new("sum(n * n for n in range(5))")).await?;
//! assert_eq!(report.value.as_ref().map(|value| value.get()), Some("30"));
//! # Ok(())
//! # }
//! ```
//!
//! # Layout
//!
//! A request passes through the modules in this order: `server` (HTTP and its JSON) → [`execution`] and [`limits`]
//! (plain data) → [`validator`] → [`sandbox`](Sandbox) (admission) → `instance` (one Store per execution) →
//! `hostcall` (what the guest may ask of the host, [`tools`] among it) → [`Report`]. `image` makes and maps what an
//! instance starts from. [`hardening`] takes from the process what it does not need for that.
//!
//! What holds everywhere; `tests/all/architecture.rs` checks the first three:
//!
//! - only `image`, `instance` and `hostcall` name wasmtime, and only [`server`] names axum;
//! - the types of [`execution`] and [`limits`] know no JSON of answers: they do not derive `Serialize`;
//! - nothing but [`config`] reads the environment;
//! - a Store is never used twice: `instance` makes one per execution and drops it there;
//! - the guest's own Python and a program are never one text: the program is a field of the request.

#[cfg(not(target_os = "linux"))]
compile_error!(
    "ai-code-executor runs on Linux only: on other systems, run it in a Linux container or virtual machine"
);

pub mod error;
pub mod execution;
#[cfg(feature = "server")]
pub mod hardening;
mod hostcall;
mod image;
mod instance;
mod json;
pub mod limits;
mod memory;
mod meter;
mod metrics;
mod sandbox;
#[cfg(feature = "server")]
pub mod server;
pub mod tools;
pub mod validator;

#[cfg(fuzzing)]
#[doc(hidden)]
pub use image::fuzzing;

/// Signs the requests of HTTP tools.
#[cfg(feature = "http-tools")]
pub use http_signing;

pub use error::Error;
pub use execution::{
    Execution, ExecutionId, Finding, GuestError, Outcome, Output, Report, Rule, Stages, Usage,
};
pub use limits::Limits;
pub use metrics::Metrics;
pub use sandbox::{Builder, Layers, Sandbox};
pub use tools::{Catalogue, Decision, Tool, ToolCall, ToolError, ToolErrorKind, ToolPolicy, ToolRequest};
pub use validator::{Policy, ValidatedSource};

/// Target of the log events that show how far a first start has got.
pub const PROGRESS: &str = "ai_code_executor::progress";

/// The README's Rust compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
