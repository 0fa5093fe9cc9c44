//! Files of knowledge that the settings name.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use weir_objects::knowledge;
use weir_routing::{
    Bogons,
    delegated::Delegated,
    knowledge::{ContentError, Kind},
};

use super::{Brought, KnowledgeError};
use crate::{config, decompress};

/// What makes one content.
pub(super) struct File {
    pub(super) kind: Kind,
    /// The file whose bytes are the content; of bogons with `delegated`, the list that those are added to, if it is
    /// not the built-in one.
    path: Option<PathBuf>,
    /// Statistics files of registries.
    delegated: Vec<PathBuf>,
    /// When each had changed at the last look; empty = they are to be read in any case.
    seen: Vec<Option<SystemTime>>,
    pub(super) brought: Brought,
}

impl File {
    pub(super) fn all(config: &config::Knowledge) -> Vec<Self> {
        let of_kind = |kind| {
            let delegated = match kind {
                Kind::Bogons => config.delegated.clone(),
                _ => Vec::new(),
            };
            Self {
                kind,
                path: config.file(kind).cloned(),
                delegated,
                seen: Vec::new(),
                brought: Brought::default(),
            }
        };
        let all = Kind::ALL.into_iter().map(of_kind);
        all.filter(|file| file.paths().next().is_some()).collect()
    }

    fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.path.iter().chain(&self.delegated)
    }

    /// The bytes of it, unpacked, whatever they say; with statistics of registries, what these say together.
    pub(super) fn content(&self) -> Result<Vec<u8>, KnowledgeError> {
        let list = self.path.as_ref();
        let list = list.map(|path| Ok::<_, KnowledgeError>((path, self.bytes(path)?)));
        let list = list.transpose()?;
        if self.delegated.is_empty() {
            return Ok(list.map(|(_, bytes)| bytes).unwrap_or_default());
        }
        let list = list.map_or(Ok(Bogons::nlnog()), |(path, bytes)| {
            Bogons::parse(bytes).map_err(|error| self.unusable(path, error))
        })?;
        let registries = self.delegated.iter().map(|path| {
            let read = Delegated::parse(&self.bytes(path)?);
            read.map_err(|error| self.unusable(path, error))
        });
        let registries: Vec<Delegated> = registries.collect::<Result<_, _>>()?;
        Ok(together(list, &registries).into_bytes())
    }

    fn unusable(&self, path: &Path, error: impl Into<ContentError>) -> KnowledgeError {
        KnowledgeError::Unusable {
            what: self.kind.name(),
            path: path.to_owned(),
            source: error.into(),
        }
    }

    fn bytes(&self, path: &Path) -> Result<Vec<u8>, KnowledgeError> {
        let what = self.kind.name();
        let unreadable = |source| KnowledgeError::Unreadable {
            what,
            path: path.to_owned(),
            source,
        };
        let bytes = decompress::whole(path, knowledge::MAX_BYTES).map_err(unreadable)?;
        bytes.ok_or_else(|| KnowledgeError::TooLarge {
            what,
            path: path.to_owned(),
        })
    }

    /// Looks at it: its bytes, which hold what its kind says.
    pub(super) fn read(&mut self) -> Result<Vec<u8>, KnowledgeError> {
        self.seen = self.changes();
        let content = self.content()?;
        let (what, path) = (self.kind.name(), self.paths().next());
        let path = path.map_or(Path::new(""), PathBuf::as_path);
        let read = self.kind.read(&content);
        let read = read.map_err(|error| self.unusable(path, error))?;
        tracing::info!(what, path = %path.display(), entries = read.len(), "read knowledge");
        Ok(content)
    }

    /// When each of its files has changed.
    fn changes(&self) -> Vec<Option<SystemTime>> {
        self.paths().map(|path| changed(path)).collect()
    }

    /// When it had changed at the last look, in microseconds since the Unix epoch.
    pub(super) fn changed_at_us(&self) -> i64 {
        self.seen.iter().flatten().max().copied().map_or(0, micros)
    }

    /// True when it is another one than at the last look, or was brought so long ago that a log may have forgotten
    /// it.
    pub(super) fn is_due(&self) -> bool {
        self.changes() != self.seen || self.brought.is_old()
    }

    /// Says that it was not brought. What may pass is tried again at the next look.
    pub(super) fn failed(&mut self, error: &KnowledgeError) {
        if error.is_transient() {
            self.seen.clear();
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

/// The text of a list with what registries have given to nobody, as of the oldest of their files.
fn together(list: Bogons, registries: &[Delegated]) -> String {
    let list = list.and_unallocated(registries);
    let oldest = registries.iter().map(|file| file.date.as_str()).min();
    let date = oldest.and_then(|date| Some((date.get(..4)?, date.get(4..6)?, date.get(6..)?)));
    let (year, month, day) = date.unwrap_or_default();
    format!("# as of {year}-{month}-{day}\n{list}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use weir_lifecycle::causes;
    use weir_routing::lists;

    use super::*;

    const APNIC: &str =
        "2|apnic|20261121|1|0|20261121|+10\napnic||ipv4|198.51.100.0|768||available\n";
    const RIPE: &str = "2|ripencc|1|1|0|20261119|+1\nripencc|ZZ|asn|7|2||reserved\n";

    /// The file of bogons that these texts make: a list, if any, and statistics of registries.
    fn bogons(folder: &Path, list: Option<&str>, registries: &[&str]) -> File {
        let put = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let registries = (1..).zip(registries);
        let config = config::Knowledge {
            bogons: list.map(|text| put("list", text)),
            delegated: registries
                .map(|(n, text)| put(&format!("registry-{n}"), text))
                .collect(),
            ..config::Knowledge::default()
        };
        File::all(&config).pop().unwrap()
    }

    fn text(mut file: File) -> String {
        String::from_utf8(file.read().unwrap()).unwrap()
    }

    #[test]
    fn what_registries_have_given_to_nobody_is_added_to_a_list() {
        let folder = tempfile::tempdir().unwrap();
        let alone = bogons(folder.path(), Some("10.0.0.0/8 # ours\n"), &[]);
        assert_eq!(text(alone), "10.0.0.0/8 # ours\n");
        let together = text(bogons(folder.path(), Some("10.0.0.0/8"), &[APNIC, RIPE]));
        assert_eq!(
            together,
            "# as of 2026-11-19\n10.0.0.0/8\n198.51.100.0/23\n198.51.102.0/24\n7-8\n"
        );
        let built_in = text(bogons(folder.path(), None, &[APNIC]));
        assert!(built_in.contains("\n192.168.0.0/16\n"), "{built_in}");
        assert!(built_in.contains("\n198.51.100.0/23\n"), "{built_in}");
        assert!(lists::made_at_us(built_in.as_bytes()).is_some());
    }

    #[test]
    fn the_file_and_the_line_that_cannot_be_read_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let cut = &RIPE[..RIPE.len() - 12];
        for (list, registries, file, line) in [
            (Some("10.0.0.0/8\n10."), &[APNIC][..], "list", "line 2"),
            (None, &[APNIC, cut], "registry-2", "line 2"),
            (Some("# empty"), &[], "list", "no entry"),
        ] {
            let error = bogons(folder.path(), list, registries).read().unwrap_err();
            let (told, cause) = (error.to_string(), causes(&error));
            assert!(told.ends_with(file), "{told}");
            assert!(cause.contains(line), "{cause}");
        }
    }

    #[test]
    fn another_file_of_any_registry_is_due() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = bogons(folder.path(), None, &[APNIC, RIPE]);
        assert!(file.is_due());
        file.read().unwrap();
        assert!(!file.is_due());
        // Older than what was there.
        let other = fs::File::options()
            .append(true)
            .open(folder.path().join("registry-2"));
        let before = SystemTime::now() - Duration::from_secs(9_000);
        other.unwrap().set_modified(before).unwrap();
        assert!(file.is_due());
    }
}
