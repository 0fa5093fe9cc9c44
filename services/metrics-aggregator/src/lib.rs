//! Counts what happens per minute: event-time windows per peer and per origin.
//!
//! Topics in: `bgp-messages` (group `weir-metrics-aggregator`: messages, announcements, withdrawals
//! of each peer), `bgp-updates` (group `weir-origin-aggregator`: announcements of each origin, a
//! partial per partition), `window-results` (group `weir-window-writer`). Topic out:
//! `window-results`, keyed `aggregate/key`, with versions from the source position. Stores: one redb
//! file per task, which holds its state and its position in one transaction, and the metric store,
//! which the window writer fills with rows and its own position in one transaction.
//!
//! What comes out is a function of the log: a task that starts again repeats its rows with the same
//! versions, and the store ignores what is not newer (docs/detector.md 11, 15). A record that is too
//! late is counted and goes to the dead letters of its topic with class `late`.

mod config;
mod counters;
mod fold;
pub mod process;
mod run;
mod state;
mod task;
mod window_writer;

pub use config::Config;
pub use run::{Parts, Running, start};

/// Group of the tasks over `bgp-messages`.
pub const PEER_GROUP: &str = "weir-metrics-aggregator";
/// Group of the tasks over `bgp-updates`.
pub const ORIGIN_GROUP: &str = "weir-origin-aggregator";
/// Group of the window writer over `window-results`.
pub const WRITER_GROUP: &str = "weir-window-writer";
