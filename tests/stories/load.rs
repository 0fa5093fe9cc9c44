//! A made-up day of BGP that raises seven types of incident many times: opened by one vantage
//! point, confirmed by others, ended, opened again, faded, gone with a lost session.
//!
//! Prefixes from 240/4 and 10/8, private and documentation ASNs; its own list of bogons leaves
//! those out (the real list holds them all). Deterministic.

use std::{fmt::Write as _, fs, path::Path};

use serde_json::{Value, json};
use weir_injection::{World, frames, rib, world::VantagePoint};
use weir_routing::{AsPath, Asn, Body, Message, PathAttributes, Peer, Prefix, Update};

/// Incidents of each type that the load opens at least.
pub(crate) const OF_EACH_TYPE: u32 = 24;

/// 2026-01-01T00:00:00Z, in seconds: the time of the routing tables.
const BASE: u32 = 1_767_225_600;
/// The trouble begins a minute later.
const TROUBLE: f64 = BASE as f64 + 60.0;
const PEERS: u32 = 8;
const COLLECTOR: &str = "rrc99";

/// What counts as bogus in this load: private addresses of RFC 1918 other than 10/8, one ASN.
pub(crate) const BOGONS: &str = "192.168.0.0/16\n65535\n";

/// The VRPs of this load, as Routinator writes them: those whose prefix gets a second origin hold a ROA.
pub(crate) fn vrps() -> String {
    let of_role_0 = (0..OF_EACH_TYPE).map(|turn| turn * 4);
    let roas: Vec<_> = of_role_0
        .map(|network| {
            let asn = format!("AS{}", rightful(network));
            json!({ "asn": asn, "prefix": prefix(network), "maxLength": 16, "ta": "none" })
        })
        .collect();
    json!({ "metadata": { "generated": BASE }, "roas": roas }).to_string()
}

/// One line of input: when, and the frame.
type Line = (f64, Value);

/// Writes the load: a RIB dump, and RIS Live frames in two files that overlap in time. `beat` is how many
/// announcements of rightful routes come every two seconds; 1 is little, 100 makes 120,000 elements.
pub(crate) fn write(folder: &Path, beat: u32) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(format!("{COLLECTOR}.bview.mrt")), tables()).unwrap();
    let mut lines = trouble();
    lines.extend(noise(beat));
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (name, parity) in [("even", 0), ("odd", 1)] {
        let mut text = String::new();
        for (index, (_, frame)) in lines.iter().enumerate() {
            if index % 2 == parity {
                writeln!(text, "{frame}").unwrap();
            }
        }
        fs::write(folder.join(format!("{COLLECTOR}.{name}.jsonl")), text).unwrap();
    }
}

/// Every network's prefix by its rightful origin, as a RIB dump: at every vantage point but for the prefixes that
/// only the first one sees (they make `origin-change`: nobody keeps the old origin).
fn tables() -> Vec<u8> {
    let mut world = World::default();
    for network in 0..4 * OF_EACH_TYPE {
        let seen_by = if role(network) == 1 { 1 } else { PEERS };
        for peer in 0..seen_by {
            let (collector, speaker) = point(peer);
            let update = announcement(peer, &prefix(network), &[rightful(network)]);
            let message = Message {
                // The dump is of a second before.
                event_time_us: (i64::from(BASE) + 1) * 1_000_000,
                peer: speaker,
                body: Body::Update(update),
            };
            world.hear(&collector, &message);
        }
    }
    rib::dumps(&world).remove(COLLECTOR).unwrap()
}

fn trouble() -> Vec<Line> {
    let mut lines = Vec::new();
    for turn in 0..OF_EACH_TYPE {
        let start = TROUBLE + f64::from(turn) * 40.0;
        let moas = prefix(turn * 4);
        let moved = prefix(turn * 4 + 1);
        let part = format!(
            "{}.{}.128.0/20",
            first_octet(turn * 4 + 2),
            second_octet(turn * 4 + 2)
        );
        let bogus = format!("192.168.{turn}.0/24");
        let strange = format!("10.{turn}.0.0/16");
        let looped = format!("10.{}.0.0/16", 100 + turn);
        let thief = 64_900 + turn;
        let stories: [(&str, Vec<u32>); 6] = [
            (&moas, vec![64_701, thief]),
            (&moved, vec![64_702, thief]),
            (&part, vec![64_703, thief]),
            (&bogus, vec![64_704, thief]),
            (&strange, vec![65_535, thief]),
            (&looped, vec![64_705, 64_706, 64_705, thief]),
        ];
        for (index, (prefix, tail)) in (0_u32..).zip(&stories) {
            let mut at = start + f64::from(index) * 3.0;
            // One vantage point, or enough of them to confirm.
            let carriers = if turn % 3 == 0 { 1 } else { 4 };
            for peer in 0..carriers {
                at += 0.25;
                lines.push((at, announce(at, peer, prefix, tail)));
            }
            if turn % 2 == 0 {
                lines.extend(end(at + 60.0, carriers, prefix));
            }
            if turn % 4 == 0 {
                // Within ten minutes: the same incident again, from a vantage point not seen before.
                let again = at + 200.0;
                lines.push((again, announce(again, 6, prefix, tail)));
                lines.push((again + 20.0, withdraw(again + 20.0, 6, prefix)));
            }
        }
    }
    lines
}

