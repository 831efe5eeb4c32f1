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
//! - `server` (default): the HTTP service (`server`), process hardening (`hardening`) and the command line. Implies
//!   `mcp-tools` and `store`.
//! - `http-tools`: tools of network services, described by a registry file (`tools::ToolFile`). `http_signing` signs
//!   their requests.
//! - `mcp-tools`: tools of servers that speak the Model Context Protocol, named in registry files. Implies `http-tools`.
//! - `store`: `sealed_store::Embedded`, a store in a file.
//!
//! Without these features, the crate runs programs whose tools are async Rust functions ([`Tool`]).
//!
//! # Stability
//!
//! Structs and enums that may grow are `#[non_exhaustive]`: create them with constructors and setters, and match them
//! with a wildcard arm. Of other crates, signatures use only types of crates at version 1.0 or later (`http`,
//! `schemars`, `serde`, `serde_json`, `tokio`) and of `http_signing`, which is versioned together with this crate. The
//! one exception is the tower layer in `http_signing`. `docs/public-api/` contains the public interface as text; CI
//! compares it with the code. The feature `test-layers` and items hidden from the documentation exist only for this
//! crate's own tests.
//!
//! # Layout
//!
//! A request passes through the modules in this order: `server` (HTTP and its JSON) → [`execution`] and [`limits`]
//! (plain data) → [`validator`] → [`sandbox`](Sandbox) (admission) → `instance` (one Store per execution) → `hostcall`
//! (the functions that the guest can call, among them [`tools`]) → [`Report`]. `image` builds the state that an
//! instance starts from; `memory` maps it.
//!
//! These invariants hold everywhere; `tests/all/architecture.rs` checks the first three:
//!
//! - only `image`, `instance`, `hostcall`, `memory` and `meter` name wasmtime, and only `server` names axum;
//! - the types of [`execution`] and [`limits`] do not derive `Serialize`: they do not define the JSON of answers;
//! - the library does not read the environment;
//! - a Store is never used twice: `instance` makes one per execution and drops it;
//! - a program is never concatenated with the guest's own Python: it is a field of the request.

#![deny(missing_docs)]

#[cfg(not(target_os = "linux"))]
compile_error!(
    "ai-code-executor runs on Linux only: on other systems, run it in a Linux container or virtual machine"
);

mod cancel;
pub mod error;
pub mod execution;
mod framing;
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
mod store;
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
    Answer, CallerTool, Event, EventSink, Events, Execution, ExecutionId, File, Finding, GuestError,
    KeepState, OnWait, Outcome, Output, PlannedCall, Report, Rule, Stages, StateHandle, Usage, Waiting,
    WaitingCall, WaitsFor, events,
};
pub use image::{Distribution, Packages};
pub use limits::Limits;
pub use metrics::Metrics;
#[cfg(any(test, fuzzing, feature = "test-layers"))]
#[doc(hidden)]
pub use sandbox::Layers;
pub use sandbox::{
    ExecutionInfo, ExecutionStatus, Sandbox, SandboxBuilder, StateInfo, WaitLimits, WaitingApproval,
};
pub use sealed_store;
pub use tools::{
    Approval, Catalogue, Decision, Tool, ToolCall, ToolError, ToolErrorKind, ToolPolicy, ToolRequest,
};
pub use validator::{Policy, PolicyKind, ValidatedSource};

/// Version of the CPython interpreter that programs run in.
pub const PYTHON_VERSION: &str = "3.13.15";

/// Version of wasmtime, which compiles and runs the interpreter. `Cargo.lock` names the same version.
pub const WASMTIME_VERSION: &str = "48.0.8";

/// Target of the log events that report the progress of a first start.
pub const PROGRESS: &str = "ai_code_executor::progress";

/// Target of the tracing spans: `execution`, a child of the caller's span, surrounds each execution; `tool_call`, a
/// child of `execution`, surrounds each of its tool calls. Both have level INFO.
pub const SPANS: &str = "ai_code_executor::spans";

/// Compiles the Rust code of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../docs/embedding.md")]
struct Embedding;
