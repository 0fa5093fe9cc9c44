//! How each type of conflict, and each benign twin of one, looks on the wire.

use std::net::{IpAddr, Ipv4Addr};

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

/// One kind of story.
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
    /// Types that are found beside it, and rightly.
    pub also: &'static [&'static str],
    /// What they announce.
    pub tell: fn(&Scene<'_>) -> Told,
    /// What others say of it.
    pub facts: fn(&Scene<'_>) -> Vec<Fact>,
}

/// Two networks that sell transit and are on no list of tier-1s.
const PROVIDERS: [Asn; 2] = [Asn(6_939), Asn(9_002)];
/// Two networks that are on every list of tier-1s.
const TIER1: [Asn; 2] = [Asn(3_356), Asn(1_299)];
/// For private use (RFC 6996).
const PRIVATE: Asn = Asn(64_700);

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

/// Every recipe.
pub const ALL: [Recipe; 23] = [
    Recipe {
        also: &["tier1-sandwich"],
        ..conflict("aspa-invalid", sandwiched, |_| {
            TIER1.map(Fact::NoProviders).into()
        })
    },
    conflict("bogon-asn", bogon_asn, no_facts),
    conflict("bogon-prefix", bogon_prefix, no_facts),
    conflict("default-or-too-specific", too_specific, no_facts),
    Recipe {
        cast: Cast::Restless(8),
        ..conflict("flap", unchanged, no_facts)
    },
    conflict("long-path", |scene| prepended(scene, 20), no_facts),
    conflict("moas", whole_by_stranger, no_facts),
    Recipe {
        cast: Cast::AllAfterLoss,
        ..conflict("origin-change", whole_by_stranger, no_facts)
    },
    Recipe {
        also: &["route-leak"],
        ..conflict("otc-leak", leaked_though_marked, |scene| {
            PROVIDERS
                .map(|of| Fact::Customer(of, scene.stranger))
                .into()
        })
    },
    conflict("path-loop", looped, no_facts),
    conflict("route-leak", leaked, |scene| {
        PROVIDERS
            .map(|of| Fact::Customer(of, scene.stranger))
            .into()
    }),
    Recipe {
        also: &["moas"],
        ..conflict("rpki-invalid", whole_by_stranger, |scene| {
            vec![Fact::Roa(scene.prefix, scene.origin)]
        })
    },
    Recipe {
        longest: 23,
        ..conflict("sub-prefix", part_by_stranger, no_facts)
    },
    Recipe {
        // What is around it is an address block at most: of more, only the first block is looked at.
        shortest: 13,
        ..conflict("super-prefix", around_by_stranger, no_facts)
    },
    Recipe {
        also: &["aspa-invalid"],
        ..conflict("tier1-sandwich", sandwiched, no_facts)
    },
    benign("blackhole", blackholed, no_facts),
    Recipe {
        longest: 23,
        ..benign("customer-part", part_by_customer, no_facts)
    },
    Recipe {
        cast: Cast::Restless(4),
        ..benign("few-withdrawals", unchanged, no_facts)
    },
    benign("marked-and-kept-below", marked_and_kept_below, |scene| {
        vec![Fact::Customer(PROVIDERS[0], scene.stranger)]
    }),
    benign("new-upstream", new_upstream, no_facts),
    benign("prepending", |scene| prepended(scene, 3), no_facts),
    benign("sibling", whole_by_stranger, |scene| {
        vec![Fact::Siblings(scene.origin, scene.stranger)]
    }),
    benign("allowed-by-roa", whole_by_stranger, |scene| {
        let both = [scene.origin, scene.stranger];
        both.map(|asn| Fact::Roa(scene.prefix, asn)).into()
    }),
];

fn no_facts(_: &Scene<'_>) -> Vec<Fact> {
    Vec::new()
}

fn told(
    scene: &Scene<'_>,
    prefix: Prefix,
    suspect: Asn,
    path: impl Fn(&[Asn], &[Asn]) -> Vec<Asn>,
) -> Told {
    let carriers = scene.carriers.iter();
    Told {
        prefix,
        suspect,
        paths: carriers
            .map(|(own, to_stranger)| AsPath::sequence(path(own, to_stranger)))
            .collect(),
        blackhole: false,
        only_to_customer: None,
    }
}

fn and(hops: &[Asn], more: impl IntoIterator<Item = Asn>) -> Vec<Asn> {
    hops.iter().copied().chain(more).collect()
}

fn whole_by_stranger(scene: &Scene<'_>) -> Told {
    told(scene, scene.prefix, scene.stranger, |_, to| to.to_vec())
}

fn unchanged(scene: &Scene<'_>) -> Told {
    told(scene, scene.prefix, scene.origin, |own, _| own.to_vec())
}

fn around_by_stranger(scene: &Scene<'_>) -> Told {
    let around = scene.prefix.truncated(scene.prefix.length() - 1);
    told(scene, around, scene.stranger, |_, to| to.to_vec())
}

fn part_by_stranger(scene: &Scene<'_>) -> Told {
    let part = part(scene.prefix, scene.prefix.length() + 1);
    told(scene, part, scene.stranger, |_, to| to.to_vec())
}

fn part_by_customer(scene: &Scene<'_>) -> Told {
    let part = part(scene.prefix, scene.prefix.length() + 1);
    told(scene, part, scene.stranger, |own, _| {
        and(own, [scene.stranger])
    })
}

fn bogon_prefix(scene: &Scene<'_>) -> Told {
    let third = u8::try_from(scene.story % 256).unwrap_or_default();
    let second = u8::try_from(scene.story / 256 % 256).unwrap_or_default();
    let bogon = part(ipv4([10, second, third, 0], 24), 24);
    told(scene, bogon, scene.stranger, |_, to| to.to_vec())
}

fn bogon_asn(scene: &Scene<'_>) -> Told {
    told(scene, scene.prefix, PRIVATE, |own, _| {
        let before = own.split_last().map_or(own, |(_, before)| before);
        and(before, [PRIVATE, scene.origin])
    })
}

fn looped(scene: &Scene<'_>) -> Told {
    let (origin, stranger) = (scene.origin, scene.stranger);
    told(scene, scene.prefix, origin, |own, _| {
        and(own, [stranger, origin])
    })
}

fn prepended(scene: &Scene<'_>, times: usize) -> Told {
    let origin = scene.origin;
    told(scene, scene.prefix, origin, |own, _| {
        and(own, std::iter::repeat_n(origin, times))
    })
}

fn too_specific(scene: &Scene<'_>) -> Told {
    let part = part(scene.prefix, 26);
    told(scene, part, scene.origin, |own, _| own.to_vec())
}

fn sandwiched(scene: &Scene<'_>) -> Told {
    between(scene, TIER1)
}

fn leaked(scene: &Scene<'_>) -> Told {
    between(scene, PROVIDERS)
}

fn leaked_though_marked(scene: &Scene<'_>) -> Told {
    Told {
        only_to_customer: Some(PROVIDERS[1]),
        ..leaked(scene)
    }
}

/// The customer of who marked it hands it on to nobody who is known to be more than a customer.
fn marked_and_kept_below(scene: &Scene<'_>) -> Told {
    let [provider, _] = PROVIDERS;
    let told = told(scene, scene.prefix, scene.stranger, |own, _| {
        let first = own.first().copied();
        let hops = [scene.stranger, provider, scene.origin];
        first.into_iter().chain(hops).collect()
    });
    Told {
        only_to_customer: Some(provider),
        ..told
    }
}

/// The carrier has the route from one of two networks, that from the stranger, that from the other.
fn between(scene: &Scene<'_>, [near, far]: [Asn; 2]) -> Told {
    told(scene, scene.prefix, scene.stranger, |own, _| {
        let first = own.first().copied();
        let hops = [near, scene.stranger, far, scene.origin];
        first.into_iter().chain(hops).collect()
    })
}

fn new_upstream(scene: &Scene<'_>) -> Told {
    let origin = scene.origin;
    told(scene, scene.prefix, scene.stranger, |_, to| {
        and(to, [origin])
    })
}

fn blackholed(scene: &Scene<'_>) -> Told {
    let host = part(scene.prefix, 32);
    Told {
        blackhole: true,
        ..told(scene, host, scene.origin, |own, _| own.to_vec())
    }
}

fn ipv4(octets: [u8; 4], length: u8) -> Prefix {
    let address = IpAddr::V4(Ipv4Addr::from(octets));
    // An IPv4 address has 32 bits, and no recipe asks for more.
    Prefix::new(address, length.min(32)).unwrap_or_else(|_| unreachable!("32 bits at most"))
}

/// The last part of this length, so that it is not the address of the whole.
fn part(prefix: Prefix, length: u8) -> Prefix {
    let IpAddr::V4(address) = prefix.address() else {
        return prefix;
    };
    let host = u32::MAX
        .checked_shr(prefix.length().into())
        .unwrap_or_default();
    let mask = u32::MAX
        .checked_shl(u32::from(32 - length.min(32)))
        .unwrap_or_default();
    let last = (address.to_bits() | host) & mask;
    ipv4(last.to_be_bytes(), length)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn asns(numbers: &[u32]) -> Vec<Asn> {
        numbers.iter().copied().map(Asn).collect()
    }

    #[rstest]
    #[case("moas", "198.18.0.0/16", 64_510, "64501 64505 64510")]
    #[case("sub-prefix", "198.18.128.0/17", 64_510, "64501 64505 64510")]
    #[case("super-prefix", "198.18.0.0/15", 64_510, "64501 64505 64510")]
    #[case("flap", "198.18.0.0/16", 64_500, "64501 64502 64500")]
    #[case("bogon-prefix", "10.0.7.0/24", 64_510, "64501 64505 64510")]
    #[case("bogon-asn", "198.18.0.0/16", 64_700, "64501 64502 64700 64500")]
    #[case("path-loop", "198.18.0.0/16", 64_500, "64501 64502 64500 64510 64500")]
    #[case(
        "default-or-too-specific",
        "198.18.255.192/26",
        64_500,
        "64501 64502 64500"
    )]
    #[case(
        "tier1-sandwich",
        "198.18.0.0/16",
        64_510,
        "64501 3356 64510 1299 64500"
    )]
    #[case("customer-part", "198.18.128.0/17", 64_510, "64501 64502 64500 64510")]
    #[case("new-upstream", "198.18.0.0/16", 64_510, "64501 64505 64510 64500")]
    #[case("otc-leak", "198.18.0.0/16", 64_510, "64501 6939 64510 9002 64500")]
    #[case(
        "marked-and-kept-below",
        "198.18.0.0/16",
        64_510,
        "64501 64510 6939 64500"
    )]
    #[case("blackhole", "198.18.255.255/32", 64_500, "64501 64502 64500")]
    fn a_recipe_says_who_announces_what_on_which_path(
        #[case] name: &str,
        #[case] prefix: &str,
        #[case] suspect: u32,
        #[case] path: &str,
    ) {
        let (own, to_stranger) = (
            asns(&[64_501, 64_502, 64_500]),
            asns(&[64_501, 64_505, 64_510]),
        );
        let scene = Scene {
            story: 7,
            prefix: "198.18.0.0/16".parse().unwrap(),
            origin: Asn(64_500),
            stranger: Asn(64_510),
            carriers: vec![(&own, &to_stranger)],
        };
        let recipe = ALL.iter().find(|recipe| recipe.name == name).unwrap();
        let told = (recipe.tell)(&scene);
        assert_eq!(told.prefix, prefix.parse().unwrap());
        assert_eq!(told.suspect, Asn(suspect));
        assert_eq!(told.paths, [path.parse().unwrap()]);
    }

    #[test]
    fn every_planted_type_has_a_base_severity_and_a_recipe() {
        let conflicts = ALL.iter().filter(|recipe| recipe.is_conflict);
        let names: Vec<_> = conflicts.map(|recipe| recipe.name).collect();
        assert_eq!(names, crate::label::TYPES.map(|(name, _)| name));
    }
}
