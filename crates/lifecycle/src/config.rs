//! Configuration: defaults, then a TOML file, then the environment.
//!
//! `WEIR__SECTION__KEY=value` sets `key` of `[section]`, with as many sections as there are. The
//! value is read as what the key expects: a boolean, a number, text, or a list with commas.

mod layer;

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use toml::Table;

use layer::{Fault, Node};

/// The prefix of our environment variables.
const PREFIX: &str = "WEIR__";

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("{} is not TOML: {source}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A key is unknown, missing, or its value is of the wrong type.
    #[error("configuration `{key}`: {message}")]
    Key {
        /// As `section.key`; for an unknown key, the section that does not have it.
        key: String,
        /// What is wrong with it.
        message: String,
    },
    /// An environment variable goes through a key that holds no section.
    #[error("{variable}: `{key}` holds no keys of its own")]
    NoSection {
        /// Name of the variable.
        variable: String,
        /// As `section.key`.
        key: String,
    },
}

impl From<Fault> for ConfigError {
    fn from(fault: Fault) -> Self {
        let (key, message) = fault.into_parts();
        Self::Key { key, message }
    }
}

/// Reads a `T`: its defaults, overlaid by `file` when there is one, overlaid by the environment
/// variables that begin with `WEIR__`. `T` refuses unknown keys and fills in defaults itself
/// (`#[serde(default, deny_unknown_fields)]`).
///
/// # Errors
/// See [`ConfigError`].
pub fn load<T: DeserializeOwned + Default>(file: Option<&Path>) -> Result<T, ConfigError> {
    load_from(file, std::env::vars())
}

/// As [`load`], with an environment of one's own.
///
/// # Errors
/// See [`ConfigError`].
pub fn load_from<T: DeserializeOwned + Default>(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<T, ConfigError> {
    let table = file.map(read).transpose()?;
    let mut root = Node::from(table.unwrap_or_default());
    for (variable, text) in environment {
        let Some(path) = variable.strip_prefix(PREFIX) else {
            continue;
        };
        let path: Vec<String> = path.split("__").map(str::to_lowercase).collect();
        root.set(&path, text)
            .map_err(|depth| ConfigError::NoSection {
                key: path[..depth].join("."),
                variable: variable.clone(),
            })?;
    }
    if root.is_empty() {
        return Ok(T::default());
    }
    Ok(T::deserialize(root)?)
}

fn read(path: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    text.parse().map_err(|source| ConfigError::Syntax {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Config {
        name: String,
        password: Option<String>,
        ingest: Ingest,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Ingest {
        speed: f64,
        live: bool,
        max_in_flight: usize,
        collectors: Vec<String>,
        ports: Vec<u16>,
        pace: Pace,
    }

    impl Default for Ingest {
        fn default() -> Self {
            Self {
                speed: 1.0,
                live: false,
                max_in_flight: 100,
                collectors: Vec::new(),
                ports: Vec::new(),
                pace: Pace::Steady,
            }
        }
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Pace {
        Steady,
        AsFastAsPossible,
    }

    fn load(file: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weir.toml");
        std::fs::write(&path, file).unwrap();
        load_from(
            Some(&path),
            environment
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        )
    }

    #[test]
    fn the_environment_stands_over_the_file_and_the_file_over_the_defaults() {
        let file = "name = \"a\"\n[ingest]\nspeed = 2\nlive = true\n";
        let config = load(
            file,
            &[
                ("WEIR__INGEST__SPEED", "60"),
                ("WEIR__INGEST__COLLECTORS", "rrc00,rrc12"),
                ("WEIR__INGEST__PORTS", "[1, 2]"),
                ("WEIR__INGEST__PACE", "as-fast-as-possible"),
                ("WEIR__PASSWORD", "1234"),
                ("WEIR_CRASH_AT", "not ours"),
                ("PATH", "/bin"),
            ],
        )
        .unwrap();
        assert_eq!(config.name, "a");
        assert_eq!(config.password.as_deref(), Some("1234"), "text stays text");
        assert_eq!(
            config.ingest,
            Ingest {
                speed: 60.0,
                live: true,
                max_in_flight: 100,
                collectors: vec!["rrc00".to_owned(), "rrc12".to_owned()],
                ports: vec![1, 2],
                pace: Pace::AsFastAsPossible,
            }
        );
        assert_eq!(
            load_from::<Config>(None, std::iter::empty()).unwrap(),
            Config::default()
        );
    }

    #[test]
    fn a_wrong_key_or_value_is_refused_by_name() {
        for (file, environment, wanted) in [
            ("[ingest]\nsped = 1", None, "`ingest`: unknown field `sped`"),
            ("nam = 1", None, "unknown field `nam`"),
            ("[ingest]\nlive = 3", None, "`ingest.live`: invalid type"),
            (
                "",
                Some(("WEIR__INGEST__SPED", "1")),
                "`ingest`: unknown field `sped`",
            ),
            (
                "",
                Some(("WEIR__INGEST__LIVE", "maybe")),
                "`ingest.live`: invalid type",
            ),
            (
                "",
                Some(("WEIR__INGEST__MAX_IN_FLIGHT", "-1")),
                "`ingest.max_in_flight`: invalid value",
            ),
            (
                "",
                Some(("WEIR__INGEST__PACE", "slow")),
                "`ingest.pace`: unknown variant `slow`",
            ),
            (
                "name = \"a\"",
                Some(("WEIR__NAME__FIRST", "a")),
                "`name` holds no keys",
            ),
            ("name = ", None, "is not TOML"),
        ] {
            let environment: Vec<_> = environment.into_iter().collect();
            let error = load(file, &environment).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error:?} does not say {wanted:?}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error() {
        let error = load_from::<Config>(Some(Path::new("/nowhere/weir.toml")), std::iter::empty());
        assert!(matches!(error, Err(ConfigError::Read { .. })));
    }
}
