//! Which files a run reads: folders walked, collectors named, formats looked at.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// One file of the input.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InputFile {
    /// Whose messages it holds. First field: files are ordered by collector, then path.
    pub collector: String,
    /// Where it is.
    pub path: PathBuf,
    /// Compressed size in bytes.
    pub bytes: u64,
    /// Must be a RIB dump.
    pub must_be_rib: bool,
}

/// Input that cannot be used, named with what was expected.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// It is not there, or must not be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// What was asked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Neither MRT nor JSON.
    #[error(
        "{path} is not a BGP file: want MRT or JSON lines, plain or in gz, bz2, xz or zstd; \
         it begins with {begins}"
    )]
    NotBgp {
        /// The file.
        path: PathBuf,
        /// Its first bytes after decompression, in hex.
        begins: String,
    },
    /// Compressed, but broken from its first bytes on.
    #[error("{path} cannot be decompressed: {source}")]
    NotCompressed {
        /// The file.
        path: PathBuf,
        /// What the decompressor said.
        source: io::Error,
    },
    /// Named as a RIB dump, and is none.
    #[error(
        "{path} is not a RIB dump: want MRT TABLE_DUMP or TABLE_DUMP_V2; give it as an input instead"
    )]
    NotRib {
        /// The file.
        path: PathBuf,
    },
    /// Nothing to read at all.
    #[error("no input: {paths} hold no file")]
    Nothing {
        /// What was asked for.
        paths: String,
    },
}

/// Every file under `paths` and `ribs`, folders with their subfolders, sorted by collector and
/// path, each once.
///
/// # Errors
/// When a path cannot be read, or there is no file at all.
pub fn find(
    paths: &[PathBuf],
    ribs: &[PathBuf],
    collector: Option<&str>,
) -> Result<Vec<InputFile>, InputError> {
    let mut files = Vec::new();
    for (roots, must_be_rib) in [(ribs, true), (paths, false)] {
        for root in roots {
            walk(root, true, &mut |path, bytes| {
                let collector =
                    collector.map_or_else(|| collector_of(path), std::borrow::ToOwned::to_owned);
                files.push(InputFile {
                    collector,
                    path: path.to_owned(),
                    bytes,
                    must_be_rib,
                });
            })?;
        }
    }
    files.sort();
    files.dedup_by(|later, first| {
        let same = later.path == first.path;
        first.must_be_rib |= same && later.must_be_rib;
        same
    });
    if files.is_empty() {
        let paths = paths.iter().chain(ribs).map(|p| p.display().to_string());
        return Err(InputError::Nothing {
            paths: paths.collect::<Vec<_>>().join(", "),
        });
    }
    Ok(files)
}

/// Calls `found` for each file below `path`. Hidden names and unfinished downloads inside folders
/// are left out; a path that was named itself never is.
pub(crate) fn walk(
    path: &Path,
    named: bool,
    found: &mut impl FnMut(&Path, u64),
) -> Result<(), InputError> {
    let unreadable = |source| InputError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if !named && (name.starts_with('.') || name.ends_with(".tmp") || name.ends_with(".part")) {
        return Ok(());
    }
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if metadata.is_dir() {
        for entry in std::fs::read_dir(path).map_err(unreadable)? {
            walk(&entry.map_err(unreadable)?.path(), false, found)?;
        }
    } else if metadata.is_file() {
        found(path, metadata.len());
    }
    Ok(())
}

/// `rrcNN` or `route-views*` in the file's name or that of a folder above it, the nearest first;
/// else the name of its folder.
#[must_use]
pub fn collector_of(path: &Path) -> String {
    let full = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let names = || {
        full.ancestors()
            .filter_map(|part| part.file_name()?.to_str())
    };
    names()
        .find_map(|name| ris(name).or_else(|| route_views(name)))
        .or_else(|| names().nth(1).map(std::borrow::ToOwned::to_owned))
        .unwrap_or_else(|| "files".to_owned())
}

/// `rrc` and two digits, not inside a longer word or number.
fn ris(name: &str) -> Option<String> {
    name.match_indices("rrc").find_map(|(at, _)| {
        let found = name.get(at..at + 5)?;
        let alone = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric());
        (found.bytes().skip(3).all(|b| b.is_ascii_digit())
            && alone(name[..at].chars().next_back())
            && alone(name[at + 5..].chars().next()))
        .then(|| found.to_owned())
    })
}

/// `route-views`, its number, and its place: `route-views2`, `route-views.sydney`,
/// `route-views2.saopaulo`.
fn route_views(name: &str) -> Option<String> {
    const MARK: &str = "route-views";
    /// What follows the collector in file names and is no place.
    const NO_PLACE: [&str; 9] = [
        "updates", "update", "rib", "ribs", "bview", "mrt", "json", "gz", "bz2",
    ];
    let found = &name[name.find(MARK)?..];
    let rest = &found[MARK.len()..];
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let mut length = MARK.len() + digits;
    if let Some(place) = rest[digits..].strip_prefix('.') {
        let place = place.split(['.', '_']).next().unwrap_or_default();
        let is_place = place.starts_with(|c: char| c.is_ascii_alphabetic());
        if is_place && !NO_PLACE.contains(&place) {
            length += 1 + place.len();
        }
    }
    found.get(..length).map(std::borrow::ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collectors_are_found_in_names() {
        for (path, collector) in [
            ("/data/rrc12.updates.1609476900.gz", "rrc12"),
            ("/data/mrt_rrc04_20210101/updates.gz", "rrc04"),
            ("/data/rrc00/2021.01/updates.20210101.0000.gz", "rrc00"),
            ("/data/xrrc123/updates.gz", "xrrc123"),
            (
                "/data/routeviews.route-views.jinx.updates.1427846400.bz2",
                "route-views.jinx",
            ),
            ("/data/route-views2/updates.bz2", "route-views2"),
            (
                "/data/route-views2.saopaulo/updates.bz2",
                "route-views2.saopaulo",
            ),
            ("/data/route-views.updates.20080224.bz2", "route-views"),
            ("/data/background/updates.20080224.1201.bz2", "background"),
        ] {
            assert_eq!(collector_of(Path::new(path)), collector, "{path}");
        }
    }

    #[test]
    fn folders_are_walked_sorted_and_a_file_named_twice_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("rrc01/deep");
        std::fs::create_dir_all(&inner).unwrap();
        for name in ["b.mrt", "a.mrt", ".hidden", "c.mrt.part"] {
            std::fs::write(inner.join(name), b"x").unwrap();
        }
        let rib = inner.join("b.mrt");
        let files = find(
            &[folder.path().to_owned()],
            std::slice::from_ref(&rib),
            None,
        )
        .unwrap();
        let names: Vec<_> = files.iter().map(|f| f.path.file_name().unwrap()).collect();
        assert_eq!(names, ["a.mrt", "b.mrt"]);
        assert_eq!(files[0].collector, "rrc01");
        assert!(files[1].must_be_rib && !files[0].must_be_rib);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let error = find(&["/nowhere/updates.gz".into()], &[], None).unwrap_err();
        assert!(error.to_string().contains("/nowhere/updates.gz"), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let error = find(&[folder.path().to_owned()], &[], None).unwrap_err();
        assert!(error.to_string().contains("hold no file"), "{error}");
    }
}
