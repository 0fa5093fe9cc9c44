//! AS paths (RFC 4271, 4.3 b; confederations RFC 5065) and who originated a route.

use std::{fmt, str::FromStr};

use smallvec::SmallVec;

use crate::asn::Asn;

/// One segment of an AS path, nearest AS first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// In the order in which the route came.
    Sequence(Vec<Asn>),
    /// The ASes behind an aggregate, in no order.
    Set(Vec<Asn>),
    /// A sequence inside the neighbour's confederation.
    ConfedSequence(Vec<Asn>),
    /// A set inside the neighbour's confederation.
    ConfedSet(Vec<Asn>),
}

impl Segment {
    /// Its ASNs, as they came.
    #[must_use]
    pub fn asns(&self) -> &[Asn] {
        match self {
            Self::Sequence(asns)
            | Self::Set(asns)
            | Self::ConfedSequence(asns)
            | Self::ConfedSet(asns) => asns,
        }
    }

    /// True for what never leaves a confederation.
    #[must_use]
    pub fn is_confederation(&self) -> bool {
        matches!(self, Self::ConfedSequence(_) | Self::ConfedSet(_))
    }
}

/// Who originated a route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// One AS.
    As(Asn),
    /// An aggregate that ends in an AS_SET: sorted, without repetition.
    Set(Vec<Asn>),
}

impl Origin {
    /// The AS under which the origin is filed: itself, or the lowest of the set.
    #[must_use]
    pub fn suspect(&self) -> Asn {
        match self {
            Self::As(asn) => *asn,
            Self::Set(asns) => asns.first().copied().unwrap_or_default(),
        }
    }

    /// Every AS of the origin.
    #[must_use]
    pub fn asns(&self) -> &[Asn] {
        match self {
            Self::As(asn) => std::slice::from_ref(asn),
            Self::Set(asns) => asns,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::As(asn) => fmt::Display::fmt(asn, f),
            Self::Set(asns) => joined(f, "{", asns, ",", "}"),
        }
    }
}

/// The path of a route, nearest AS first. No segment is empty, and no two neighbouring segments
/// are sequences of the same kind: those are one, cut by the 255 ASNs of a segment on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AsPath {
    segments: SmallVec<[Segment; 1]>,
}

impl AsPath {
    /// A path of these segments; empty ones are dropped and neighbouring sequences joined.
    pub fn new(segments: impl IntoIterator<Item = Segment>) -> Self {
        let mut path = Self::default();
        for segment in segments {
            path.push(segment);
        }
        path
    }

    /// A path that is one sequence.
    #[must_use]
    pub fn sequence(asns: Vec<Asn>) -> Self {
        Self::new([Segment::Sequence(asns)])
    }

    /// The path without those ASNs of its sequences that are `out`; what they stood between stands side by side.
    #[must_use]
    pub fn without(&self, out: impl Fn(Asn) -> bool) -> Self {
        let kept = |asns: &[Asn]| asns.iter().copied().filter(|asn| !out(*asn)).collect();
        Self::new(self.segments.iter().map(|segment| match segment {
            Segment::Sequence(asns) => Segment::Sequence(kept(asns)),
            other => other.clone(),
        }))
    }

    /// Adds a segment at the far end.
    pub fn push(&mut self, segment: Segment) {
        match (self.segments.last_mut(), segment) {
            (_, segment) if segment.asns().is_empty() => {}
            (Some(Segment::Sequence(last)), Segment::Sequence(asns))
            | (Some(Segment::ConfedSequence(last)), Segment::ConfedSequence(asns)) => {
                last.extend(asns);
            }
            (_, segment) => self.segments.push(segment),
        }
    }

