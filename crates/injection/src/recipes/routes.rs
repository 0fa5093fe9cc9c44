//! What the carriers of each story announce, and what others say of it.

use std::net::{IpAddr, Ipv4Addr};

use weir_routing::{AsPath, Asn, Prefix};

use super::{CUSTOMERS, Fact, PRIVATE, PROVIDERS, Scene, TIER1, Told};

pub(super) fn no_facts(_: &Scene<'_>) -> Vec<Fact> {
    Vec::new()
}

/// The stranger buys transit from both networks between which it stands.
pub(super) fn buys_of_both(scene: &Scene<'_>) -> Vec<Fact> {
    PROVIDERS
        .map(|of| Fact::Customer(of, scene.stranger))
        .into()
}

/// A network with many customers, of which this is one.
pub(super) fn large_and_sells_to(large: Asn, customer: Asn) -> Vec<Fact> {
    let customers = std::iter::once(customer).chain(CUSTOMERS.map(Asn));
    customers.map(|asn| Fact::Customer(large, asn)).collect()
}

/// A large network sells to the origin and to the stranger, and the stranger to the carriers.
pub(super) fn sold_down_to_the_carriers(scene: &Scene<'_>) -> Vec<Fact> {
    let [provider, _] = PROVIDERS;
    let mut facts = large_and_sells_to(provider, scene.origin);
    facts.push(Fact::Customer(provider, scene.stranger));
    let carriers = scene.carriers.iter().filter_map(|(own, _)| own.first());
    facts.extend(carriers.map(|carrier| Fact::Customer(scene.stranger, *carrier)));
    facts
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

pub(super) fn whole_by_stranger(scene: &Scene<'_>) -> Told {
    told(scene, scene.prefix, scene.stranger, |_, to| to.to_vec())
}

pub(super) fn unchanged(scene: &Scene<'_>) -> Told {
    told(scene, scene.prefix, scene.origin, |own, _| own.to_vec())
}

pub(super) fn around_by_stranger(scene: &Scene<'_>) -> Told {
    let around = scene.prefix.truncated(scene.prefix.length() - 1);
    told(scene, around, scene.stranger, |_, to| to.to_vec())
}

pub(super) fn part_by_stranger(scene: &Scene<'_>) -> Told {
    told(scene, half(scene.prefix), scene.stranger, |_, to| {
        to.to_vec()
    })
}

pub(super) fn part_unchanged(scene: &Scene<'_>) -> Told {
    told(scene, half(scene.prefix), scene.origin, |own, _| {
        own.to_vec()
    })
}

pub(super) fn part_by_customer(scene: &Scene<'_>) -> Told {
    told(scene, half(scene.prefix), scene.stranger, |own, _| {
        and(own, [scene.stranger])
    })
}

pub(super) fn bogon_prefix(scene: &Scene<'_>) -> Told {
    let third = u8::try_from(scene.story % 256).unwrap_or_default();
    let second = u8::try_from(scene.story / 256 % 256).unwrap_or_default();
    let bogon = part(ipv4([10, second, third, 0], 24), 24);
    told(scene, bogon, scene.stranger, |_, to| to.to_vec())
}

pub(super) fn bogon_asn(scene: &Scene<'_>) -> Told {
    told(scene, scene.prefix, PRIVATE, |own, _| {
        let before = own.split_last().map_or(own, |(_, before)| before);
        and(before, [PRIVATE, scene.origin])
    })
}

pub(super) fn looped(scene: &Scene<'_>) -> Told {
    let (origin, stranger) = (scene.origin, scene.stranger);
    told(scene, scene.prefix, origin, |own, _| {
        and(own, [stranger, origin])
    })
}

pub(super) fn prepended(scene: &Scene<'_>, times: usize) -> Told {
    let origin = scene.origin;
    told(scene, scene.prefix, origin, |own, _| {
        and(own, std::iter::repeat_n(origin, times))
    })
}

pub(super) fn too_specific(scene: &Scene<'_>) -> Told {
    let part = part(scene.prefix, 26);
    told(scene, part, scene.origin, |own, _| own.to_vec())
}

pub(super) fn sandwiched(scene: &Scene<'_>) -> Told {
    between(scene, TIER1)
}

pub(super) fn leaked(scene: &Scene<'_>) -> Told {
    between(scene, PROVIDERS)
}

pub(super) fn leaked_though_marked(scene: &Scene<'_>) -> Told {
    Told {
        only_to_customer: Some(PROVIDERS[1]),
        ..leaked(scene)
    }
}

/// The customer of who marked it hands it on to nobody who is known to be more than a customer.
pub(super) fn marked_and_kept_below(scene: &Scene<'_>) -> Told {
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

/// The stranger says that it stands right before the origin.
pub(super) fn whole_by_way_of(scene: &Scene<'_>) -> Told {
    by_way_of(scene, scene.prefix, &[scene.origin])
}

pub(super) fn part_by_way_of(scene: &Scene<'_>) -> Told {
    by_way_of(scene, half(scene.prefix), &[scene.origin])
}

/// The stranger says that it stands right before the neighbour of the origin.
pub(super) fn by_way_of_both(scene: &Scene<'_>) -> Told {
    by_way_of(scene, scene.prefix, &[scene.neighbour, scene.origin])
}

fn by_way_of(scene: &Scene<'_>, prefix: Prefix, tail: &[Asn]) -> Told {
    told(scene, prefix, scene.stranger, |_, to| {
        and(to, tail.iter().copied())
    })
}

pub(super) fn blackholed(scene: &Scene<'_>) -> Told {
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

/// The second half.
fn half(prefix: Prefix) -> Prefix {
    part(prefix, prefix.length() + 1)
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

    use super::{super::ALL, *};

    const OWN: [Asn; 3] = [Asn(64_501), Asn(64_502), Asn(64_500)];
    const TO_STRANGER: [Asn; 3] = [Asn(64_501), Asn(64_505), Asn(64_510)];

    fn scene() -> Scene<'static> {
        Scene {
            story: 7,
            prefix: "198.18.0.0/16".parse().unwrap(),
            origin: Asn(64_500),
            neighbour: Asn(64_502),
            stranger: Asn(64_510),
            carriers: vec![(&OWN, &TO_STRANGER)],
        }
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
    #[case("fake-first-hop", "198.18.0.0/16", 64_510, "64501 64505 64510 64500")]
    #[case("new-upstream", "198.18.0.0/16", 64_510, "64501 64505 64510 64500")]
    #[case("own-sub-prefix", "198.18.128.0/17", 64_510, "64501 64505 64510 64500")]
    #[case(
        "own-part-by-old-neighbour",
        "198.18.128.0/17",
        64_500,
        "64501 64502 64500"
    )]
    #[case("fake-link", "198.18.0.0/16", 64_510, "64501 64505 64510 64502 64500")]
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
        let recipe = ALL.iter().find(|recipe| recipe.name == name).unwrap();
        let told = (recipe.tell)(&scene());
        assert_eq!(told.prefix, prefix.parse().unwrap());
        assert_eq!(told.suspect, Asn(suspect));
        assert_eq!(told.paths, [path.parse().unwrap()]);
    }

    #[rstest]
    #[case("new-upstream", 64_510, 64_500, 101)]
    #[case("marked-and-kept-below", 6_939, 64_500, 101 + 2)]
    #[case("marked-and-kept-below", 6_939, 64_510, 101 + 2)]
    #[case("marked-and-kept-below", 64_510, 64_501, 101 + 2)]
    #[case("fake-first-hop", 0, 0, 0)]
    fn an_innocent_neighbour_is_a_large_network_that_sells_transit(
        #[case] name: &str,
        #[case] provider: u32,
        #[case] customer: u32,
        #[case] count: usize,
    ) {
        let recipe = ALL.iter().find(|recipe| recipe.name == name).unwrap();
        let facts = (recipe.facts)(&scene());
        let is_said = facts.contains(&Fact::Customer(Asn(provider), Asn(customer)));
        assert_eq!((is_said, facts.len()), (count > 0, count));
    }
}
