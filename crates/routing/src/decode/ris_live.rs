//! RIPE RIS Live frames: one JSON object `{type, data}` each
//! (<https://ris-live.ripe.net/manual/>).
//!
//! Every field of a message may be missing; what is missing is `None` or empty, except the time
//! and the peer, without which a message is refused. Large communities, ONLY_TO_CUSTOMER and
//! ADD-PATH identifiers are not in the JSON. The first two are taken from `raw`, the message in hexadecimal, where
//! it is there.

pub(super) mod fields;
mod raw;

use std::{borrow::Cow, net::IpAddr, net::Ipv4Addr, sync::Arc};

use self::fields::{Pair, Text};
use serde::Deserialize;
use smallvec::SmallVec;

use crate::{
    as_path::AsPath,
    asn::Asn,
    ris_live::Kind,
    update::{
        Body, Direction, Message, Nlri, Notification, Open, PathAttributes, Peer, SessionState,
        Update,
    },
};

/// A longer frame is refused unread: RIS Live's longest, an UPDATE of 4096 octets of withdrawals
/// with `raw`, is about 60 kB.
pub const MAX_FRAME: usize = 1 << 20;

/// More next hops in one message are refused: each takes a copy of the attributes. BGP has one per family (RFC 4760).
const MAX_NEXT_HOPS: usize = 16;

/// What the server says in one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A BGP message of a peer.
    Message(RisMessage<'a>),
    /// A subscription is in place.
    Subscribed,
    /// The request was refused, or the connection is about to be closed.
    Error(Cow<'a, str>),
    /// Answer to a ping.
    Pong,
    /// The collectors that there are, without their domain.
    Collectors(Vec<String>),
    /// A frame, or a message, of a kind that did not exist when this was written.
    Unknown(Cow<'a, str>),
}

/// One `ris_message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RisMessage<'a> {
    /// The collector without its domain: `rrc21`.
    pub collector: Option<Cow<'a, str>>,
    /// Opaque and unique per message.
    pub id: Option<Cow<'a, str>>,
    /// What it says: an UPDATE that announces with several next hops is as many messages, of which
    /// the first withdraws; one that has attributes but no prefixes of ours is none.
    pub messages: SmallVec<[Message; 1]>,
    /// Why the octets in `raw` could not be read: the message lacks its large communities and OTC.
    pub unread_raw: Option<String>,
}

/// Why a frame says nothing to us.
#[derive(Debug, thiserror::Error)]
pub enum RisLiveError {
    /// Longer than [`MAX_FRAME`].
    #[error("frame of {length} bytes is above the limit of {MAX_FRAME}")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// Not UTF-8, which JSON is.
    #[error("frame is not text: {0}")]
    NotText(std::str::Utf8Error),
    /// Not the JSON that it should be; says which field does not hold what, and where.
    #[error("frame is not a RIS Live frame: {0}")]
    NotAFrame(#[from] serde_json::Error),
    /// A message without a field that it cannot do without.
    #[error("message {id} has no {field}")]
    Missing {
        /// Its id, or `?`.
        id: String,
        /// Name of the field.
        field: &'static str,
    },
    /// A field that holds what no such field can.
    #[error("message {id} has {field} {value:?}")]
    Invalid {
        /// Its id, or `?`.
        id: String,
        /// Name of the field.
        field: &'static str,
        /// What it holds.
        value: String,
    },
}

#[derive(Deserialize)]
struct RawFrame<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<Data<'a>>,
}

/// Any frame whose data is of another shape than a message's.
#[derive(Deserialize)]
struct OtherFrame<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Cow<'a, str>,
    #[serde(default)]
    data: serde_json::Value,
}

/// The fields of every kind of `data`. What is not here is not read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Data<'a> {
    timestamp: Option<f64>,
    #[serde(borrow)]
    peer: Option<Text<'a>>,
    #[serde(deserialize_with = "fields::asn")]
    peer_asn: Option<Asn>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    host: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    // UPDATE
    #[serde(deserialize_with = "fields::path")]
    path: Option<AsPath>,
    community: Option<Vec<Pair>>,
    #[serde(borrow)]
    origin: Option<Text<'a>>,
    med: Option<u32>,
    #[serde(borrow)]
    aggregator: Option<Text<'a>>,
    #[serde(borrow)]
    announcements: Option<Vec<Announcement<'a>>>,
    #[serde(deserialize_with = "fields::prefixes")]
    withdrawals: Vec<Nlri>,
    // OPEN; `asn` is the sender's.
    #[serde(borrow)]
    direction: Option<Text<'a>>,
    #[serde(deserialize_with = "fields::asn")]
    asn: Option<Asn>,
    hold_time: Option<u16>,
    #[serde(borrow)]
    router_id: Option<Text<'a>>,
    notification: Option<RawNotification>,
    #[serde(borrow)]
    state: Option<Text<'a>>,
    #[serde(borrow)]
    raw: Option<Text<'a>>,
    /// Of this: what is wrong with it.
    #[serde(skip)]
    unread_raw: Option<String>,
    // ris_error
    #[serde(borrow)]
    message: Option<Text<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Announcement<'a> {
    #[serde(borrow)]
    next_hop: Option<Text<'a>>,
    #[serde(deserialize_with = "fields::prefixes")]
    prefixes: Vec<Nlri>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawNotification {
    code: u8,
    subcode: u8,
}

