//! The integration tests: one binary, cases as data.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod api;
mod architecture;
mod cache;
mod cases;
mod catalogue;
mod check;
mod cli;
mod config;
mod dependencies;
mod differential;
mod discovery;
mod docs;
mod documents;
mod executions;
mod expectations;
mod faults;
mod fuel;
mod guards;
mod hardening;
mod hints;
mod homeiq;
#[path = "../../examples/homeiq/house.rs"]
mod house;
mod http;
mod isolation;
mod limits;
mod local;
mod log;
mod mcp;
mod mcp_stdio;
mod mcp_upstreams;
mod memory_budget;
mod metrics;
mod older_images;
mod open_policy;
mod properties;
mod refusals;
mod search;
mod service;
#[path = "../../examples/homeiq/services.rs"]
mod services;
mod soak;
mod sockets;
mod states;
mod support;
mod survive;
mod tool_calls;
mod tools;
mod tree;
mod troubleshooting;
mod upstreams;
mod validator;
mod waiting;
mod yields;
