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
//! # Features
//!
//! - `server` (default): the HTTP service (`server`), what its process gives up before it serves (`hardening`), and the
//!   command line. Implies `http-tools`.
//! - `http-tools`: tools of network services, which a registry file describes (`tools::ToolFile`); requests are signed by
//!   `http_signing`.
//!
//! Without either, the crate runs programs, and their tools are async functions in Rust ([`Tool`]).
//!
//! # Stability
//!
//! Structs and enums that may grow are `#[non_exhaustive]`: make them with constructors and setters, and match with a last
//! arm. Types of other crates in signatures are of crates at 1.0 or later (`http`, `schemars`, `serde`, `serde_json`, `tokio`),
//! and of `http_signing`, which is versioned with this crate; the tower layer there is the one exception. `docs/public-api/` has the whole interface as text; CI compares it.
//! Feature `test-layers` and items that the documentation hides are for this crate's own tests.
//!
//! # Layout
//!
//! A request passes through the modules in this order: `server` (HTTP and its JSON) → [`execution`] and [`limits`]
//! (plain data) → [`validator`] → [`sandbox`](Sandbox) (admission) → `instance` (one Store per execution) →
//! `hostcall` (what the guest may ask of the host, [`tools`] among it) → [`Report`]. `image` makes what an instance starts
//! from; `memory` maps it.
//!
//! These invariants hold everywhere; `tests/all/architecture.rs` checks the first three:
//!
//! - only `image`, `instance`, `hostcall`, `memory` and `meter` name wasmtime, and only `server` names axum;
//! - the types of [`execution`] and [`limits`] do not derive `Serialize`: they know no JSON of answers;
//! - the library does not read the environment;
//! - a Store is never used twice: `instance` makes one per execution and drops it;
//! - the guest's own Python and a program are never one text: the program is a field of the request.

#![deny(missing_docs)]

#[cfg(not(target_os = "linux"))]
compile_error!(
    "ai-code-executor runs on Linux only: on other systems, run it in a Linux container or virtual machine"
);

mod cancel;
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

pub use cancel::{CancelHandle, EndSignal};
pub use error::Error;
pub use execution::{
    Event, EventSink, Events, Execution, ExecutionId, Finding, GuestError, Outcome, Output, Report, Rule,
    Stages, Usage, events,
};
pub use limits::Limits;
pub use metrics::Metrics;
#[cfg(any(test, fuzzing, feature = "test-layers"))]
#[doc(hidden)]
pub use sandbox::Layers;
pub use sandbox::{Sandbox, SandboxBuilder};
pub use tools::{Catalogue, Decision, Tool, ToolCall, ToolError, ToolErrorKind, ToolPolicy, ToolRequest};
pub use validator::{Policy, ValidatedSource};

/// The interpreter that programs run in.
pub const PYTHON_VERSION: &str = "3.13.15";

/// What compiles and runs the interpreter: the version that `Cargo.lock` names.
pub const WASMTIME_VERSION: &str = "48.0.8";

/// Target of the log events that show how far a first start has got.
pub const PROGRESS: &str = "ai_code_executor::progress";

/// Target of the spans: `execution` around each execution, under the caller's span, and `tool_call` around each of its tool
/// calls, under that. Both have level INFO.
pub const SPANS: &str = "ai_code_executor::spans";

/// The documentation's Rust compiles.
#[cfg(doctest)]
#[doc = include_str!("../docs/embedding.md")]
struct Embedding;
