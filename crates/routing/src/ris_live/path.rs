//! The path filter of RIS Live: hops that must follow each other, perhaps from the first or up to
//! the last. It is no regular expression.

use smallvec::SmallVec;

use crate::{
    as_path::{AsPath, Segment},
    asn::Asn,
};

/// `789`, `789$`, `^123,456`, `!6666$`, `[789,10111]$`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PathFilter {
    inverted: bool,
    from_first: bool,
    to_last: bool,
    /// At least one.
    hops: Vec<Hop>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hop {
    /// This AS, alone or as a member of a set.
    As(Asn),
    /// A set of just these, in ascending order.
    Set(Vec<Asn>),
}

/// A filter names no more ASNs: each prefix of a list has a copy of it.
const MOST_ASNS: usize = 64;

/// A path as its frame shows it.
pub(super) type Hops<'a> = SmallVec<[Passed<'a>; 16]>;

/// One hop of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Passed<'a> {
    As(Asn),
    Set(&'a [Asn]),
}

impl PathFilter {
    /// Anywhere in the path.
    pub(super) fn anywhere(asn: Asn) -> Self {
        Self {
            inverted: false,
            from_first: false,
            to_last: false,
            hops: vec![Hop::As(asn)],
        }
    }

    /// Reads a pattern; `None` when it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (inverted, text) = cut(text, text.strip_prefix('!'));
        let (from_first, text) = cut(text, text.strip_prefix('^'));
        let (to_last, text) = cut(text, text.strip_suffix('$'));
        let (mut hops, mut asns) = (Vec::new(), 0);
        let mut rest = Some(text);
        while let Some(text) = rest {
            let (hop, after) = if let Some(inside) = text.strip_prefix('[') {
                let (members, after) = inside.split_once(']')?;
                (set(members)?, after)
            } else {
                let end = text.find(',').unwrap_or(text.len());
                let (digits, after) = text.split_at_checked(end)?;
                (Hop::As(asn(digits)?), after)
            };
            asns += match &hop {
                Hop::As(_) => 1,
                Hop::Set(members) => members.len(),
            };
            if asns > MOST_ASNS {
                return None;
            }
            hops.push(hop);
            rest = match after {
                "" => None,
                after => Some(after.strip_prefix(',')?),
            };
        }
        Some(Self {
            inverted,
            from_first,
            to_last,
            hops,
        })
    }

    pub(super) fn matches(&self, passed: &[Passed<'_>]) -> bool {
        self.is_in(passed) != self.inverted
    }

    fn is_in(&self, passed: &[Passed<'_>]) -> bool {
        let Some(last) = passed.len().checked_sub(self.hops.len()) else {
            return false;
        };
        let starts = match (self.from_first, self.to_last) {
            (true, true) if last > 0 => return false,
            (true, _) => 0..=0,
            (false, true) => last..=last,
            (false, false) => 0..=last,
        };
        starts.into_iter().any(|start| {
            let found = passed.iter().skip(start);
            self.hops.iter().zip(found).all(|(hop, at)| hop.is(*at))
        })
    }

    /// As it was written: a number alone, else a pattern.
    pub(super) fn shown(&self) -> serde_json::Value {
        if let (false, false, false, [Hop::As(asn)]) = (
            self.inverted,
            self.from_first,
            self.to_last,
            self.hops.as_slice(),
        ) {
            return asn.0.into();
        }
        let hops: Vec<_> = self.hops.iter().map(Hop::shown).collect();
        let mark = |is: bool, mark| if is { mark } else { "" };
        format!(
            "{}{}{}{}",
            mark(self.inverted, "!"),
            mark(self.from_first, "^"),
            hops.join(","),
            mark(self.to_last, "$"),
        )
        .into()
    }
}

impl Hop {
    fn is(&self, passed: Passed<'_>) -> bool {
        match (self, passed) {
            (Self::As(asn), Passed::As(at)) => *asn == at,
            (Self::As(asn), Passed::Set(members)) => members.contains(asn),
            (Self::Set(_), Passed::As(_)) => false,
            (Self::Set(wanted), Passed::Set(members)) => {
                members.iter().all(|asn| wanted.binary_search(asn).is_ok())
                    && wanted.iter().all(|asn| members.contains(asn))
            }
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::As(asn) => asn.to_string(),
            Self::Set(asns) => {
                let asns: Vec<_> = asns.iter().map(Asn::to_string).collect();
                format!("[{}]", asns.join(","))
            }
        }
    }
}

/// Confederations stand as plain hops.
pub(super) fn hops(path: &AsPath) -> Hops<'_> {
    let mut hops = SmallVec::new();
    for segment in path.segments() {
        match segment {
            Segment::Sequence(asns) | Segment::ConfedSequence(asns) => {
                hops.extend(asns.iter().map(|asn| Passed::As(*asn)));
            }
            Segment::Set(asns) | Segment::ConfedSet(asns) => hops.push(Passed::Set(asns)),
        }
    }
    hops
}

