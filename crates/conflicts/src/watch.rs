//! A watch list: which networks and prefixes are somebody's own, and what is expected of them.
//!
//! A value, checked once. [`file`](self) forms: our TOML ([`WatchList::from_toml`], [`WatchList::to_toml`]), and what
//! BGPalerter and ARTEMIS are told ([`import`]). [`WatchList::mine`] says which incident is somebody's own,
//! [`proposal`] makes a list of routes and ROAs, [`difference`] holds one against another, [`audit`] against tables.

pub mod audit;
mod check;
pub mod difference;
mod file;
pub mod import;
mod mine;
pub mod proposal;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, de};
use weir_routing::{Asn, Prefix};

pub use check::CheckError;
pub use file::{FileError, MOST_BYTES, Remarks};
pub use mine::{Mine, Outline};

/// Networks and prefixes that are somebody's own. Every entry is within its bounds, none stands twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchList {
    networks: BTreeMap<Asn, WatchedNetwork>,
    prefixes: BTreeMap<Prefix, WatchedPrefix>,
}

/// An own network: incidents where it is a victim, an expected origin or the suspect are its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchedNetwork {
    /// Its number.
    pub asn: Asn,
    /// Who may stand right before it on a path; empty = nobody, `None` = not said.
    pub upstreams: Option<BTreeSet<Asn>>,
    /// Who may stand right behind it; empty = nobody, `None` = not said.
    pub downstreams: Option<BTreeSet<Asn>>,
    /// For people.
    pub description: Option<String>,
    /// Whom it concerns.
    #[serde(default)]
    pub groups: BTreeSet<String>,
}

/// An own prefix.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchedPrefix {
    /// The prefix.
    #[serde(deserialize_with = "exact")]
    pub prefix: Prefix,
    /// Who may originate it and its expected parts; empty = nobody, `None` = not said.
    pub origins: Option<BTreeSet<Asn>>,
    /// Who may stand right before the origin; empty = nobody, `None` = what the network of the origin says.
    pub upstreams: Option<BTreeSet<Asn>>,
    /// Bits of the longest part that is expected; `None` = none but the prefix itself, as in a ROA (RFC 9582).
    pub max_length: Option<u8>,
    /// Its parts concern nobody.
    #[serde(default)]
    pub ignore_more_specifics: bool,
    /// The prefix itself concerns nobody: it lies in an own one, but was given away.
    #[serde(default)]
    pub ignore: bool,
    /// What else is expected of its routes.
    #[serde(default)]
    pub policies: BTreeSet<Policy>,
    /// For people.
    pub description: Option<String>,
    /// Whom it concerns.
    #[serde(default)]
    pub groups: BTreeSet<String>,
}

/// What may be expected of routes beside their ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// They are told to neighbours only (NO_EXPORT, RFC 1997), so that no other network ever carries them.
    NoExport,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Self; 1] = [Self::NoExport];

    /// The name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoExport => "no-export",
        }
    }
}

impl WatchedPrefix {
    /// A prefix of which nothing is said.
    #[must_use]
    pub fn new(prefix: Prefix) -> Self {
        Self {
            prefix,
            origins: None,
            upstreams: None,
            max_length: None,
            ignore_more_specifics: false,
            ignore: false,
            policies: BTreeSet::new(),
            description: None,
            groups: BTreeSet::new(),
        }
    }

    /// True when a part of so many bits is expected, or nobody minds.
    #[must_use]
    pub fn expects_length(&self, length: u8) -> bool {
        let longest = self.max_length.unwrap_or(self.prefix.length());
        self.ignore_more_specifics || length <= longest
    }

    /// True when it may be originated by this network, or nobody said by whom.
    #[must_use]
    pub fn expects_origin(&self, asn: Asn) -> bool {
        self.origins
            .as_ref()
            .is_none_or(|origins| origins.contains(&asn))
    }
}

impl WatchList {
    /// A list of these.
    ///
    /// # Errors
    /// When there are none or too many, one stands twice, or one contradicts itself.
    pub fn new(
        networks: Vec<WatchedNetwork>,
        prefixes: Vec<WatchedPrefix>,
    ) -> Result<Self, CheckError> {
        check::counts(&networks, &prefixes)?;
        let mut list = Self::default();
        for network in networks {
            check::network(&network)?;
            let asn = network.asn;
            if list.networks.insert(asn, network).is_some() {
                return Err(CheckError::twice(format!("network {asn}")));
            }
        }
        for entry in prefixes {
            check::prefix(&entry)?;
            let prefix = entry.prefix;
            if list.prefixes.insert(prefix, entry).is_some() {
                return Err(CheckError::twice(format!("prefix {prefix}")));
            }
        }
        Ok(list)
    }

    /// Own networks, ascending.
    pub fn networks(&self) -> impl ExactSizeIterator<Item = &WatchedNetwork> {
        self.networks.values()
    }

    /// Own prefixes, each right before its parts.
    pub fn prefixes(&self) -> impl ExactSizeIterator<Item = &WatchedPrefix> {
        self.prefixes.values()
    }

    /// The own network of this number.
    #[must_use]
    pub fn network(&self, asn: Asn) -> Option<&WatchedNetwork> {
        self.networks.get(&asn)
    }

    /// The own prefix that is exactly this one.
    #[must_use]
    pub fn prefix(&self, prefix: &Prefix) -> Option<&WatchedPrefix> {
        self.prefixes.get(prefix)
    }

    /// The longest own prefix that holds this one, or is equal.
    #[must_use]
    pub fn holding(&self, prefix: &Prefix) -> Option<&WatchedPrefix> {
        (0..=prefix.length())
            .rev()
            .find_map(|length| self.prefixes.get(&prefix.truncated(length)))
    }

    /// Own prefixes inside this one, itself left out.
    pub fn inside(&self, prefix: &Prefix) -> impl Iterator<Item = &WatchedPrefix> {
        let whole = *prefix;
        let behind = (std::ops::Bound::Excluded(whole), std::ops::Bound::Unbounded);
        self.prefixes
            .range(behind)
            .map(|(_, entry)| entry)
            .take_while(move |entry| whole.covers(&entry.prefix))
    }
}

/// A prefix as it is meant: one with bits behind its length may be a slip of the pen.
fn exact<'de, D: Deserializer<'de>>(from: D) -> Result<Prefix, D::Error> {
    let text = String::deserialize(from)?;
    let prefix: Prefix = text.parse().map_err(de::Error::custom)?;
    match has_host_bits(&text, &prefix) {
        true => Err(de::Error::custom(format!(
            "\"{text}\" has bits behind its length: did you mean {prefix}?"
        ))),
        false => Ok(prefix),
    }
}

/// True when the address of `text`, which was read as `prefix`, is not that of the prefix.
fn has_host_bits(text: &str, prefix: &Prefix) -> bool {
    text.split_once('/')
        .is_none_or(|(address, _)| address.parse() != Ok(prefix.address()))
}

#[cfg(test)]
mod tests;
