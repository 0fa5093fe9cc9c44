//! The serving side: REST, live events, the stream of RIS Live and one server-rendered page.
//!
//! Topics in: `bgp-conflicts` and `service-status`, read from their ends without a group, for what
//! is live; `bgp-messages` in the same way while there are clients of RIS Live. Topics out: none. Stores: incidents (record-store), features (online-store) and windows
//! (metric-store), all read only. What the detector knows right now it is asked for by gRPC (`lookups.rs`); the watch
//! list is held against that again and again (`watch.rs`).
//! Errors are problem documents (RFC 9457), the API describes itself
//! at `/openapi.json`, and off loopback nobody is served without a token.

mod app;
mod auth;
mod config;
pub mod generated;
mod grpc;
mod live;
mod lookups;
mod openapi;
mod own;
mod owners;
mod page;
mod problem;
pub mod process;
mod rest;
mod ris;
mod run;
mod watch;

pub use config::{Config, Ris};
pub use live::Live;
pub use problem::Problem;
pub use run::{Running, StartError, StopError, Stores, serve, start};
pub use weir_lifecycle::tokens::{Auth, MIN_TOKEN, Token};