fn cut<'a>(whole: &'a str, rest: Option<&'a str>) -> (bool, &'a str) {
    (rest.is_some(), rest.unwrap_or(whole))
}

fn set(members: &str) -> Option<Hop> {
    let mut asns = members.split(',').map(asn).collect::<Option<Vec<_>>>()?;
    asns.sort_unstable();
    asns.dedup();
    Some(Hop::Set(asns))
}

/// Digits alone: neither `AS64496` nor a sign.
fn asn(digits: &str) -> Option<Asn> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok().map(Asn)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("64497", "64496 64497 64498", true)]
    #[case("64499", "64496 64497 64498", false)]
    #[case("64498$", "64496 64497 64498", true)]
    #[case("64497$", "64496 64497 64498", false)]
    #[case("^64496", "64496 64497 64498", true)]
    #[case("^64497", "64496 64497 64498", false)]
    #[case("^64496,64497,64498$", "64496 64497 64498", true)]
    #[case("^64496,64497$", "64496 64497 64498", false)]
    #[case("64496,64498", "64496 64497 64498", false)]
    #[case("64497,64498", "64496 64497 64498", true)]
    #[case("^64496$", "64496", true)]
    #[case("^64496$", "64496 64496", false)]
    // Part of a number is no hop: it is no regular expression.
    #[case("6449", "64496 64497", false)]
    // Inverted; an empty path passes nobody.
    #[case("!64497", "64496 64497 64498", false)]
    #[case("!64499", "64496 64497 64498", true)]
    #[case("!64498$", "64496 64497 64498", false)]
    #[case("!^64497", "64496 64497 64498", true)]
    #[case("64496", "", false)]
    #[case("!64496", "", true)]
    // A set is equal whatever its order; its members are passed, too.
    #[case("[64498,64499]", "64496 {64499,64498}", true)]
    #[case("64496,[64498,64499]$", "64496 {64498,64499}", true)]
    #[case("[64498]", "64496 {64498,64499}", false)]
    #[case("[64498,64499]", "64498 64499", false)]
    #[case("64499$", "64496 {64498,64499}", true)]
    #[case("^64496,64498$", "64496 {64498,64499}", true)]
    #[case("[64498]$", "64496 {64498,64498}", true)]
    // Confederations are seen as the frame shows them.
    #[case("^64512", "(64512 64513) 64496", true)]
    #[case("[64512,64513]", "64496 [64512,64513]", true)]
    fn hops_follow_each_other(#[case] filter: &str, #[case] path: &str, #[case] matches: bool) {
        let filter = PathFilter::parse(filter).unwrap();
        assert_eq!(filter.matches(&hops(&path.parse().unwrap())), matches);
        let shown = match filter.shown() {
            serde_json::Value::String(text) => text,
            number => number.to_string(),
        };
        assert_eq!(PathFilter::parse(&shown), Some(filter));
    }

    #[rstest]
    #[case("")]
    #[case("!")]
    #[case("^$")]
    #[case("^!1")]
    #[case("1,")]
    #[case(",1")]
    #[case("1,,2")]
    #[case("1 2")]
    #[case("AS1")]
    #[case("+1")]
    #[case("4294967296")]
    #[case("[1,2")]
    #[case("[]")]
    #[case("[1]2")]
    #[case("[1,[2]]")]
    #[case("1$,2")]
    #[case(".*1")]
    fn what_is_no_pattern_is_refused(#[case] text: &str) {
        assert_eq!(PathFilter::parse(text), None);
    }
}
