//! The checkpoint of one task: shard files named by their content, and a manifest that names them.
//!
//! A manifest appears only by rename, after every file that it names is on disk, so a crash at any
//! moment leaves the previous checkpoint whole. Two manifests are kept; shard files that neither
//! names are removed (docs/detector.md 16-18). Where there is a place for copies, a thread of its own
//! takes the same files there (`copier.rs`, `copies.rs`).

mod copier;
mod copies;
mod folder;
mod manifest;
mod rolling;
mod round;

pub(crate) use copies::Copies;
pub use copies::greatest_topic_epoch;
pub use folder::CheckpointError;
pub(crate) use folder::Folder;
pub(crate) use manifest::{BlockEntry, FileEntry, Manifest, Remembered};
pub(crate) use rolling::{Rolling, Standing};
