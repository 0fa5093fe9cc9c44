//! The server's side of RIS Live: frames that our decoder and another's read back, and subscriptions
//! that choose what a plain reading of the manual chooses.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests, also outside their test functions"
)]

mod filters;
mod frames;
mod generated;
mod requests;
