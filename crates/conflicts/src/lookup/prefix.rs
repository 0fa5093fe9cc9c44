//! Who originates a prefix now, who sees it, what stands around it, and who originated it before.

use std::{collections::BTreeMap, ops::Bound};

use weir_events::topics::{Block, IPV4_BLOCK_BITS, IPV6_BLOCK_BITS};
use weir_routing::{
    AsPath, Asn, Origin, Peer, Prefix,
    rib::{Freshness, Peers, Route},
};

use super::{Listed, MOST, Open};
use crate::{
    Detector,
    knowledge::Rpki,
    shard::{Ground, Shard},
    table::{Entry, Table},
};

/// Parts of a prefix that are gone through at most: a default route holds them all.
const MOST_LOOKED_AT: usize = 16_384;

/// What is known of a prefix now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixView {
    /// Stream time that all of it is as of, microseconds.
    pub as_of_us: i64,
    /// The prefix.
    pub prefix: Prefix,
    /// Anybody has announced it, as far back as is remembered.
    pub is_known: bool,
    /// Who originates it now, the one that most vantage points see first.
    pub origins: Listed<Origination>,
    /// Vantage points that carry it in routes that are not stale.
    pub carrying: u32,
    /// Vantage points that are up and have announced a prefix of its family to this partition.
    pub vantage_points: u32,
    /// Of those with a full feed of its block: how many carry it.
    pub full_feed_carrying: u32,
    /// How many have a full feed of its block.
    pub full_feed: u32,
    /// Who originated it in the last 30 days, in the order in which they came.
    pub history: Listed<Seen>,
    /// Incidents about the very prefix that are open.
    pub incidents: Listed<Open>,
    /// Less specifics that are announced, the nearest first.
    pub covering: Listed<Around>,
    /// Parts of it that are announced, in order: of its own block, or of the blocks of this partition.
    pub more_specific: Listed<Around>,
}

/// A prefix around another one, and who originates it now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Around {
    /// The prefix.
    pub prefix: Prefix,
    /// The ASNs that originate it, ascending.
    pub origins: Vec<Asn>,
}

/// One origin of a prefix, as it is announced now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origination {
    /// Who.
    pub origin: Origin,
    /// What the RPKI says of it, by what holds now.
    pub rpki: Rpki,
    /// It was there for long enough, or in a RIB.
    pub is_stable: bool,
    /// Stream time since which it has been known, microseconds.
    pub first_us: Option<i64>,
    /// Who sees it, by ASN and address.
    pub carriers: Listed<Carrier>,
    /// How many of those in routes that are stale.
    pub stale: usize,
}

/// A vantage point that has a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carrier {
    /// The collector that heard it.
    pub collector: String,
    /// Who told.
    pub peer: Peer,
    /// The path as it was told.
    pub as_path: AsPath,
    /// Event time of the route, microseconds.
    pub since_us: i64,
    /// The session ended, or lost updates, since: the route may be gone.
    pub is_stale: bool,
}

/// One origin of the past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Who.
    pub origin: Origin,
    /// Stream time of its first route, microseconds.
    pub first_us: i64,
    /// When a route of it last came or went; now, if there is one.
    pub last_us: i64,
    /// A RIB holds it.
    pub from_rib: bool,
    /// It is there now.
    pub is_present: bool,
}

impl Detector {
    /// What is known of a prefix now: all of it in its home partition, of a prefix shorter than a block elsewhere just
    /// what lies around it.
    #[must_use]
    pub fn look_up_prefix(&self, prefix: Prefix) -> PrefixView {
        let ground = self.ground();
        let shard = self.shards.get(&prefix.block());
        let mut view = PrefixView {
            as_of_us: ground.control.now(),
            prefix,
            is_known: false,
            origins: Listed::of([]),
            carrying: 0,
            vantage_points: ground.control.peers.vantage_points(prefix.is_ipv4()),
            full_feed_carrying: 0,
            full_feed: 0,
            history: Listed::of([]),
            incidents: Listed::of([]),
            covering: self.covering(&prefix, shard),
            more_specific: self.within(prefix),
        };
        let Some(shard) = shard else { return view };
        let visibility = shard.visibility(&prefix, ground);
        view.full_feed_carrying = visibility.carrying;
        view.full_feed = shard.full_feed_points(ground);
        view.incidents = Listed::of(shard.open_about(prefix).map(Open::from));
        let Some(entry) = shard.table.entries.get(&prefix) else {
            return view;
        };
        view.is_known = true;
        let fresh = shard.carriers(&prefix, ground);
        let fresh = fresh.iter().filter(|(_, is_fresh)| *is_fresh).count();
        view.carrying = u32::try_from(fresh).unwrap_or(u32::MAX);
        let origins = originations(&shard.table, prefix, entry, ground);
        view.history = Listed::of(entry.history.0.iter().map(|seen| {
            let is_present = origins.iter().any(|now| now.origin == seen.origin);
            Seen {
                origin: seen.origin.clone(),
                first_us: seen.first_us,
                last_us: if is_present {
                    view.as_of_us
                } else {
                    seen.last_us
                },
                from_rib: seen.from_rib,
                is_present,
            }
        }));
        view.origins = Listed::of(origins);
        view
    }

