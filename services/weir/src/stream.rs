//! A stream and its folder: live, scenario and each replay never mix.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use weir_events::position::TopicEpoch;
use weir_ingest::config::Knowledge;

/// One stream: what it is called, where it lives.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    /// `live`, `bmp`, `kafka`, `scenario`, or `replay-` (with rules that are tried, `trial-`) and the hash of the input manifest.
    pub(crate) id: String,
    /// Its folder.
    pub(crate) dir: PathBuf,
    /// True when everything in it is made up.
    pub(crate) synthetic: bool,
}

/// What a stream remembers of itself, in `stream.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// Life of its topics: raised when the log is made anew.
    topic_epoch: u32,
    /// The input of a replay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    inputs: Vec<Input>,
}

/// One input file of a replay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Input {
    role: Role,
    name: String,
    bytes: u64,
    sha256: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Role {
    Updates,
    Rib,
    /// Of this kind: one file may be named as several.
    Knowledge(String),
}

/// All that incidents are judged by, as text.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rules<'a> {
    /// What nobody changed.
    BuiltIn,
    /// What the settings say.
    OfSettings(&'a str),
    /// What is tried beside them.
    Tried(&'a str),
}

impl<'a> Rules<'a> {
    /// `own`: those of the settings, where they are not the built-in ones.
    pub(crate) fn of_settings(own: Option<&'a str>) -> Self {
        own.map_or(Self::BuiltIn, Self::OfSettings)
    }
}

impl Stream {
    /// A stream with a name of its own.
    pub(crate) fn named(data: &Path, id: &str, synthetic: bool) -> Self {
        Self {
            id: id.to_owned(),
            dir: data.join("streams").join(id),
            synthetic,
        }
    }

    /// The stream of a replay: its id is the hash of its input manifest (names, sizes, hashes,
    /// collector) and of the rules, so the same input on the same folder is the same stream, and other rules are
    /// another.
    pub(crate) fn of_replay(
        data: &Path,
        paths: &[PathBuf],
        ribs: &[PathBuf],
        knowledge: &Knowledge,
        collector: Option<&str>,
        rules: Rules<'_>,
    ) -> io::Result<(Self, Memory)> {
        let mut inputs = Vec::new();
        for (role, paths) in [(Role::Updates, paths), (Role::Rib, ribs)] {
            for path in paths {
                describe(&role, path, path, &mut inputs)?;
            }
        }
        for (kind, path) in knowledge.files() {
            let role = Role::Knowledge(kind.name().to_owned());
            describe(&role, path, path, &mut inputs)?;
        }
        inputs.sort_by(|a, b| (&a.name, &a.sha256).cmp(&(&b.name, &b.sha256)));
        let mut hash = Sha256::new();
        for input in &inputs {
            hash.update(format!(
                "{:?} {} {} {}\n",
                input.role, input.name, input.bytes, input.sha256
            ));
        }
        hash.update(collector.unwrap_or_default());
        let name = match rules {
            Rules::BuiltIn => "replay",
            Rules::OfSettings(rules) => {
                hash.update(format!("\nrules {rules}"));
                "replay"
            }
            Rules::Tried(rules) => {
                hash.update(format!("\nrules {rules}"));
                "trial"
            }
        };
        let id = format!("{name}-{}", &hex(&hash.finalize())[..16]);
        let memory = Memory {
            topic_epoch: 0,
            inputs,
        };
        Ok((Self::named(data, &id, false), memory))
    }

    /// The stream of a watched folder: its id is made of the folder's own path, since its content
    /// grows.
    pub(crate) fn of_folder(data: &Path, folder: &Path) -> io::Result<Self> {
        let path = folder.canonicalize()?;
        let id = hex(&Sha256::digest(path.as_os_str().as_encoded_bytes()));
        Ok(Self::named(data, &format!("folder-{}", &id[..16]), false))
    }

    /// Makes the folder, and says which life its topics are in: a log that is made anew, while
    /// this file is there, begins the next one.
    pub(crate) fn open(&self, first: Memory) -> io::Result<TopicEpoch> {
        fs::create_dir_all(&self.dir)?;
        let path = self.dir.join("stream.json");
        let mut memory = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => first,
            Err(error) => return Err(error),
        };
        if !self.dir.join("log").exists() {
            memory.topic_epoch += 1;
            let temporary = path.with_extension("tmp");
            fs::write(&temporary, serde_json::to_vec_pretty(&memory)?)?;
            fs::rename(&temporary, &path)?;
        }
        Ok(TopicEpoch(memory.topic_epoch))
    }
}

