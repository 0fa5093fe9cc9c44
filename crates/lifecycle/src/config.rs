//! Configuration, by one rule: defaults, then a TOML file, then the names that the documents give
//! (`KAFKA_*`, `REDIS_*`, `AWS_*`, `DB_POOL_SIZE`), then `WEIR__*` of the environment.
//!
//! `WEIR__SECTION__KEY=value` sets `key` of `[section]`, with as many sections as there are. The
//! value is read as what the key expects: a boolean, a number, text, or a list with commas.
//! `password_file = "/run/secrets/x"` stands for `password` with the content of that file, trimmed;
//! likewise every key that ends in `password` or `secret_access_key`, and its variable.
//! One file serves the whole house: a program reads its own tables and leaves alone those that
//! belong to its siblings ([`TABLES`]); what nobody knows is refused.

mod layer;
mod names;
mod secret;

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use toml::Table;

use layer::{Fault, Node, Root};

/// The prefix of our environment variables.
const PREFIX: &str = "WEIR__";

/// The variable that names the file when no flag does.
pub const FILE_VARIABLE: &str = "WEIR_CONFIG";

/// Every table of the house's file.
pub const TABLES: [&str; 16] = [
    "admin",
    "checkpoint_store",
    "conflict_detector",
    "feature_materializer",
    "ingest",
    "kafka",
    "lookups",
    "metric_store",
    "metrics_aggregator",
    "offline_store",
    "online_store",
    "record_store",
    "schema_registry",
    "serving_api",
    "stream",
    "telemetry",
];

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
    /// The file of a secret cannot be read.
    #[error("configuration `{key}`: cannot read the secret in {}: {source}", path.display())]
    Secret {
        /// The key, or the variable.
        key: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
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
    Layers::read(file, environment())?.get()
}

