//! How restless a route is: the figure of merit of route flap damping (RFC 2439), by vantage point.
//!
//! A withdrawal or another path raises it, if the route before had not stood for long; time halves it. Nothing is
//! suppressed here: who goes over the one threshold flaps, until it has come below the other. Integers only, and what
//! has decayed to less than half of the lower threshold is nothing, so that it makes no difference when it is
//! forgotten.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;
use weir_events::time::SECOND_US;
use weir_routing::{Asn, Prefix, rib::Slot};

use crate::thresholds::Thresholds;

/// What a withdrawal adds, in the points of RFC 2439.
pub(crate) const WITHDRAWN: u32 = 1_000;
/// What another path adds.
pub(crate) const CHANGED: u32 = 500;
/// No merit is greater: an hour of quiet ends every flap (with a half-life of 15 minutes and an end at 750).
pub(crate) const CEILING: u32 = 12_000;

/// The merit of one session's routes to one prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Merit {
    /// As of `at_us`.
    pub(crate) points: u32,
    /// Stream time of the last change.
    pub(crate) at_us: i64,
    /// Whose routes they were when it went over the upper threshold, unless it has been below the lower one since.
    pub(crate) flaps: Option<Asn>,
}

impl Merit {
    /// What is left of it.
    fn decayed(self, now: i64, t: &Thresholds) -> u32 {
        let half_life = t.flap_half_life_us();
        let passed = now.saturating_sub(self.at_us).max(0);
        let halved = self
            .points
            .checked_shr(u32::try_from(passed / half_life).unwrap_or(u32::MAX))
            .unwrap_or_default();
        // Between two halvings in a straight line.
        let points = i64::from(halved);
        let less = points * (passed % half_life / 1_000) / (half_life / 1_000 * 2);
        let left = u32::try_from(points - less).unwrap_or_default();
        if left < t.flap_ends_below / 2 {
            0
        } else {
            left
        }
    }

    /// Whose routes still flap.
    fn flapping(self, now: i64, t: &Thresholds) -> Option<Asn> {
        let flaps = self.flaps?;
        (self.decayed(now, t) >= t.flap_ends_below.max(1)).then_some(flaps)
    }

    /// The first stream time at which it does not flap any more, if nothing more happens; never early, and at most
    /// a second late.
    pub(crate) fn calm_at(self, t: &Thresholds) -> i64 {
        let (mut calm, mut span) = (self.at_us, t.flap_half_life_us());
        while self.flapping(calm.saturating_add(span), t).is_some() {
            calm = calm.saturating_add(span);
        }
        while span > SECOND_US {
            span = ((span + 1) / 2).max(SECOND_US);
            if self.flapping(calm.saturating_add(span), t).is_some() {
                calm = calm.saturating_add(span);
            }
        }
        calm.saturating_add(span)
    }
}

/// Who is restless in one block, by prefix and session: few are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Restless(HashMap<Prefix, Vec<(Slot, Merit)>, FxBuildHasher>);

impl Restless {
    /// The routes of a session to a prefix became restless by so many points; the last one was of this suspect.
    /// True when they flap.
    pub(crate) fn add(
        &mut self,
        prefix: Prefix,
        slot: Slot,
        (points, suspect): (u32, Asn),
        now: i64,
        t: &Thresholds,
    ) -> bool {
        let merits = self.0.entry(prefix).or_default();
        let at = find(merits, slot).unwrap_or_else(|at| {
            let merit = Merit {
                points: 0,
                at_us: now,
                flaps: None,
            };
            merits.insert(at, (slot, merit));
            at
        });
        merits.get_mut(at).is_some_and(|(_, merit)| {
            let points = merit.decayed(now, t).saturating_add(points).min(CEILING);
            let begins = (points >= t.flap_begins_at).then_some(suspect);
            *merit = Merit {
                points,
                at_us: now,
                flaps: merit.flapping(now, t).or(begins),
            };
            merit.flaps.is_some()
        })
    }

    /// Whose routes flap at this session, if any do.
    pub(crate) fn flapping(
        &self,
        prefix: &Prefix,
        slot: Slot,
        now: i64,
        t: &Thresholds,
    ) -> Option<Asn> {
        let merits = self.of(prefix);
        let found = find(merits, slot).ok().and_then(|at| merits.get(at));
        found.and_then(|(_, merit)| merit.flapping(now, t))
    }

    /// Sessions where routes of this suspect flap.
    pub(crate) fn sessions(
        &self,
        prefix: &Prefix,
        suspect: Asn,
        now: i64,
        t: &Thresholds,
    ) -> impl Iterator<Item = (Slot, Merit)> {
        let flapping = move |merit: &Merit| merit.flapping(now, t) == Some(suspect);
        let merits = self.of(prefix).iter().copied();
        merits.filter(move |(_, merit)| flapping(merit))
    }

    fn of(&self, prefix: &Prefix) -> &[(Slot, Merit)] {
        self.0.get(prefix).map_or(&[], Vec::as_slice)
    }

