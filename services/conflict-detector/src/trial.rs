//! Rules to be tried: a piece of the settings file that says what is to differ, laid over the settings that hold.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use toml::{Table, Value as Toml};
use weir_conflicts::{Thresholds, thresholds::RangeError};
use weir_routing::Bogons;

use crate::{Config, ConfigError};

/// A file of rules is a page, not a book: bytes.
const MOST_BYTES: u64 = 1 << 20;

/// What a file of rules may hold, in words.
const PLACE: &str = "[conflict_detector.thresholds], and `bogons` of [conflict_detector]";

/// Settings with what is to be tried.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The settings that hold then.
    pub config: Config,
    /// What differs.
    pub changes: Vec<Change>,
    /// See [`judged_by`].
    pub judged_by: String,
}

/// One setting that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Its name, as `thresholds.confirm_at`.
    pub key: String,
    /// What holds without the file; null = the built-in list.
    pub old: Json,
    /// What the file says.
    pub new: Json,
}

/// Why rules cannot be tried.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The file cannot be read.
    #[error("cannot read the rules in {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is longer than any that is meant.
    #[error("the rules in {} are longer than {MOST_BYTES} bytes: is this the right file?", path.display())]
    Long {
        /// The file.
        path: PathBuf,
    },
    /// The file is not TOML.
    #[error("the rules in {} are not TOML", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A key that is no rule.
    #[error("the rules in {}: `{key}` is not known here; expected {expected}", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// As `table.key`.
        key: String,
        /// Where rules stand, or which there are.
        expected: String,
    },
    /// A value of the wrong type.
    #[error("the rules in {}: `{key}`: {reason}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// As `table.key`.
        key: String,
        /// What was expected.
        reason: String,
    },
    /// A value that nobody can have meant, which the settings alone do not have.
    #[error("the rules in {}, over the settings", path.display())]
    Range {
        /// The file.
        path: PathBuf,
        /// Which, and what it may be.
        source: RangeError,
    },
    /// The list of bogons is unusable.
    #[error("the rules in {}", path.display())]
    Bogons {
        /// The file.
        path: PathBuf,
        /// What is wrong with the list.
        source: ConfigError,
    },
}

impl Trial {
    /// Lays the rules in the file at `path` over `config`. Only what incidents are judged by may stand there.
    ///
    /// # Errors
    /// When the file cannot be read, or says anything else, or a value is none or out of its range.
    pub fn read(config: &Config, path: &Path) -> Result<Self, TrialError> {
        let text = text(path)?;
        let table: Table = text.parse().map_err(|source| TrialError::Syntax {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        let mut tried = config.clone();
        for (key, value) in detectors(path, table)? {
            match (key.as_str(), value) {
                ("thresholds", Toml::Table(keys)) => {
                    tried.thresholds = thresholds(path, &config.thresholds, keys)?;
                }
                ("bogons", Toml::String(list)) => tried.bogons = Some(list.into()),
                ("thresholds" | "bogons", value) => {
                    return Err(TrialError::Value {
                        path: path.to_owned(),
                        key: format!("conflict_detector.{key}"),
                        reason: format!("{} was not expected; write {PLACE}", value.type_str()),
                    });
                }
                _ => {
                    return Err(TrialError::Unknown {
                        path: path.to_owned(),
                        key: format!("conflict_detector.{key}"),
                        expected: PLACE.to_owned(),
                    });
                }
            }
        }
        let held = config.thresholds.faults();
        let mut faults = tried.thresholds.faults().into_iter();
        if let Some(source) = faults.find(|fault| !held.contains(fault)) {
            return Err(TrialError::Range {
                path: path.to_owned(),
                source,
            });
        }
        let judged_by = judged_by(&tried).map_err(|source| TrialError::Bogons {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            changes: changes(config, &tried),
            judged_by,
            config: tried,
        })
    }
}

/// The whole file, unless it is too long to be one of rules.
fn text(path: &Path) -> Result<String, TrialError> {
    let unreadable = |source| TrialError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MOST_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    match text.len() as u64 > MOST_BYTES {
        true => Err(TrialError::Long {
            path: path.to_owned(),
        }),
        false => Ok(text),
    }
}

/// The detector's table of the file; anything beside it is refused.
fn detectors(path: &Path, table: Table) -> Result<Table, TrialError> {
    let mut found = Table::new();
    for (key, value) in table {
        match value {
            Toml::Table(keys) if key == "conflict_detector" => found = keys,
            _ => {
                return Err(TrialError::Unknown {
                    path: path.to_owned(),
                    key,
                    expected: PLACE.to_owned(),
                });
            }
        }
    }
    Ok(found)
}

/// `held`, with `keys` on top. One at a time, so that what is wrong has a name.
fn thresholds(path: &Path, held: &Thresholds, keys: Table) -> Result<Thresholds, TrialError> {
    let (mut all, mut tried) = (values(held), held.clone());
    for (key, value) in keys {
        let named = format!("conflict_detector.thresholds.{key}");
        if !all.contains_key(&key) {
            let known: Vec<&str> = all.keys().map(String::as_str).collect();
            return Err(TrialError::Unknown {
                path: path.to_owned(),
                key: named,
                expected: format!("one of {}", known.join(", ")),
            });
        }
        let of_value = |error: serde_json::Error| TrialError::Value {
            path: path.to_owned(),
            key: named,
            reason: error.to_string(),
        };
        tried = serde_json::to_value(value)
            .and_then(|value| {
                all.insert(key, value);
                serde_json::from_value(Json::Object(all.clone()))
            })
            .map_err(of_value)?;
    }
    Ok(tried)
}

/// Every threshold by its name.
fn values(thresholds: &Thresholds) -> Map<String, Json> {
    match serde_json::to_value(thresholds) {
        Ok(Json::Object(all)) => all,
        _ => Map::new(),
    }
}

/// All that incidents are judged by, as text: settings with the same text find the same in the same input.
///
/// # Errors
/// When the list of bogons cannot be read.
pub fn judged_by(config: &Config) -> Result<String, ConfigError> {
    let thresholds = Json::from(values(&config.thresholds));
    Ok(format!("{thresholds}\n{}", bogons(config)?))
}

/// The text of the list of bogons that would hold, once it is known to be one; nothing for the built-in list.
fn bogons(config: &Config) -> Result<String, ConfigError> {
    let Some(list) = &config.bogons else {
        return Ok(String::new());
    };
    config.bogons(Bogons::default())?;
    std::fs::read_to_string(list).map_err(|source| ConfigError::Unreadable {
        path: list.clone(),
        source,
    })
}

fn changes(held: &Config, tried: &Config) -> Vec<Change> {
    let named = |config: &Config| {
        let mut all = Map::new();
        let list = config
            .bogons
            .as_ref()
            .map(|path| path.display().to_string());
        all.insert("bogons".to_owned(), list.into());
        for (key, value) in values(&config.thresholds) {
            all.insert(format!("thresholds.{key}"), value);
        }
        all
    };
    let (mut old, new) = (named(held), named(tried));
    new.into_iter()
        .filter_map(|(key, new)| {
            let old = old.remove(&key).unwrap_or(Json::Null);
            (old != new).then_some(Change { key, old, new })
        })
        .collect()
}

#[cfg(test)]
mod tests;