/// Files of `path`, with their subfolders, under names relative to the parent of what was asked
/// for, so that the same folder elsewhere is the same input.
fn describe(role: &Role, asked: &Path, path: &Path, inputs: &mut Vec<Input>) -> io::Result<()> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    if path.is_dir() {
        for entry in fs::read_dir(path).map_err(named)? {
            describe(role, asked, &entry.map_err(named)?.path(), inputs)?;
        }
        return Ok(());
    }
    let mut file = File::open(path).map_err(named)?;
    let mut hash = Sha256::new();
    let bytes = io::copy(&mut file, &mut hash).map_err(named)?;
    let name = path
        .strip_prefix(asked.parent().unwrap_or(Path::new("")))
        .unwrap_or(path);
    inputs.push(Input {
        role: role.clone(),
        name: name.display().to_string(),
        bytes,
        sha256: hex(&hash.finalize()),
    });
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(paths: &[PathBuf], collector: Option<&str>) -> String {
        judged(paths, collector, Rules::BuiltIn)
    }

    fn judged(paths: &[PathBuf], collector: Option<&str>, rules: Rules<'_>) -> String {
        let data = Path::new("data");
        let none = Knowledge::default();
        let (stream, _) = Stream::of_replay(data, paths, &[], &none, collector, rules).unwrap();
        stream.id
    }

    #[test]
    fn the_same_input_is_the_same_stream_and_other_input_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<_> = ["a", "b"].map(|name| folder.path().join(name)).into();
        fs::write(&paths[0], "one").unwrap();
        fs::write(&paths[1], "two").unwrap();
        let first = id(&paths, None);
        assert_eq!(first, id(&[paths[1].clone(), paths[0].clone()], None));
        assert_ne!(first, id(&paths, Some("rrc00")));
        let by = |rules| judged(&paths, None, rules);
        for rules in [Rules::OfSettings, Rules::Tried] {
            assert_ne!(first, by(rules("K = 1")));
            assert_ne!(by(rules("K = 1")), by(rules("K = 2")));
            assert_eq!(by(rules("K = 1")), by(rules("K = 1")));
        }
        assert_ne!(by(Rules::OfSettings("K = 1")), by(Rules::Tried("K = 1")));
        fs::write(&paths[1], "three").unwrap();
        assert_ne!(first, id(&paths, None));
    }

    #[test]
    fn a_file_that_is_named_as_other_knowledge_makes_another_stream() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
        fs::write(&a, "one").unwrap();
        fs::write(&b, "two").unwrap();
        let id = |vrps: Option<&PathBuf>, aspas: Option<&PathBuf>| {
            let knowledge = Knowledge {
                vrps: vrps.cloned(),
                aspas: aspas.cloned(),
                ..Knowledge::default()
            };
            let data = Path::new("data");
            let stream = Stream::of_replay(data, &[], &[], &knowledge, None, Rules::BuiltIn);
            stream.unwrap().0.id
        };
        let ids = [
            id(Some(&a), None),
            id(None, Some(&a)),
            id(Some(&a), Some(&a)),
            id(Some(&a), Some(&b)),
            id(Some(&b), Some(&a)),
        ];
        let different: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(different.len(), ids.len(), "{ids:?}");
    }

    #[test]
    fn a_log_that_is_made_anew_begins_the_next_topic_epoch() {
        let data = tempfile::tempdir().unwrap();
        let stream = Stream::named(data.path(), "live", false);
        assert_eq!(stream.open(Memory::default()).unwrap(), TopicEpoch(1));
        fs::create_dir(stream.dir.join("log")).unwrap();
        assert_eq!(stream.open(Memory::default()).unwrap(), TopicEpoch(1));
        fs::remove_dir(stream.dir.join("log")).unwrap();
        assert_eq!(stream.open(Memory::default()).unwrap(), TopicEpoch(2));
    }
}
