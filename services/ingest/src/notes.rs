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
