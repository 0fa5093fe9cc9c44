//! A batch of incidents, checked, with the last state of each id picked out.

use std::collections::BTreeMap;

use weir_events::v1;

use crate::{RecordError, incident::IncidentRow};

/// Checked rows of one batch.
pub(crate) struct Batch {
    /// Every state, in the order of the log.
    pub(crate) all: Vec<IncidentRow>,
    /// Where the greatest version of each id stands in `all`, in the order of the ids: writers that
    /// take rows in one order do not wait for each other in a circle.
    latest: Vec<usize>,
}

impl Batch {
    pub(crate) fn of(incidents: &[v1::Incident]) -> Result<Self, RecordError> {
        let all = incidents
            .iter()
            .map(|wire| {
                IncidentRow::try_from(wire).map_err(|source| RecordError::Unfit {
                    id: wire.id.clone(),
                    source,
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut latest: BTreeMap<&str, (usize, &IncidentRow)> = BTreeMap::new();
        for (at, row) in all.iter().enumerate() {
            let slot = latest.entry(&row.id).or_insert((at, row));
            if row.version >= slot.1.version {
                *slot = (at, row);
            }
        }
        let latest = latest.into_values().map(|(at, _)| at).collect();
        Ok(Self { all, latest })
    }

    /// The last state of each id.
    pub(crate) fn latest(&self) -> impl Iterator<Item = &IncidentRow> {
        self.latest.iter().filter_map(|at| self.all.get(*at))
    }

    /// Only the position moves.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
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
