//! Objects under names: a folder or S3, opened by URL.
//!
//! Stands below the adapters, as `weir-embedded` does for redb: the offline store keeps its Parquet
//! files here, and the services that have state keep copies of their checkpoints here.

mod config;

pub use config::Config;