/// Reads one frame.
///
/// # Errors
/// When it is too long, is not a frame, or is a message without time, peer or what its kind needs.
pub fn decode(frame: &[u8]) -> Result<Frame<'_>, RisLiveError> {
    if frame.len() > MAX_FRAME {
        return Err(RisLiveError::TooLong {
            length: frame.len(),
        });
    }
    // Checked once here, the reader need not check each string.
    let text = std::str::from_utf8(frame).map_err(RisLiveError::NotText)?;
    let frame = match serde_json::from_str::<RawFrame<'_>>(text) {
        Ok(frame) => frame,
        // Only a message's data is known to be an object.
        Err(error) => match serde_json::from_str::<OtherFrame<'_>>(text) {
            Ok(other) if other.kind != "ris_message" => return Ok(other.decode()),
            _ => return Err(error.into()),
        },
    };
    let data = frame.data.unwrap_or_default();
    Ok(match frame.kind.as_ref() {
        "ris_message" => return data.decode(),
        "ris_error" => Frame::Error(data.message.unwrap_or_default().0),
        "ris_subscribe_ok" => Frame::Subscribed,
        "pong" => Frame::Pong,
        "ris_rrc_list" | "rrc_list" => Frame::Collectors(Vec::new()),
        _ => Frame::Unknown(frame.kind),
    })
}

/// `rrc21` of `rrc21` or `rrc21.ripe.net`; other names may have dots of their own.
#[must_use]
pub fn collector(host: &str) -> &str {
    host.strip_suffix(".ripe.net").unwrap_or(host)
}

impl<'a> OtherFrame<'a> {
    fn decode(self) -> Frame<'a> {
        match (self.kind.as_ref(), self.data) {
            ("ris_rrc_list" | "rrc_list", serde_json::Value::Array(hosts)) => Frame::Collectors(
                hosts
                    .iter()
                    .filter_map(serde_json::Value::as_str)
                    .map(|host| collector(host).to_owned())
                    .collect(),
            ),
            ("ris_error", serde_json::Value::String(text)) => Frame::Error(text.into()),
            ("ris_subscribe_ok", _) => Frame::Subscribed,
            ("pong", _) => Frame::Pong,
            _ => Frame::Unknown(self.kind),
        }
    }
}

