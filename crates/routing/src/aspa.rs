//! Path verification by ASPAs (draft-ietf-sidrops-aspa-verification-22): networks that sign whom they buy transit
//! from, so that a path which they cannot have given is told from one that they can.
//!
//! Text form: the JSON of rpki-client (`aspas`; `provider_authorizations` before version 8.5) and Routinator.

use rustc_hash::FxHashMap;
use serde::Deserialize;
use smallvec::SmallVec;

use crate::{Asn, relying_party::Written};

/// Text that is no list of ASPAs.
#[derive(Debug, thiserror::Error)]
pub enum AspaError {
    /// It is cut, or no such JSON; says where.
    #[error("no list of ASPAs as rpki-client and Routinator write it")]
    Json(#[from] serde_json::Error),
    /// JSON that has no such list.
    #[error("no ASPAs in it: expected the key `aspas` or `provider_authorizations`")]
    Missing,
}

/// What a network says of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attestation {
    /// It says nothing of anybody.
    None,
    /// It sells transit to it, or is as good as that ("Provider+").
    Provider,
    /// It is none of those who do.
    NotProvider,
}

/// Who authorizes whom to pass on its routes upwards. Immutable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aspas {
    // Ascending; without AS0, which stands for nobody.
    providers: FxHashMap<Asn, SmallVec<[Asn; 4]>>,
}

impl FromIterator<(Asn, Asn)> for Aspas {
    /// Of (customer, provider). Several entries of one customer add up.
    fn from_iter<I: IntoIterator<Item = (Asn, Asn)>>(all: I) -> Self {
        let mut aspas = Self::default();
        for (customer, provider) in all {
            let providers = aspas.providers.entry(customer).or_default();
            if provider != Asn(0)
                && let Err(at) = providers.binary_search(&provider)
            {
                providers.insert(at, provider);
            }
        }
        aspas
    }
}

impl Aspas {
    /// Reads the JSON of a relying party.
    ///
    /// # Errors
    /// When the text is cut, an entry is none, or there is no such list: nothing is read then.
    pub fn from_json(text: &[u8]) -> Result<Self, AspaError> {
        let Document { aspas, by_family } = serde_json::from_slice(text)?;
        if aspas.is_none() && by_family.is_none() {
            return Err(AspaError::Missing);
        }
        let by_family = by_family
            .into_iter()
            .flat_map(|f| f.ipv4.into_iter().chain(f.ipv6));
        let entries = aspas.into_iter().flatten().chain(by_family);
        let pairs = entries.flat_map(|entry| {
            let customer = entry.customer.0;
            entry.providers.into_iter().map(move |p| (customer, p.0))
        });
        Ok(pairs.collect())
    }

    /// How many networks say whom they buy from.
    #[must_use]
    pub fn len(&self) -> usize {
        self.providers.len()
    }

    /// True when none does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.providers.is_empty()
    }

    /// What `customer` says of `neighbour` (the draft's hop check, section 5).
    #[must_use]
    pub fn attestation(&self, customer: Asn, neighbour: Asn) -> Attestation {
        match self.providers.get(&customer) {
            None => Attestation::None,
            Some(providers) if providers.contains(&neighbour) => Attestation::Provider,
            Some(_) => Attestation::NotProvider,
        }
    }

    /// Who passed on the route without being asked to, when the longest way up from the origin that the ASPAs allow
    /// and the longest way down to the nearest of `hops` do not meet. Of those between the two, the one nearest to
    /// the origin that does not merely hand down what it had from a provider, by its own word; else the last. `None`
    /// = valid or unknown.
    ///
    /// This is the draft's procedure for downstream paths (section 6.3), the milder one: what the nearest hop is to
    /// who listens to it, a collector mostly, says nothing. Prepends count once.
    pub fn unauthorized(&self, hops: impl IntoIterator<Item = Asn>) -> Option<Asn> {
        let mut path: SmallVec<[Asn; 16]> = hops.into_iter().collect();
        path.dedup();
        let breaks = |customer: Asn, provider: Asn| {
            self.attestation(customer, provider) == Attestation::NotProvider
        };
        // Indexes from the nearest on: the way down ends behind `down`, the way up begins before `up`.
        let links = || {
            path.windows(2)
                .enumerate()
                .filter_map(|(at, link)| match link {
                    [nearer, farther] => Some((at, *nearer, *farther)),
                    _ => None,
                })
        };
        let down = links()
            .find(|(_, nearer, farther)| breaks(*nearer, *farther))?
            .0;
        let mut upwards = links().filter(|(_, nearer, farther)| breaks(*farther, *nearer));
        let up = upwards.next_back()?.0;
        // Between the two ways there is somebody on neither.
        let sells_to =
            |customer, provider| self.attestation(customer, provider) == Attestation::Provider;
        let hands_down = |at: &usize| match path.get(at.saturating_sub(1)..=at + 1) {
            Some([next, asn, source]) => sells_to(*asn, *source) && !sells_to(*asn, *next),
            _ => false,
        };
        let between = down + 1..=up;
        let suspect = between.clone().rev().find(|at| !hands_down(at));
        path.get(suspect.or(between.min())?).copied()
    }
}

