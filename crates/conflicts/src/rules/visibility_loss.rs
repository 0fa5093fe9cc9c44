//! Visibility loss: of the full-feed vantage points that carried a prefix within a day, fewer than half carry it now,
//! and have not for a minute. Judged over counts, when time has passed: no route shows it.

use weir_routing::Asn;

use crate::{
    incident::{Kind, Severity, reason},
    rule::Finding,
    thresholds::Thresholds,
};

/// How bad it is where a part of the vantage points still has it.
pub(super) const SEVERITY: Severity = Severity::High;

/// How many full-feed vantage points have a prefix, and had it. Whoever is down is none of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Visibility {
    /// Carry it, in routes that are not stale.
    pub(crate) carrying: u32,
    /// May carry it: they are up, and their route is from before updates were lost.
    pub(crate) in_doubt: u32,
    /// Withdrew it within a day, and have not announced it since.
    pub(crate) lost: u32,
}

impl Visibility {
    /// All who had it.
    pub(crate) fn base(&self) -> u32 {
        self.carrying + self.in_doubt + self.lost
    }

    /// Too few carry it, even with all that may.
    pub(crate) fn is_too_low(&self, t: &Thresholds) -> bool {
        self.is_too_low_of(self.base(), t)
    }

    /// So few carry it that they are too few of `all`.
    pub(crate) fn is_too_low_of(&self, all: u32, t: &Thresholds) -> bool {
        let carrying = u64::from(self.carrying + self.in_doubt);
        carrying * 100 < u64::from(all) * u64::from(t.visibility_lost_below_percent)
    }

    /// Besides, enough had it to tell.
    pub(crate) fn is_loss(&self, t: &Thresholds) -> bool {
        self.base() >= t.visibility_least_peers && self.is_too_low(t)
    }
}

/// What else is known of the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// It has a stable origin: who carries it was known before.
    pub(crate) is_stable: bool,
    /// Its routes flap at as many peer ASNs as confirm that.
    pub(crate) flaps: bool,
    /// So few carry it from the origin that had it that they would confirm nothing: some always hear late, or never,
    /// that a prefix is withdrawn.
    pub(crate) is_withdrawn: bool,
    /// Of so many as had it, enough carry a whole of it, of the same origin.
    pub(crate) is_inside: bool,
}

/// What so few carry was lost by its origin, which is the victim too. What almost nobody carries was most likely
/// withdrawn by that itself, and what flaps is told of as that. The severity is that of what lasts.
pub(crate) fn judge(
    visibility: &Visibility,
    standing: Standing,
    origin: Asn,
    t: &Thresholds,
) -> Option<Finding> {
    if !visibility.is_loss(t) {
        return None;
    }
    let mut finding = Finding::of_hop(Kind::VisibilityLoss, SEVERITY, origin);
    finding.expected.push(origin);
    let milder = [
        (
            standing.is_withdrawn,
            Severity::Low,
            reason::WITHDRAWN_EVERYWHERE,
        ),
        (standing.is_inside, Severity::Low, reason::INSIDE_WHAT_STAYS),
        (standing.flaps, Severity::Low, reason::FLAPPING),
        (!standing.is_stable, Severity::Info, reason::NO_BASELINE),
    ];
    for (_, severity, why) in milder.into_iter().filter(|(holds, ..)| *holds) {
        finding.severity = finding.severity.min(severity);
        finding.reasons.push(why);
    }
    if finding.reasons.is_empty() {
        finding.reasons.push(reason::BRIEF);
    }
    Some(finding)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const CALM: Standing = Standing {
        is_stable: true,
        flaps: false,
        is_withdrawn: false,
        is_inside: false,
    };

    fn severity(counts: (u32, u32, u32), standing: Standing) -> Option<Severity> {
        let (carrying, in_doubt, lost) = counts;
        let visibility = Visibility {
            carrying,
            in_doubt,
            lost,
        };
        let found = judge(&visibility, standing, Asn(64_500), &Thresholds::default());
        found.map(|finding| finding.severity)
    }

    #[rstest]
    #[case::more_than_half_have_lost_it((4, 0, 6), Some(Severity::High))]
    #[case::exactly_half_carry_it((5, 0, 5), None)]
    #[case::of_an_odd_number_the_lesser_part((5, 0, 6), Some(Severity::High))]
    #[case::too_few_had_it((3, 0, 6), None)]
    #[case::who_may_carry_it_does((4, 1, 5), None)]
    #[case::not_even_with_those((4, 1, 6), Some(Severity::High))]
    #[case::nobody_had_it((0, 0, 0), None)]
    fn fewer_than_half_of_ten_or_more(
        #[case] counts: (u32, u32, u32),
        #[case] expected: Option<Severity>,
    ) {
        assert_eq!(severity(counts, CALM), expected);
    }

    #[rstest]
    #[case::that_almost_nobody_carries(Standing { is_withdrawn: true, ..CALM }, Severity::Low)]
    #[case::inside_of_one_that_stays(Standing { is_inside: true, ..CALM }, Severity::Low)]
    #[case::that_flaps(Standing { flaps: true, ..CALM }, Severity::Low)]
    #[case::that_is_new(Standing { is_stable: false, ..CALM }, Severity::Info)]
    #[case::that_is_new_and_flaps(Standing { is_stable: false, flaps: true, ..CALM }, Severity::Info)]
    fn it_is_milder_of_a_prefix(#[case] standing: Standing, #[case] expected: Severity) {
        assert_eq!(severity((4, 0, 9), standing), Some(expected));
    }
}
