//! What a watch list may say. Outside of it nobody can have meant it.

use std::collections::BTreeSet;

use weir_routing::Asn;

use super::{WatchedNetwork, WatchedPrefix};

/// Most networks of a list.
const NETWORKS: usize = 10_000;
/// Most prefixes of a list.
const PREFIXES: usize = 100_000;
/// Most origins, neighbours or groups of an entry.
const NAMED: usize = 10_000;
/// Longest description or name of a group, in bytes.
const TEXT: usize = 1_000;

/// What nobody can have meant.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum CheckError {
    /// No entry at all.
    #[error("nothing is watched: expected a [[prefix]] or a [[network]] at least")]
    Empty,
    /// More than are held.
    #[error("{place}`{key}` has {entries} entries: expected {most} at most")]
    Long {
        /// Of which entry, with a colon behind; empty = of the list.
        place: String,
        /// What.
        key: &'static str,
        /// How many there are.
        entries: usize,
        /// How many may be.
        most: usize,
    },
    /// An entry that is there already.
    #[error("{place} stands twice: expected one entry for it")]
    Twice {
        /// Which.
        place: String,
    },
    /// A number that no network on the Internet has.
    #[error(
        "{place}`{key}` has AS{asn}, which no network has: expected 1 to 4294967294 without 23456 and 65535"
    )]
    NoNetwork {
        /// Of which entry, with a colon behind.
        place: String,
        /// Where.
        key: &'static str,
        /// The number.
        asn: Asn,
    },
    /// A network beside itself.
    #[error("{place}`{key}` has the network itself: expected its neighbours")]
    Itself {
        /// Of which entry, with a colon behind.
        place: String,
        /// Where.
        key: &'static str,
    },
    /// A prefix that holds all addresses.
    #[error("{place}`prefix` holds every address: expected one that is somebody's own")]
    Everything {
        /// Which, with a colon behind.
        place: String,
    },
    /// A length that no part has.
    #[error("{place}`max_length` is {length}: expected {least} to {most}")]
    Length {
        /// Of which entry, with a colon behind.
        place: String,
        /// The length.
        length: u8,
        /// The prefix's own.
        least: u8,
        /// Bits of an address.
        most: u8,
    },
    /// Two keys that contradict each other.
    #[error("{place}`max_length` and `ignore_more_specifics` contradict each other: expected one")]
    Contradiction {
        /// Of which entry, with a colon behind.
        place: String,
    },
    /// A text that is too long to be meant.
    #[error("{place}`{key}` is {bytes} bytes long: expected 1 to {TEXT}")]
    Text {
        /// Of which entry, with a colon behind.
        place: String,
        /// Which.
        key: &'static str,
        /// How long.
        bytes: usize,
    },
}

impl CheckError {
    pub(super) fn twice(place: String) -> Self {
        Self::Twice { place }
    }
}

pub(super) fn counts(
    networks: &[WatchedNetwork],
    prefixes: &[WatchedPrefix],
) -> Result<(), CheckError> {
    if networks.is_empty() && prefixes.is_empty() {
        return Err(CheckError::Empty);
    }
    few("", "network", networks.len(), NETWORKS)?;
    few("", "prefix", prefixes.len(), PREFIXES)
}

pub(super) fn network(network: &WatchedNetwork) -> Result<(), CheckError> {
    let place = format!("network {}: ", network.asn);
    exist(&place, "asn", [&network.asn])?;
    for (key, asns) in [
        ("upstreams", &network.upstreams),
        ("downstreams", &network.downstreams),
    ] {
        let Some(asns) = asns else { continue };
        named(&place, key, asns)?;
        if asns.contains(&network.asn) {
            return Err(CheckError::Itself { place, key });
        }
    }
    texts(&place, network.description.as_deref(), &network.groups)
}

pub(super) fn prefix(entry: &WatchedPrefix) -> Result<(), CheckError> {
    let place = format!("prefix {}: ", entry.prefix);
    if entry.prefix.is_default() {
        return Err(CheckError::Everything { place });
    }
    if let Some(length) = entry.max_length {
        let least = entry.prefix.length();
        let most = if entry.prefix.is_ipv4() { 32 } else { 128 };
        if !(least..=most).contains(&length) {
            return Err(CheckError::Length {
                place,
                length,
                least,
                most,
            });
        }
        if entry.ignore_more_specifics {
            return Err(CheckError::Contradiction { place });
        }
    }
    for (key, asns) in [("origins", &entry.origins), ("upstreams", &entry.upstreams)] {
        named(&place, key, asns.iter().flatten())?;
    }
    texts(&place, entry.description.as_deref(), &entry.groups)
}

fn named<'a>(
    place: &str,
    key: &'static str,
    asns: impl IntoIterator<Item = &'a Asn> + Clone,
) -> Result<(), CheckError> {
    few(place, key, asns.clone().into_iter().count(), NAMED)?;
    exist(place, key, asns)
}

fn exist<'a>(
    place: &str,
    key: &'static str,
    asns: impl IntoIterator<Item = &'a Asn>,
) -> Result<(), CheckError> {
    match asns.into_iter().find(|asn| asn.is_reserved()) {
        None => Ok(()),
        Some(asn) => Err(CheckError::NoNetwork {
            place: place.to_owned(),
            key,
            asn: *asn,
        }),
    }
}

fn texts(
    place: &str,
    description: Option<&str>,
    groups: &BTreeSet<String>,
) -> Result<(), CheckError> {
    few(place, "groups", groups.len(), NAMED)?;
    let groups = groups.iter().map(|group| ("groups", group.as_str()));
    let description = description.map(|text| ("description", text));
    match groups
        .chain(description)
        .find(|(_, text)| text.is_empty() || text.len() > TEXT)
    {
        None => Ok(()),
        Some((key, text)) => Err(CheckError::Text {
            place: place.to_owned(),
            key,
            bytes: text.len(),
        }),
    }
}

fn few(place: &str, key: &'static str, entries: usize, most: usize) -> Result<(), CheckError> {
    match entries > most {
        true => Err(CheckError::Long {
            place: place.to_owned(),
            key,
            entries,
            most,
        }),
        false => Ok(()),
    }
}
