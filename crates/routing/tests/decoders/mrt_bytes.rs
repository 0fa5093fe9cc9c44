//! A small writer of MRT (RFC 6396) for tests: enough to say what the decoder must read.

#![allow(dead_code, reason = "two test programs use it, each a part")]

use std::net::IpAddr;

use weir_routing::Prefix;

pub(crate) const BGP: u16 = 5;
pub(crate) const TABLE_DUMP: u16 = 12;
pub(crate) const TABLE_DUMP_V2: u16 = 13;
pub(crate) const BGP4MP: u16 = 16;
pub(crate) const BGP4MP_ET: u16 = 17;

pub(crate) fn octets(address: &str) -> Vec<u8> {
    match address.parse().unwrap() {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    [&length.to_be_bytes()[..], bytes].concat()
}

/// A record; `micros` for BGP4MP_ET.
pub(crate) fn record(
    time: u32,
    micros: Option<u32>,
    kind: u16,
    subtype: u16,
    body: &[u8],
) -> Vec<u8> {
    let micros = micros.map_or_else(Vec::new, |micros| micros.to_be_bytes().to_vec());
    let length = u32::try_from(body.len() + micros.len()).unwrap();
    let mut bytes = time.to_be_bytes().to_vec();
    bytes.extend(kind.to_be_bytes());
    bytes.extend(subtype.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes.extend(micros);
    bytes.extend(body);
    bytes
}

pub(crate) fn asn_octets(asn: u32, four_octet: bool) -> Vec<u8> {
    if four_octet {
        asn.to_be_bytes().to_vec()
    } else {
        u16::try_from(asn).unwrap().to_be_bytes().to_vec()
    }
}

/// What stands before the message or the states of a BGP4MP record.
pub(crate) fn session(peer: &str, asn: u32, four_octet: bool) -> Vec<u8> {
    let address = octets(peer);
    let family = if address.len() == 4 { 1 } else { 2 };
    let mut bytes = asn_octets(asn, four_octet);
    bytes.extend(asn_octets(64_511, four_octet));
    bytes.extend([0, 0, 0, family]);
    bytes.extend(&address);
    bytes.extend(&address);
    bytes
}

/// A BGP message with its header (RFC 4271, 4.1).
pub(crate) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xff; 16];
    bytes.extend(u16::try_from(body.len() + 19).unwrap().to_be_bytes());
    bytes.push(kind);
    bytes.extend(body);
    bytes
}

/// An UPDATE (RFC 4271, 4.3).
pub(crate) fn update(withdrawn: &[u8], attributes: &[Vec<u8>], announced: &[u8]) -> Vec<u8> {
    let body = [
        sized(withdrawn),
        sized(&attributes.concat()),
        announced.to_vec(),
    ];
    message(2, &body.concat())
}

/// A path attribute.
pub(crate) fn attribute(kind: u8, value: &[u8]) -> Vec<u8> {
    let flags = if matches!(kind, 1..=3 | 5 | 6) {
        0x40
    } else {
        0xc0
    };
    [vec![flags | 0x10, kind], sized(value)].concat()
}

/// AS_PATH or AS4_PATH of one sequence.
pub(crate) fn path(kind: u8, asns: &[u32], four_octet: bool) -> Vec<u8> {
    let mut value = vec![2, u8::try_from(asns.len()).unwrap()];
    value.extend(asns.iter().flat_map(|asn| asn_octets(*asn, four_octet)));
    attribute(kind, &value)
}

/// ORIGIN igp, AS_PATH and NEXT_HOP.
pub(crate) fn usual(asns: &[u32], four_octet: bool) -> Vec<Vec<u8>> {
    vec![
        attribute(1, &[0]),
        path(2, asns, four_octet),
        attribute(3, &octets("192.0.2.1")),
    ]
}

/// Prefixes as on the wire, with path identifiers when there are some.
pub(crate) fn nlri(prefixes: &[&str], path_id: Option<u32>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in prefixes {
        let prefix: Prefix = text.parse().unwrap();
        bytes.extend(path_id.map_or_else(Vec::new, |id| id.to_be_bytes().to_vec()));
        bytes.push(prefix.length());
        let address = octets(&prefix.address().to_string());
        bytes.extend(&address[..usize::from(prefix.length().div_ceil(8))]);
    }
    bytes
}

/// MP_REACH_NLRI of IPv6 (RFC 4760, 3).
pub(crate) fn reach(safi: u8, next_hops: &[&str], prefixes: &[&str]) -> Vec<u8> {
    let hops: Vec<u8> = next_hops.iter().flat_map(|hop| octets(hop)).collect();
    let mut value = vec![0, 2, safi, u8::try_from(hops.len()).unwrap()];
    value.extend(hops);
    value.push(0);
    value.extend(nlri(prefixes, None));
    attribute(14, &value)
}

/// MP_UNREACH_NLRI of IPv6 (RFC 4760, 4).
pub(crate) fn unreach(safi: u8, prefixes: &[&str]) -> Vec<u8> {
    attribute(15, &[vec![0, 2, safi], nlri(prefixes, None)].concat())
}

/// A BGP4MP record of a four-octet session of 192.0.2.1, AS 64496, at second 10.
pub(crate) fn said(message: &[u8]) -> Vec<u8> {
    let body = [session("192.0.2.1", 64_496, true), message.to_vec()];
    record(10, None, BGP4MP, 4, &body.concat())
}

/// PEER_INDEX_TABLE of these peers (RFC 6396, 4.3.1).
pub(crate) fn peer_index(peers: &[(&str, u32)]) -> Vec<u8> {
    let mut body = vec![192, 0, 2, 250, 0, 0];
    body.extend(u16::try_from(peers.len()).unwrap().to_be_bytes());
    for (address, asn) in peers {
        let address = octets(address);
        body.push(if address.len() == 4 { 2 } else { 3 });
        body.extend([192, 0, 2, 251]);
        body.extend(address);
        body.extend(asn.to_be_bytes());
    }
    record(20, None, TABLE_DUMP_V2, 1, &body)
}

/// Peer index, path identifier and attributes of an entry of a RIB record.
pub(crate) type Entry = (u16, Option<u32>, Vec<Vec<u8>>);

/// A RIB record of one prefix.
pub(crate) fn rib(subtype: u16, prefix: &str, entries: &[Entry]) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 1];
    body.extend(nlri(&[prefix], None));
    body.extend(u16::try_from(entries.len()).unwrap().to_be_bytes());
    for (peer, path_id, attributes) in entries {
        body.extend(peer.to_be_bytes());
        body.extend([0, 0, 0, 1]);
        body.extend(path_id.map_or_else(Vec::new, |id| id.to_be_bytes().to_vec()));
        body.extend(sized(&attributes.concat()));
    }
    record(21, None, TABLE_DUMP_V2, subtype, &body)
}

/// A TABLE_DUMP record of IPv4 (RFC 6396, 4.2).
pub(crate) fn table_dump(prefix: &str, peer: &str, asn: u32, attributes: &[Vec<u8>]) -> Vec<u8> {
    let prefix: Prefix = prefix.parse().unwrap();
    let mut body = vec![0, 0, 0, 1];
    body.extend(octets(&prefix.address().to_string()));
    body.extend([prefix.length(), 1, 0, 0, 0, 1]);
    body.extend(octets(peer));
    body.extend(asn_octets(asn, false));
    body.extend(sized(&attributes.concat()));
    record(22, None, TABLE_DUMP, 1, &body)
}
