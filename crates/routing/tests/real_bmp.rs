//! Real captures of BMP (routers of three makers in a lab), when `WEIR_DATA` names a folder that
//! holds `bgp/bmp/`: every message of every connection is read, and there are as many of each type
//! as a count that shares no code with the decoder says. The captures are Ethernet; a connection is
//! what one address sent, in the order of capture.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test, also outside its test functions"
)]

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
};

use weir_routing::decode::bmp::{self, BmpMessage, MAX_MESSAGE, PeerKind, Session};

/// Messages by type (Route Monitoring, Statistics, Peer Down, Peer Up, Initiation), octets that are
/// left of a message which the capture cuts off, then announced and withdrawn unicast prefixes and
/// ends of tables: all of it counted by a script of its own, path identifiers included.
const KNOWN: &[(&str, [usize; 5], usize, [usize; 3])] = &[
    (
        "200-BMP-HUAWEI-locrib_instance__traffic-00.pcap",
        [84, 0, 0, 18, 1],
        0,
        [5, 0, 2],
    ),
    (
        "201-BMP-CISCO-rd_instance__traffic-00.pcap",
        [251, 42, 0, 42, 1],
        0,
        [235, 0, 36],
    ),
    (
        "202-BMP-CISCO-HUAWEI-multiple-sources__traffic-00.pcap",
        [84, 0, 0, 18, 1],
        0,
        [5, 0, 2],
    ),
    (
        "202-BMP-CISCO-HUAWEI-multiple-sources__traffic-01.pcap",
        [44, 0, 0, 42, 1],
        0,
        [37, 0, 7],
    ),
    (
        "202-BMP-CISCO-HUAWEI-multiple-sources__traffic-02.pcap",
        [53, 0, 0, 12, 1],
        156,
        [0, 0, 0],
    ),
    (
        "203-BMP-HUAWEI-dump__traffic-00.pcap",
        [84, 0, 0, 18, 1],
        0,
        [5, 0, 2],
    ),
    (
        "204-BMP-CISCO-peer_down__traffic-00.pcap",
        [301, 28, 3, 10, 1],
        0,
        [49, 23, 3],
    ),
    (
        "205-BMP-6wind-FRR-peer_down__traffic-00.pcap",
        [451, 48, 2, 7, 1],
        0,
        [142, 0, 0],
    ),
    (
        "206-BMP-high-availability__traffic-00.pcap",
        [253, 36, 0, 5, 1],
        0,
        [142, 0, 0],
    ),
    (
        "207-BMP-CISCO-HUAWEI-multiple-sources-dump-spreading__traffic-00.pcap",
        [84, 0, 0, 18, 1],
        0,
        [5, 0, 2],
    ),
    (
        "207-BMP-CISCO-HUAWEI-multiple-sources-dump-spreading__traffic-01.pcap",
        [44, 0, 0, 42, 1],
        0,
        [37, 0, 7],
    ),
    (
        "207-BMP-CISCO-HUAWEI-multiple-sources-dump-spreading__traffic-02.pcap",
        [53, 0, 0, 12, 1],
        156,
        [0, 0, 0],
    ),
    (
        "208-BMP-mem-leak-test__bmp-multi-sources-init.pcap",
        [0, 0, 0, 0, 15],
        0,
        [0, 0, 0],
    ),
    (
        "208-BMP-mem-leak-test__bmp-multi-sources-peer-up.pcap",
        [0, 0, 0, 289, 0],
        0,
        [0, 0, 0],
    ),
    (
        "208-BMP-mem-leak-test__bmp-multi-sources-route-monitoring.pcap",
        [6955, 0, 0, 0, 0],
        0,
        [4536, 0, 226],
    ),
    (
        "208-BMP-mem-leak-test__bmp-multi-sources-stats.pcap",
        [0, 3626, 0, 0, 0],
        0,
        [0, 0, 0],
    ),
];

fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("WEIR_DATA").map(|folder| PathBuf::from(folder).join("bgp/bmp"));
    if folder.is_none() {
        println!("skipped: WEIR_DATA names no folder with real data");
    }
    folder
}

