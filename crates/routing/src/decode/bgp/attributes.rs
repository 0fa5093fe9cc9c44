//! Path attributes from the parser's types to ours: AS4_PATH merged (RFC 6793), multiprotocol
//! routes set apart (RFC 4760), and what is malformed told (RFC 7606).

use std::net::{IpAddr, Ipv4Addr};

use bgpkit_parser::models as bgpkit;
use bgpkit_parser::models::{Afi, AttrType, AttributeValue, Safi};

use super::Family;
use crate::{
    as_path::{AsPath, Segment},
    asn::Asn,
    communities::{Community, LargeCommunity},
    prefix::{Prefix, PrefixError},
    update::{Aggregator, Nlri, PathAttributes, RouteOrigin},
};

/// The attributes of one UPDATE or RIB entry, taken apart.
#[derive(Default)]
pub(crate) struct Parts {
    /// `next_hop` is that of the classic NEXT_HOP attribute.
    pub(crate) attributes: PathAttributes,
    /// Announced by MP_REACH_NLRI.
    pub(crate) reached: Vec<Nlri>,
    /// Of MP_REACH_NLRI.
    pub(crate) reached_next_hop: Option<IpAddr>,
    /// Withdrawn by MP_UNREACH_NLRI.
    pub(crate) unreached: Vec<Nlri>,
    /// MP_UNREACH_NLRI was there, of any family.
    pub(crate) has_unreach: bool,
    /// The family of MP_UNREACH_NLRI, when it is one of ours.
    pub(crate) unreach_family: Option<Family>,
    /// Routes of a family that is not ours.
    pub(crate) other_families: bool,
    /// There were no attributes at all.
    pub(crate) none: bool,
}

pub(super) const MP_REACH: u8 = 14;
pub(super) const MP_UNREACH: u8 = 15;
const AS_PATH: u8 = 2;

