//! A watch list held against what is seen now: what its owner has to accept or to look into.

use std::{collections::BTreeSet, fmt};

use weir_routing::{Asn, Prefix};

use super::{WatchList, WatchedPrefix};

/// Something that the list says otherwise than the routes and ROAs of now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// An own network is not in the list.
    NewNetwork(Asn),
    /// An own network originates a prefix that the list does not expect.
    NewPrefix(Prefix, Asn),
    /// An own network originates a prefix of the list, which names others.
    NewOrigin(Prefix, Asn),
    /// Nothing is left of a prefix of the list: nobody sees it or an expected part, no ROA names it.
    GonePrefix(Prefix),
    /// A neighbour (second) stands right before an own network (first), and the list does not expect it.
    NewUpstream(Asn, Asn),
    /// An upstream of the list (second) is seen before an own network (first) no more.
    GoneUpstream(Asn, Asn),
}

impl fmt::Display for Difference {
    /// As diff(1): `+` for what is new, `-` for what is gone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewNetwork(asn) => write!(f, "+ network {asn}"),
            Self::NewPrefix(prefix, origin) => write!(f, "+ prefix {prefix} of AS{origin}"),
            Self::NewOrigin(prefix, origin) => write!(f, "+ origin AS{origin} of {prefix}"),
            Self::GonePrefix(prefix) => write!(f, "- prefix {prefix}"),
            Self::NewUpstream(of, asn) => write!(f, "+ upstream AS{asn} of AS{of}"),
            Self::GoneUpstream(of, asn) => write!(f, "- upstream AS{asn} of AS{of}"),
        }
    }
}

/// What `now`, a proposal, has otherwise than `held`. Of `held`, only what concerns the networks of `now` is compared:
/// the others were not asked for.
#[must_use]
pub fn differences(held: &WatchList, now: &WatchList) -> Vec<Difference> {
    let mut found = Vec::new();
    for entry in now.prefixes() {
        for origin in entry.origins.iter().flatten() {
            found.extend(origination(held, &entry.prefix, *origin));
        }
    }
    let own: BTreeSet<Asn> = now.networks().map(|network| network.asn).collect();
    for entry in held.prefixes() {
        let origins = entry.origins.as_ref();
        let is_asked_for = origins.is_some_and(|origins| !origins.is_disjoint(&own));
        if is_asked_for && !entry.ignore && !is_alive(entry, now) {
            found.push(Difference::GonePrefix(entry.prefix));
        }
    }
    for network in now.networks() {
        let Some(known) = held.network(network.asn) else {
            found.push(Difference::NewNetwork(network.asn));
            continue;
        };
        // The list does not say who its upstreams are: nothing is new then.
        let Some(known) = &known.upstreams else {
            continue;
        };
        let nobody = BTreeSet::new();
        let seen = network.upstreams.as_ref().unwrap_or(&nobody);
        let new = seen.difference(known);
        found.extend(new.map(|asn| Difference::NewUpstream(network.asn, *asn)));
        let gone = known.difference(seen);
        found.extend(gone.map(|asn| Difference::GoneUpstream(network.asn, *asn)));
    }
    found.sort_unstable();
    found
}

fn origination(held: &WatchList, prefix: &Prefix, origin: Asn) -> Option<Difference> {
    let Some(entry) = held.holding(prefix) else {
        return Some(Difference::NewPrefix(*prefix, origin));
    };
    let is_equal = entry.prefix == *prefix;
    if entry.ignore && is_equal || entry.ignore_more_specifics && !is_equal {
        return None;
    }
    match (entry.expects_length(prefix.length()), is_equal) {
        (true, _) if entry.expects_origin(origin) => None,
        (true, true) => Some(Difference::NewOrigin(*prefix, origin)),
        _ => Some(Difference::NewPrefix(*prefix, origin)),
    }
}

/// True when the prefix, or a part of it that is expected, is still there.
fn is_alive(entry: &WatchedPrefix, now: &WatchList) -> bool {
    let mut parts = now.inside(&entry.prefix);
    now.prefix(&entry.prefix).is_some()
        || parts.any(|part| entry.expects_length(part.prefix.length()))
}