/// What each address sent, in the order in which connections began.
fn connections(pcap: &[u8]) -> Vec<(IpAddr, Vec<u8>)> {
    assert!(matches!(
        pcap[..4],
        [0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1]
    ));
    assert_eq!(pcap[20], 1, "Ethernet");
    let mut sent: Vec<(IpAddr, Vec<u8>)> = Vec::new();
    let mut rest = &pcap[24..];
    while let Some((header, after)) = rest.split_at_checked(16) {
        let length = u32::from_le_bytes(header[8..12].try_into().unwrap());
        let (packet, after) = after.split_at(usize::try_from(length).unwrap());
        rest = after;
        let (from, payload) = payload(packet);
        match sent.iter_mut().find(|(address, _)| *address == from) {
            Some((_, bytes)) => bytes.extend(payload),
            None => sent.push((from, payload.to_vec())),
        }
    }
    sent
}

fn be16(bytes: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([bytes[0], bytes[1]]))
}

/// The sender of a TCP segment and what it carries.
fn payload(frame: &[u8]) -> (IpAddr, &[u8]) {
    let (from, tcp): (IpAddr, _) = match be16(&frame[12..]) {
        0x0800 => {
            let packet = &frame[14..14 + be16(&frame[16..])];
            let header = usize::from(packet[0] & 15) * 4;
            let from: [u8; 4] = packet[12..16].try_into().unwrap();
            (Ipv4Addr::from(from).into(), &packet[header..])
        }
        0x86dd => {
            let packet = &frame[14..54 + be16(&frame[18..])];
            let from: [u8; 16] = packet[8..24].try_into().unwrap();
            (Ipv6Addr::from(from).into(), &packet[40..])
        }
        other => unreachable!("a frame of type {other:x}"),
    };
    (from, &tcp[usize::from(tcp[12] >> 4) * 4..])
}

type Sessions = BTreeMap<(IpAddr, PeerKind, u64, IpAddr), Session>;

#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    types: [usize; 5],
    left: usize,
    routes: [usize; 3],
    errors: Vec<String>,
}

fn count(from: IpAddr, mut rest: &[u8], sessions: &mut Sessions, counts: &mut Counts) {
    while let Some(length) = bmp::frame(rest, MAX_MESSAGE).unwrap() {
        let Some((message, after)) = rest.split_at_checked(length) else {
            break;
        };
        rest = after;
        match bmp::decode(message) {
            Ok(decoded) => {
                counts.types[usize::from(message[5])] += 1;
                told(from, &decoded, sessions, counts);
            }
            Err(error) => counts.errors.push(error.to_string()),
        }
    }
    counts.left += rest.len();
}

fn told(from: IpAddr, message: &BmpMessage<'_>, sessions: &mut Sessions, counts: &mut Counts) {
    match message {
        BmpMessage::PeerUp(peer, up) => {
            let key = (from, peer.kind, peer.distinguisher, peer.address);
            let session = sessions.entry(key).or_insert(up.session);
            *session = session.and(up.session);
        }
        BmpMessage::RouteMonitoring(peer, raw) => {
            let key = (from, peer.kind, peer.distinguisher, peer.address);
            let session = sessions.get(&key).copied().unwrap_or_default();
            match raw.read(peer, &session) {
                Ok(routes) => {
                    for update in &routes.updates {
                        counts.routes[0] += update.announced.len();
                        counts.routes[1] += update.withdrawn.len();
                    }
                    counts.routes[2] += usize::from(routes.end_of_rib.is_some());
                }
                Err(error) => counts.errors.push(error.to_string()),
            }
        }
        BmpMessage::Unknown { .. } => counts.errors.push("unknown".to_owned()),
        _ => {}
    }
}

#[test]
fn real_captures_decode_to_exactly_the_known_counts() {
    let Some(folder) = data() else { return };
    let mut wrong = Vec::new();
    let mut sessions = Sessions::new();
    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".pcap"))
        .collect();
    names.sort();
    let mut series = String::new();
    for name in &names {
        // Captures whose names begin alike are pieces of the same connections.
        if !name.starts_with(&series) || series.is_empty() {
            sessions.clear();
            series = name[..3].to_owned();
        }
        let mut counts = Counts::default();
        for (from, bytes) in connections(&fs::read(folder.join(name)).unwrap()) {
            count(from, &bytes, &mut sessions, &mut counts);
        }
        let known = KNOWN.iter().find(|known| known.0 == name);
        let known = known.map(|(_, types, left, routes)| Counts {
            types: *types,
            left: *left,
            routes: *routes,
            ..Counts::default()
        });
        if known.as_ref() != Some(&counts) {
            wrong.push(format!("{name}: {counts:?}"));
        }
    }
    assert_eq!(names.len(), KNOWN.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
