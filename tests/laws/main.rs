//! The laws of the house (ARCHITECTURE.md), checked by a machine: who may depend on whom, which
//! crate owns which driver, and how files are named and sized.

#![expect(clippy::unwrap_used, reason = "a law that cannot be checked is broken")]

mod env_example;
mod files;
mod layers;
mod metrics;

use std::path::PathBuf;

/// The root of the workspace.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}
