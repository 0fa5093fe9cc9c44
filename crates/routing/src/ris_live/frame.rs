//! Frames of the server, each one line of JSON that ends in a newline, so that a websocket and a
//! stream of lines take the same bytes.
//!
//! A message says what its record holds and no more: there is no `raw`, no `capabilities`, no `data`
//! of a notification. Attributes without a key in RIS Live (large communities, LOCAL_PREF, ADD-PATH
//! identifiers) are left out, and segments of a confederation stand as plain ones.

use std::{fmt, net::IpAddr};

use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};
use serde_json::json;

use super::{
    request::Options,
    subscription::Subscription,
    told::{Record, Told},
};
use crate::{
    as_path::{AsPath, Segment},
    asn::Asn,
    update::{
        Aggregator, Body, Direction, Nlri, Open, PathAttributes, RouteOrigin, SessionState, Update,
    },
};

/// `ris_message`.
#[must_use]
pub fn message(told: &Told<'_>) -> String {
    line("ris_message", &Data(told))
}

/// `ris_error`: what is wrong, for a person to read.
#[must_use]
pub fn error(message: &str) -> String {
    line("ris_error", &json!({ "message": message }))
}

/// `ris_subscribe_ok`: `subscriptions` are those of one request, alike but for their prefixes.
/// `includeRaw` is always false, because there are no raw bytes to include.
#[must_use]
pub fn subscribe_ok(subscriptions: &[Subscription], options: Options) -> String {
    let data = json!({
        "subscription": Subscription::shown(subscriptions),
        "socketOptions": {"includeRaw": false, "acknowledge": options.acknowledge},
    });
    line("ris_subscribe_ok", &data)
}

/// `ris_rrc_list`: the collectors that there are.
#[must_use]
pub fn collectors<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.into_iter().collect();
    line("ris_rrc_list", &names)
}

/// `pong`.
#[must_use]
pub fn pong() -> String {
    line("pong", &())
}

fn line(kind: &str, data: &impl Serialize) -> String {
    #[derive(Serialize)]
    struct Frame<'a, T> {
        r#type: &'a str,
        data: &'a T,
    }
    let frame = Frame { r#type: kind, data };
    // Values of ours with keys of text: none that JSON could not hold.
    let mut line = serde_json::to_string(&frame).unwrap_or_default();
    line.push('\n');
    line
}

struct Data<'a, 'b>(&'a Told<'b>);

impl Serialize for Data<'_, '_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Record {
            collector,
            writer_epoch,
            seq,
            synthetic,
            message,
        } = self.0.record;
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("timestamp", &seconds(message.event_time_us))?;
        map.serialize_entry("peer", &message.peer.address)?;
        map.serialize_entry("peer_asn", &Shown(message.peer.asn))?;
        let id = format_args!("{collector}-{writer_epoch}-{seq}");
        map.serialize_entry("id", &Shown(id))?;
        map.serialize_entry("host", collector)?;
        map.serialize_entry("type", self.0.kind.name())?;
        if synthetic {
            map.serialize_entry("synthetic", &true)?;
        }
        match &message.body {
            Body::Update(update) => write_update(&mut map, update)?,
            Body::Open(open) => write_open(&mut map, open)?,
            Body::Notification(said) => {
                let said = json!({"code": said.code, "subcode": said.subcode});
                map.serialize_entry("notification", &said)?;
            }
            Body::StateChange { to, .. } => map.serialize_entry("state", state(*to))?,
            Body::Keepalive | Body::EndOfRib => {}
        }
        map.end()
    }
}

fn write_update<M: SerializeMap>(map: &mut M, update: &Update) -> Result<(), M::Error> {
    if let Some(attributes) = update.attributes.as_deref() {
        write_attributes(map, attributes)?;
    }
    if !update.announced.is_empty() {
        let next_hop = update.attributes.as_ref().and_then(|has| has.next_hop);
        let announcement = Announcement {
            next_hop,
            prefixes: Prefixes(&update.announced),
        };
        map.serialize_entry("announcements", &[announcement])?;
    }
    if !update.withdrawn.is_empty() {
        map.serialize_entry("withdrawals", &Prefixes(&update.withdrawn))?;
    }
    Ok(())
}

fn write_attributes<M: SerializeMap>(map: &mut M, has: &PathAttributes) -> Result<(), M::Error> {
    map.serialize_entry("path", &Path(&has.as_path))?;
    if !has.communities.is_empty() {
        let pairs: Vec<_> = has
            .communities
            .iter()
            .map(|c| (c.asn(), c.value()))
            .collect();
        map.serialize_entry("community", &pairs)?;
    }
    if let Some(origin) = has.origin {
        let name = match origin {
            RouteOrigin::Igp => "igp",
            RouteOrigin::Egp => "egp",
            RouteOrigin::Incomplete => "incomplete",
        };
        map.serialize_entry("origin", name)?;
    }
    if let Some(med) = has.med {
        map.serialize_entry("med", &med)?;
    }
    if let Some(Aggregator { asn, address }) = has.aggregator {
        map.serialize_entry("aggregator", &Shown(format_args!("{asn}:{address}")))?;
    }
    Ok(())
}

fn write_open<M: SerializeMap>(map: &mut M, open: &Open) -> Result<(), M::Error> {
    if let Some(direction) = open.direction {
        let name = match direction {
            Direction::Sent => "sent",
            Direction::Received => "received",
        };
        map.serialize_entry("direction", name)?;
    }
    // RFC 4271, 4.2: there is no other.
    map.serialize_entry("version", &4)?;
    map.serialize_entry("asn", &open.asn)?;
    map.serialize_entry("hold_time", &open.hold_time)?;
    map.serialize_entry("router_id", &open.router_id)
}

/// RIS Live has three states; the others are told as the one that they lead to or fall back to.
fn state(state: SessionState) -> &'static str {
    use SessionState::{Active, Connect, Established, Idle, OpenConfirm, OpenSent};
    match state {
        Idle | Active => "down",
        Connect | OpenSent | OpenConfirm => "connected",
        Established => "up",
    }
}

/// As RIS Live has it. The readers of doubles lose no microsecond before 2038.
#[expect(clippy::cast_precision_loss, reason = "below 2^53 until 2255")]
fn seconds(time_us: i64) -> f64 {
    time_us as f64 / 1e6
}

/// As text, written without a string in between.
struct Shown<T>(T);

impl<T: fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

#[derive(Serialize)]
struct Announcement<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    next_hop: Option<IpAddr>,
    prefixes: Prefixes<'a>,
}

struct Prefixes<'a>(&'a [Nlri]);

impl Serialize for Prefixes<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.iter().map(|nlri| nlri.prefix))
    }
}

/// `[64496, 64497, [64498, 64499]]`.
struct Path<'a>(&'a AsPath);

impl Serialize for Path<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut hops = to.serialize_seq(None)?;
        for segment in self.0.segments() {
            match segment {
                Segment::Sequence(asns) | Segment::ConfedSequence(asns) => {
                    for asn in asns {
                        hops.serialize_element::<Asn>(asn)?;
                    }
                }
                Segment::Set(asns) | Segment::ConfedSet(asns) => {
                    hops.serialize_element::<[Asn]>(asns)?;
                }
            }
        }
        hops.end()
    }
}
