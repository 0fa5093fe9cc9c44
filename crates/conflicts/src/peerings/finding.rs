//! What a rule found in the configuration.

use std::collections::BTreeSet;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::Peering;
use crate::incident::Severity;

/// Names of the rules, as they stand in findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// One neighbour with two ASNs, or one private ASN with two owners.
    AsnCollision,
    /// Values that contradict each other, or that no session can have.
    ConfigurationMismatch,
    /// Routes are expected that the own ASN is on.
    RoutingLoop,
    /// ROAs forbid an origination that is configured.
    RpkiInvalid,
    /// A device has two sessions to one neighbour.
    SessionOverlap,
}

impl Kind {
    /// The name in findings and documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AsnCollision => "asn_collision",
            Self::ConfigurationMismatch => "configuration_mismatch",
            Self::RoutingLoop => "routing_loop",
            Self::RpkiInvalid => "rpki_invalid",
            Self::SessionOverlap => "session_overlap",
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// The rule.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// How bad it is.
    pub severity: Severity,
    /// Ids of the peerings that it concerns, sorted.
    pub affected_peers: Vec<String>,
    /// What is wrong, in a sentence.
    pub description: String,
    /// What to do about it, in a sentence.
    pub recommended_action: String,
    /// The values that it rests on, by name.
    pub metadata: Map<String, Value>,
}

/// The ids of these, sorted, each once.
pub(super) fn ids<'a>(peerings: impl IntoIterator<Item = &'a Peering>) -> Vec<String> {
    distinct(peerings.into_iter().map(|peering| peering.id.clone()))
}

/// Values by name. What is null is left out.
pub(super) fn metadata<const N: usize>(values: [(&str, Value); N]) -> Map<String, Value> {
    let values = values.into_iter().filter(|(_, value)| !value.is_null());
    values
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Sorted, each once.
pub(super) fn distinct<T: Ord>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let values: BTreeSet<T> = values.into_iter().collect();
    values.into_iter().collect()
}

/// `A, B and C`.
pub(super) fn and(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
