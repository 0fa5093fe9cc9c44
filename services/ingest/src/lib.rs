//! Ingest: from a socket or files to the log.
//!
//! Topics in: none of ours. Topics out: `bgp-updates` (routes by address block), `bgp-messages` (whole
//! messages by peer), their controls in-band, and `bgp-messages.dlq`. Store: `ingest.redb`, with
//! the progress of each collector's writer and the epochs of live writers.
//!
//! In the order in which data meets them: [`input`] finds files and names collectors,
//! `decompress` opens them, `reader` cuts and decodes them, `merge` puts their records in order of
//! event time, `batch` gives them to the `writer` of their collector, `progress` remembers how far
//! that came. [`ris_live`] does the same for a websocket, [`bmp`] for routers that connect, `kafka` for topics that
//! others write; `watch` for a folder. `baseline` fetches the tables that RIS Live does not tell. `knowledge` brings what others say of prefixes and networks in-band, from
//! files and by RTR. [`start`] runs one [`Source`] on a thread of its own.

mod baseline;
mod batch;
pub mod bmp;
#[cfg(test)]
#[path = "../../../crates/routing/tests/decoders/bmp_bytes.rs"]
mod bmp_bytes;
mod clamp;
pub mod config;
mod counts;
mod decompress;
mod files;
pub mod input;
mod kafka;
mod knowledge;
mod live;
mod merge;
#[cfg(test)]
#[path = "../../../crates/routing/tests/decoders/mrt_bytes.rs"]
mod mrt_bytes;
mod notes;
mod pacer;
pub mod process;
mod progress;
mod reader;
pub mod ris_live;
mod run;
pub mod scenario;
mod speed;
mod ticks;
mod watch;
mod writer;

pub use config::{Config, Source};
pub use counts::Stats;
pub use decompress::whole;
pub use knowledge::{KnowledgeError, store as store_knowledge};
pub use progress::ProgressError;
pub use reader::messages;
pub use run::{InputProgress, Running, StartError, StopError, start};
pub use speed::{Speed, SpeedError};