/// Takes attributes apart. `four_octet` tells that the session's AS_PATH has 32-bit ASNs, so that
/// AS4_PATH and AS4_AGGREGATOR must be ignored (RFC 6793, 6).
pub(crate) fn parts(
    attributes: bgpkit::Attributes,
    four_octet: bool,
    announces: bool,
) -> Result<Parts, String> {
    let mut parts = Parts::default();
    let mut as4_path = None;
    let mut as4_aggregator = None;
    let mut has_path = false;
    let mut has_reach = false;
    let claims = |kind| attributes.has_attr(kind);
    let (claims_path, claims_reach, claims_unreach) = (
        claims(AttrType::AS_PATH),
        claims(AttrType::MP_REACHABLE_NLRI),
        claims(AttrType::MP_UNREACHABLE_NLRI),
    );
    parts.none = true;
    for attribute in attributes.into_attributes_iter() {
        parts.none = false;
        let ours = &mut parts.attributes;
        match attribute.value {
            AttributeValue::Origin(origin) => {
                ours.origin = Some(match origin {
                    bgpkit::Origin::IGP => RouteOrigin::Igp,
                    bgpkit::Origin::EGP => RouteOrigin::Egp,
                    bgpkit::Origin::INCOMPLETE => RouteOrigin::Incomplete,
                });
            }
            AttributeValue::AsPath(path) => {
                has_path = true;
                ours.as_path = as_path(path);
            }
            AttributeValue::As4Path(path) => as4_path = Some(as_path(path)),
            AttributeValue::NextHop(address) => ours.next_hop = Some(address),
            AttributeValue::MultiExitDiscriminator(med) => ours.med = Some(med),
            AttributeValue::LocalPreference(preference) => ours.local_pref = Some(preference),
            AttributeValue::OnlyToCustomer(asn) => ours.only_to_customer = Some(asn_of(asn)),
            AttributeValue::AtomicAggregate => ours.atomic_aggregate = true,
            AttributeValue::Aggregator { asn, id } => ours.aggregator = Some(aggregator(asn, id)),
            AttributeValue::As4Aggregator { asn, id } => as4_aggregator = Some(aggregator(asn, id)),
            AttributeValue::Communities(list) => {
                ours.communities.extend(list.into_iter().map(community));
            }
            AttributeValue::LargeCommunities(list) => {
                ours.large_communities
                    .extend(list.into_iter().map(|large| LargeCommunity {
                        global: large.global_admin,
                        local_1: large.local_data[0],
                        local_2: large.local_data[1],
                    }));
            }
            AttributeValue::MpReachNlri(reach) => {
                has_reach = true;
                if reach.safi == Safi::Unicast {
                    parts.reached_next_hop = reach.next_hop.map(|hop| hop.global_addr());
                    extend(&mut parts.reached, reach.prefixes)?;
                } else {
                    parts.other_families = true;
                }
            }
            AttributeValue::MpUnreachNlri(unreach) => {
                parts.has_unreach = true;
                if unreach.safi == Safi::Unicast {
                    parts.unreach_family = family(unreach.afi);
                    extend(&mut parts.unreached, unreach.prefixes)?;
                } else {
                    parts.other_families = true;
                }
            }
            AttributeValue::Raw(raw) if matches!(raw.code, MP_REACH | MP_UNREACH) => {
                // The parser could not read it: damaged, or a family that it does not know.
                if matches!(raw.bytes.get(..3), Some([0, 1 | 2, 1]) | None) {
                    return Err(format!("attribute {} cannot be read", raw.code));
                }
                parts.other_families = true;
                has_reach |= raw.code == MP_REACH;
                parts.has_unreach |= raw.code == MP_UNREACH;
            }
            AttributeValue::Raw(raw) if raw.code == AS_PATH => {
                return Err("AS_PATH cannot be read".to_owned());
            }
            _ => {}
        }
    }
    // An attribute that is longer than what is left of the list ends it.
    for (claimed, seen, name) in [
        (claims_path && announces, has_path, "AS_PATH"),
        (claims_reach, has_reach, "MP_REACH_NLRI"),
        (claims_unreach, parts.has_unreach, "MP_UNREACH_NLRI"),
    ] {
        if claimed && !seen {
            return Err(format!("{name} is longer than the attributes"));
        }
    }
    if !four_octet {
        merge(&mut parts.attributes, as4_path, as4_aggregator);
    }
    Ok(parts)
}

/// RFC 6793, 4.2.3: when AGGREGATOR does not say AS_TRANS, what the four-octet attributes say is
/// older than the aggregation.
fn merge(
    attributes: &mut PathAttributes,
    as4_path: Option<AsPath>,
    as4_aggregator: Option<Aggregator>,
) {
    if let (Some(old), Some(new)) = (attributes.aggregator, as4_aggregator) {
        if old.asn != Asn::TRANS {
            return;
        }
        attributes.aggregator = Some(new);
    }
    if let Some(as4_path) = as4_path
        && let Some(keep) = attributes.as_path.length().checked_sub(as4_path.length())
    {
        let mut path = leading(&attributes.as_path, keep);
        for segment in as4_path.segments() {
            if !segment.is_confederation() {
                path.push(segment.clone());
            }
        }
        attributes.as_path = path;
    }
}

/// The part of a path that is `keep` long, with the confederation in front of it.
fn leading(path: &AsPath, mut keep: usize) -> AsPath {
    let mut kept = AsPath::default();
    for segment in path.segments() {
        match segment {
            Segment::ConfedSequence(_) | Segment::ConfedSet(_) => kept.push(segment.clone()),
            _ if keep == 0 => break,
            Segment::Sequence(asns) => {
                let part: Vec<Asn> = asns.iter().take(keep).copied().collect();
                keep -= part.len();
                kept.push(Segment::Sequence(part));
            }
            Segment::Set(_) => {
                keep -= 1;
                kept.push(segment.clone());
            }
        }
    }
    kept
}

fn family(afi: Afi) -> Option<Family> {
    match afi {
        Afi::Ipv4 => Some(Family::Ipv4),
        Afi::Ipv6 => Some(Family::Ipv6),
        _ => None,
    }
}

