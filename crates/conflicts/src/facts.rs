//! What a path says of itself, worked out once per interned path.

use weir_routing::{AsPath, Asn, Bogons, Community, Origin, PathAttributes};

use crate::{incident::Role, knowledge::Remembered, thresholds::Thresholds};

/// What a path is measured against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measure<'a> {
    /// The list that the task was given. It says who originates what, which must not change while routes are kept.
    pub(crate) own: &'a Bogons,
    /// The list that holds now.
    pub(crate) bogons: &'a Bogons,
    pub(crate) thresholds: &'a Thresholds,
}

/// What else than its path makes a route differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Mark {
    /// It has the community BLACKHOLE (RFC 7999).
    pub(crate) blackhole: bool,
    /// Who said that it is for customers only (RFC 9234).
    pub(crate) only_to_customer: Option<Asn>,
}

impl Mark {
    pub(crate) fn of(attributes: &PathAttributes) -> Self {
        Self {
            blackhole: attributes.communities.contains(&Community::BLACKHOLE),
            only_to_customer: attributes.only_to_customer,
        }
    }
}

/// Facts of one path that every route which holds it shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathFacts {
    /// Stream time since which any route here has had it: no route has stood for longer, whatever its source's clock
    /// says.
    pub(crate) since_us: i64,
    /// Who originated it; trailing bogon private ASNs are stripped when a public one stands
    /// before them.
    pub(crate) origin: Option<Origin>,
    /// The lowest ASN of the origin: what incidents are filed under.
    pub(crate) suspect: Option<Asn>,
    /// The ASN that comes back after another one, nearest to the origin.
    pub(crate) looping: Option<Asn>,
    /// The bogon ASN nearest to the origin, under the knowledge that was asked last.
    pub(crate) bogon: Remembered<Option<Asn>>,
    /// Who makes it too long, likewise.
    pub(crate) stretching: Remembered<Option<Asn>>,
    /// Who stands alone between two tier-1s, likewise.
    pub(crate) sandwiched: Remembered<Option<Asn>>,
    /// Who leaks it, likewise.
    pub(crate) leaker: Remembered<Option<Asn>>,
    /// Who leaks it though it is marked as for customers only, likewise.
    pub(crate) marked_leaker: Remembered<Option<Asn>>,
    /// Who passes it on unasked, likewise.
    pub(crate) unauthorized: Remembered<Option<Asn>>,
}

impl PathFacts {
    pub(crate) fn of(path: &AsPath, measure: Measure<'_>, since_us: i64) -> Self {
        let origin = public_origin(path, measure.own);
        Self {
            since_us,
            suspect: origin.as_ref().map(Origin::suspect),
            origin,
            looping: path.looping(),
            bogon: Remembered::default(),
            stretching: Remembered::default(),
            sandwiched: Remembered::default(),
            leaker: Remembered::default(),
            marked_leaker: Remembered::default(),
            unauthorized: Remembered::default(),
        }
    }

