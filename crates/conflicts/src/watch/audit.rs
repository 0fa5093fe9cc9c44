//! A watch list held against what vantage points have, in their tables or right now: what only the owner of a prefix
//! can tell, since only he knows what is expected.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use weir_routing::{AsPath, Asn, Origin, Peer, Prefix};

use super::{Policy, WatchList, WatchedPrefix, proposal::before_origin};
use crate::thresholds::Thresholds;

/// Vantage points, by the ASN of the peer.
type Seen = BTreeSet<Asn>;
/// An origin, and who stands right before it.
type Ends = (Asn, Option<Asn>);

/// What vantage points have of the own prefixes of a list, and of their parts.
#[derive(Clone, Debug)]
pub struct Audit<'a> {
    list: &'a WatchList,
    seen: BTreeMap<Prefix, BTreeMap<Ends, Seen>>,
    /// How many routes of IPv4 and of IPv6 each session has told.
    tables: BTreeMap<Peer, [u64; 2]>,
    /// What was counted elsewhere.
    shares: BTreeMap<Prefix, Share>,
}

/// What is otherwise than its owner expects. Counts are of vantage points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// Nobody has an own prefix, or an expected part of it.
    Missing(Prefix),
    /// Of those with a full table of its family, too few have an own prefix.
    Hidden(Prefix, Share),
    /// An own prefix that is for neighbours only is with so many others.
    Exported(Prefix, usize),
    /// An own prefix, or an expected part of one, has an origin that is not expected.
    Origin(Prefix, Asn, usize),
    /// A part of an own prefix is longer than any that is expected.
    Part(Prefix, Asn, usize),
    /// Somebody who is not expected stands right before an origin.
    Upstream(Neighbour),
}

/// So many of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    /// Those that have it.
    pub carry: usize,
    /// All of them.
    pub of: usize,
}

/// Who stands right before an origin, and on paths to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Neighbour {
    /// The origin.
    pub origin: Asn,
    /// Who stands right before it.
    pub upstream: Asn,
    /// The first of the prefixes.
    pub first: Prefix,
    /// How many there are.
    pub prefixes: usize,
    /// By how many it is seen.
    pub seen: usize,
}

/// What a finding is about: the same from one look to the next, whatever the counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// One of [`Finding::CHECKS`].
    pub check: &'static str,
    /// Of all but an upstream, which stands before many.
    pub prefix: Option<Prefix>,
    /// Who originates what it is about.
    pub origin: Option<Asn>,
    /// Who stands right before the origin.
    pub upstream: Option<Asn>,
}

impl Finding {
    /// The names of all checks.
    pub const CHECKS: [&str; 6] = [
        "missing",
        "visibility",
        "no-export",
        "origin",
        "part",
        "upstream",
    ];

    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> Subject {
        let about = |check, origin| Subject {
            check,
            prefix: Some(self.prefix()),
            origin,
            upstream: None,
        };
        match self {
            Self::Missing(_) => about("missing", None),
            Self::Hidden(..) => about("visibility", None),
            Self::Exported(..) => about("no-export", None),
            Self::Origin(_, origin, _) => about("origin", Some(*origin)),
            Self::Part(_, origin, _) => about("part", Some(*origin)),
            Self::Upstream(of) => Subject {
                prefix: None,
                upstream: Some(of.upstream),
                ..about("upstream", Some(of.origin))
            },
        }
    }

    /// The prefix that it is about; of an upstream the first one.
    #[must_use]
    pub fn prefix(&self) -> Prefix {
        match self {
            Self::Missing(prefix)
            | Self::Hidden(prefix, _)
            | Self::Exported(prefix, _)
            | Self::Origin(prefix, ..)
            | Self::Part(prefix, ..) => *prefix,
            Self::Upstream(of) => of.first,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.subject().check)?;
        match self {
            Self::Missing(own) => write!(f, "no vantage point has {own}"),
            Self::Hidden(own, Share { carry, of }) => {
                write!(f, "{carry} of {of} full tables have {own}")
            }
            Self::Exported(own, seen) => write!(f, "{own} is {}", by(*seen)),
            Self::Origin(prefix, origin, seen) | Self::Part(prefix, origin, seen) => {
                write!(f, "{prefix} from AS{origin} is {}", by(*seen))
            }
            Self::Upstream(of) => {
                let Neighbour {
                    origin,
                    upstream,
                    first,
                    ..
                } = of;
                write!(f, "AS{upstream} right before AS{origin}")?;
                write!(f, " on paths to {first}")?;
                if of.prefixes > 1 {
                    write!(f, " and {} more", of.prefixes - 1)?;
                }
                write!(f, " is {}", by(of.seen))
            }
        }
    }
}

