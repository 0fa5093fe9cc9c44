//! The difference between the topics that should be and those that are, as steps. Pure.

use std::{collections::BTreeMap, fmt};

use weir_events::topics::SAFE_REPLICATION;

use super::Desired;

/// A topic as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// How many partitions.
    pub partitions: u32,
    /// Copies of its records; the fewest over its partitions.
    pub replication: u16,
    /// Its settings as they apply, and whether each was set on the topic itself.
    pub configs: BTreeMap<String, (String, bool)>,
}

/// One thing that `apply` does, or does not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The topic is not there: it is made.
    Create {
        /// As it should be, with everything that is to be set.
        topic: Desired,
    },
    /// A setting differs: it is set.
    Alter {
        /// The topic.
        topic: String,
        /// As the broker calls it.
        key: String,
        /// As it is.
        from: String,
        /// As it should be.
        to: String,
    },
    /// Something differs that is left alone.
    Drift {
        /// The topic.
        topic: String,
        /// What, and who can change it.
        what: String,
    },
    /// Something differs that must not be changed in place.
    Refused {
        /// The topic.
        topic: String,
        /// What, why, and what helps.
        what: String,
    },
}

impl Step {
    /// `apply` changes something.
    #[must_use]
    pub fn is_change(&self) -> bool {
        matches!(self, Self::Create { .. } | Self::Alter { .. })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { topic } => {
                write!(f, "create   {} partitions={}", topic.name, topic.partitions)?;
                match topic.replication {
                    Some(copies) => write!(f, " replication={copies}")?,
                    None => write!(f, " replication=broker's")?,
                }
                topic
                    .configs
                    .iter()
                    .try_for_each(|(key, value)| write!(f, " {key}={value}"))
            }
            Self::Alter {
                topic,
                key,
                from,
                to,
            } => write!(f, "alter    {topic} {key} {from} -> {to}"),
            Self::Drift { topic, what } => write!(f, "drift    {topic} {what}"),
            Self::Refused { topic, what } => write!(f, "refused  {topic} {what}"),
        }
    }
}

/// The steps from `found` (by name) to `desired`. `default_replication` is the broker's, if known.
#[must_use]
pub(super) fn plan(
    desired: &[Desired],
    found: &BTreeMap<String, Found>,
    default_replication: Option<u16>,
) -> Vec<Step> {
    desired
        .iter()
        .flat_map(|topic| match found.get(&topic.name) {
            None => vec![Step::Create {
                topic: safe(topic, topic.replication.or(default_replication)),
            }],
            Some(found) => difference(&safe(topic, Some(found.replication)), found),
        })
        .collect()
}

/// With so many copies two must have a record before it is acknowledged, unless said otherwise.
fn safe(topic: &Desired, copies: Option<u16>) -> Desired {
    let mut topic = topic.clone();
    if copies.is_some_and(|copies| copies >= SAFE_REPLICATION) {
        let configs = &mut topic.configs;
        configs
            .entry("min.insync.replicas".to_owned())
            .or_insert_with(|| "2".to_owned());
    }
    topic
}

fn difference(topic: &Desired, found: &Found) -> Vec<Step> {
    let name = || topic.name.clone();
    let mut steps = Vec::new();
    if found.partitions != topic.partitions {
        let what = format!(
            "has {} partitions, {} are wanted",
            found.partitions, topic.partitions
        );
        steps.push(if topic.is_keyed {
            let why = "a keyed topic never changes in place: delete it (`weir topics delete`), make it \
                       anew and replay";
            Step::Refused {
                topic: name(),
                what: format!("{what}: {why}"),
            }
        } else {
            Step::Drift {
                topic: name(),
                what: format!("{what}: left alone, no position is moved behind a reader's back"),
            }
        });
    }
    if let Some(wanted) = topic.replication
        && wanted != found.replication
    {
        steps.push(Step::Drift {
            topic: name(),
            what: format!(
                "has {} copies, {wanted} are wanted: move them with kafka-reassign-partitions",
                found.replication
            ),
        });
    }
    for (key, to) in &topic.configs {
        let from = found.configs.get(key).map_or("", |(value, _)| value);
        if from != to {
            steps.push(Step::Alter {
                topic: name(),
                key: key.clone(),
                from: from.to_owned(),
                to: to.clone(),
            });
        }
    }
    let by_hand = found
        .configs
        .iter()
        .filter(|(key, (_, set))| *set && !topic.configs.contains_key(*key));
    steps.extend(by_hand.map(|(key, (value, _))| Step::Drift {
        topic: name(),
        what: format!("{key}={value} was set by somebody else: left alone"),
    }));
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::table;

    fn as_wanted(copies: u16) -> BTreeMap<String, Found> {
        let as_found = |topic: &Desired| Found {
            partitions: topic.partitions,
            replication: copies,
            configs: topic
                .configs
                .iter()
                .map(|(key, value)| (key.clone(), (value.clone(), true)))
                .collect(),
        };
        table()
            .iter()
            .map(|topic| (topic.name.clone(), as_found(topic)))
            .collect()
    }

    #[test]
    fn what_is_as_it_should_be_needs_no_step() {
        assert_eq!(plan(&table(), &as_wanted(1), Some(1)), []);
    }

    #[test]
    fn three_copies_want_two_in_sync() {
        let steps = plan(&table(), &BTreeMap::new(), Some(3));
        assert_eq!(steps.len(), table().len());
        assert!(
            steps[0]
                .to_string()
                .ends_with("cleanup.policy=delete min.insync.replicas=2 retention.ms=86400000"),
            "{}",
            steps[0]
        );
        let steps = plan(&table(), &as_wanted(3), None);
        assert!(steps.iter().all(Step::is_change));
        assert!(
            steps[0].to_string().contains("min.insync.replicas  -> 2"),
            "{}",
            steps[0]
        );
    }

    #[test]
    fn the_partitions_of_a_keyed_topic_are_refused_and_what_others_set_is_only_told() {
        let mut found = as_wanted(1);
        let updates = found.get_mut("bgp-updates").unwrap();
        updates.partitions = 12;
        updates
            .configs
            .insert("retention.ms".to_owned(), ("1".to_owned(), true));
        updates
            .configs
            .insert("segment.ms".to_owned(), ("5".to_owned(), true));
        updates
            .configs
            .insert("flush.ms".to_owned(), ("6".to_owned(), false));
        let steps: Vec<String> = plan(&table(), &found, None)
            .iter()
            .map(Step::to_string)
            .collect();
        assert_eq!(steps.len(), 3, "{steps:?}");
        assert!(steps[0].starts_with("refused  bgp-updates has 12 partitions, 8 are wanted"));
        assert_eq!(steps[1], "alter    bgp-updates retention.ms 1 -> 86400000");
        assert!(steps[2].starts_with("drift    bgp-updates segment.ms=5"));
    }
}
