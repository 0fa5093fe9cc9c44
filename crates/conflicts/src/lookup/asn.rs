//! What a network originates now, beside whom it stands, and what is open about it.

use weir_routing::{Asn, Origin, Prefix};

use super::{Listed, Open};
use crate::{
    Detector,
    links::DAY_US,
    table::{Entry, Table},
};

/// What a partition knows of a network now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsnView {
    /// Stream time that all of it is as of, microseconds.
    pub as_of_us: i64,
    /// The network.
    pub asn: Asn,
    /// What it originates, IPv4, in order: of the blocks of this partition.
    pub ipv4: Listed<Originated>,
    /// IPv6, likewise.
    pub ipv6: Listed<Originated>,
    /// Who stood beside it on a path within 30 days, ascending: by what this partition was told.
    pub neighbours: Listed<Neighbour>,
    /// Open incidents in which it may be at fault, by block, prefix and rule.
    pub suspect_of: Listed<Open>,
    /// Open incidents that hurt it, likewise.
    pub victim_of: Listed<Open>,
}

/// A prefix that a network originates now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Originated {
    /// The prefix.
    pub prefix: Prefix,
    /// Stream time since which that has been known, microseconds.
    pub first_us: i64,
    /// Who originates it too, ascending.
    pub others: Vec<Asn>,
}

/// Who stands beside a network on paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Neighbour {
    /// Who.
    pub asn: Asn,
    /// Stream time since which that has been known, microseconds; none = a RIB told it.
    pub first_us: Option<i64>,
    /// The day on which it was last seen, its first microsecond.
    pub last_day_us: i64,
}

impl Detector {
    /// What is known of a network now in the blocks of this partition. Goes once through the prefixes that are
    /// known: what a network originates stands in their histories, so that routes are looked at only where it does.
    #[must_use]
    pub fn look_up_asn(&self, asn: Asn) -> AsnView {
        let mut originated: [Vec<(Prefix, (&Table, &Entry))>; 2] = Default::default();
        for shard in self.shards.values() {
            for (prefix, entry) in &shard.table.entries {
                if self.originates(asn, &shard.table, entry) {
                    let [ipv4, ipv6] = &mut originated;
                    let family = if prefix.is_ipv4() { ipv4 } else { ipv6 };
                    family.push((*prefix, (&shard.table, entry)));
                }
            }
        }
        let [ipv4, ipv6] = originated.map(|mut all| {
            all.sort_unstable_by_key(|(prefix, _)| *prefix);
            Listed::of(all).map(|(prefix, of)| self.originated(asn, prefix, of))
        });
        let links = self.links.all().filter_map(|(link, known)| {
            let [one, other] = link.ends();
            let neighbour = match asn {
                asn if asn == one => other,
                asn if asn == other => one,
                _ => return None,
            };
            Some(Neighbour {
                asn: neighbour,
                first_us: known.first_us,
                last_day_us: known.day.saturating_mul(DAY_US),
            })
        });
        let open = || self.open_incidents();
        AsnView {
            as_of_us: self.stream_time_us(),
            asn,
            ipv4,
            ipv6,
            neighbours: Listed::sorted(links),
            suspect_of: Listed::of(open().filter(|i| i.suspect == asn).map(Open::from)),
            victim_of: Listed::of(open().filter(|i| i.victims.contains(&asn)).map(Open::from)),
        }
    }

    /// It has a route that has not expired.
    fn originates(&self, asn: Asn, table: &Table, entry: &Entry) -> bool {
        let is_it = |origin: &Origin| origin.asns().contains(&asn);
        let mut history = entry.history.0.iter();
        history.any(|seen| is_it(&seen.origin))
            && table
                .routes_now(entry, &self.control.peers)
                .any(|route| table.origin(&route).is_some_and(is_it))
    }

    fn originated(&self, asn: Asn, prefix: Prefix, (table, entry): (&Table, &Entry)) -> Originated {
        let of_it = entry.history.0.iter();
        let of_it = of_it.filter(|seen| seen.origin.asns().contains(&asn));
        let now = table.announced(prefix, &self.control.peers);
        let mut others = now.map(|now| now.origins).unwrap_or_default();
        others.retain(|other| *other != asn);
        Originated {
            prefix,
            first_us: of_it.map(|seen| seen.first_us).min().unwrap_or_default(),
            others,
        }
    }
}