fn by(seen: usize) -> String {
    match seen {
        1 => "seen by 1 vantage point".to_owned(),
        _ => format!("seen by {seen} vantage points"),
    }
}

impl<'a> Audit<'a> {
    /// Nothing heard yet.
    #[must_use]
    pub fn of(list: &'a WatchList) -> Self {
        Self {
            list,
            seen: BTreeMap::new(),
            tables: BTreeMap::new(),
            shares: BTreeMap::new(),
        }
    }

    /// A route of a table. Members of a set originate nothing.
    pub fn hear(&mut self, peer: Peer, prefix: Prefix, path: &AsPath) {
        let [v4, v6] = self.tables.entry(peer).or_default();
        *(if prefix.is_ipv4() { v4 } else { v6 }) += 1;
        self.see(peer.asn, prefix, path);
    }

    /// A route that a vantage point has now, where nobody tells whole tables: [`Self::share`] says how many have it.
    pub fn see(&mut self, by: Asn, prefix: Prefix, path: &AsPath) {
        if self.concerns(&prefix).is_none() {
            return;
        }
        if let Some(Origin::As(origin)) = path.origin() {
            let ends = (origin, before_origin(path, origin));
            let of_prefix = self.seen.entry(prefix).or_default();
            of_prefix.entry(ends).or_default().insert(by);
        }
    }

    /// Of the vantage points with full tables so many have an own prefix, by who counted them. What is neither counted
    /// here nor there is not missed.
    pub fn share(&mut self, own: Prefix, share: Share) {
        self.shares.insert(own, share);
    }

    /// How many vantage points there are.
    #[must_use]
    pub fn vantage_points(&self) -> usize {
        let asns = self.tables.keys().map(|peer| peer.asn);
        asns.collect::<Seen>().len()
    }

    /// What is otherwise than expected, in a fixed order. What is there counts when `seen_by` vantage points see it.
    #[must_use]
    pub fn findings(&self, seen_by: usize, t: &Thresholds) -> Vec<Finding> {
        let full = [self.full_tables(0, t), self.full_tables(1, t)];
        let mut found = Vec::new();
        for entry in self.list.prefixes().filter(|entry| !entry.ignore) {
            let [v4, v6] = &full;
            let full = if entry.prefix.is_ipv4() { v4 } else { v6 };
            found.extend(self.presence(entry, full, seen_by, t));
        }
        let mut strangers: BTreeMap<(Asn, Asn), (BTreeSet<Prefix>, Seen)> = BTreeMap::new();
        for (prefix, ends) in &self.seen {
            let Some(entry) = self.concerns(prefix) else {
                continue;
            };
            found.extend(originations(entry, *prefix, ends, seen_by));
            for ((origin, before), seen) in ends {
                let Some(before) = before.filter(|_| entry.expects_origin(*origin)) else {
                    continue;
                };
                if !self.expects_neighbour(entry, *origin, before) {
                    let (prefixes, by) = strangers.entry((*origin, before)).or_default();
                    prefixes.insert(*prefix);
                    by.extend(seen);
                }
            }
        }
        let strangers = strangers.into_iter();
        found.extend(
            strangers.filter_map(|((origin, upstream), (prefixes, by))| {
                let first = *prefixes.first()?;
                let neighbour = Neighbour {
                    origin,
                    upstream,
                    first,
                    prefixes: prefixes.len(),
                    seen: by.len(),
                };
                (by.len() >= seen_by).then_some(Finding::Upstream(neighbour))
            }),
        );
        found.sort_unstable();
        found
    }