fn end(at: f64, carriers: u32, prefix: &str) -> Vec<Line> {
    (0..carriers)
        .map(|peer| {
            let at = at + f64::from(peer);
            (at, withdraw(at, peer, prefix))
        })
        .collect()
}

/// Sessions that fall and rise, repetitions, and more than a quiet hour at the end in which
/// suspected incidents fade.
fn noise(beat: u32) -> Vec<Line> {
    let mut lines = Vec::new();
    for step in 0..1_200 * beat {
        let at = TROUBLE + f64::from(step) * 2.0 / f64::from(beat);
        let peer = step % PEERS;
        let network = (step * 7) % (4 * OF_EACH_TYPE);
        if role(network) != 1 {
            lines.push((
                at,
                announce(
                    at,
                    peer,
                    &prefix(network),
                    &[64_710 + step % 5, rightful(network)],
                ),
            ));
        }
        if step % (300 * beat) == 300 * beat - 1 {
            lines.push((at + 0.5, state(at + 0.5, 7, "down")));
            lines.push((at + 30.0, state(at + 30.0, 7, "connected")));
        }
    }
    for minute in 0..66 {
        let at = TROUBLE + 2_500.0 + f64::from(minute) * 60.0;
        lines.push((at, announce(at, 5, "10.250.0.0/16", &[64_719, 64_720])));
    }
    lines
}

/// 0 = moas, 1 = origin-change, 2 = sub-prefix, 3 = bystander.
fn role(network: u32) -> u32 {
    network % 4
}

fn first_octet(network: u32) -> u32 {
    240 + network % 14
}

fn second_octet(network: u32) -> u32 {
    network
}

fn prefix(network: u32) -> String {
    format!("{}.{}.0.0/16", first_octet(network), second_octet(network))
}

fn rightful(network: u32) -> u32 {
    64_600 + network
}

fn announce(at: f64, peer: u32, prefix: &str, tail: &[u32]) -> Value {
    frame(at, peer, &announcement(peer, prefix, tail))
}

fn withdraw(at: f64, peer: u32, prefix: &str) -> Value {
    let update = Update {
        withdrawn: vec![parsed(prefix).into()],
        ..Update::default()
    };
    frame(at, peer, &update)
}

fn frame(at: f64, peer: u32, update: &Update) -> Value {
    frames::frame(&point(peer), (at * 1e6).round() as i64, update)
}

fn announcement(peer: u32, prefix: &str, tail: &[u32]) -> Update {
    let path = [asn(peer), 64_550 + peer];
    let hops = path.into_iter().chain(tail.iter().copied()).map(Asn);
    let attributes = PathAttributes {
        as_path: AsPath::sequence(hops.collect()),
        ..PathAttributes::default()
    };
    Update {
        announced: vec![parsed(prefix).into()],
        attributes: Some(attributes.into()),
        ..Update::default()
    }
}

fn parsed(prefix: &str) -> Prefix {
    prefix.parse().unwrap()
}

fn point(peer: u32) -> VantagePoint {
    let speaker = Peer::new(address(peer).parse().unwrap(), Asn(asn(peer)));
    (COLLECTOR.to_owned(), speaker)
}

fn state(at: f64, peer: u32, state: &str) -> Value {
    let data = json!({
        "type": "RIS_PEER_STATE",
        "state": state,
        "timestamp": at,
        "peer": address(peer),
        "peer_asn": asn(peer).to_string(),
        "host": COLLECTOR,
    });
    json!({ "type": "ris_message", "data": data })
}

fn asn(peer: u32) -> u32 {
    64_496 + peer
}

fn address(peer: u32) -> String {
    format!("192.0.2.{}", peer + 1)
}
