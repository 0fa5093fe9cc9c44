//! The online store on every backend, and what is special about a server.

#![expect(clippy::unwrap_used, reason = "a failed call is a failed test")]

mod backends;
mod engine;
mod faults;
mod refusals;
