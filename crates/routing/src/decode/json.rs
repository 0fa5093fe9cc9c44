//! JSON updates that others publish to Kafka, in any of three shapes:
//!
//! - nested: `{type, timestamp, peer: {ip, asn}, announce: {prefix, as_path}, withdraw: {prefix}}`;
//! - flat: `{type: announce|withdraw, peer_ip, peer_asn, prefix, as_path, origin, next_hop,
//!   communities, timestamp}`;
//! - a RIS Live frame ([`super::ris_live`]); those around its messages (`pong`, `ris_error`...) are no update.
//!
//! A document is one update or an array of them. Times are seconds since the Unix epoch, with
//! fraction, or RFC 3339 text; `prefix` may be a list; a path may be a list or text.

use std::{net::IpAddr, sync::Arc};

use serde::Deserialize;
use serde_json::value::RawValue;
use weir_events::time::parse_rfc3339;

use super::ris_live::{
    self, Frame, RisLiveError,
    fields::{self, Pair, Text},
    global_address,
};
use crate::{
    as_path::AsPath,
    asn::Asn,
    update::{Body, Message, Nlri, PathAttributes, Peer, Update},
};

/// A longer document is refused unread.
pub const MAX_DOCUMENT: usize = 16 << 20;

/// Why a document, or one update of it, says nothing to us.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// Longer than [`MAX_DOCUMENT`].
    #[error("document of {length} bytes is above the limit of {MAX_DOCUMENT}")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// Not the JSON that it should be; says which field does not hold what, and where.
    #[error("update {index} is no BGP update: {source}")]
    NotAnUpdate {
        /// Its place in the document, counted from 0.
        index: usize,
        /// What does not fit.
        source: serde_json::Error,
    },
    /// A field that it cannot do without.
    #[error("update {index} has no {field}")]
    Missing {
        /// Its place in the document, counted from 0.
        index: usize,
        /// Name of the field.
        field: &'static str,
    },
    /// A field that holds what no such field can.
    #[error("update {index} has {field} {value:?}")]
    Invalid {
        /// Its place in the document, counted from 0.
        index: usize,
        /// Name of the field.
        field: &'static str,
        /// What it holds.
        value: String,
    },
    /// It is a RIS Live frame, but not a good one.
    #[error("update {index}: {source}")]
    RisLive {
        /// Its place in the document, counted from 0.
        index: usize,
        /// What does not fit.
        source: RisLiveError,
    },
}

impl JsonError {
    fn invalid(index: usize, field: &'static str, value: &str) -> Self {
        Self::Invalid {
            index,
            field,
            value: value.chars().take(80).collect(),
        }
    }
}