    /// Its segments.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// No AS at all: originated inside the peer's own AS.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Every ASN as it stands, sets and confederations included.
    pub fn asns(&self) -> impl DoubleEndedIterator<Item = Asn> + '_ {
        self.segments
            .iter()
            .flat_map(|segment| segment.asns().iter().copied())
    }

    /// The AS at the near end, which is the peer's unless it is a route server.
    #[must_use]
    pub fn first(&self) -> Option<Asn> {
        self.segments
            .iter()
            .find(|segment| !segment.is_confederation())
            .and_then(|segment| segment.asns().first().copied())
    }

    /// Who originated the route; `None` for an empty path, or one inside a confederation.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        match self
            .segments
            .iter()
            .rfind(|segment| !segment.is_confederation())?
        {
            Segment::Set(asns) => {
                let mut asns = asns.clone();
                asns.sort_unstable();
                asns.dedup();
                Some(Origin::Set(asns))
            }
            segment => segment.asns().last().copied().map(Origin::As),
        }
    }

    /// The parts that have an order, confederations left out.
    pub fn sequences(&self) -> impl DoubleEndedIterator<Item = &[Asn]> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Sequence(asns) => Some(asns.as_slice()),
            _ => None,
        })
    }

    /// Networks that stand side by side, the nearer one first. Prepends are no neighbours, members of sets neither.
    pub fn links(&self) -> impl Iterator<Item = [Asn; 2]> {
        let pairs = self.sequences().flat_map(|hops| hops.windows(2));
        let pairs = pairs.filter_map(|pair| <[Asn; 2]>::try_from(pair).ok());
        pairs.filter(|[near, far]| near != far)
    }

    /// The ASN that comes back after another one, nearest to the origin. Prepending is no loop; members of sets have no
    /// order and are left out.
    #[must_use]
    pub fn looping(&self) -> Option<Asn> {
        let mut found = None;
        let mut sequence = self.sequences().flatten().copied();
        let mut last = sequence.next()?;
        let mut seen: SmallVec<[Asn; 16]> = smallvec::smallvec![last];
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

    /// Length for comparing routes: a set counts 1 (RFC 4271, 9.1.2.2 a), confederations count
    /// nothing (RFC 5065, 5.3); prepends count each.
    #[must_use]
    pub fn length(&self) -> usize {
        self.segments
            .iter()
            .map(|segment| match segment {
                Segment::Sequence(asns) => asns.len(),
                Segment::Set(_) => 1,
                Segment::ConfedSequence(_) | Segment::ConfedSet(_) => 0,
            })
            .sum()
    }
}

fn joined(
    f: &mut fmt::Formatter<'_>,
    open: &str,
    asns: &[Asn],
    between: &str,
    close: &str,
) -> fmt::Result {
    f.write_str(open)?;
    for (index, asn) in asns.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        fmt::Display::fmt(asn, f)?;
    }
    f.write_str(close)
}

impl fmt::Display for AsPath {
    /// `64496 64497 {64498,64499}`; confederations as `(64512 64513)` and `[64512,64513]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.segments.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            match segment {
                Segment::Sequence(asns) => joined(f, "", asns, " ", "")?,
                Segment::Set(asns) => joined(f, "{", asns, ",", "}")?,
                Segment::ConfedSequence(asns) => joined(f, "(", asns, " ", ")")?,
                Segment::ConfedSet(asns) => joined(f, "[", asns, ",", "]")?,
            }
        }
        Ok(())
    }
}

/// Text that is no AS path.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("\"{text}\" is not an AS path, at \"{at}\"")]
pub struct AsPathError {
    /// What was read.
    pub text: String,
    /// From where on it could not be read.
    pub at: String,
}

impl FromStr for AsPath {
    type Err = AsPathError;

