//! An UPDATE of a session whose capabilities are known (RFC 4271, 4.3; RFC 4760; RFC 7911).
//!
//! Lists of unicast prefixes are read here, exactly as the session has them: the parser of files
//! must guess where ADD-PATH is used and may take a default route for a path identifier. The other
//! attributes are read as those of files are.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    panic::{AssertUnwindSafe, catch_unwind},
};

use bgpkit_parser::{models::AsnLength, parser::bgp::attributes::parse_attributes};
use bytes::Bytes;

use super::{
    Family, Folded,
    attributes::{self, MP_REACH, MP_UNREACH, Parts},
    fold,
};
use crate::{decode::octets::Octets, prefix::Prefix, update::Nlri};

/// Octets of the header of every BGP message: marker, length, type.
pub(crate) const HEADER: usize = 19;
const UPDATE: u8 = 2;
/// The length of an attribute has two octets.
const EXTENDED: u8 = 0x10;

/// How the sender writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialect {
    /// AS_PATH and AGGREGATOR have 32-bit ASNs.
    pub(crate) four_octet: bool,
    /// Prefixes of IPv4, of IPv6 have path identifiers.
    pub(crate) add_path: [bool; 2],
}

impl Dialect {
    fn has_paths(self, family: Family) -> bool {
        self.add_path[usize::from(family == Family::Ipv6)]
    }
}

/// The multiprotocol attributes of our families.
#[derive(Default)]
struct Multiprotocol {
    reached: Option<(Option<IpAddr>, Vec<Nlri>)>,
    unreached: Option<(Family, Vec<Nlri>)>,
}

/// The whole message at the front of `octets`, header included.
pub(crate) fn message<'a>(octets: &mut Octets<'a>) -> Result<(u8, &'a [u8]), String> {
    let mut header = *octets;
    let marker = header.take("marker", 16)?;
    if marker.iter().any(|octet| *octet != 0xff) {
        return Err("its marker is not all ones".to_owned());
    }
    let length = usize::from(header.u16("length")?);
    if length < HEADER {
        return Err(format!("its length is {length}, less than its header"));
    }
    let kind = header.u8("type")?;
    let whole = octets.take("BGP message", length)?;
    Ok((kind, whole))
}

/// The parts of an UPDATE, as octets.
pub(crate) struct Sections<'a> {
    withdrawn: &'a [u8],
    pub(crate) attributes: &'a [u8],
    announced: &'a [u8],
}

/// Takes a whole UPDATE apart.
pub(crate) fn sections(whole: &[u8]) -> Result<Sections<'_>, String> {
    let mut body = Octets::new(whole.get(HEADER..).unwrap_or_default());
    let length = body.u16("length of withdrawn routes")?;
    let withdrawn = body.take("withdrawn routes", length.into())?;
    let length = body.u16("length of path attributes")?;
    Ok(Sections {
        withdrawn,
        attributes: body.take("path attributes", length.into())?,
        announced: body.rest(),
    })
}

/// Reads the UPDATE at the front of `message`, header included.
pub(crate) fn read(message: &[u8], dialect: Dialect) -> Result<Folded, String> {
    let (kind, whole) = self::message(&mut Octets::new(message))?;
    if kind != UPDATE {
        return Err(format!("a BGP message of type {kind} stands in its place"));
    }
    let sections = sections(whole)?;
    let withdrawn = nlri(sections.withdrawn, Family::Ipv4, dialect)?;
    let announced = nlri(sections.announced, Family::Ipv4, dialect)?;
    let parts = parts(sections.attributes, dialect, !announced.is_empty())?;
    Ok(fold(parts, announced, withdrawn))
}

/// Type and value of the next path attribute.
pub(crate) fn attribute<'a>(rest: &mut Octets<'a>) -> Result<(u8, &'a [u8]), String> {
    let flags = rest.u8("flags of an attribute")?;
    let kind = rest.u8("type of an attribute")?;
    let length = if flags & EXTENDED == 0 {
        rest.u8("length of an attribute")?.into()
    } else {
        rest.u16("length of an attribute")?
    };
    Ok((kind, rest.take("value of an attribute", length.into())?))
}