    /// Who plays this role on the path.
    pub(crate) fn who(&self, role: Role) -> Option<Asn> {
        match role {
            Role::Origin
            | Role::PartOrigin
            | Role::WholeOrigin
            | Role::BogonOrigin
            | Role::OddLengthOrigin
            | Role::InvalidOrigin => self.suspect,
            Role::LoopHop => self.looping,
            // Not of the path alone: see `Table::is_of`.
            Role::BogonHop
            | Role::StretchingHop
            | Role::SandwichedHop
            | Role::LeakingHop
            | Role::MarkedLeakingHop
            | Role::UnauthorizedHop
            | Role::FlappingOrigin
            | Role::PartNeighbour
            | Role::Neighbour
            | Role::LinkHop
            | Role::LosingOrigin
            | Role::VantagePoint
            | Role::LostOrigin => None,
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

/// True when one of `near` has the route right from one of `far`.
pub(crate) fn passes(path: &AsPath, near: &[Asn], far: &[Asn]) -> bool {
    path.links()
        .any(|[one, other]| near.contains(&one) && far.contains(&other))
}

/// Who originated the route, once private bogons behind a public network were stripped.
pub(crate) fn public_origin(path: &AsPath, bogons: &Bogons) -> Option<Origin> {
    origin(path, |asn| asn.is_private() && bogons.contains_asn(asn))
}

/// Who originated the route, once what is `stripped` behind a network that is not was.
pub(crate) fn origin(path: &AsPath, stripped: impl Fn(Asn) -> bool) -> Option<Origin> {
    let origin = path.origin()?;
    match origin {
        Origin::As(asn) if stripped(asn) => {
            let public = hops(path).rfind(|asn| !stripped(*asn));
            Some(Origin::As(public.unwrap_or(asn)))
        }
        origin => Some(origin),
    }
}

/// The bogon ASN nearest to the origin. Collectors have private peers of their own, so the first hop is none of our
/// business.
pub(crate) fn bogon(path: &AsPath, bogons: &Bogons) -> Option<Asn> {
    let first = path.first()?;
    hops(path)
        .rev()
        .find(|asn| *asn != first && bogons.contains_asn(*asn))
}

/// Of a path that is too long: the ASN that prepends too often, else the origin.
pub(crate) fn stretching(path: &AsPath, origin: Option<Asn>, t: &Thresholds) -> Option<Asn> {
    let prepends = path
        .sequences()
        .flat_map(|hops| hops.chunk_by(|one, next| one == next));
    prepends
        .filter(|run| run.len() > t.prepended_over)
        .find_map(|run| run.first().copied())
        .or_else(|| origin.filter(|_| path.length() > t.long_path_over))
}

/// The ASN, none of the tier-1s, that stands alone between two of them, nearest to the origin. Prepends count once. Two
/// in between say nothing of who of them let it through, and what an AS_SET holds has no order.
pub(crate) fn sandwiched(path: &AsPath, t: &Thresholds) -> Option<Asn> {
    let mut found = None;
    for hops in path.sequences() {
        let mut outer = [None; 2];
        for asn in hops.iter().copied() {
            let [left, middle] = outer;
            if middle == Some(asn) {
                continue;
            }
            if let (Some(left), Some(middle)) = (left, middle)
                && t.is_tier1(asn)
                && t.is_tier1(left)
                && !t.is_tier1(middle)
            {
                found = Some(middle);
            }
            outer = [middle, Some(asn)];
        }
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

    fn measured(path: &AsPath) -> PathFacts {
        let measure = Measure {
            own: &Bogons::without_documentation(),
            bogons: &Bogons::default(),
            thresholds: &Thresholds::default(),
        };
        PathFacts::of(path, measure, 0)
    }

    #[rstest]
    #[case::a_customer_between_two("64500 3356 64501 1299 64502", Some(64_501))]
    #[case::which_prepends("64500 3356 64501 64501 1299 1299 64502", Some(64_501))]
    #[case::nearest_to_the_origin("174 64501 1299 64502 3356 64503", Some(64_502))]
    #[case::two_between("64500 3356 64501 64503 1299 64502", None)]
    #[case::a_third_of_them_between("64500 3356 2914 1299 64502", None)]
    #[case::at_the_edge("3356 64501 64502", None)]
    #[case::a_set_has_no_order("3356 64501 {1299,64502}", None)]
    #[case::a_set_between("3356 {64501} 1299 64502", None)]
    #[case::nobody("64500", None)]
    fn who_stands_alone_between_tier_1s_is_named(#[case] path: &str, #[case] who: Option<u32>) {
        let found = sandwiched(&path.parse().unwrap(), &Thresholds::default());
        assert_eq!(found, who.map(Asn));
    }

    #[rstest]
    #[case::as_many_as_may_be(15, 1, None)]
    #[case::one_more(16, 1, Some(64_501))]
    #[case::many_hops(1, 51, Some(2_051))]
    #[case::as_many_hops_as_may_be(1, 50, None)]
    fn a_path_that_is_too_long_has_somebody_to_ask(
        #[case] prepends: usize,
        #[case] others: u32,
        #[case] who: Option<u32>,
    ) {
        let mut hops = vec!["64501".to_owned(); prepends];
        hops.extend((2..=others).map(|n| (2_000 + n).to_string()));
        let path: AsPath = hops.join(" ").parse().unwrap();
        let origin = path.asns().next_back();
        let found = stretching(&path, origin, &Thresholds::default());
        assert_eq!(found, who.map(Asn));
    }

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
        let facts = measured(&path);
        assert_eq!(facts.origin.unwrap().to_string(), origin);
        let found = super::bogon(&path, &Bogons::without_documentation());
        assert_eq!(found, bogon.map(Asn));
        assert_eq!(facts.looping, looping.map(Asn));
    }
}
