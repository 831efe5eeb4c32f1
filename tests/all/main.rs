//! The integration tests: one binary, cases as data.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod architecture;
mod cache;
mod cases;
mod cli;
mod differential;
mod expectations;
mod hostile;
mod isolation;
mod limits;
mod service;
mod soak;
mod support;
mod tools;
mod validator;