fn parts(octets: &[u8], dialect: Dialect, announces: bool) -> Result<Parts, String> {
    let (others, ours) = apart(octets, dialect)?;
    let announces = announces
        || ours
            .reached
            .as_ref()
            .is_some_and(|(_, list)| !list.is_empty());
    let length = if dialect.four_octet {
        AsnLength::Bits32
    } else {
        AsnLength::Bits16
    };
    // As for files: the parser checks every length, and the net is for what it may have missed.
    let parsed = catch_unwind(AssertUnwindSafe(|| {
        parse_attributes(Bytes::from(others), &length, false, None, None, None)
    }));
    let list = match parsed {
        Ok(list) => list.map_err(|error| error.to_string())?,
        Err(_) => return Err("the parser panicked".to_owned()),
    };
    let mut parts = attributes::parts(list, dialect.four_octet, announces)?;
    parts.none = octets.is_empty();
    if let Some((next_hop, reached)) = ours.reached {
        parts.reached_next_hop = next_hop;
        parts.reached = reached;
    }
    if let Some((family, unreached)) = ours.unreached {
        parts.has_unreach = true;
        parts.unreach_family = Some(family);
        parts.unreached = unreached;
    }
    Ok(parts)
}

/// Sets the multiprotocol attributes of our families apart from all others.
fn apart(octets: &[u8], dialect: Dialect) -> Result<(Vec<u8>, Multiprotocol), String> {
    let mut rest = Octets::new(octets);
    let mut others = Vec::with_capacity(octets.len());
    let mut ours = Multiprotocol::default();
    while !rest.is_empty() {
        let from = rest.at();
        let (kind, value) = attribute(&mut rest)?;
        let family = match (kind, value) {
            (MP_REACH | MP_UNREACH, [high, low, safi, ..]) => {
                Family::of(u16::from_be_bytes([*high, *low]), *safi)
            }
            _ => None,
        };
        let Some(family) = family else {
            others.extend_from_slice(octets.get(from..rest.at()).unwrap_or_default());
            continue;
        };
        let value = value.get(3..).unwrap_or_default();
        let again = if kind == MP_REACH {
            ours.reached
                .replace(reach(value, family, dialect)?)
                .is_some()
        } else {
            let list = nlri(value, family, dialect)?;
            ours.unreached.replace((family, list)).is_some()
        };
        if again {
            // RFC 7606, 3 g.
            return Err(format!("attribute {kind} stands there twice"));
        }
    }
    Ok((others, ours))
}

/// MP_REACH_NLRI behind its family (RFC 4760, 3; RFC 8950). Of two next hops the first is global.
fn reach(
    value: &[u8],
    family: Family,
    dialect: Dialect,
) -> Result<(Option<IpAddr>, Vec<Nlri>), String> {
    let mut octets = Octets::new(value);
    let length = octets.u8("length of a next hop")?;
    let hop = octets.take("next hop", length.into())?;
    octets.u8("reserved octet")?;
    let next_hop = match hop {
        [] => None,
        [a, b, c, d] => Some(Ipv4Addr::new(*a, *b, *c, *d).into()),
        _ if matches!(hop.len(), 16 | 32) => {
            let mut global = [0; 16];
            global.copy_from_slice(&hop[..16]);
            Some(Ipv6Addr::from(global).into())
        }
        _ => return Err(format!("a next hop of {length} octets")),
    };
    Ok((next_hop, nlri(octets.rest(), family, dialect)?))
}

/// A list of prefixes (RFC 4271, 4.3; RFC 7911, 3).
fn nlri(octets: &[u8], family: Family, dialect: Dialect) -> Result<Vec<Nlri>, String> {
    let mut octets = Octets::new(octets);
    let mut list = Vec::new();
    while !octets.is_empty() {
        let path_id = if dialect.has_paths(family) {
            octets.u32("path identifier")?
        } else {
            0
        };
        let length = octets.u8("length of a prefix")?;
        if length > family.bits() {
            return Err(format!("a prefix of {length} bits of {family:?}"));
        }
        let octets = octets.take("prefix", length.div_ceil(8).into())?;
        let mut address = [0; 16];
        address[..octets.len()].copy_from_slice(octets);
        let address = match family {
            Family::Ipv4 => Ipv4Addr::new(address[0], address[1], address[2], address[3]).into(),
            Family::Ipv6 => IpAddr::V6(Ipv6Addr::from(address)),
        };
        let prefix = Prefix::new(address, length).map_err(|error| error.to_string())?;
        list.push(Nlri { prefix, path_id });
    }
    Ok(list)
}
