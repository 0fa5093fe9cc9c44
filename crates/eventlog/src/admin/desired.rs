//! What the topics should be: the table of `weir_events::topics`, their dead-letter topics, and a file
//! that overrides how they are kept or adds topics that others write.
//!
//! ```toml
//! [bgp-updates]
//! retention = "7d"                  # or retention_ms
//! replication = 3
//! [bgp-updates.configs]
//! "segment.bytes" = 268435456
//!
//! [ripe-ris-updates]                # not of the table: partitions are needed
//! partitions = 6
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;
use weir_events::topics::{self, Cleanup, DEAD_LETTER_RETENTION};

/// One topic as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// Name on the broker.
    pub name: String,
    /// How many partitions.
    pub partitions: u32,
    /// Records are placed by key over exactly so many partitions: their number never changes.
    pub is_keyed: bool,
    /// Copies of each record; `None` = as many as the broker makes by default.
    pub replication: Option<u16>,
    /// Settings of the topic, as the broker calls them.
    pub configs: BTreeMap<String, String>,
}

/// What is wrong with the overrides.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverridesError {
    /// It is not TOML, or has keys that nobody knows.
    #[error("the overrides of topics cannot be read: {reason}")]
    Syntax {
        /// Where and why.
        reason: String,
    },
    /// A topic of the table with another number of partitions.
    #[error(
        "[{topic}] partitions = {wanted}: the table has {partitions}, and a keyed topic never changes in place: \
         that takes a new topic and a replay"
    )]
    Partitions {
        /// The topic.
        topic: String,
        /// In the file.
        wanted: u32,
        /// In the table.
        partitions: u32,
    },
    /// A topic that is not of the table, and no number of partitions.
    #[error(
        "[{topic}] is no topic of the table: say `partitions` to have it made, or correct its name"
    )]
    Unknown {
        /// The topic.
        topic: String,
    },
    /// A value that cannot be.
    #[error("[{topic}] {key}: {what}")]
    Value {
        /// The topic.
        topic: String,
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        what: String,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Override {
    partitions: Option<u32>,
    replication: Option<u16>,
    retention: Option<String>,
    retention_ms: Option<i64>,
    cleanup: Option<String>,
    #[serde(default)]
    configs: BTreeMap<String, toml::Value>,
}

/// Every topic of the table and its dead-letter topic, as the table has them.
#[must_use]
pub fn table() -> Vec<Desired> {
    let mut all = Vec::new();
    for topic in topics::ALL {
        all.push(Desired {
            name: topic.name.to_owned(),
            partitions: topic.partitions,
            is_keyed: true,
            replication: topic.replication,
            configs: configs(topic.retention.ms, topic.cleanup),
        });
        all.push(Desired {
            name: topics::dead_letter_topic(topic.name),
            partitions: 1,
            is_keyed: false,
            replication: topic.replication,
            configs: configs(DEAD_LETTER_RETENTION.ms, Cleanup::Delete),
        });
    }
    all
}

fn configs(retention_ms: i64, cleanup: Cleanup) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("cleanup.policy".to_owned(), cleanup.name().to_owned()),
        ("retention.ms".to_owned(), retention_ms.to_string()),
    ])
}

/// The table with `overrides` (TOML, see the head of this file) laid over it.
///
/// # Errors
/// See [`OverridesError`].
pub fn with_overrides(overrides: &str) -> Result<Vec<Desired>, OverridesError> {
    let overrides: BTreeMap<String, Override> =
        toml::from_str(overrides).map_err(|error| OverridesError::Syntax {
            reason: error.to_string().trim_end().to_owned(),
        })?;
    let mut all = table();
    for (name, given) in overrides {
        match all.iter_mut().find(|topic| topic.name == name) {
            Some(topic) => lay_over(topic, given)?,
            None => {
                let Some(partitions) = given.partitions.filter(|count| *count > 0) else {
                    return Err(OverridesError::Unknown { topic: name });
                };
                let mut topic = Desired {
                    name,
                    partitions,
                    is_keyed: false,
                    replication: None,
                    configs: BTreeMap::new(),
                };
                lay_over(&mut topic, given)?;
                all.push(topic);
            }
        }
    }
    Ok(all)
}

