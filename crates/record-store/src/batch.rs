//! A batch of incidents, with the last state of each id picked out.

use std::collections::{BTreeMap, BTreeSet};

use weir_routing::prefix::Prefix;

use crate::incident::IncidentRow;

/// Rows of one batch.
pub(crate) struct Batch<'a> {
    /// Every state, in the order of the log.
    pub(crate) all: &'a [IncidentRow],
    /// The greatest version of each id, in the order of the ids: writers that take rows in one order
    /// do not wait for each other in a circle.
    latest: BTreeMap<&'a str, &'a IncidentRow>,
}

impl<'a> Batch<'a> {
    pub(crate) fn of(all: &'a [IncidentRow]) -> Self {
        let mut latest = BTreeMap::new();
        for row in all {
            let slot = latest.entry(row.id.as_str()).or_insert(row);
            if row.version >= slot.version {
                *slot = row;
            }
        }
        Self { all, latest }
    }

    /// The last state of each id.
    pub(crate) fn latest(&self) -> impl Iterator<Item = &'a IncidentRow> {
        self.latest.values().copied()
    }

    /// Only the position moves.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

/// Prefixes of the members of a group, each once.
pub(crate) fn member_prefixes(row: &IncidentRow) -> BTreeSet<Prefix> {
    let prefixes = row.members.iter().filter_map(|member| member.prefix);
    prefixes.collect()
}

/// Whom the incident concerns: origins, expected origins, suspects, victims.
pub(crate) fn asns(row: &IncidentRow) -> Vec<u32> {
    let mut asns: Vec<u32> = [
        &row.origins,
        &row.expected_origins,
        &row.suspect_set,
        &row.victim_asns,
    ]
    .into_iter()
    .flatten()
    .copied()
    .chain(row.suspect_asn)
    .collect();
    asns.sort_unstable();
    asns.dedup();
    asns
}
