//! What a task knows right now of a prefix, or of a network. Read only and bounded, in an order that depends on the
//! state alone, so that it can be asked between two records.
//!
//! A prefix shorter than its block is noted by every partition, for covering look-ups; who announces it, and its
//! history, only its home partition knows. What lies in such a prefix is spread over the partitions: each tells of
//! its own blocks, and their answers add up.

mod asn;
mod prefix;

use weir_routing::{Asn, Prefix};

use crate::{
    Incident,
    incident::{Kind, Severity, State},
};

pub use asn::{AsnView, Neighbour, Originated};
pub use prefix::{Around, Carrier, Origination, PrefixView, Seen};

/// Most entries of a list that an answer shows.
pub const MOST: usize = 64;

/// The first entries of a list, and how many there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// The first [`MOST`] in their order.
    pub shown: Vec<T>,
    /// How many there are.
    pub total: usize,
    /// There may be more than `total`: it was not looked any further.
    pub is_cut: bool,
}

impl<T> Listed<T> {
    fn of(all: impl IntoIterator<Item = T>) -> Self {
        let mut all = all.into_iter();
        let shown: Vec<T> = all.by_ref().take(MOST).collect();
        Self {
            total: shown.len() + all.count(),
            shown,
            is_cut: false,
        }
    }

    /// The least of them, in order.
    fn sorted(all: impl IntoIterator<Item = T>) -> Self
    where
        T: Ord,
    {
        let mut all: Vec<T> = all.into_iter().collect();
        all.sort_unstable();
        Self::of(all)
    }

    fn map<U>(self, each: impl FnMut(T) -> U) -> Listed<U> {
        Listed {
            shown: self.shown.into_iter().map(each).collect(),
            total: self.total,
            is_cut: self.is_cut,
        }
    }
}

/// An incident that is open, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Its id.
    pub id: uuid::Uuid,
    /// Which rule opened it.
    pub kind: Kind,
    /// Where it stands.
    pub state: State,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub prefix: Option<Prefix>,
    /// Who may be at fault.
    pub suspect: Asn,
    /// Event time of its first record, microseconds.
    pub first_seen_us: i64,
}

impl From<&Incident> for Open {
    fn from(incident: &Incident) -> Self {
        Self {
            id: incident.id,
            kind: incident.kind,
            state: incident.state,
            severity: incident.severity,
            prefix: incident.prefix,
            suspect: incident.suspect,
            first_seen_us: incident.first_seen_us,
        }
    }
}