fn lay_over(topic: &mut Desired, given: Override) -> Result<(), OverridesError> {
    if let Some(wanted) = given.partitions
        && wanted != topic.partitions
    {
        return Err(OverridesError::Partitions {
            topic: topic.name.clone(),
            wanted,
            partitions: topic.partitions,
        });
    }
    let wrong = |key, what: &str| OverridesError::Value {
        topic: topic.name.clone(),
        key,
        what: what.to_owned(),
    };
    if given.replication == Some(0) {
        return Err(wrong("replication", "is a number from 1 on"));
    }
    let retention = match (given.retention, given.retention_ms) {
        (Some(_), Some(_)) => return Err(wrong("retention", "or retention_ms, not both")),
        (Some(text), None) => {
            let read = duration_ms(&text);
            Some(read.ok_or_else(|| wrong("retention", "is like 90m, 24h, 7d or forever"))?)
        }
        (None, Some(ms)) if ms < -1 => {
            return Err(wrong("retention_ms", "is a number from -1 (for ever) on"));
        }
        (None, ms) => ms,
    };
    if let Some(cleanup) = &given.cleanup
        && !["delete", "compact", "compact,delete"].contains(&cleanup.as_str())
    {
        return Err(wrong("cleanup", "is delete, compact or compact,delete"));
    }
    let mut configs = Vec::new();
    for (key, value) in given.configs {
        configs.push((
            key,
            match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Float(number) => number.to_string(),
                toml::Value::Boolean(truth) => truth.to_string(),
                _ => return Err(wrong("configs", "hold text, numbers, true or false")),
            },
        ));
    }
    if given.replication.is_some() {
        topic.replication = given.replication;
    }
    let set = |key: &str, value: String| (key.to_owned(), value);
    topic
        .configs
        .extend(retention.map(|ms| set("retention.ms", ms.to_string())));
    topic
        .configs
        .extend(given.cleanup.map(|cleanup| set("cleanup.policy", cleanup)));
    topic.configs.extend(configs);
    Ok(())
}

/// `90m`, `24h`, `7d`, `30s`, `forever`.
fn duration_ms(text: &str) -> Option<i64> {
    if text == "forever" {
        return Some(-1);
    }
    let unit = text.chars().next_back()?;
    let number: i64 = text.strip_suffix(unit)?.parse().ok()?;
    let ms = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    number.checked_mul(ms).filter(|ms| *ms > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(all: &'a [Desired], name: &str) -> &'a Desired {
        all.iter().find(|topic| topic.name == name).unwrap()
    }

    #[test]
    fn the_table_says_how_long_and_how_records_are_kept() {
        let all = table();
        assert_eq!(all.len(), 2 * topics::ALL.len());
        let updates = of(&all, "bgp-updates");
        assert_eq!(updates.configs["retention.ms"], "86400000");
        assert_eq!(updates.configs["cleanup.policy"], "delete");
        assert_eq!(of(&all, "bgp-updates.dlq").partitions, 1);
    }

    #[test]
    fn a_file_changes_what_it_names_and_adds_topics_of_others() {
        let all = with_overrides(
            "[bgp-updates]\nretention = \"7d\"\nreplication = 3\n\
             [bgp-updates.configs]\n\"segment.bytes\" = 1048576\n\
             [raw-pings]\npartitions = 6\nreplication = 3\nretention_ms = 604800000\ncleanup = \"delete\"\n",
        )
        .unwrap();
        let updates = of(&all, "bgp-updates");
        assert_eq!(updates.configs["retention.ms"], "604800000");
        assert_eq!(updates.configs["segment.bytes"], "1048576");
        assert_eq!(updates.replication, Some(3));
        let pings = of(&all, "raw-pings");
        assert_eq!((pings.partitions, pings.is_keyed), (6, false));
        assert_eq!(with_overrides("").unwrap(), table());
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for (text, wanted) in [
            ("[bgp-updates]\npartitions = 9", "a new topic and a replay"),
            ("[bgp-update]\nreplication = 3", "[bgp-update] is no topic"),
            (
                "[bgp-updates]\nretention = \"soon\"",
                "[bgp-updates] retention: is like",
            ),
            (
                "[bgp-updates]\nreplication = 0",
                "[bgp-updates] replication",
            ),
            (
                "[bgp-updates]\nretention = \"1d\"\nretention_ms = 1",
                "not both",
            ),
            ("[bgp-updates]\ncleanup = \"burn\"", "is delete, compact"),
            ("[bgp-updates]\nretain = 1", "unknown field `retain`"),
            ("[bgp-updates", "cannot be read"),
        ] {
            let error = with_overrides(text).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error:?} does not say {wanted:?}");
        }
    }
}