/// As [`load`], with an environment of one's own.
///
/// # Errors
/// See [`ConfigError`].
pub fn load_from<T: DeserializeOwned + Default>(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<T, ConfigError> {
    Layers::read(file, environment)?.get()
}

/// The file to read: the one that a flag names, else the one in [`FILE_VARIABLE`], else
/// `otherwise` if it is there.
#[must_use]
pub fn file(flag: Option<&Path>, otherwise: &Path) -> Option<PathBuf> {
    let variable = std::env::var_os(FILE_VARIABLE).filter(|value| !value.is_empty());
    flag.map(Path::to_owned)
        .or_else(|| variable.map(PathBuf::from))
        .or_else(|| otherwise.exists().then(|| otherwise.to_owned()))
}

/// The environment of this process, without what is no text.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// File and environment together, before they are read as a type.
#[derive(Clone)]
pub struct Layers {
    root: Node,
    /// Keys that `WEIR__*` has set, as `section.key`.
    on_top: BTreeSet<String>,
    /// The rest of the environment, secrets from files resolved.
    names: Vec<(String, String)>,
}

impl Layers {
    /// Reads `file` and takes `environment`; files of secrets are read too.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn read(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut table = file.map(read).transpose()?.unwrap_or_default();
        secret::resolve_table(&mut table, "")?;
        let mut layers = Self {
            root: Node::from(table),
            on_top: BTreeSet::new(),
            names: Vec::new(),
        };
        for (variable, text) in environment {
            match variable.strip_prefix(PREFIX) {
                Some(path) => layers.put(&variable, path, text)?,
                None => layers
                    .names
                    .extend(secret::resolve_variable(variable, text)?),
            }
        }
        Ok(layers)
    }

    fn put(&mut self, variable: &str, path: &str, text: String) -> Result<(), ConfigError> {
        let (path, text) = secret::resolve_path(variable, path.to_lowercase(), text)?;
        let path: Vec<String> = path.split("__").map(str::to_owned).collect();
        self.on_top.insert(path.join("."));
        self.root
            .set(&path, text)
            .map_err(|depth| ConfigError::NoSection {
                key: path[..depth].join("."),
                variable: variable.to_owned(),
            })
    }

    /// True when the file or `WEIR__*` sets the key (as `section.key`).
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        let path: Vec<&str> = key.split('.').collect();
        self.root.has(&path)
    }

    /// The variables of the documents that belong to `table`, for its adapter to lay over what
    /// [`Self::get`] gave. A variable whose key `WEIR__*` has set is left out, because that stands
    /// above.
    #[must_use]
    pub fn names(&self, table: &str) -> Vec<(String, String)> {
        let below = |variable: &str| {
            names::keys(variable)
                .any(|(of, key)| of == table && !self.on_top.contains(&format!("{table}.{key}")))
        };
        self.names
            .iter()
            .filter(|(variable, _)| below(variable))
            .cloned()
            .collect()
    }

    /// Reads a `T`, one field for each table that it wants.
    ///
    /// # Errors
    /// When a table or key is unknown, or a value is of the wrong type.
    pub fn get<T: DeserializeOwned + Default>(&self) -> Result<T, ConfigError> {
        if self.root.is_empty() {
            return Ok(T::default());
        }
        Ok(T::deserialize(Root(self.root.clone()))?)
    }
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
    fn a_table_of_a_sibling_is_left_alone_and_an_unknown_one_is_refused() {
        let config = load("name = \"a\"\n[conflict_detector]\nwhatever = 1\n", &[]).unwrap();
        assert_eq!(config.name, "a");
        let sibling = [("WEIR__RECORD_STORE__URL", "sqlite://x")];
        assert_eq!(load("", &sibling).unwrap(), Config::default());
        let error = load("[conflict_dettector]\n", &[]).unwrap_err();
        assert!(error.to_string().contains("conflict_dettector"), "{error}");
    }

    #[test]
    fn a_secret_comes_from_the_file_that_is_named_whoever_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "from a file\n").unwrap();
        let path = secret.to_str().unwrap();
        let config = load(&format!("password_file = {path:?}"), &[]).unwrap();
        assert_eq!(config.password.as_deref(), Some("from a file"));
        let config = load("", &[("WEIR__PASSWORD_FILE", path)]).unwrap();
        assert_eq!(config.password.as_deref(), Some("from a file"));
        let config = load(
            &format!("password_file = {path:?}"),
            &[("WEIR__PASSWORD", "on top")],
        );
        assert_eq!(config.unwrap().password.as_deref(), Some("on top"));

        let both = load(&format!("password = \"a\"\npassword_file = {path:?}"), &[]);
        let error = both.unwrap_err().to_string();
        assert!(
            error.contains("`password`") && error.contains("both"),
            "{error}"
        );
        let error = load("password_file = \"/nowhere/secret\"", &[]).unwrap_err();
        assert!(error.to_string().contains("/nowhere/secret"), "{error}");
    }

    #[test]
    fn the_names_of_the_documents_stand_between_the_file_and_ours() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "s3cret\n").unwrap();
        let environment = [
            ("KAFKA_GROUP_ID", "below"),
            ("KAFKA_CLIENT_ID", "passed over"),
            ("WEIR__KAFKA__CLIENT_ID", "on top"),
            ("REDIS_PASSWORD_FILE", secret.to_str().unwrap()),
            ("DB_POOL_SIZE", "7"),
            ("PATH", "/bin"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let layers = Layers::read(None, environment).unwrap();
        assert!(layers.has("kafka.client_id") && !layers.has("kafka.group_id"));
        let named = |table: &str| {
            let mut names = layers.names(table);
            names.sort();
            let names: Vec<_> = names.iter().map(|(a, b)| format!("{a}={b}")).collect();
            names.join(" ")
        };
        assert_eq!(named("kafka"), "KAFKA_GROUP_ID=below");
        assert_eq!(named("online_store"), "REDIS_PASSWORD=s3cret");
        assert_eq!(named("record_store"), "DB_POOL_SIZE=7");
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error() {
        let error = load_from::<Config>(Some(Path::new("/nowhere/weir.toml")), std::iter::empty());
        assert!(matches!(error, Err(ConfigError::Read { .. })));
    }
}
