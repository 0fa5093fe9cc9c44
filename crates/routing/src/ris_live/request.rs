//! What a client asks, read with all that could be wrong with it said.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::{
    Field, Kind,
    path::PathFilter,
    subscription::{PrefixFilter, Subscription},
};
use crate::{asn::Asn, decode::ris_live::collector, prefix::Prefix};

/// One frame of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `ris_subscribe`: one subscription, or one for each prefix of a list.
    Subscribe {
        /// At least one.
        subscriptions: Vec<Subscription>,
        /// Of the whole connection from now on; `None` = as they are.
        options: Option<Options>,
    },
    /// `ris_unsubscribe`.
    Unsubscribe(Vec<Subscription>),
    /// `request_rrc_list`.
    Collectors,
    /// `ping`.
    Ping,
}

/// `socketOptions`. `includeRaw` is read and has no effect: there are no raw bytes to include.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Say `ris_subscribe_ok`.
    pub acknowledge: bool,
}

/// Why a frame is no request.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Not JSON.
    #[error("the frame is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// A key that nothing is known of.
    #[error("{place} has the unknown key \"{key}\": want {want}")]
    UnknownKey {
        /// Where.
        place: &'static str,
        /// The key.
        key: String,
        /// The keys that there are.
        want: &'static str,
    },
    /// A value that cannot be.
    #[error("{place} is {value}: want {want}")]
    Invalid {
        /// Where.
        place: &'static str,
        /// What stands there, as JSON, cut where it is long.
        value: String,
        /// What could.
        want: &'static str,
    },
}

const DATA_KEYS: &str =
    "host, type, require, peer, path, prefix, moreSpecific, lessSpecific or socketOptions";

/// Reads one frame.
///
/// # Errors
/// When it is no JSON, or holds a key or a value that the protocol does not have.
pub fn request(text: &[u8]) -> Result<Request, RequestError> {
    let frame: Value = serde_json::from_slice(text)?;
    let frame = object("the frame", &frame)?;
    known("the frame", frame, &["type", "data"], "type or data")?;
    let data = frame.get("data").unwrap_or(&Value::Null);
    match frame.get("type").and_then(Value::as_str) {
        Some("ris_subscribe") => {
            let (subscriptions, options) = subscriptions(data)?;
            Ok(Request::Subscribe {
                subscriptions,
                options,
            })
        }
        Some("ris_unsubscribe") => Ok(Request::Unsubscribe(subscriptions(data)?.0)),
        Some("request_rrc_list") => Ok(Request::Collectors),
        Some("ping") => Ok(Request::Ping),
        _ => Err(invalid(
            "type",
            frame.get("type").unwrap_or(&Value::Null),
            "ris_subscribe, ris_unsubscribe, request_rrc_list or ping",
        )),
    }
}

/// The data of `ris_subscribe`; nothing = everything.
fn subscriptions(data: &Value) -> Result<(Vec<Subscription>, Option<Options>), RequestError> {
    let empty = Map::new();
    let data = match data {
        Value::Null => &empty,
        data => object("data", data)?,
    };
    let keys = [
        "host",
        "type",
        "require",
        "peer",
        "path",
        "prefix",
        "moreSpecific",
        "lessSpecific",
        "socketOptions",
    ];
    known("data", data, &keys, DATA_KEYS)?;
    let base = Subscription {
        host: read(
            data,
            "host",
            host,
            "the name of a collector, such as \"rrc00\"",
        )?,
        kind: read(data, "type", |value| Kind::named(value.as_str()?), KINDS)?,
        require: read(data, "require", field, FIELDS)?,
        peer: read(
            data,
            "peer",
            peer,
            "the address of a peer, such as \"192.0.2.1\"",
        )?,
        path: read(data, "path", path, PATH)?,
        prefix: None,
    };
    let more_specific = flag(data, "moreSpecific")?.unwrap_or(true);
    let less_specific = flag(data, "lessSpecific")?.unwrap_or(false);
    let prefixes = read(data, "prefix", prefixes, PREFIX)?;
    let subscriptions = match prefixes {
        None => vec![base],
        Some(prefixes) => prefixes
            .into_iter()
            .map(|prefix| Subscription {
                prefix: Some(PrefixFilter {
                    prefix,
                    more_specific,
                    less_specific,
                }),
                ..base.clone()
            })
            .collect(),
    };
    Ok((subscriptions, options(data)?))
}

