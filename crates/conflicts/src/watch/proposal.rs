//! A watch list as it could be, of routes and ROAs, for people to review.

use std::collections::{BTreeMap, BTreeSet};

use weir_routing::{
    AsPath, Asn, Origin, Prefix, Segment,
    roa::{Validity, Vrps},
};

use super::{CheckError, Remarks, WatchList, WatchedNetwork, WatchedPrefix};

/// So many vantage points make a route more than a slip of one of them.
pub const SEEN_BY: usize = 2;
/// Of what is left out, so many are named and the others counted.
const NAMED: usize = 10;

/// Vantage points, by the ASN of the peer.
type Seen = BTreeSet<Asn>;

/// What vantage points see of some networks.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    networks: BTreeSet<Asn>,
    // Of these networks only, so that a full table costs little.
    prefixes: BTreeMap<Prefix, BTreeMap<Asn, Seen>>,
    upstreams: BTreeMap<Asn, BTreeMap<Asn, Seen>>,
    vantage_points: Seen,
}

/// A list to be reviewed, and what speaks for each entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The list.
    pub list: WatchList,
    /// How many vantage points see what, what the ROAs say, what is left out.
    pub remarks: Remarks,
}

impl Routes {
    /// Nothing seen yet of these networks.
    #[must_use]
    pub fn of(networks: impl IntoIterator<Item = Asn>) -> Self {
        Self {
            networks: networks.into_iter().collect(),
            ..Self::default()
        }
    }

    /// A vantage point's route. Counts when one of the networks originates it, not as a member of a set.
    pub fn hear(&mut self, vantage_point: Asn, prefix: Prefix, path: &AsPath) {
        self.vantage_points.insert(vantage_point);
        let Some(Origin::As(origin)) = path.origin() else {
            return;
        };
        if !self.networks.contains(&origin) {
            return;
        }
        let origins = self.prefixes.entry(prefix).or_default();
        origins.entry(origin).or_default().insert(vantage_point);
        if let Some(before) = before_origin(path, origin) {
            let upstreams = self.upstreams.entry(origin).or_default();
            upstreams.entry(before).or_default().insert(vantage_point);
        }
    }

    /// How many vantage points there are.
    #[must_use]
    pub fn vantage_points(&self) -> usize {
        self.vantage_points.len()
    }

    /// The networks with all that `seen_by` vantage points see of them or a ROA names; `None` when there is no
    /// prefix of theirs.
    ///
    /// # Errors
    /// When a network is none.
    pub fn propose(
        &self,
        vrps: Option<&Vrps>,
        seen_by: usize,
    ) -> Result<Option<Proposal>, CheckError> {
        let mut remarks = Remarks::default();
        let networks = self.networks(seen_by, &mut remarks);
        let prefixes = self.prefixes(vrps, seen_by, &mut remarks);
        if prefixes.is_empty() {
            return Ok(None);
        }
        let list = WatchList::new(networks, prefixes)?;
        Ok(Some(Proposal { list, remarks }))
    }

    fn networks(&self, seen_by: usize, remarks: &mut Remarks) -> Vec<WatchedNetwork> {
        let mut networks = Vec::new();
        for asn in &self.networks {
            let mut network = WatchedNetwork {
                asn: *asn,
                ..WatchedNetwork::default()
            };
            let (mut said, mut left_out) = (Vec::new(), Vec::new());
            for (upstream, seen) in self.upstreams.get(asn).into_iter().flatten() {
                // AS_TRANS and the like name nobody.
                if seen.len() < seen_by || upstream.is_reserved() {
                    left_out.push(format!("AS{upstream}"));
                    continue;
                }
                network.upstreams.get_or_insert_default().insert(*upstream);
                said.push(format!("AS{upstream} by {}", seen.len()));
            }
            if !said.is_empty() {
                said = vec![format!(
                    "right before it at so many vantage points: {}",
                    said.join(", ")
                )];
            }
            if !left_out.is_empty() {
                said.push(format!(
                    "left out, seen by fewer than {seen_by} vantage points or a reserved number: {}",
                    named(&left_out)
                ));
            }
            remarks.networks.insert(*asn, said);
            networks.push(network);
        }
        networks
    }

