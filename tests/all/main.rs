//! The integration tests: one binary, cases as data.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod architecture;
mod cache;
mod cases;
mod cli;
mod config;
mod differential;
mod expectations;
mod guards;
mod hostile;
mod http;
mod isolation;
mod limits;
mod local;
mod log;
mod metrics;
mod service;
mod signing;
mod soak;
mod sockets;
mod support;
mod tools;
mod troubleshooting;
mod validator;