impl<'a> Data<'a> {
    fn decode(mut self) -> Result<Frame<'a>, RisLiveError> {
        let kind = self.kind.take().ok_or_else(|| self.missing("type"))?;
        let Some(kind) = Kind::named(&kind) else {
            return Ok(Frame::Unknown(kind.0));
        };
        let event_time_us = self.event_time_us()?;
        let address = match self.peer.as_deref() {
            None => return Err(self.missing("peer")),
            Some(text) => text.parse().map_err(|_| self.invalid("peer", text))?,
        };
        let asn = self.peer_asn.ok_or_else(|| self.missing("peer_asn"))?;
        let peer = Peer::new(address, asn);
        let bodies = match kind {
            Kind::Update => self.updates()?,
            Kind::Open => one(self.open()?),
            Kind::Notification => {
                let notification = self
                    .notification
                    .as_ref()
                    .ok_or_else(|| self.missing("notification"))?;
                one(Body::Notification(Notification {
                    code: notification.code,
                    subcode: notification.subcode,
                }))
            }
            Kind::Keepalive => one(Body::Keepalive),
            Kind::PeerState => one(self.state_change()?),
        };
        Ok(Frame::Message(RisMessage {
            collector: self.host.map(|host| match host.0 {
                Cow::Borrowed(host) => Cow::Borrowed(collector(host)),
                Cow::Owned(host) => Cow::Owned(collector(&host).to_owned()),
            }),
            id: self.id.map(|id| id.0),
            messages: bodies
                .into_iter()
                .map(|body| Message {
                    event_time_us,
                    peer,
                    body,
                })
                .collect(),
            unread_raw: self.unread_raw,
        }))
    }

    fn event_time_us(&self) -> Result<i64, RisLiveError> {
        let seconds = self.timestamp.ok_or_else(|| self.missing("timestamp"))?;
        microseconds(seconds).ok_or_else(|| self.invalid("timestamp", &seconds.to_string()))
    }

    fn updates(&mut self) -> Result<SmallVec<[Body; 1]>, RisLiveError> {
        let mut withdrawn = std::mem::take(&mut self.withdrawals);
        let withdraws = !withdrawn.is_empty();
        let mut bodies = SmallVec::new();
        let mut update = |attributes: Option<PathAttributes>, announced| {
            bodies.push(Body::Update(Update {
                attributes: attributes.map(Arc::new),
                announced,
                withdrawn: std::mem::take(&mut withdrawn),
                from_rib: false,
            }));
        };
        let mut hops = self.by_next_hop()?;
        if let Some((next_hop, announced)) = hops.pop() {
            let mut attributes = self.attributes()?;
            for (next_hop, announced) in hops {
                attributes.next_hop = next_hop;
                update(Some(attributes.clone()), announced);
            }
            attributes.next_hop = next_hop;
            update(Some(attributes), announced);
        } else if withdraws {
            update(None, Vec::new());
        } else if self.path.is_none() && self.origin.is_none() {
            // RFC 4724, 2. RIS Live shows it so whatever its family.
            return Ok(one(Body::EndOfRib));
        }
        Ok(bodies)
    }

    /// What is announced, together for each next hop.
    fn by_next_hop(&mut self) -> Result<NextHops, RisLiveError> {
        let mut hops = NextHops::new();
        for announcement in self.announcements.take().unwrap_or_default() {
            if announcement.prefixes.is_empty() {
                continue;
            }
            let next_hop = match announcement.next_hop.as_deref() {
                None | Some("") => None,
                Some(text) => {
                    Some(global_address(text).ok_or_else(|| self.invalid("next_hop", text))?)
                }
            };
            let is_full = hops.len() == MAX_NEXT_HOPS;
            match hops.iter_mut().find(|(known, _)| *known == next_hop) {
                Some((_, prefixes)) => prefixes.extend(announcement.prefixes),
                None if is_full => {
                    let what = format!("of more than {MAX_NEXT_HOPS} next hops");
                    return Err(self.invalid("announcements", &what));
                }
                None => hops.push((next_hop, announcement.prefixes)),
            }
        }
        Ok(hops)
    }

    fn attributes(&mut self) -> Result<PathAttributes, RisLiveError> {
        let origin = match self.origin.as_deref() {
            None => None,
            Some(text) => {
                Some(fields::route_origin(text).ok_or_else(|| self.invalid("origin", text))?)
            }
        };
        let aggregator = match self.aggregator.as_deref() {
            None | Some("") => None,
            Some(text) => {
                Some(fields::aggregator(text).ok_or_else(|| self.invalid("aggregator", text))?)
            }
        };
        let mut attributes = PathAttributes {
            origin,
            as_path: self.path.take().unwrap_or_default(),
            med: self.med,
            aggregator,
            communities: self
                .community
                .take()
                .unwrap_or_default()
                .into_iter()
                .map(|pair| pair.0)
                .collect(),
            ..PathAttributes::default()
        };
        if let Some(raw) = self.raw.as_deref() {
            self.unread_raw = raw::add(raw, &mut attributes).err();
        }
        Ok(attributes)
    }

    fn open(&self) -> Result<Body, RisLiveError> {
        let router_id = match self.router_id.as_deref() {
            None => Ipv4Addr::UNSPECIFIED,
            Some(text) => text.parse().map_err(|_| self.invalid("router_id", text))?,
        };
        Ok(Body::Open(Open {
            direction: match self.direction.as_deref() {
                None => None,
                Some("sent") => Some(Direction::Sent),
                Some("received") => Some(Direction::Received),
                Some(text) => return Err(self.invalid("direction", text)),
            },
            asn: self.asn.ok_or_else(|| self.missing("asn"))?,
            hold_time: self.hold_time.ok_or_else(|| self.missing("hold_time"))?,
            router_id,
        }))
    }

    fn state_change(&self) -> Result<Body, RisLiveError> {
        let to = match self.state.as_deref() {
            None => return Err(self.missing("state")),
            Some("down") => SessionState::Idle,
            Some("connected") => SessionState::Connect,
            Some("up") => SessionState::Established,
            Some(text) => return Err(self.invalid("state", text)),
        };
        Ok(Body::StateChange { from: None, to })
    }

    fn shown_id(&self) -> String {
        self.id.as_deref().unwrap_or("?").to_owned()
    }

    fn missing(&self, field: &'static str) -> RisLiveError {
        RisLiveError::Missing {
            id: self.shown_id(),
            field,
        }
    }

    fn invalid(&self, field: &'static str, value: &str) -> RisLiveError {
        RisLiveError::Invalid {
            id: self.shown_id(),
            field,
            value: value.chars().take(80).collect(),
        }
    }
}

type NextHops = SmallVec<[(Option<IpAddr>, Vec<Nlri>); 1]>;

/// Seconds since the Unix epoch in microseconds.
pub(super) fn microseconds(seconds: f64) -> Option<i64> {
    // Beyond that a double has no microseconds any more; it is the year 2255.
    if !(0.0..9e9).contains(&seconds) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "below 9e15")]
    Some((seconds * 1e6).round() as i64)
}

fn one(body: Body) -> SmallVec<[Body; 1]> {
    let mut bodies = SmallVec::new();
    bodies.push(body);
    bodies
}

/// Of `global` or `global,link-local`, in any order, the global one.
pub(super) fn global_address(text: &str) -> Option<IpAddr> {
    let mut first = None;
    for part in text.split(',') {
        let address: IpAddr = part.trim().parse().ok()?;
        let link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        if !link_local {
            return Some(address);
        }
        first = first.or(Some(address));
    }
    first
}
