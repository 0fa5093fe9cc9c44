//! How each type of conflict, and each benign twin of one, looks on the wire.
//!
//! [`ALL`]: what is announced of one prefix, by `recipes/routes.rs`. [`CHURNS`]: routes that go and come back, or come
//! again, as they were.

mod routes;

use weir_events::time::SECOND_US;
use weir_routing::{AsPath, Asn, Prefix};

/// A story's cast: one prefix, who holds it, who else is on stage, and who watches.
#[derive(Clone, Debug)]
pub struct Scene<'a> {
    /// Number of the story, from 1.
    pub story: u32,
    /// A prefix that its origin holds undisputed.
    pub prefix: Prefix,
    /// Its origin.
    pub origin: Asn,
    /// Who stands right before the origin on most paths to it.
    pub neighbour: Asn,
    /// A network elsewhere, which has nothing to do with it.
    pub stranger: Asn,
    /// Of each carrier: its own path to the prefix, and its path to the stranger.
    pub carriers: Vec<(&'a [Asn], &'a [Asn])>,
}

/// What the carriers announce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The announced prefix.
    pub prefix: Prefix,
    /// Who is at fault, or might be taken for it.
    pub suspect: Asn,
    /// The path of each carrier.
    pub paths: Vec<AsPath>,
    /// With the community BLACKHOLE (RFC 7999).
    pub blackhole: bool,
    /// Who said that it is for customers only (RFC 9234).
    pub only_to_customer: Option<Asn>,
}

/// What others say, so that a detector that asks them judges rightly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Origins may originate the prefix, at its own length.
    Roa(Prefix, Asn),
    /// The second buys transit from the first.
    Customer(Asn, Asn),
    /// Both belong to one organisation.
    Siblings(Asn, Asn),
    /// It signs that it buys transit from nobody.
    NoProviders(Asn),
}

/// Who must be on stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cast {
    /// A few of the vantage points that see the prefix; others keep what they have.
    Some,
    /// A few, whose routes have gone so often before.
    Restless(i64),
    /// All of them lose their route first.
    AllAfterLoss,
}

/// Beside whom the stranger stands, though it does so on no path of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// The origin.
    Origin,
    /// The neighbour of the origin.
    Neighbour,
}

/// One kind of story about one prefix.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// Its name; of a conflict, the type that must be found.
    pub name: &'static str,
    /// False: nothing worth telling may be found.
    pub is_conflict: bool,
    /// Bits of the shortest IPv4 prefix that it can happen to.
    pub shortest: u8,
    /// Bits of the longest.
    pub longest: u8,
    /// Who carries it.
    pub cast: Cast,
    /// A link that must be new. Such a stranger plays no second story of the kind.
    pub beside: Option<Beside>,
    /// Networks that it puts on paths itself, so that they are nothing else in it.
    pub hops: &'static [Asn],
    /// Types that are found beside it, and rightly.
    pub also: &'static [&'static str],
    /// What they announce.
    pub tell: fn(&Scene<'_>) -> Told,
    /// What others say of it.
    pub facts: fn(&Scene<'_>) -> Vec<Fact>,
}

/// One kind of story in which nothing is announced that was not there before.
#[derive(Clone, Copy, Debug)]
pub struct Churn {
    /// Its name; of a conflict, the type that must be found.
    pub name: &'static str,
    /// False: nothing worth telling may be found.
    pub is_conflict: bool,
    /// Types that are found on prefixes that it touches, and rightly.
    pub also: &'static [&'static str],
    /// What happens.
    pub what: What,
}

/// What happens to routes that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Three quarters of the vantage points lose a prefix, each of them within `spread_us`; all are without it for
    /// `away_us`, and have it again within `spread_us` after that.
    PrefixGone {
        /// How much later one loses it than another, at most.
        spread_us: i64,
        /// From the last loss that can be to the first return.
        away_us: i64,
    },
    /// Every vantage point loses what a network of `least` prefixes or more holds: three quarters of the prefixes at
    /// least, or a fifth of them.
    HoldingsGone {
        /// So many prefixes it has at the time.
        least: usize,
        /// False: a fifth.
        is_most: bool,
    },
    /// A vantage point sends all of its table again.
    TableAgain,
}

