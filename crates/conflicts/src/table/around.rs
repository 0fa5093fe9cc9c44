//! What stands around a prefix: who covers it, who holds parts of it, who passes it on.

use std::ops::Bound;

use smallvec::SmallVec;
use weir_routing::{
    Asn, Origin, Prefix,
    rib::{Freshness, Peers, Route},
};

use super::{Entry, Table, bit};
use crate::{
    facts,
    rule::{Covering, Within},
    thresholds::Thresholds,
};

/// Parts of a prefix that are looked at to learn who holds them.
const MOST_PARTS: usize = 256;
/// Parts, of nobody as well, that are gone through for that.
const MOST_LOOKED_AT: usize = 4_096;

/// Less specifics of fewer bits cover nothing: they are defaults.
const SHORTEST_COVERING: u8 = 8;

impl Table {
    /// The nearest announced less specific in this table. What was lost by expiry counts as
    /// announced: a hole in the data must not blind.
    pub(crate) fn covering(
        &self,
        prefix: &Prefix,
        peers: &Peers,
        now: i64,
        t: &Thresholds,
    ) -> Option<Covering> {
        (SHORTEST_COVERING..prefix.length())
            .rev()
            .filter(|length| self.lengths & bit(*length) != 0)
            .find_map(|length| {
                let candidate = prefix.truncated(length);
                let entry = self.entries.get(&candidate)?;
                self.covers(candidate, entry, peers, now, t)
            })
    }

    /// The nearest less specific that this network holds.
    pub(crate) fn held_around(&self, prefix: &Prefix, origin: Asn) -> Option<Prefix> {
        let shorter = (SHORTEST_COVERING..prefix.length()).rev();
        let wholes = shorter.filter(|length| self.lengths & bit(*length) != 0);
        let is_held = |whole: &Prefix| {
            let entry = self.entries.get(whole);
            let mut known = entry.into_iter().flat_map(|entry| &entry.history.0);
            known.any(|seen| seen.held && seen.origin.suspect() == origin)
        };
        wholes.map(|length| prefix.truncated(length)).find(is_held)
    }

    /// What others than `origin` hold inside of `whole`; `None` when nobody does, or it holds a part itself.
    pub(crate) fn within(
        &self,
        whole: Prefix,
        origin: &Origin,
        peers: &Peers,
        now: i64,
        t: &Thresholds,
    ) -> Option<Within> {
        let behind = self
            .ordered
            .range((Bound::Excluded(whole), Bound::Unbounded));
        let parts = behind.take_while(|prefix| whole.covers(prefix));
        let mut found = Within::default();
        let held = parts.take(MOST_LOOKED_AT).filter_map(|prefix| {
            let held = self.covers(*prefix, self.entries.get(prefix)?, peers, now, t);
            held.filter(|held| !held.no_baseline)
        });
        for part in held.take(MOST_PARTS) {
            if part.is_held_by(origin) {
                return None;
            }
            if found.holders.is_empty() {
                let asns = (origin.asns(), &*part.origins);
                found.is_transit = self.is_transit(&part.prefix, asns, peers, now, t);
            }
            found.holders.extend(part.origins);
        }
        found.holders.sort_unstable();
        found.holders.dedup();
        (!found.holders.is_empty()).then_some(found)
    }

    /// True when one of `transits` stands right before one of `origins` on paths to the prefix that as many peer ASNs
    /// as it takes to confirm an incident have had for a while: who forges one must wait, and be seen. A source whose
    /// clock is late does not shorten the wait: the path has to have been here for as long.
    pub(crate) fn is_transit(
        &self,
        prefix: &Prefix,
        (transits, origins): (&[Asn], &[Asn]),
        peers: &Peers,
        now: i64,
        t: &Thresholds,
    ) -> bool {
        let Some(entry) = self.entries.get(prefix).filter(|_| !origins.is_empty()) else {
            return false;
        };
        let passes = |route: &Route| {
            let path = self.paths.path(route.path);
            let known_since = self.paths.facts(route.path).map_or(now, |f| f.since_us);
            let since = route.event_time_us.max(known_since);
            peers.freshness(route.slot, route.generation) == Freshness::Fresh
                && now.saturating_sub(since) >= t.settled_after_us()
                && path.is_some_and(|path| facts::passes(path, transits, origins))
        };
        let mut asns: SmallVec<[Asn; 16]> = SmallVec::new();
        for route in entry.routes.iter(&self.seats).filter(passes) {
            if let Some(session) = peers.session(route.slot)
                && !asns.contains(&session.peer.asn)
            {
                asns.push(session.peer.asn);
            }
        }
        asns.len() >= t.peers_to_confirm()
    }

    fn covers(
        &self,
        prefix: Prefix,
        entry: &Entry,
        peers: &Peers,
        now: i64,
        t: &Thresholds,
    ) -> Option<Covering> {
        if entry.routes.is_empty() && !entry.lost {
            return None;
        }
        let present = |origin: &Origin| {
            entry.routes.iter(&self.seats).any(|route| {
                peers.freshness(route.slot, route.generation) != Freshness::Expired
                    && self
                        .paths
                        .facts(route.path)
                        .is_some_and(|facts| facts.origin.as_ref() == Some(origin))
            })
        };
        let known = entry.history.0.iter();
        let stable: Vec<_> = known
            .clone()
            .filter(|seen| seen.is_stable(now, t))
            .collect();
        let no_baseline = stable.is_empty();
        let any_present = known.clone().any(|seen| present(&seen.origin));
        let mut origins: Vec<Asn> = known
            .clone()
            .filter(|seen| {
                if no_baseline {
                    !any_present || present(&seen.origin)
                } else {
                    seen.is_stable(now, t)
                }
            })
            .flat_map(|seen| seen.origin.asns().iter().copied())
            .collect();
        origins.sort_unstable();
        origins.dedup();
        let settled = known
            .clone()
            .any(|seen| seen.from_rib || now.saturating_sub(seen.first_us) >= t.settled_after_us());
        Some(Covering {
            prefix,
            origins,
            no_baseline,
            settled,
        })
    }
}
