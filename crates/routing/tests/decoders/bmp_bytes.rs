//! A small writer of BMP (RFC 7854), and of OpenBMP's records around it, for tests; beside that of MRT, whose BGP it
//! takes.

#![allow(dead_code, reason = "three test programs use it, each a part")]

use crate::mrt_bytes::{attribute, message, nlri, octets};

pub(crate) const ROUTE_MONITORING: u8 = 0;
pub(crate) const STATISTICS: u8 = 1;
pub(crate) const PEER_DOWN: u8 = 2;
pub(crate) const PEER_UP: u8 = 3;
pub(crate) const INITIATION: u8 = 4;
pub(crate) const TERMINATION: u8 = 5;
pub(crate) const ROUTE_MIRRORING: u8 = 6;

/// Flags of the per-peer header.
pub(crate) const V: u8 = 0x80;
pub(crate) const L: u8 = 0x40;
pub(crate) const A: u8 = 0x20;
pub(crate) const O: u8 = 0x10;

/// A whole message.
pub(crate) fn bmp(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 6).unwrap();
    [&[3][..], &length.to_be_bytes(), &[kind], body].concat()
}

/// An address of 16 octets.
fn wide(address: &str) -> Vec<u8> {
    let address = octets(address);
    [vec![0; 16 - address.len()], address].concat()
}

/// The per-peer header at second 10 and a quarter.
pub(crate) fn header(kind: u8, flags: u8, distinguisher: u64, address: &str, asn: u32) -> Vec<u8> {
    let flags = if address.contains(':') {
        flags | V
    } else {
        flags
    };
    [
        vec![kind, flags],
        distinguisher.to_be_bytes().to_vec(),
        wide(address),
        asn.to_be_bytes().to_vec(),
        octets("192.0.2.9"),
        10_u32.to_be_bytes().to_vec(),
        250_000_u32.to_be_bytes().to_vec(),
    ]
    .concat()
}

/// The header of 192.0.2.1, AS 64496, in the global table.
pub(crate) fn usual_peer(flags: u8) -> Vec<u8> {
    header(0, flags, 0, "192.0.2.1", 64_496)
}

pub(crate) fn tlv(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap();
    [&kind.to_be_bytes(), &length.to_be_bytes(), value].concat()
}

/// 32-bit ASN (RFC 6793).
pub(crate) fn four_octet(asn: u32) -> Vec<u8> {
    [&[65, 4][..], &asn.to_be_bytes()].concat()
}

/// IPv4 (1) or IPv6 (2) unicast (RFC 4760).
pub(crate) fn unicast(afi: u8) -> Vec<u8> {
    vec![1, 4, 0, afi, 0, 1]
}

/// ADD-PATH of these (AFI, SAFI, mode) (RFC 7911).
pub(crate) fn add_path(entries: &[(u8, u8, u8)]) -> Vec<u8> {
    let entries: Vec<u8> = entries
        .iter()
        .flat_map(|(afi, safi, mode)| [0, *afi, *safi, *mode])
        .collect();
    [vec![69, u8::try_from(entries.len()).unwrap()], entries].concat()
}

/// An OPEN with these capabilities.
pub(crate) fn open(asn: u32, capabilities: &[Vec<u8>]) -> Vec<u8> {
    let list = capabilities.concat();
    let length = u8::try_from(list.len()).unwrap();
    let asn = u16::try_from(asn).unwrap_or(23_456);
    let mut body = vec![4];
    body.extend(asn.to_be_bytes());
    body.extend([0, 180, 192, 0, 2, 9]);
    if list.is_empty() {
        body.push(0);
    } else {
        body.extend([length + 2, 2, length]);
        body.extend(list);
    }
    message(1, &body)
}

/// A Peer Up; the router is 192.0.2.250 or 2001:db8::250.
pub(crate) fn peer_up(header: &[u8], sent: &[u8], received: &[u8], more: &[u8]) -> Vec<u8> {
    let local = if header[1] & V != 0 && header[0] != 3 {
        "2001:db8::250"
    } else {
        "192.0.2.250"
    };
    let ports = [0, 179, 0x80, 0];
    let body = [header, &wide(local), &ports, sent, received, more].concat();
    bmp(PEER_UP, &body)
}

/// What most routers offer: IPv4, IPv6, 32-bit ASNs.
pub(crate) fn usual_open(asn: u32) -> Vec<u8> {
    open(asn, &[unicast(1), unicast(2), four_octet(asn)])
}

pub(crate) fn monitoring(header: &[u8], update: &[u8]) -> Vec<u8> {
    bmp(ROUTE_MONITORING, &[header, update].concat())
}

/// MP_REACH_NLRI of IPv6 with path identifiers.
pub(crate) fn reach_paths(hop: &str, prefixes: &[&str], path_id: Option<u32>) -> Vec<u8> {
    let hop = octets(hop);
    let head = [0, 2, 1, u8::try_from(hop.len()).unwrap()];
    attribute(
        14,
        &[&head[..], &hop, &[0], &nlri(prefixes, path_id)].concat(),
    )
}

/// A record of OpenBMP (header 1.7) around a message that came at this second and a quarter from a router at this address
/// in this group.
pub(crate) fn openbmp(group: &str, router: &str, second: u32, message: &[u8]) -> Vec<u8> {
    let flags = if router.contains(':') { 0xc0 } else { 0x80 };
    let mut address = octets(router);
    address.resize(16, 0);
    let text = |text: &str| {
        let length = u16::try_from(text.len()).unwrap();
        [&length.to_be_bytes()[..], text.as_bytes()].concat()
    };
    let fields = [
        vec![flags, 12],
        second.to_be_bytes().to_vec(),
        250_000_u32.to_be_bytes().to_vec(),
        vec![1; 16],
        text("bmp1.example"),
        vec![2; 16],
        address,
        text(group),
        1_u32.to_be_bytes().to_vec(),
    ]
    .concat();
    let header = u16::try_from(fields.len() + 12).unwrap();
    let length = u32::try_from(message.len()).unwrap();
    [
        b"OBMP\x01\x07",
        &header.to_be_bytes()[..],
        &length.to_be_bytes(),
        &fields,
        message,
    ]
    .concat()
}