const KINDS: &str = "UPDATE, OPEN, NOTIFICATION, KEEPALIVE or RIS_PEER_STATE";
const FIELDS: &str = "a key that messages may have, such as \"announcements\" or \"withdrawals\"";
const PATH: &str = "an AS number, or hops such as \"^64496,64497,[64498,64499]$\", perhaps after a \"!\", of 64 ASNs at most";
const PREFIX: &str = "a prefix, such as \"192.0.2.0/24\", or a list of them";

fn options(data: &Map<String, Value>) -> Result<Option<Options>, RequestError> {
    let given = match data.get("socketOptions") {
        None | Some(Value::Null) => return Ok(None),
        Some(given) => object("socketOptions", given)?,
    };
    let keys = ["includeRaw", "acknowledge"];
    known("socketOptions", given, &keys, "includeRaw or acknowledge")?;
    flag(given, "includeRaw")?;
    let acknowledge = flag(given, "acknowledge")?.unwrap_or(false);
    Ok(Some(Options { acknowledge }))
}

fn object<'a>(
    place: &'static str,
    value: &'a Value,
) -> Result<&'a Map<String, Value>, RequestError> {
    value
        .as_object()
        .ok_or_else(|| invalid(place, value, "an object"))
}

fn known(
    place: &'static str,
    map: &Map<String, Value>,
    keys: &[&str],
    want: &'static str,
) -> Result<(), RequestError> {
    match map.keys().find(|key| !keys.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(RequestError::UnknownKey {
            place,
            key: key.chars().take(MOST_SHOWN).collect(),
            want,
        }),
    }
}

/// The value of a key; `null` is the same as no key.
fn read<T>(
    map: &Map<String, Value>,
    key: &'static str,
    take: impl FnOnce(&Value) -> Option<T>,
    want: &'static str,
) -> Result<Option<T>, RequestError> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match take(value) {
            Some(taken) => Ok(Some(taken)),
            None => Err(invalid(key, value, want)),
        },
    }
}

fn flag(map: &Map<String, Value>, key: &'static str) -> Result<Option<bool>, RequestError> {
    read(map, key, Value::as_bool, "true or false")
}

fn host(value: &Value) -> Option<Box<str>> {
    let name = collector(value.as_str()?);
    (!name.is_empty()).then(|| name.into())
}

fn field(value: &Value) -> Option<Field> {
    let name = value.as_str()?;
    let mut names = Field::NAMES.iter();
    names.find_map(|(known, field)| (*known == name).then_some(*field))
}

fn peer(value: &Value) -> Option<IpAddr> {
    value.as_str()?.parse().ok()
}

fn path(value: &Value) -> Option<PathFilter> {
    match value {
        Value::Number(number) => {
            let asn = u32::try_from(number.as_u64()?).ok()?;
            Some(PathFilter::anywhere(Asn(asn)))
        }
        Value::String(text) => PathFilter::parse(text),
        _ => None,
    }
}

fn prefixes(value: &Value) -> Option<Vec<Prefix>> {
    let one = |value: &Value| Prefix::from_ascii(value.as_str()?.as_bytes());
    match value {
        Value::Array(list) if list.is_empty() => None,
        Value::Array(list) => list.iter().map(one).collect(),
        value => Some(vec![one(value)?]),
    }
}

/// Characters of a wrong value that are told.
const MOST_SHOWN: usize = 80;

fn invalid(place: &'static str, value: &Value, want: &'static str) -> RequestError {
    RequestError::Invalid {
        place,
        value: value.to_string().chars().take(MOST_SHOWN).collect(),
        want,
    }
}