pub(crate) fn asn_of(asn: bgpkit::Asn) -> Asn {
    Asn(asn.to_u32())
}

fn aggregator(asn: bgpkit::Asn, id: Ipv4Addr) -> Aggregator {
    Aggregator {
        asn: asn_of(asn),
        address: IpAddr::V4(id),
    }
}

fn as_path(path: bgpkit::AsPath) -> AsPath {
    use bgpkit::AsPathSegment as Theirs;
    AsPath::new(path.segments.iter().map(|segment| {
        let list = |asns: &[bgpkit::Asn]| asns.iter().map(|asn| asn_of(*asn)).collect();
        match segment {
            Theirs::AsSequence(asns) => Segment::Sequence(list(asns)),
            Theirs::AsSet(asns) => Segment::Set(list(asns)),
            Theirs::ConfedSequence(asns) => Segment::ConfedSequence(list(asns)),
            Theirs::ConfedSet(asns) => Segment::ConfedSet(list(asns)),
        }
    }))
}

fn community(community: bgpkit::Community) -> Community {
    match community {
        bgpkit::Community::NoExport => Community::NO_EXPORT,
        bgpkit::Community::NoAdvertise => Community::NO_ADVERTISE,
        bgpkit::Community::NoExportSubConfed => Community::NO_EXPORT_SUBCONFED,
        bgpkit::Community::Custom(asn, value) => Community((asn.to_u32() << 16) | u32::from(value)),
    }
}

/// The parser's prefixes as ours.
pub(crate) fn extend(
    list: &mut Vec<Nlri>,
    prefixes: Vec<bgpkit::NetworkPrefix>,
) -> Result<(), String> {
    list.reserve(prefixes.len());
    for prefix in prefixes {
        list.push(nlri(&prefix).map_err(|error| error.to_string())?);
    }
    Ok(())
}

pub(crate) fn nlri(prefix: &bgpkit::NetworkPrefix) -> Result<Nlri, PrefixError> {
    Ok(Nlri {
        prefix: Prefix::new(prefix.prefix.addr(), prefix.prefix.prefix_len())?,
        path_id: prefix.path_id.unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("64496 23456 64498", "65550 64498", "64496 65550 64498")]
    #[case("64496 23456", "64496 65550", "64496 65550")]
    // Longer than AS_PATH: older than something that shortened it, so it does not count.
    #[case("64496 23456", "64496 64497 65550", "64496 23456")]
    #[case("64496 {64497,23456} 23456", "65550", "64496 {64497,23456} 65550")]
    #[case("(64512) 64496 23456", "65550", "(64512) 64496 65550")]
    #[case("64496 23456", "", "64496 23456")]
    fn as4_path_replaces_the_far_end(#[case] old: &str, #[case] new: &str, #[case] merged: &str) {
        let mut attributes = PathAttributes {
            as_path: old.parse().unwrap(),
            ..PathAttributes::default()
        };
        merge(&mut attributes, Some(new.parse().unwrap()), None);
        assert_eq!(attributes.as_path.to_string(), merged);
    }

    #[test]
    fn an_aggregator_without_as_trans_outdates_the_four_octet_attributes() {
        let aggregator = |asn| {
            Some(Aggregator {
                asn: Asn(asn),
                address: [192, 0, 2, 1].into(),
            })
        };
        let old = || PathAttributes {
            as_path: "64496 23456".parse().unwrap(),
            ..PathAttributes::default()
        };
        let mut attributes = old();
        attributes.aggregator = aggregator(64_496);
        merge(&mut attributes, "65550".parse().ok(), aggregator(65_550));
        assert_eq!(attributes.as_path.to_string(), "64496 23456");
        assert_eq!(attributes.aggregator, aggregator(64_496));

        let mut attributes = old();
        attributes.aggregator = aggregator(23_456);
        merge(&mut attributes, "65550".parse().ok(), aggregator(65_550));
        assert_eq!(attributes.as_path.to_string(), "64496 65550");
        assert_eq!(attributes.aggregator, aggregator(65_550));
    }
}
