//! One subscription: every condition that it names must hold.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::{
    Field, Kind,
    path::PathFilter,
    told::{Record, Told},
};
use crate::prefix::Prefix;

/// What a client wants to see. A list of prefixes makes as many subscriptions, which end one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    /// The collector.
    pub(super) host: Option<Box<str>>,
    pub(super) kind: Option<Kind>,
    pub(super) require: Option<Field>,
    pub(super) peer: Option<IpAddr>,
    pub(super) path: Option<PathFilter>,
    pub(super) prefix: Option<PrefixFilter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PrefixFilter {
    pub(super) prefix: Prefix,
    /// What it covers, too.
    pub(super) more_specific: bool,
    /// What covers it, too.
    pub(super) less_specific: bool,
}

impl Subscription {
    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// True when the message is wanted, whatever its prefixes.
    pub(super) fn wants(&self, told: &Told<'_>) -> bool {
        let Record {
            collector, message, ..
        } = told.record;
        self.host.as_deref().is_none_or(|host| host == collector)
            && self.kind.is_none_or(|kind| kind == told.kind)
            && self.peer.is_none_or(|peer| peer == message.peer.address)
            && self.require.is_none_or(|field| field.is_in(&message.body))
            && self.path.as_ref().is_none_or(|filter| {
                let hops = told.hops.as_deref();
                hops.is_some_and(|hops| filter.matches(hops))
            })
    }

    /// What the acknowledgement repeats: the conditions that are in force.
    pub(super) fn shown(alike: &[Self]) -> Value {
        let mut shown = Map::new();
        let Some(first) = alike.first() else {
            return Value::Object(shown);
        };
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                shown.insert(key.to_owned(), value);
            }
        };
        put("host", first.host.as_deref().map(Value::from));
        put("type", first.kind.map(|kind| kind.name().into()));
        put("require", first.require.map(|field| field.name().into()));
        put("peer", first.peer.map(|peer| peer.to_string().into()));
        put("path", first.path.as_ref().map(PathFilter::shown));
        if let Some(filter) = first.prefix {
            let prefixes = alike.iter().filter_map(|one| Some(one.prefix?.prefix));
            let prefixes: Vec<_> = prefixes.collect();
            let one_or_all = match prefixes.as_slice() {
                [one] => json!(one),
                all => json!(all),
            };
            put("prefix", Some(one_or_all));
            put("moreSpecific", Some(filter.more_specific.into()));
            put("lessSpecific", Some(filter.less_specific.into()));
        }
        Value::Object(shown)
    }
}

impl Field {
    fn name(self) -> &'static str {
        let mut names = Self::NAMES.iter();
        names
            .find_map(|(name, field)| (*field == self).then_some(*name))
            .unwrap_or_default()
    }
}