    fn prefixes(
        &self,
        vrps: Option<&Vrps>,
        seen_by: usize,
        remarks: &mut Remarks,
    ) -> Vec<WatchedPrefix> {
        let mut found: BTreeMap<Prefix, BTreeMap<Asn, usize>> = BTreeMap::new();
        let mut left_out = Vec::new();
        for (prefix, origins) in &self.prefixes {
            for (origin, seen) in origins {
                match seen.len() >= seen_by && !prefix.is_default() {
                    true => {
                        let of = found.entry(*prefix).or_default();
                        of.insert(*origin, seen.len());
                    }
                    false => left_out.push((*prefix, *origin)),
                }
            }
        }
        for vrp in vrps.into_iter().flat_map(Vrps::iter) {
            if self.networks.contains(&vrp.asn) && !vrp.prefix.is_default() {
                let seen = self.seen(&vrp.prefix, vrp.asn);
                found.entry(vrp.prefix).or_default().insert(vrp.asn, seen);
            }
        }
        left_out.retain(|(prefix, origin)| {
            !found
                .get(prefix)
                .is_some_and(|origins| origins.contains_key(origin))
        });
        if !left_out.is_empty() {
            let left_out: Vec<String> = left_out
                .iter()
                .map(|(prefix, origin)| format!("{prefix} of AS{origin}"))
                .collect();
            remarks.head.push(format!(
                "left out, seen by fewer than {seen_by} vantage points and named by no ROA, or no prefix of \
                 anybody: {}",
                named(&left_out)
            ));
        }
        let entries = found.into_iter();
        entries
            .map(|(prefix, origins)| {
                let (entry, said) = entry(prefix, &origins, vrps);
                remarks.prefixes.insert(prefix, said);
                entry
            })
            .collect()
    }

    fn seen(&self, prefix: &Prefix, origin: Asn) -> usize {
        let origins = self.prefixes.get(prefix);
        origins
            .and_then(|origins| origins.get(&origin))
            .map_or(0, BTreeSet::len)
    }
}

fn entry(
    prefix: Prefix,
    origins: &BTreeMap<Asn, usize>,
    vrps: Option<&Vrps>,
) -> (WatchedPrefix, Vec<String>) {
    let mut entry = WatchedPrefix::new(prefix);
    entry.origins = Some(origins.keys().copied().collect());
    let mut said = Vec::new();
    for (origin, seen) in origins {
        said.push(match seen {
            0 => format!("AS{origin}: announced at no vantage point, named by a ROA"),
            1 => format!("AS{origin}: 1 vantage point"),
            _ => format!("AS{origin}: {seen} vantage points"),
        });
        let Some(vrps) = vrps else { continue };
        match vrps.validate(&prefix, &Origin::As(*origin)) {
            Validity::Invalid(_) => said.push(format!("AS{origin}: ROAs forbid it")),
            Validity::NotFound => said.push("no ROA".to_owned()),
            Validity::Valid => {}
        }
        let longest = vrps.longest_part(&prefix, *origin);
        if let Some(longest) = longest.filter(|longest| *longest > prefix.length()) {
            entry.max_length = entry.max_length.max(Some(longest));
        }
    }
    (entry, said)
}

/// Who stands right before the origin, prepends aside; `None` when nobody does, or a set.
pub(super) fn before_origin(path: &AsPath, origin: Asn) -> Option<Asn> {
    let last = path.segments().iter().rfind(|s| !s.is_confederation())?;
    match last {
        Segment::Sequence(asns) => asns.iter().rev().copied().find(|asn| *asn != origin),
        _ => None,
    }
}

fn named(all: &[String]) -> String {
    let mut text = all
        .iter()
        .take(NAMED)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if all.len() > NAMED {
        text += &format!(" and {} more", all.len() - NAMED);
    }
    text
}
