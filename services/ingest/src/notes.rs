//! What a person should know of a run: files that broke off, records that were refused.

use std::{path::Path, sync::Arc};

use parking_lot::Mutex;

/// Kept of these; further ones are only counted.
const MOST: usize = 100;

/// The notes of one run, shared by its readers.
#[derive(Clone, Default)]
pub(crate) struct Notes(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    warnings: Vec<String>,
    /// Of the warnings, so many stand in the log of the process.
    logged: usize,
    broken_files: u64,
}

impl Notes {
    /// A file ends too early; what came before was read.
    pub(crate) fn broken_off(&self, path: &Path, record: u64, reason: &str) {
        let warning = format!(
            "{} breaks off at record {record} ({reason}): everything before it was read",
            path.display()
        );
        let mut inner = self.0.lock();
        inner.broken_files += 1;
        inner.add(warning);
    }

    pub(crate) fn warn(&self, warning: String) {
        self.0.lock().add(warning);
    }

    /// Logs what is new. Readers do not: they look at a file before they read it.
    pub(crate) fn log(&self) {
        let mut inner = self.0.lock();
        for warning in inner.warnings.iter().skip(inner.logged) {
            tracing::warn!(warning, "input is not whole");
        }
        inner.logged = inner.warnings.len();
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        self.0.lock().warnings.clone()
    }

    pub(crate) fn broken_files(&self) -> u64 {
        self.0.lock().broken_files
    }
}

impl Inner {
    fn add(&mut self, warning: String) {
        if self.warnings.len() < MOST {
            self.warnings.push(warning);
        }
    }
}