    /// Forgets what has decayed.
    pub(crate) fn forget(&mut self, now: i64, t: &Thresholds) {
        self.0.retain(|_, merits| {
            merits.retain(|(_, merit)| merit.decayed(now, t) > 0);
            !merits.is_empty()
        });
    }

    /// True when somebody may flap routes to this prefix.
    pub(crate) fn may_flap(&self, prefix: &Prefix) -> bool {
        self.of(prefix)
            .iter()
            .any(|(_, merit)| merit.flaps.is_some())
    }

    /// All of it, by prefix.
    pub(crate) fn sorted(&self) -> Vec<(&Prefix, &Vec<(Slot, Merit)>)> {
        let mut all: Vec<_> = self.0.iter().collect();
        all.sort_unstable_by_key(|(prefix, _)| **prefix);
        all
    }
}

fn find(merits: &[(Slot, Merit)], slot: Slot) -> Result<usize, usize> {
    merits.binary_search_by_key(&slot, |(of, _)| *of)
}

impl FromIterator<(Prefix, Vec<(Slot, Merit)>)> for Restless {
    fn from_iter<I: IntoIterator<Item = (Prefix, Vec<(Slot, Merit)>)>>(all: I) -> Self {
        Self(all.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: i64 = 60 * SECOND_US;
    const WHO: Asn = Asn(64_500);

    fn prefix() -> Prefix {
        "10.64.0.0/20".parse().unwrap()
    }

    fn add(restless: &mut Restless, slot: u32, points: u32, now: i64) {
        restless.add(
            prefix(),
            Slot(slot),
            (points, WHO),
            now,
            &Thresholds::default(),
        );
    }

    fn after(adds: &[(i64, u32)]) -> Restless {
        let mut restless = Restless::default();
        for (at, points) in adds {
            add(&mut restless, 0, *points, *at);
        }
        restless
    }

    fn flaps(restless: &Restless, slot: u32, now: i64) -> bool {
        let t = Thresholds::default();
        restless.flapping(&prefix(), Slot(slot), now, &t) == Some(WHO)
    }

    #[test]
    fn six_withdrawals_at_once_flap_and_five_do_not() {
        assert!(!flaps(&after(&[(0, WITHDRAWN); 5]), 0, 0));
        let six = after(&[(0, WITHDRAWN); 6]);
        assert!(flaps(&six, 0, 0));
        assert!(!flaps(&six, 1, 0), "of another session");
    }

    #[test]
    fn a_half_life_takes_a_half() {
        let t = Thresholds::default();
        let merit = Merit {
            points: 2_000,
            at_us: 0,
            flaps: Some(WHO),
        };
        let at = [0, 15, 30].map(|minutes| merit.decayed(minutes * MINUTE, &t));
        assert_eq!(at, [2_000, 1_000, 500]);
        assert_eq!(merit.decayed(60 * MINUTE, &t), 0, "less than half of 750");
    }

    #[test]
    fn changes_that_are_far_apart_never_flap() {
        let hourly: Vec<_> = (0..24).map(|n| (n * 60 * MINUTE, 3 * WITHDRAWN)).collect();
        assert!(!flaps(&after(&hourly), 0, 23 * 60 * MINUTE));
    }

    proptest! {
        #[test]
        fn it_is_calm_when_it_was_said_to_be_and_a_second_before_it_is_not(
            adds in proptest::collection::vec((0..600_i64, 1..4_u32), 1..40)
        ) {
            let t = Thresholds::default();
            let mut now = 0;
            let mut restless = Restless::default();
            for (later, times) in adds {
                now += later * SECOND_US;
                add(&mut restless, 3, times * CHANGED, now);
            }
            let prefix = prefix();
            let sessions = restless.sessions(&prefix, WHO, now, &t);
            for (_, merit) in sessions {
                let calm = merit.calm_at(&t);
                prop_assert!(calm > now);
                prop_assert!(calm <= now + 61 * MINUTE);
                prop_assert!(!flaps(&restless, 3, calm));
                prop_assert!(flaps(&restless, 3, calm - SECOND_US));
            }
        }

        #[test]
        fn when_it_is_forgotten_makes_no_difference(
            adds in proptest::collection::vec((0..3_600_i64, 0..3_u32, any::<bool>()), 1..40)
        ) {
            let t = Thresholds { flap_begins_at: 1_500, ..Thresholds::default() };
            let (mut one, mut other, mut now) = (Restless::default(), Restless::default(), 0);
            for (later, slot, forget) in adds {
                now += later * SECOND_US;
                for restless in [&mut one, &mut other] {
                    restless.add(prefix(), Slot(slot), (CHANGED, WHO), now, &t);
                }
                if forget {
                    other.forget(now, &t);
                }
                let prefix = prefix();
                let flapping = |of: &Restless| {
                    let sessions = of.sessions(&prefix, WHO, now, &t);
                    sessions.map(|(slot, _)| slot).collect::<Vec<_>>()
                };
                prop_assert_eq!(flapping(&one), flapping(&other));
            }
        }
    }
}