/// One update of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// As the update names it, without domain; `None` when it does not say.
    pub collector: Option<String>,
    /// What it says.
    pub message: Message,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawUpdate<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    timestamp: Option<Time<'a>>,
    peer: Option<RawPeer<'a>>,
    #[serde(borrow)]
    peer_ip: Option<Text<'a>>,
    #[serde(deserialize_with = "fields::asn")]
    peer_asn: Option<Asn>,
    #[serde(borrow)]
    collector: Option<Text<'a>>,
    #[serde(borrow)]
    host: Option<Text<'a>>,
    #[serde(borrow)]
    announce: Option<Announce<'a>>,
    withdraw: Option<Withdraw>,
    // The flat shape has the fields of what it announces or withdraws at the top.
    #[serde(borrow, flatten)]
    flat: Announce<'a>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Time<'a> {
    Seconds(f64),
    #[serde(borrow)]
    Text(Text<'a>),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawPeer<'a> {
    #[serde(borrow)]
    ip: Option<Text<'a>>,
    #[serde(deserialize_with = "fields::asn")]
    asn: Option<Asn>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Announce<'a> {
    #[serde(deserialize_with = "fields::prefixes")]
    prefix: Vec<Nlri>,
    #[serde(deserialize_with = "fields::path")]
    as_path: Option<AsPath>,
    #[serde(borrow)]
    origin: Option<Text<'a>>,
    #[serde(borrow)]
    next_hop: Option<Text<'a>>,
    med: Option<u32>,
    local_pref: Option<u32>,
    #[serde(borrow)]
    communities: Vec<RawCommunity<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Withdraw {
    #[serde(deserialize_with = "fields::prefixes")]
    prefix: Vec<Nlri>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawCommunity<'a> {
    Pair(Pair),
    #[serde(borrow)]
    Text(Text<'a>),
}

/// Reads a document, update by update: one that is no good does not take the others with it.
///
/// # Errors
/// When the document itself is too long or no JSON.
pub fn decode(document: &[u8]) -> Result<Vec<Result<Decoded, JsonError>>, JsonError> {
    if document.len() > MAX_DOCUMENT {
        return Err(JsonError::TooLong {
            length: document.len(),
        });
    }
    let no_json = |source| JsonError::NotAnUpdate { index: 0, source };
    let mut out = Vec::new();
    if document.trim_ascii_start().starts_with(b"[") {
        let updates: Vec<&RawValue> = serde_json::from_slice(document).map_err(no_json)?;
        for (index, update) in updates.into_iter().enumerate() {
            decode_one(update.get().as_bytes(), index, &mut out);
        }
    } else {
        let update: &RawValue = serde_json::from_slice(document).map_err(no_json)?;
        decode_one(update.get().as_bytes(), 0, &mut out);
    }
    Ok(out)
}

#[derive(Deserialize)]
struct Shape<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

fn decode_one(update: &[u8], index: usize, out: &mut Vec<Result<Decoded, JsonError>>) {
    if let Ok(Shape { data: Some(_) }) = serde_json::from_slice(update) {
        match ris_live::decode(update) {
            Ok(Frame::Message(ris)) => {
                let collector = ris.collector.map(std::borrow::Cow::into_owned);
                out.extend(ris.messages.into_iter().map(|message| {
                    Ok(Decoded {
                        collector: collector.clone(),
                        message,
                    })
                }));
            }
            // Frames of the protocol around the messages.
            Ok(Frame::Subscribed | Frame::Error(_) | Frame::Pong | Frame::Collectors(_)) => {}
            Ok(Frame::Unknown(kind)) => out.push(Err(JsonError::invalid(index, "type", &kind))),
            Err(source) => out.push(Err(JsonError::RisLive { index, source })),
        }
        return;
    }
    out.push(
        serde_json::from_slice::<RawUpdate<'_>>(update)
            .map_err(|source| JsonError::NotAnUpdate { index, source })
            .and_then(|raw| Fields { raw, index }.decode()),
    );
}

struct Fields<'a> {
    raw: RawUpdate<'a>,
    index: usize,
}

impl Fields<'_> {
    fn decode(mut self) -> Result<Decoded, JsonError> {
        let nested = self.raw.peer.take().unwrap_or_default();
        let ip = nested.ip.or_else(|| self.raw.peer_ip.take());
        let ip = ip.ok_or_else(|| self.missing("peer address"))?;
        let asn = nested.asn.or(self.raw.peer_asn);
        let asn = asn.ok_or_else(|| self.missing("peer ASN"))?;
        let address = ip.parse().map_err(|_| self.invalid("peer", &ip))?;
        let collector = self.raw.collector.take().or_else(|| self.raw.host.take());
        Ok(Decoded {
            collector: collector.map(|host| ris_live::collector(&host).to_owned()),
            message: Message {
                event_time_us: self.event_time_us()?,
                peer: Peer::new(address, asn),
                body: Body::Update(self.update()?),
            },
        })
    }

    fn event_time_us(&self) -> Result<i64, JsonError> {
        match &self.raw.timestamp {
            None => Err(self.missing("timestamp")),
            Some(Time::Text(text)) => {
                parse_rfc3339(text).ok_or_else(|| self.invalid("timestamp", text))
            }
            Some(Time::Seconds(seconds)) => ris_live::microseconds(*seconds)
                .ok_or_else(|| self.invalid("timestamp", &seconds.to_string())),
        }
    }

    fn update(&mut self) -> Result<Update, JsonError> {
        let flat = std::mem::take(&mut self.raw.flat);
        let kind = self.raw.kind.as_deref().unwrap_or_default();
        let announces = ["announce", "announcement", "A"].contains(&kind);
        let withdraws = ["withdraw", "withdrawal", "W"].contains(&kind);
        let mut withdrawn = self.raw.withdraw.take().unwrap_or_default().prefix;
        let announce = match (self.raw.announce.take(), flat.prefix.is_empty()) {
            (Some(announce), _) => announce,
            (None, false) if withdraws => {
                withdrawn.extend(flat.prefix);
                Announce::default()
            }
            (None, false) if announces => flat,
            (None, false) => return Err(self.invalid("type", kind)),
            (None, true) => Announce::default(),
        };
        if announce.prefix.is_empty() && withdrawn.is_empty() {
            return Err(self.missing("prefix"));
        }
        let attributes = match announce.prefix.is_empty() {
            true => None,
            false => Some(Arc::new(self.attributes(&announce)?)),
        };
        Ok(Update {
            attributes,
            announced: announce.prefix,
            withdrawn,
            from_rib: false,
        })
    }

    fn attributes(&self, announce: &Announce<'_>) -> Result<PathAttributes, JsonError> {
        let origin = match announce.origin.as_deref() {
            None => None,
            Some(text) => {
                Some(fields::route_origin(text).ok_or_else(|| self.invalid("origin", text))?)
            }
        };
        let next_hop: Option<IpAddr> = match announce.next_hop.as_deref() {
            None => None,
            Some(text) => Some(global_address(text).ok_or_else(|| self.invalid("next hop", text))?),
        };
        let communities = announce
            .communities
            .iter()
            .map(|community| match community {
                RawCommunity::Pair(pair) => Ok(pair.0),
                RawCommunity::Text(text) => {
                    text.parse().map_err(|_| self.invalid("community", text))
                }
            });
        Ok(PathAttributes {
            origin,
            next_hop,
            as_path: announce.as_path.clone().unwrap_or_default(),
            med: announce.med,
            local_pref: announce.local_pref,
            communities: communities.collect::<Result<_, _>>()?,
            ..PathAttributes::default()
        })
    }

    fn missing(&self, field: &'static str) -> JsonError {
        JsonError::Missing {
            index: self.index,
            field,
        }
    }

    fn invalid(&self, field: &'static str, value: &str) -> JsonError {
        JsonError::invalid(self.index, field, value)
    }
}
