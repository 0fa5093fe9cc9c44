//! Ingest: from a socket or files to the log.
//!
//! Topics in: none. Topics out: `bgp-updates` (routes by address block), `bgp-messages` (whole
//! messages by peer), their controls in-band, and `bgp-messages.dlq`. Store: `ingest.redb`, with
//! the progress of each collector's writer and the epochs of live writers.
//!
//! In the order in which data meets them: [`input`] finds files and names collectors,
//! `decompress` opens them, `reader` cuts and decodes them, `merge` puts their records in order of
//! event time, `batch` gives them to the `writer` of their collector, `progress` remembers how far
//! that came. [`ris_live`] does the same for a websocket; `watch` for a folder. `knowledge` brings what others
//! say of prefixes (VRPs) in-band. [`start`] runs one
//! [`Source`] on a thread of its own.

mod batch;
mod clamp;
pub mod config;
mod counts;
mod decompress;
mod files;
pub mod input;
mod knowledge;
mod merge;
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
pub use knowledge::{KnowledgeError, store as store_knowledge};
pub use progress::ProgressError;
pub use reader::messages;
pub use run::{InputProgress, Running, StartError, StopError, start};
pub use speed::{Speed, SpeedError};