    /// Less specifics: the short ones are noted by every partition.
    fn covering(&self, prefix: &Prefix, shard: Option<&Shard>) -> Listed<Around> {
        let peers = &self.control.peers;
        let lengths = (0..prefix.length()).rev();
        Listed::of(lengths.filter_map(|length| {
            let candidate = prefix.truncated(length);
            let table = match candidate.spans_blocks() {
                true => &self.control.short,
                false => &shard?.table,
            };
            table.announced(candidate, peers)
        }))
    }

    /// What lies in it, of the blocks of this partition.
    fn within(&self, prefix: Prefix) -> Listed<Around> {
        let peers = &self.control.peers;
        let blocks = self.shards.range(prefix.block()..=last_block(&prefix));
        let mut parts = blocks.flat_map(|(_, shard)| {
            let behind = (Bound::Excluded(prefix), Bound::Unbounded);
            let parts = shard.table.ordered.range(behind);
            let parts = parts.take_while(move |part| prefix.covers(part));
            parts.map(move |part| shard.table.announced(*part, peers))
        });
        let mut listed = Listed::of(parts.by_ref().take(MOST_LOOKED_AT).flatten());
        listed.is_cut = parts.next().is_some();
        listed
    }
}

/// The last block that holds a part of it.
fn last_block(prefix: &Prefix) -> Block {
    let bits = if prefix.is_ipv4() {
        IPV4_BLOCK_BITS
    } else {
        IPV6_BLOCK_BITS
    };
    let more = (1_u32 << bits.saturating_sub(prefix.length())) - 1;
    Block::from_id(prefix.block().id() + more)
}

impl Table {
    /// A prefix that somebody announces now, and who does.
    pub(super) fn announced(&self, prefix: Prefix, peers: &Peers) -> Option<Around> {
        let entry = self.entries.get(&prefix)?;
        let mut origins: Vec<Asn> = Vec::new();
        let mut is_there = false;
        for route in self.routes_now(entry, peers) {
            is_there = true;
            for asn in self.origin(&route).map_or(&[][..], Origin::asns) {
                if let Err(at) = origins.binary_search(asn) {
                    origins.insert(at, *asn);
                }
            }
        }
        is_there.then_some(Around { prefix, origins })
    }

    /// The routes that have not expired.
    pub(super) fn routes_now<'a>(
        &'a self,
        entry: &'a Entry,
        peers: &'a Peers,
    ) -> impl Iterator<Item = Route> + 'a {
        let routes = entry.routes.iter(&self.seats);
        routes.filter(|route| peers.freshness(route.slot, route.generation) != Freshness::Expired)
    }

    /// Who originated a route.
    pub(super) fn origin(&self, route: &Route) -> Option<&Origin> {
        self.paths.facts(route.path)?.origin.as_ref()
    }
}

/// Who originates it now, the one that most vantage points see first.
fn originations(
    table: &Table,
    prefix: Prefix,
    entry: &Entry,
    ground: Ground<'_>,
) -> Vec<Origination> {
    let (now, t) = (ground.control.now(), ground.measure.thresholds);
    let peers = &ground.control.peers;
    let mut by_origin: BTreeMap<&[Asn], (&Origin, Vec<Route>)> = BTreeMap::new();
    for route in table.routes_now(entry, peers) {
        if let Some(origin) = table.origin(&route) {
            let (_, routes) = by_origin
                .entry(origin.asns())
                .or_insert_with(|| (origin, Vec::new()));
            routes.push(route);
        }
    }
    let mut all: Vec<_> = by_origin
        .into_values()
        .map(|(origin, routes)| {
            let seen = entry.history.get(origin);
            Origination {
                origin: origin.clone(),
                rpki: ground.known.rpki(&prefix, origin, now, t),
                is_stable: seen.is_some_and(|seen| seen.is_stable(now, t)),
                first_us: seen.map(|seen| seen.first_us),
                stale: routes.iter().filter(|r| is_stale(r, peers)).count(),
                carriers: carriers(table, routes, peers),
            }
        })
        .collect();
    // Stable: the others stay in the order of their ASNs.
    all.sort_by_key(|one| std::cmp::Reverse(one.carriers.total));
    all
}

fn is_stale(route: &Route, peers: &Peers) -> bool {
    peers.freshness(route.slot, route.generation) != Freshness::Fresh
}

fn carriers(table: &Table, mut routes: Vec<Route>, peers: &Peers) -> Listed<Carrier> {
    let by = |route: &Route| {
        let session = peers.session(route.slot);
        let who = session.map(|of| (of.peer.asn, of.peer.address, &*of.collector));
        (who, route.path_id)
    };
    routes.sort_by(|one, other| by(one).cmp(&by(other)));
    let total = routes.len();
    let shown = routes.into_iter().filter_map(|route| {
        let session = peers.session(route.slot)?;
        Some(Carrier {
            collector: session.collector.to_string(),
            peer: session.peer,
            as_path: table.paths.path(route.path)?.clone(),
            since_us: route.event_time_us,
            is_stale: is_stale(&route, peers),
        })
    });
    Listed {
        shown: shown.take(MOST).collect(),
        total,
        is_cut: false,
    }
}
