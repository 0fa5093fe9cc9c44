//! Files of knowledge that the settings name.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use weir_objects::knowledge;
use weir_routing::knowledge::Kind;

use super::{Brought, KnowledgeError};
use crate::config;

/// One of them.
pub(super) struct File {
    pub(super) kind: Kind,
    path: PathBuf,
    /// When it had changed at the last look; `None` = it is to be read in any case that it is there.
    seen: Option<SystemTime>,
    pub(super) brought: Brought,
}

impl File {
    pub(super) fn all(config: &config::Knowledge) -> Vec<Self> {
        let files = config.files();
        let files = files.map(|(kind, path)| Self {
            kind,
            path: path.clone(),
            seen: None,
            brought: Brought::default(),
        });
        files.collect()
    }

    /// The bytes of it, whatever they say.
    pub(super) fn content(&self) -> Result<Vec<u8>, KnowledgeError> {
        let (what, path) = (self.kind.name(), &self.path);
        let unreadable = |source| KnowledgeError::Unreadable {
            what,
            path: path.clone(),
            source,
        };
        let bytes = fs::metadata(path).map_err(unreadable)?.len();
        if bytes > knowledge::MAX_BYTES {
            return Err(KnowledgeError::TooLarge {
                what,
                path: path.clone(),
                bytes,
            });
        }
        fs::read(path).map_err(unreadable)
    }

    /// Looks at it: its bytes, which hold what its kind says.
    pub(super) fn read(&mut self) -> Result<Vec<u8>, KnowledgeError> {
        self.seen = changed(&self.path);
        let content = self.content()?;
        let (what, path) = (self.kind.name(), &self.path);
        let read = self.kind.read(&content);
        let read = read.map_err(|source| KnowledgeError::Unusable {
            what,
            path: path.clone(),
            source,
        })?;
        tracing::info!(what, path = %path.display(), entries = read.len(), "read knowledge");
        Ok(content)
    }

    /// When it had changed at the last look, in microseconds since the Unix epoch.
    pub(super) fn changed_at_us(&self) -> i64 {
        self.seen.map_or(0, micros)
    }

    /// True when it is another one than at the last look, or was brought so long ago that a log may have forgotten
    /// it.
    pub(super) fn is_due(&self) -> bool {
        changed(&self.path) != self.seen || self.brought.is_old()
    }

    /// Says that it was not brought. What may pass is tried again at the next look.
    pub(super) fn failed(&mut self, error: &KnowledgeError) {
        if error.is_transient() {
            self.seen = None;
        }
        super::tell(self.kind, error);
    }
}

fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|file| file.modified()).ok()
}

fn micros(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
