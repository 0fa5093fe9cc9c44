//! The conflict detector: finds conflicting announcements and writes them down.
//!
//! Reads `bgp-updates` (group `weir-conflict-detector`), one task per partition. Writes
//! `bgp-conflicts`, at once, and nothing else on that path. Its memory is a checkpoint in a folder
//! (`checkpoint.rs`). What only who sees all partitions can judge it tells a second stage by `bgp-signals`
//! (`correlator.rs`, group `weir-conflict-correlator`), which writes `bgp-conflicts` too and remembers in one redb
//! file per partition. An incident writer in the same service (`store.rs`, group
//! `weir-incident-writer`) moves `bgp-conflicts` to the record store. How updates become incidents
//! is `weir_conflicts`; what a task knows right now it tells who asks
//! (`lookups.rs`); what happens in which order around it is `task.rs`.

mod checkpoint;
mod config;
mod correlator;
mod emission;
mod latency;
mod library;
mod lookups;
pub mod process;
mod restore;
mod run;
mod shard_writer;
mod store;
mod task;
mod trial;
pub mod updates;

pub use checkpoint::{CheckpointError, greatest_topic_epoch};
pub use config::{Config, ConfigError};
pub use correlator::GROUP as CORRELATOR_GROUP;
pub use latency::{Latency, Percentiles};
pub use lookups::Lookups;
pub use restore::RestoreError;
pub use run::{Parts, Running, StartError, start};
pub use store::GROUP as WRITER_GROUP;
pub use task::GROUP;
pub use trial::{Change, Trial, TrialError, judged_by};
