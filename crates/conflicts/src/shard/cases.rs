//! Incidents of one attack: what opens joins the case of what was found around it lately, if both have a party in
//! common (`docs/detector.md` 10).

use std::cmp::Reverse;

use uuid::Uuid;
use weir_routing::{Asn, Prefix};

use super::{Ground, Shard, incidents::lowest};
use crate::incident::{Incident, Key, reason};

/// Incidents that are looked at in one prefix, of the open ones and of those that ended.
const MOST_LOOKED_AT: usize = 512;

impl Shard {
    /// The case of an incident that opens: that of the newest one around it with a party in common, else its own.
    pub(super) fn case_of(&self, key: Key, opening: &Incident, ground: Ground<'_>) -> Uuid {
        if !key.role.has_cases() {
            return opening.case;
        }
        let prefix = key.prefix;
        let wholes = (0..prefix.length()).map(|length| prefix.truncated(length));
        let around = wholes.flat_map(|whole| self.lately(whole, whole.length(), ground));
        let inside = self.lately(prefix, u8::MAX, ground);
        let near = around.chain(inside);
        let near = near.filter(|other| have_a_party_in_common(opening, other));
        let whole = self.covering(&prefix, ground).map(|of| of.prefix);
        let beside = whole.into_iter();
        let beside = beside.flat_map(|whole| self.lately(whole, u8::MAX, ground));
        let beside = beside.filter(|other| are_done_to_one_by_one(opening, other));
        let of_one = near.chain(beside);
        // Who is hurt where nobody was known for long may be the next attacker.
        let is_sure = |other: &Incident| !other.reasons.contains(&reason::NO_BASELINE);
        let nearest =
            of_one.max_by_key(|other| (is_sure(other), other.first_seen_us, Reverse(other.id)));
        nearest.map_or(opening.case, |other| other.case)
    }

    /// What may be of a case, in a prefix, down to parts of so many bits: open for less than a day, or ended lately.
    fn lately(
        &self,
        whole: Prefix,
        longest: u8,
        ground: Ground<'_>,
    ) -> impl Iterator<Item = &Incident> {
        let (now, t) = (ground.control.now(), ground.measure.thresholds);
        let is_in = move |key: &Key| whole.covers(&key.prefix) && key.prefix.length() <= longest;
        let first = lowest(whole);
        let open = self.open.range(first..).take_while(move |of| is_in(of.0));
        let open = open.take(MOST_LOOKED_AT).map(|(_, live)| &live.incident);
        let closed = self.closed.range(first..).take_while(move |of| is_in(of.0));
        let closed = closed.take(MOST_LOOKED_AT).map(|(_, closed)| closed);
        let closed = closed
            .filter(move |closed| now.saturating_sub(closed.at_us) <= t.reopen_within_us())
            .map(|closed| &closed.incident);
        // What has stood for a day is how things are, and names no attack.
        let is_new = move |of: &&Incident| {
            of.kind.role().has_cases()
                && now.saturating_sub(of.suspected_at_us) < t.stable_after_us()
        };
        open.chain(closed).filter(is_new)
    }
}

/// Who is suspected now is suspected there, or hurt there and strikes back. That both hurt the same network is not
/// enough: two strangers may.
fn have_a_party_in_common(opening: &Incident, other: &Incident) -> bool {
    let is_there = |asn: &Asn| suspects(other).any(|of| of == asn) || other.victims.contains(asn);
    suspects(opening).any(is_there)
}

/// The same suspect hurts the same network.
fn are_done_to_one_by_one(opening: &Incident, other: &Incident) -> bool {
    let suspected = |asn: &Asn| suspects(other).any(|of| of == asn);
    let hurt = |asn: &Asn| other.victims.contains(asn);
    suspects(opening).any(suspected) && opening.victims.iter().any(hurt)
}

fn suspects(incident: &Incident) -> impl Iterator<Item = &Asn> {
    std::iter::once(&incident.suspect).chain(&incident.suspect_set)
}
