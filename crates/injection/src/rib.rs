//! The untouched routes as RIB dumps (MRT, TABLE_DUMP_V2: RFC 6396, 4.3), one per collector.

use std::{collections::BTreeMap, net::IpAddr};

use weir_routing::{AsPath, Segment};

use crate::world::{VantagePoint, World};

const PEER_INDEX_TABLE: u16 = 1;
const RIB_IPV4_UNICAST: u16 = 2;
const RIB_IPV6_UNICAST: u16 = 4;

/// A dump for each collector, dated a second before the stream begins. AS_SETs and confederations are left out: a
/// baseline needs none.
#[must_use]
pub fn dumps(world: &World) -> BTreeMap<&str, Vec<u8>> {
    let at_us = world.span().map_or(0, |(first, _)| first);
    let at = u32::try_from(at_us / 1_000_000 - 1).unwrap_or_default();
    let mut dumps: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    // Numbers of the vantage points in the table of their own collector.
    let mut numbers = BTreeMap::new();
    let mut tables: BTreeMap<&str, Vec<&VantagePoint>> = BTreeMap::new();
    for (number, point) in world.peers().iter().enumerate() {
        let table = tables.entry(point.0.as_str()).or_default();
        numbers.insert(number, (point.0.as_str(), table.len()));
        table.push(point);
    }
    for (collector, table) in &tables {
        let dump = dumps.entry(collector).or_default();
        record(dump, at, PEER_INDEX_TABLE, &peer_index(table));
    }
    for (sequence, (prefix, routes)) in (0_u32..).zip(world.routes()) {
        let mut of: BTreeMap<&str, Vec<(usize, &AsPath)>> = BTreeMap::new();
        for (peer, path) in routes {
            if let Some((collector, number)) = numbers.get(peer) {
                of.entry(collector).or_default().push((*number, path));
            }
        }
        let (subtype, octets) = match prefix.address() {
            IpAddr::V4(v4) => (RIB_IPV4_UNICAST, v4.octets().to_vec()),
            IpAddr::V6(v6) => (RIB_IPV6_UNICAST, v6.octets().to_vec()),
        };
        let significant = usize::from(prefix.length().div_ceil(8));
        for (collector, routes) in of {
            let mut body = sequence.to_be_bytes().to_vec();
            body.push(prefix.length());
            body.extend(octets.iter().take(significant));
            body.extend(short(routes.len()));
            for (number, path) in routes {
                let attributes = attributes(path);
                body.extend(short(number));
                body.extend(at.to_be_bytes());
                body.extend(short(attributes.len()));
                body.extend(attributes);
            }
            record(dumps.entry(collector).or_default(), at, subtype, &body);
        }
    }
    dumps
}

fn short(number: usize) -> [u8; 2] {
    u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes()
}

fn record(dump: &mut Vec<u8>, at: u32, subtype: u16, body: &[u8]) {
    dump.extend(at.to_be_bytes());
    dump.extend(13_u16.to_be_bytes());
    dump.extend(subtype.to_be_bytes());
    dump.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
    dump.extend(body);
}

fn peer_index(table: &[&VantagePoint]) -> Vec<u8> {
    let mut body = [0; 6].to_vec();
    body.extend(short(table.len()));
    for (number, (_, peer)) in (0_u32..).zip(table) {
        // Bit 0: an IPv6 address; bit 1: four octets of ASN.
        body.push(if peer.address.is_ipv4() { 2 } else { 3 });
        body.extend(number.to_be_bytes());
        match peer.address {
            IpAddr::V4(v4) => body.extend(v4.octets()),
            IpAddr::V6(v6) => body.extend(v6.octets()),
        }
        body.extend(peer.asn.0.to_be_bytes());
    }
    body
}

/// ORIGIN IGP and the AS_PATH in four octets each; no next hop, which nobody judges by.
fn attributes(path: &AsPath) -> Vec<u8> {
    let mut hops = Vec::new();
    for segment in path.segments() {
        if let Segment::Sequence(asns) = segment {
            hops.extend(asns.iter().map(|asn| asn.0));
        }
    }
    let mut value = Vec::new();
    for part in hops.chunks(255) {
        value.extend([2, u8::try_from(part.len()).unwrap_or(u8::MAX)]);
        value.extend(part.iter().flat_map(|asn| asn.to_be_bytes()));
    }
    let mut attributes = vec![0x40, 1, 1, 0];
    // AS_PATH with an extended length.
    attributes.extend([0x50, 2]);
    attributes.extend(short(value.len()));
    attributes.extend(value);
    attributes
}