#[derive(Deserialize)]
struct Document {
    aspas: Option<Vec<Entry>>,
    /// Of older drafts: what is allowed for one family counts for both, as in the newer ones.
    #[serde(rename = "provider_authorizations")]
    by_family: Option<ByFamily>,
}

#[derive(Deserialize)]
struct ByFamily {
    #[serde(default)]
    ipv4: Vec<Entry>,
    #[serde(default)]
    ipv6: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(alias = "customer_asid")]
    customer: Written,
    providers: Vec<Written>,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// 64520 buys from 64510 and 64511; these from 64500 and 64501, who buy from nobody; 64530, behind 64511, says
    /// nothing.
    const WORLD: &str = r#"{"aspas": [
        {"customer_asid": 64520, "expires": 9, "providers": [64511, 64510]},
        {"customer_asid": 64510, "expires": 9, "providers": [64500]},
        {"customer_asid": 64511, "expires": 9, "providers": [64501]},
        {"customer_asid": 64500, "expires": 9, "providers": [0]},
        {"customer_asid": 64501, "expires": 9, "providers": [0]}]}"#;

    fn world() -> Aspas {
        Aspas::from_json(WORLD.as_bytes()).unwrap()
    }

    #[rstest]
    #[case(64_520, 64_510, Attestation::Provider)]
    #[case(64_510, 64_520, Attestation::NotProvider)]
    #[case(64_500, 64_501, Attestation::NotProvider)]
    #[case(64_500, 0, Attestation::NotProvider)]
    #[case(64_530, 64_511, Attestation::None)]
    fn a_network_speaks_for_itself_alone(
        #[case] customer: u32,
        #[case] neighbour: u32,
        #[case] says: Attestation,
    ) {
        assert_eq!(world().attestation(Asn(customer), Asn(neighbour)), says);
    }

    #[rstest]
    #[case::up("64500 64510 64520", None)]
    #[case::up_over_and_down("64511 64501 64500 64510 64520", None)]
    #[case::down("64520 64510 64500", None)]
    #[case::from_one_provider_to_the_other("64501 64511 64520 64510 64500", Some(64_520))]
    #[case::which_prepends("64511 64520 64520 64510 64510 64500", Some(64_520))]
    #[case::whom_the_origin_does_not_know("64511 64599 64520", Some(64_599))]
    #[case::who_is_heard_by_nobody_who_speaks("64599 64520", None)]
    #[case::over_who_says_nothing("64501 64511 64530 64510 64500", Some(64_530))]
    #[case::two_of_them("64501 64530 64531 64500", Some(64_531))]
    #[case::from_who_says_nothing("64511 64530 64599", None)]
    #[case::one("64500", None)]
    #[case::nobody("", None)]
    fn who_passes_a_route_on_unasked_is_named(#[case] path: &str, #[case] who: Option<u32>) {
        let hops = path.split_whitespace().map(|asn| Asn(asn.parse().unwrap()));
        assert_eq!(world().unauthorized(hops), who.map(Asn));
    }

    #[rstest]
    #[case::routinator(r#"{"aspas": [{"customer": "AS64520", "providers": ["AS64510"]}]}"#)]
    #[case::by_family(
        r#"{"roas": [], "provider_authorizations": {"ipv4": [{"customer_asid": 64520, "providers": [64510]}]}}"#
    )]
    #[case::of_two_entries(
        r#"{"aspas": [{"customer": 64520, "providers": [0]}, {"customer": 64520, "providers": [64510]}]}"#
    )]
    fn each_way_of_writing_is_read(#[case] text: &str) {
        let aspas = Aspas::from_json(text.as_bytes()).unwrap();
        assert_eq!(aspas.len(), 1);
        assert_eq!(
            aspas.attestation(Asn(64_520), Asn(64_510)),
            Attestation::Provider
        );
        assert_eq!(
            aspas.attestation(Asn(64_520), Asn(64_511)),
            Attestation::NotProvider
        );
    }

    #[rstest]
    #[case::cut_in_half(r#"{"aspas": [{"customer": 64520, "prov"#, "line 1 column")]
    #[case::no_list(r#"{"roas": []}"#, "expected the key `aspas`")]
    #[case::no_asn(
        r#"{"aspas": [{"customer": "ASx", "providers": []}]}"#,
        "not an AS number"
    )]
    fn what_is_no_list_is_refused_whole_and_named(#[case] text: &str, #[case] why: &str) {
        let error = Aspas::from_json(text.as_bytes()).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let told = format!("{error}: {}", source.unwrap_or_default());
        assert!(told.contains(why), "{told}");
    }
}
