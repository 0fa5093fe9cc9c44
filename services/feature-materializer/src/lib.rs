//! The feature materializer: keeps the features of BGP sessions fresh, and their history whole.
//!
//! Topics in: `bgp-messages` (by peer). Topic out, and in again: `feature-rows` (by view and
//! entity). Stores: one redb file for each partition with the sessions, their prefix sets, the
//! position and the counters in one transaction; the online store (latest row); the offline store
//! (every row, Parquet by day) with its ledger.
//!
//! Three stages with a consumer group each. The fold turns messages into sessions and, at
//! each second of stream time, the sessions that changed into rows; the online writer and the
//! history writer are sinks of the rows. A view is a file in [`views`] and a line in its registry.
//! Rows are a function of the log alone, so that whatever is published twice is recognised by its
//! (entity, version).

mod config;
mod fold;
mod history;
mod online;
pub mod process;
mod run;
mod session;
mod task;
pub mod views;

pub use config::Config;
pub use fold::{FoldError, StateError};
pub use history::LedgerError;
pub use run::{GROUP, HISTORY_GROUP, ONLINE_GROUP, Place, Running, StartError, start};
