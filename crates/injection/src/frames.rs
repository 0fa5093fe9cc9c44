//! Planted messages as frames of RIS Live, which everybody reads.

use std::net::IpAddr;

use serde_json::{Value, json};
use weir_routing::{AsPath, Asn, Prefix, Segment, Update};

use crate::world::VantagePoint;

/// The frame of one UPDATE. It says of itself that it was made up; readers pass over what they do not know.
#[must_use]
pub fn frame(point: &VantagePoint, at_us: i64, update: &Update) -> Value {
    let (collector, peer) = point;
    let mut data = json!({
        "timestamp": at_us as f64 / 1e6,
        "peer": peer.address.to_string(),
        "peer_asn": peer.asn.0.to_string(),
        "host": collector,
        "type": "UPDATE",
        "synthetic": true,
    });
    let prefixes = |nlris: &[weir_routing::Nlri]| -> Vec<String> {
        nlris.iter().map(|nlri| nlri.prefix.to_string()).collect()
    };
    if !update.withdrawn.is_empty() {
        data["withdrawals"] = json!(prefixes(&update.withdrawn));
    }
    if let Some(attributes) = &update.attributes {
        data["path"] = path(&attributes.as_path);
        data["origin"] = json!("igp");
        let communities = attributes.communities.iter();
        data["community"] = communities
            .map(|community| json!([community.asn(), community.value()]))
            .collect();
        if let Some(asn) = attributes.only_to_customer {
            data["raw"] = json!(raw(update, asn));
        }
        data["announcements"] = json!([{
            "next_hop": peer.address.to_string(),
            "prefixes": prefixes(&update.announced),
        }]);
    }
    json!({ "type": "ris_message", "data": data })
}

/// The octets of a message (RFC 4271, 4.3) that says what has no key: who marked the routes as for customers only (RFC
/// 9234). The rest of its attributes stands in the frame. IPv4 only, as all that is planted.
fn raw(update: &Update, only_to_customer: Asn) -> String {
    let otc = format!("C02304{:08X}", only_to_customer.0);
    let nlri: String = update
        .announced
        .iter()
        .map(|nlri| octets(&nlri.prefix))
        .collect();
    let length = 23 + (otc.len() + nlri.len()) / 2;
    let marker = "F".repeat(32);
    format!("{marker}{length:04X}020000{:04X}{otc}{nlri}", otc.len() / 2)
}

/// Length and as many octets of the address as it needs.
fn octets(prefix: &Prefix) -> String {
    let IpAddr::V4(address) = prefix.address() else {
        return String::new();
    };
    let needed = usize::from(prefix.length().div_ceil(8));
    let address = address.octets();
    let octets = std::iter::once(prefix.length()).chain(address.into_iter().take(needed));
    octets.map(|octet| format!("{octet:02X}")).collect()
}

/// A list of numbers; the members of an AS_SET are a list in it.
fn path(path: &AsPath) -> Value {
    let mut hops = Vec::new();
    for segment in path.segments() {
        let asns: Vec<u32> = segment.asns().iter().map(|asn| asn.0).collect();
        match segment {
            Segment::Sequence(_) | Segment::ConfedSequence(_) => {
                hops.extend(asns.into_iter().map(Value::from));
            }
            Segment::Set(_) | Segment::ConfedSet(_) => hops.push(asns.into()),
        }
    }
    Value::Array(hops)
}
