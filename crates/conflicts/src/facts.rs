//! What a path says of itself, worked out once per interned path.

use weir_routing::{AsPath, Asn, Bogons, Origin, Segment};

/// Facts of one path that every route which holds it shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathFacts {
    /// Who originated it; trailing bogon private ASNs are stripped when a public one stands
    /// before them.
    pub(crate) origin: Option<Origin>,
    /// The lowest ASN of the origin: what incidents are filed under.
    pub(crate) suspect: Option<Asn>,
    /// The bogon ASN nearest to the origin, the peer's own left out.
    pub(crate) bogon: Option<Asn>,
    /// The ASN that comes back after another one, nearest to the origin.
    pub(crate) looping: Option<Asn>,
}

impl PathFacts {
    pub(crate) fn of(path: &AsPath, bogons: &Bogons) -> Self {
        let origin = origin(path, bogons);
        Self {
            suspect: origin.as_ref().map(Origin::suspect),
            origin,
            bogon: bogon(path, bogons),
            looping: looping(path),
        }
    }
}

/// The ASNs that the outside sees: confederations left out.
fn hops(path: &AsPath) -> impl DoubleEndedIterator<Item = Asn> + '_ {
    path.segments()
        .iter()
        .filter(|segment| !segment.is_confederation())
        .flat_map(|segment| segment.asns().iter().copied())
}

fn origin(path: &AsPath, bogons: &Bogons) -> Option<Origin> {
    let origin = path.origin()?;
    let stripped = |asn: Asn| asn.is_private() && bogons.contains_asn(asn);
    match origin {
        Origin::As(asn) if stripped(asn) => {
            let public = hops(path).rfind(|asn| !stripped(*asn));
            Some(Origin::As(public.unwrap_or(asn)))
        }
        origin => Some(origin),
    }
}

/// Collectors have private peers of their own, so the first hop is none of our business.
fn bogon(path: &AsPath, bogons: &Bogons) -> Option<Asn> {
    let first = path.first()?;
    hops(path)
        .rev()
        .find(|asn| *asn != first && bogons.contains_asn(*asn))
}

/// Prepending is no loop: an ASN has to come back after another one. Members of sets have no order
/// and are left out.
fn looping(path: &AsPath) -> Option<Asn> {
    let mut found = None;
    let mut sequence = path
        .segments()
        .iter()
        .filter_map(|segment| match segment {
            Segment::Sequence(asns) => Some(asns),
            _ => None,
        })
        .flatten()
        .copied();
    let mut last = sequence.next()?;
    let mut seen: smallvec::SmallVec<[Asn; 16]> = smallvec::smallvec![last];
    for asn in sequence {
        if asn != last {
            if seen.contains(&asn) {
                found = Some(asn);
            } else {
                seen.push(asn);
            }
        }
        last = asn;
    }
    found
}

/// True when the two share an ASN: an AS_SET is compared as a set.
pub(crate) fn overlap(one: &Origin, other: &Origin) -> bool {
    one.asns().iter().any(|asn| other.asns().contains(asn))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("64500 64501", "64501", None, None)]
    #[case("64500 64501 64512", "64501", Some(64_512), None)]
    #[case("64512 64512", "64512", None, None)]
    #[case("64512 64501 64501", "64501", None, None)]
    #[case("64500 23456 64501", "64501", Some(23_456), None)]
    #[case("64500 {64502,64501}", "{64501,64502}", None, None)]
    #[case("64500 64501 64500", "64500", None, Some(64_500))]
    #[case("64500 64501 64501 64501", "64501", None, None)]
    #[case("64500 64501 (64512) 64502", "64502", None, None)]
    fn a_path_speaks_for_itself(
        #[case] path: &str,
        #[case] origin: &str,
        #[case] bogon: Option<u32>,
        #[case] looping: Option<u32>,
    ) {
        let path: AsPath = path.parse().unwrap();
        let facts = PathFacts::of(&path, &Bogons::without_documentation());
        assert_eq!(facts.origin.unwrap().to_string(), origin);
        assert_eq!(facts.bogon, bogon.map(Asn));
        assert_eq!(facts.looping, looping.map(Asn));
    }
}