    /// Reads what `Display` writes.
    fn from_str(text: &str) -> Result<Self, AsPathError> {
        let failed = |at: &str| AsPathError {
            text: text.to_owned(),
            at: at.to_owned(),
        };
        let mut path = Self::default();
        let mut rest = text.trim_start();
        while let Some(start) = rest.chars().next() {
            let close = match start {
                '{' => Some('}'),
                '(' => Some(')'),
                '[' => Some(']'),
                _ => None,
            };
            let (inside, after) = match close {
                Some(close) => rest[1..].split_once(close).ok_or_else(|| failed(rest))?,
                None => rest.split_at(rest.find([' ', '{', '(', '[']).unwrap_or(rest.len())),
            };
            let asns = inside
                .split([',', ' '])
                .filter(|word| !word.is_empty())
                .map(|word| word.parse().map_err(|_| failed(rest)))
                .collect::<Result<Vec<Asn>, _>>()?;
            path.push(match start {
                '{' => Segment::Set(asns),
                '(' => Segment::ConfedSequence(asns),
                '[' => Segment::ConfedSet(asns),
                _ => Segment::Sequence(asns),
            });
            rest = after.trim_start();
        }
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("", 0, None, None)]
    #[case("64496", 1, Some(64_496), Some("64496"))]
    #[case("64496 64497 64497", 3, Some(64_496), Some("64497"))]
    #[case("64496 {64499,64498}", 2, Some(64_496), Some("{64498,64499}"))]
    #[case("(64512 64513) 64496", 1, Some(64_496), Some("64496"))]
    #[case("64496 [64512,64513]", 1, Some(64_496), Some("64496"))]
    #[case("(64512)", 0, None, None)]
    #[case("{64498,64498}", 1, Some(64_498), Some("{64498}"))]
    fn length_first_and_origin_follow_the_segments(
        #[case] text: &str,
        #[case] length: usize,
        #[case] first: Option<u32>,
        #[case] origin: Option<&str>,
    ) {
        let path: AsPath = text.parse().unwrap();
        assert_eq!(path.to_string(), text);
        assert_eq!(path.length(), length);
        assert_eq!(path.first(), first.map(Asn));
        assert_eq!(path.origin().map(|o| o.to_string()).as_deref(), origin);
    }

    #[rstest]
    #[case("64496 x", "x")]
    #[case("64496 {64497", "{64497")]
    #[case("64496 99999999999", "99999999999")]
    fn what_is_no_path_is_refused_with_the_place(#[case] text: &str, #[case] at: &str) {
        assert_eq!(text.parse::<AsPath>().unwrap_err().at, at);
    }

    #[test]
    fn commas_between_plain_asns_are_let_through() {
        let path: AsPath = "64496,64497".parse().unwrap();
        assert_eq!(path.to_string(), "64496 64497");
    }

    #[test]
    fn a_set_is_filed_under_its_lowest_member() {
        let path: AsPath = "64496 {64499,64498}".parse().unwrap();
        assert_eq!(path.origin().unwrap().suspect(), Asn(64_498));
    }

    #[test]
    fn sequences_cut_by_the_wire_are_one() {
        let path = AsPath::new([
            Segment::Sequence(vec![Asn(1); 255]),
            Segment::Set(vec![]),
            Segment::Sequence(vec![Asn(2)]),
        ]);
        assert_eq!(path.segments().len(), 1);
        assert_eq!(path.length(), 256);
    }

    fn any_segment() -> impl Strategy<Value = Segment> {
        let asns = || prop::collection::vec(any::<u32>().prop_map(Asn), 0..5);
        prop_oneof![
            4 => asns().prop_map(Segment::Sequence),
            1 => asns().prop_map(Segment::Set),
            1 => asns().prop_map(Segment::ConfedSequence),
            1 => asns().prop_map(Segment::ConfedSet),
        ]
    }

    proptest! {
        #[test]
        fn text_comes_back_equal(segments in prop::collection::vec(any_segment(), 0..5)) {
            let path = AsPath::new(segments);
            prop_assert_eq!(path.to_string().parse(), Ok(path));
        }

        #[test]
        fn no_text_panics(text in "[0-9 ,{}()\\[\\]x\u{e9}]{0,20}") {
            let _ = text.parse::<AsPath>();
        }
    }
}
