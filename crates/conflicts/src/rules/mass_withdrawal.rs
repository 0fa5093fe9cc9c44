//! Mass withdrawal: an origin loses most of its prefixes within minutes, each from every vantage point. It has lost its
//! way to the world, or has taken itself away. Judged over counts: no route shows it.

use crate::{
    incident::{Incident, Severity, insert_sorted, reason},
    thresholds::Thresholds,
};

/// How bad it is.
pub(super) const SEVERITY: Severity = Severity::Critical;

/// True when who held `base` prefixes has lost so many of them at once.
pub(crate) fn is_outage(lost: u32, base: u32, t: &Thresholds) -> bool {
    let share = u64::from(lost) * 100 >= u64::from(base) * u64::from(t.outage_lost_percent);
    base >= t.outage_least_prefixes && share
}

/// True when half of what it takes for one came back.
pub(crate) fn is_recovered(lost: u32, base: u32, t: &Thresholds) -> bool {
    u64::from(lost) * 200 <= u64::from(base) * u64::from(t.outage_lost_percent)
}

/// All that is lost lies inside of what stays: somebody announces less finely than before.
pub(crate) fn spares_wholes(incident: &mut Incident) {
    insert_sorted(&mut incident.reasons, reason::INSIDE_WHAT_STAYS);
    incident.severity = SEVERITY.min(incident.at_most());
}

/// It lost what nothing of its own covers, too. True when that is news.
pub(crate) fn reaches_wholes(incident: &mut Incident) -> bool {
    let before = incident.reasons.len();
    let reasons = &mut incident.reasons;
    reasons.retain(|why| *why != reason::INSIDE_WHAT_STAYS);
    let is_news = reasons.len() != before;
    incident.severity = SEVERITY.min(incident.at_most());
    is_news
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::half_of_them(10, 20, true)]
    #[case::less(9, 20, false)]
    #[case::all(20, 20, true)]
    #[case::all_of_few(9, 9, false)]
    #[case::of_nobody(0, 0, false)]
    fn half_of_ten_or_more_is_an_outage(#[case] lost: u32, #[case] base: u32, #[case] is: bool) {
        assert_eq!(is_outage(lost, base, &Thresholds::default()), is);
    }

    #[rstest]
    #[case::a_quarter_is_still_away(5, 20, true)]
    #[case::more(6, 20, false)]
    fn it_is_over_when_most_are_back(#[case] lost: u32, #[case] base: u32, #[case] is: bool) {
        assert_eq!(is_recovered(lost, base, &Thresholds::default()), is);
    }
}