/// Two networks that sell transit and are on no list of tier-1s.
const PROVIDERS: [Asn; 2] = [Asn(6_939), Asn(9_002)];
/// Two networks that are on every list of tier-1s.
const TIER1: [Asn; 2] = [Asn(3_356), Asn(1_299)];
/// For private use (RFC 6996).
const PRIVATE: Asn = Asn(64_700);
/// For private use too: on no path, they only make who sells to them a large network.
const CUSTOMERS: std::ops::Range<u32> = 4_200_000_000..4_200_000_100;

const fn conflict(
    name: &'static str,
    tell: fn(&Scene<'_>) -> Told,
    facts: fn(&Scene<'_>) -> Vec<Fact>,
) -> Recipe {
    Recipe {
        name,
        is_conflict: true,
        shortest: 9,
        longest: 24,
        cast: Cast::Some,
        beside: None,
        hops: &[],
        also: &[],
        tell,
        facts,
    }
}

const fn benign(
    name: &'static str,
    tell: fn(&Scene<'_>) -> Told,
    facts: fn(&Scene<'_>) -> Vec<Fact>,
) -> Recipe {
    Recipe {
        is_conflict: false,
        ..conflict(name, tell, facts)
    }
}

/// Every recipe about one prefix.
pub const ALL: [Recipe; 27] = [
    Recipe {
        hops: &TIER1,
        also: &["tier1-sandwich", "fake-first-hop", "fake-link"],
        ..conflict("aspa-invalid", routes::sandwiched, |_| {
            TIER1.map(Fact::NoProviders).into()
        })
    },
    Recipe {
        also: &["fake-first-hop", "fake-link"],
        ..conflict("bogon-asn", routes::bogon_asn, routes::no_facts)
    },
    conflict("bogon-prefix", routes::bogon_prefix, routes::no_facts),
    conflict(
        "default-or-too-specific",
        routes::too_specific,
        routes::no_facts,
    ),
    Recipe {
        beside: Some(Beside::Origin),
        also: &["tier1-sandwich"],
        ..conflict("fake-first-hop", routes::whole_by_way_of, routes::no_facts)
    },
    Recipe {
        beside: Some(Beside::Neighbour),
        also: &["route-leak", "tier1-sandwich"],
        ..conflict("fake-link", routes::by_way_of_both, routes::no_facts)
    },
    Recipe {
        cast: Cast::Restless(8),
        ..conflict("flap", routes::unchanged, routes::no_facts)
    },
    conflict(
        "long-path",
        |scene| routes::prepended(scene, 20),
        routes::no_facts,
    ),
    conflict("moas", routes::whole_by_stranger, routes::no_facts),
    Recipe {
        cast: Cast::AllAfterLoss,
        // Who has no path to the stranger has none at all.
        also: &["visibility-loss"],
        ..conflict("origin-change", routes::whole_by_stranger, routes::no_facts)
    },
    Recipe {
        hops: &PROVIDERS,
        also: &["route-leak", "fake-first-hop", "fake-link"],
        ..conflict(
            "otc-leak",
            routes::leaked_though_marked,
            routes::buys_of_both,
        )
    },
    Recipe {
        longest: 23,
        beside: Some(Beside::Origin),
        also: &["tier1-sandwich"],
        ..conflict("own-sub-prefix", routes::part_by_way_of, routes::no_facts)
    },
    Recipe {
        also: &["fake-first-hop", "fake-link"],
        ..conflict("path-loop", routes::looped, routes::no_facts)
    },
    Recipe {
        hops: &PROVIDERS,
        also: &["fake-first-hop", "fake-link"],
        ..conflict("route-leak", routes::leaked, routes::buys_of_both)
    },
    Recipe {
        also: &["moas"],
        ..conflict("rpki-invalid", routes::whole_by_stranger, |scene| {
            vec![Fact::Roa(scene.prefix, scene.origin)]
        })
    },
    Recipe {
        longest: 23,
        ..conflict("sub-prefix", routes::part_by_stranger, routes::no_facts)
    },
    Recipe {
        // What is around it is an address block at most: of more, only the first block is looked at.
        shortest: 13,
        ..conflict("super-prefix", routes::around_by_stranger, routes::no_facts)
    },
    Recipe {
        hops: &TIER1,
        also: &["aspa-invalid", "fake-first-hop", "fake-link"],
        ..conflict("tier1-sandwich", routes::sandwiched, routes::no_facts)
    },
    benign("blackhole", routes::blackholed, routes::no_facts),
    Recipe {
        longest: 23,
        ..benign("customer-part", routes::part_by_customer, routes::no_facts)
    },
    Recipe {
        cast: Cast::Restless(4),
        ..benign("few-withdrawals", routes::unchanged, routes::no_facts)
    },
    Recipe {
        hops: &PROVIDERS,
        ..benign(
            "marked-and-kept-below",
            routes::marked_and_kept_below,
            routes::sold_down_to_the_carriers,
        )
    },
    Recipe {
        beside: Some(Beside::Origin),
        ..benign("new-upstream", routes::whole_by_way_of, |scene| {
            routes::large_and_sells_to(scene.stranger, scene.origin)
        })
    },
    Recipe {
        longest: 23,
        ..benign(
            "own-part-by-old-neighbour",
            routes::part_unchanged,
            routes::no_facts,
        )
    },
    benign(
        "prepending",
        |scene| routes::prepended(scene, 3),
        routes::no_facts,
    ),
    benign("sibling", routes::whole_by_stranger, |scene| {
        vec![Fact::Siblings(scene.origin, scene.stranger)]
    }),
    benign("allowed-by-roa", routes::whole_by_stranger, |scene| {
        let both = [scene.origin, scene.stranger];
        both.map(|asn| Fact::Roa(scene.prefix, asn)).into()
    }),
];

/// Every recipe of routes that go and come back, or come again.
pub const CHURNS: [Churn; 5] = [
    Churn {
        name: "mass-withdrawal",
        is_conflict: true,
        also: &["visibility-loss"],
        what: What::HoldingsGone {
            least: 12,
            is_most: true,
        },
    },
    Churn {
        name: "peer-health",
        is_conflict: true,
        also: &[],
        what: What::TableAgain,
    },
    Churn {
        name: "visibility-loss",
        is_conflict: true,
        also: &[],
        what: What::PrefixGone {
            spread_us: 30 * SECOND_US,
            away_us: 720 * SECOND_US,
        },
    },
    Churn {
        name: "brief-loss",
        is_conflict: false,
        also: &[],
        what: What::PrefixGone {
            spread_us: 5 * SECOND_US,
            away_us: 10 * SECOND_US,
        },
    },
    Churn {
        name: "few-prefixes-gone",
        is_conflict: false,
        also: &["visibility-loss"],
        what: What::HoldingsGone {
            least: 10,
            is_most: false,
        },
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_planted_type_has_a_base_severity_and_a_recipe() {
        let of_routes = ALL.iter().map(|recipe| (recipe.is_conflict, recipe.name));
        let of_churn = CHURNS.iter().map(|churn| (churn.is_conflict, churn.name));
        let conflicts = of_routes.chain(of_churn).filter(|(is, _)| *is);
        let mut names: Vec<_> = conflicts.map(|(_, name)| name).collect();
        names.sort_unstable();
        assert_eq!(names, crate::label::TYPES.map(|(name, _)| name));
    }
}
