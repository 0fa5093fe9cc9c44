//! Whose routes an incident rests on.

use weir_routing::Peer;

use super::{Incident, insert_sorted};

/// One vantage point's route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Who saw it. Evidence is ordered by this, ASN first, then by collector.
    pub peer: Peer,
    /// Where that peer is heard.
    pub collector: String,
    /// The AS_PATH as text.
    pub as_path: String,
    /// When, by the source.
    pub event_time_us: i64,
}

/// Routes that an incident shows. The counts beside them are of all.
pub const MAX_EVIDENCE: usize = 64;

impl Incident {
    /// Files a route under its peer. True when that changed more than a time.
    pub(crate) fn witness(&mut self, seen: Evidence) -> bool {
        let mut changed = insert_sorted(&mut self.peer_asns, seen.peer.asn);
        let found = self.evidence.binary_search_by(|known| {
            (known.peer, known.collector.as_str()).cmp(&(seen.peer, seen.collector.as_str()))
        });
        match found {
            Ok(at) => {
                if let Some(known) = self.evidence.get_mut(at) {
                    changed |= known.as_path != seen.as_path;
                    *known = seen;
                }
            }
            Err(at) if at < MAX_EVIDENCE => {
                self.evidence.insert(at, seen);
                self.evidence.truncate(MAX_EVIDENCE);
                changed = true;
            }
            Err(_) => {}
        }
        changed
    }
}