    /// The entry whose matter a prefix is: what it says counts for it.
    #[must_use]
    pub fn concerns(&self, prefix: &Prefix) -> Option<&'a WatchedPrefix> {
        let entry = self.list.holding(prefix)?;
        let ignored = if entry.prefix == *prefix {
            entry.ignore
        } else {
            entry.ignore_more_specifics
        };
        (!ignored).then_some(entry)
    }

    /// Vantage points that have told a fifth of the most that any has, of a family.
    fn full_tables(&self, family: usize, t: &Thresholds) -> Seen {
        let told = |counts: &[u64; 2]| counts.get(family).copied().unwrap_or_default();
        let most = self.tables.values().map(told).max().unwrap_or_default();
        let is_full = |counts: &[u64; 2]| {
            told(counts) > 0 && told(counts) * 100 >= most * u64::from(t.full_feed_percent)
        };
        let full = self.tables.iter().filter(|(_, counts)| is_full(counts));
        full.map(|(peer, _)| peer.asn).collect()
    }

    /// Whether enough have an own prefix, or any has that should not.
    fn presence(
        &self,
        entry: &WatchedPrefix,
        full: &Seen,
        seen_by: usize,
        t: &Thresholds,
    ) -> Option<Finding> {
        let own = entry.prefix;
        let carriers = self.carriers(entry, &own);
        if entry.policies.contains(&Policy::NoExport) {
            let is_own = |asn: &&Asn| !self.originates(entry, **asn);
            let others = carriers.iter().filter(is_own).count();
            return (others >= seen_by).then_some(Finding::Exported(own, others));
        }
        let nobody_may = entry.origins.as_ref().is_some_and(BTreeSet::is_empty);
        let told = self.shares.get(&own).copied();
        if nobody_may || told.is_none() && self.tables.is_empty() {
            return None;
        }
        if carriers.is_empty() {
            return (!self.has_parts(entry)).then_some(Finding::Missing(own));
        }
        let share = told.unwrap_or_else(|| Share {
            carry: full.intersection(&carriers).count(),
            of: full.len(),
        });
        let percent = |of: u32| usize::try_from(of).unwrap_or(usize::MAX);
        let is_enough = share.of < percent(t.visibility_least_peers)
            || share.carry * 100 >= share.of * percent(t.visibility_lost_below_percent);
        (!is_enough).then_some(Finding::Hidden(own, share))
    }

    fn originates(&self, entry: &WatchedPrefix, asn: Asn) -> bool {
        let origins = entry.origins.as_ref();
        origins.map_or_else(
            || self.list.network(asn).is_some(),
            |origins| origins.contains(&asn),
        )
    }

    /// Who has a prefix from an expected origin.
    fn carriers(&self, entry: &WatchedPrefix, prefix: &Prefix) -> Seen {
        let ends = self.seen.get(prefix).into_iter().flatten();
        let expected = ends.filter(|((origin, _), _)| entry.expects_origin(*origin));
        expected
            .flat_map(|(_, seen)| seen.iter().copied())
            .collect()
    }

    /// True when somebody has an expected part.
    fn has_parts(&self, entry: &WatchedPrefix) -> bool {
        let behind = self.seen.range(entry.prefix..).map(|(prefix, _)| prefix);
        let mut parts = behind.take_while(|prefix| entry.prefix.covers(prefix));
        parts.any(|part| {
            entry.expects_length(part.length()) && !self.carriers(entry, part).is_empty()
        })
    }

    /// What the entry says, else the network of the origin. Who stands behind it may stand before it at a vantage
    /// point of its own.
    fn expects_neighbour(&self, entry: &WatchedPrefix, origin: Asn, neighbour: Asn) -> bool {
        let network = self.list.network(origin);
        let of_network = || network.and_then(|network| network.upstreams.as_ref());
        let Some(upstreams) = entry.upstreams.as_ref().or_else(of_network) else {
            return true;
        };
        let downstreams = network.and_then(|network| network.downstreams.as_ref());
        upstreams.contains(&neighbour) || downstreams.is_some_and(|of| of.contains(&neighbour))
    }
}

/// Origins that are not expected, and parts of more bits than any that is.
fn originations(
    entry: &WatchedPrefix,
    prefix: Prefix,
    ends: &BTreeMap<Ends, Seen>,
    seen_by: usize,
) -> Vec<Finding> {
    let mut origins: BTreeMap<Asn, Seen> = BTreeMap::new();
    for ((origin, _), seen) in ends {
        origins.entry(*origin).or_default().extend(seen);
    }
    origins.retain(|_, seen| seen.len() >= seen_by);
    let found = origins.into_iter().filter_map(|(origin, seen)| {
        if !entry.expects_origin(origin) {
            Some(Finding::Origin(prefix, origin, seen.len()))
        } else if !entry.expects_length(prefix.length()) {
            Some(Finding::Part(prefix, origin, seen.len()))
        } else {
            None
        }
    });
    found.collect()
}
