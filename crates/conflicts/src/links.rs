//! Which networks stand side by side on the paths of this partition, and since when: a neighbour that nobody has seen
//! beside a network is what a forged path shows.
//!
//! Part of the control shard, as far as restarts go: it is told of every record from P0 on, whatever blocks make of it.
//! Kept in pages, so that a checkpoint writes what has changed.

use std::hash::BuildHasher;

use rustc_hash::{FxBuildHasher, FxHashMap};
use weir_events::time::SECOND_US;
use weir_routing::{AsPath, Asn, Bogons, Origin};

use crate::{facts, thresholds::Thresholds};

/// Pages that links are spread over.
pub(crate) const PAGES: u32 = 32;
/// Paths that were looked at today and had nothing strange, by hash.
const CALM_PATHS: usize = 1 << 15;
pub(crate) const DAY_US: i64 = 86_400 * SECOND_US;
/// Days after which a link that nobody has seen is forgotten.
pub(crate) const KEPT_DAYS: i64 = 30;

/// Two networks that stand side by side, the lesser number first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link(Asn, Asn);

impl Link {
    /// In whatever order they stand.
    #[must_use]
    pub fn new(one: Asn, other: Asn) -> Self {
        Self(one.min(other), one.max(other))
    }

    /// Both, the lesser number first.
    #[must_use]
    pub fn ends(self) -> [Asn; 2] {
        [self.0, self.1]
    }

    /// The page that holds it.
    pub(crate) fn page(self) -> u32 {
        // Less than `PAGES`.
        (FxBuildHasher.hash_one(self) >> 32) as u32 % PAGES
    }
}

/// What is known of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// Stream time since which it has been known; `None` = for long: a RIB told it.
    pub(crate) first_us: Option<i64>,
    /// The day on which it was seen last, since the Unix epoch.
    pub(crate) day: i64,
}

impl Known {
    /// Known for less than it takes to be believed.
    fn is_strange(self, now: i64, t: &Thresholds) -> bool {
        self.first_us
            .is_some_and(|first| now.saturating_sub(first) < t.stable_after_us())
    }
}

/// Two neighbours on a path who were none until lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strange {
    /// Who passes on what it claims to have from the other.
    pub(crate) near: Asn,
    pub(crate) far: Asn,
    /// The other originates it.
    pub(crate) at_origin: bool,
    /// There is enough of this partition's own to compare with.
    pub(crate) is_learned: bool,
}

/// One page of links.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) links: FxHashMap<Link, Known>,
    pub(crate) dirty: bool,
}

/// All links of a partition.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    pub(crate) pages: Vec<Page>,
    /// When the first of them was seen.
    pub(crate) since_us: Option<i64>,
    /// A RIB told some of them.
    pub(crate) from_rib: bool,
    /// New, or seen for the first time on a day, and not told to others yet.
    pub(crate) untold: Vec<Link>,
    calm: Vec<u64>,
}

impl Default for Links {
    fn default() -> Self {
        Self {
            pages: vec![Page::default(); PAGES as usize],
            since_us: None,
            from_rib: false,
            untold: Vec::new(),
            calm: vec![0; CALM_PATHS],
        }
    }
}

impl Links {
    pub(crate) fn get(&self, link: Link) -> Option<Known> {
        let page = self.pages.get(link.page() as usize)?;
        page.links.get(&link).copied()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (Link, Known)> {
        let links = self.pages.iter().flat_map(|page| &page.links);
        links.map(|(link, known)| (*link, *known))
    }

    /// Sees a path. Gives the strange link that is nearest to its origin.
    /// A path that loops is passed over: who wants somebody to drop a route puts that network's number there.
    pub(crate) fn see(
        &mut self,
        path: &AsPath,
        from_rib: bool,
        now: i64,
        bogons: &Bogons,
        t: &Thresholds,
    ) -> Option<Strange> {
        let day = now.div_euclid(DAY_US);
        let hash = FxBuildHasher.hash_one((path, day)) | 1;
        let place = (hash >> 32) as usize % CALM_PATHS;
        if self.calm.get(place) == Some(&hash) {
            return None;
        }
        if path.looping().is_some() {
            return None;
        }
        let mut strange = None;
        let originates = |asn| facts::public_origin(path, bogons) == Some(Origin::As(asn));
        let known = |asn: Asn| !bogons.contains_asn(asn);
        for [near, far] in path
            .links()
            .filter(|[near, far]| known(*near) && known(*far))
        {
            let link = self.note(Link::new(near, far), from_rib, day, now);
            if link.is_strange(now, t) {
                strange = Some(Strange {
                    near,
                    far,
                    at_origin: originates(far),
                    is_learned: false,
                });
            }
        }
        if strange.is_none()
            && let Some(place) = self.calm.get_mut(place)
        {
            *place = hash;
        }
        strange.map(|strange| Strange {
            is_learned: self.is_learned(now, t),
            ..strange
        })
    }

    fn note(&mut self, link: Link, from_rib: bool, day: i64, now: i64) -> Known {
        let first_us = (!from_rib).then_some(now);
        let fresh = Known { first_us, day };
        let Some(page) = self.pages.get_mut(link.page() as usize) else {
            return fresh;
        };
        let known = page.links.get(&link).copied();
        let known = known.filter(|known| day - known.day <= KEPT_DAYS);
        match known {
            Some(known) if known.day >= day => known,
            before => {
                let known = before.map_or(fresh, |before| Known { day, ..before });
                page.links.insert(link, known);
                page.dirty = true;
                self.untold.push(link);
                self.from_rib |= from_rib;
                self.since_us.get_or_insert(now);
                known
            }
        }
    }

    /// There is enough to compare with.
    fn is_learned(&self, now: i64, t: &Thresholds) -> bool {
        let long = |since: i64| now.saturating_sub(since) >= t.links_learned_after_us();
        self.from_rib || self.since_us.is_some_and(long)
    }

    /// What was not told yet.
    pub(crate) fn tell(&mut self) -> Vec<(Link, Option<i64>)> {
        let untold = std::mem::take(&mut self.untold);
        let known = untold
            .into_iter()
            .filter_map(|link| Some((link, self.get(link)?.first_us)));
        known.collect()
    }

    /// Once a day: forgets what nobody has seen for long.
    pub(crate) fn sweep(&mut self, now: i64) {
        let day = now.div_euclid(DAY_US);
        for page in &mut self.pages {
            let before = page.links.len();
            page.links.retain(|_, known| day - known.day <= KEPT_DAYS);
            page.dirty |= page.links.len() != before;
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn see(links: &mut Links, path: &str, from_rib: bool, now: i64) -> Option<Strange> {
        let bogons = Bogons::parse("65000-65534").unwrap();
        links.see(
            &path.parse().unwrap(),
            from_rib,
            now,
            &bogons,
            &Thresholds::default(),
        )
    }

    #[rstest]
    #[case::a_known_path("64501 64502 64503", None)]
    #[case::known_links_in_another_order("64503 64502 64501", None)]
    #[case::a_new_neighbour_of_the_origin("64501 64503", Some((64_501, 64_503, true)))]
    #[case::prepends_are_no_neighbours("64501 64502 64502 64503 64503", None)]
    #[case::a_new_link_before_it("64501 64504 64502 64503", Some((64_504, 64_502, false)))]
    #[case::nearest_to_the_origin("64501 64504 64505 64503", Some((64_505, 64_503, true)))]
    #[case::a_private_number("64501 64502 65001", None)]
    #[case::a_set_has_no_order("64501 64502 {64503,64504}", None)]
    #[case::before_a_set_is_not_at_the_origin("64501 64503 {64502,64504}", Some((64_501, 64_503, false)))]
    #[case::a_private_number_behind_the_origin("64501 64503 65001", Some((64_501, 64_503, true)))]
    #[case::a_poisoned_path("64501 64503 64502 64503", None)]
    fn what_no_rib_and_no_day_have_shown_is_strange(
        #[case] path: &str,
        #[case] expected: Option<(u32, u32, bool)>,
    ) {
        let mut links = Links::default();
        assert_eq!(see(&mut links, "64501 64502 64503", true, 0), None);
        let found = see(&mut links, path, false, 1);
        let found = found.map(|s| (s.near.0, s.far.0, s.at_origin));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_link_is_strange_for_a_day_and_told_once_a_day() {
        let mut links = Links::default();
        see(&mut links, "64501 64502", true, 0);
        assert_eq!(links.tell(), [(Link::new(Asn(64_501), Asn(64_502)), None)]);
        let path = "64501 64503";
        assert!(see(&mut links, path, false, 5).is_some());
        assert_eq!(links.tell().len(), 1);
        assert!(see(&mut links, path, false, DAY_US - 1).is_some());
        assert_eq!(links.tell(), []);
        assert!(see(&mut links, path, false, DAY_US + 5).is_none());
        assert_eq!(links.tell().len(), 1);
        assert!(see(&mut links, path, false, DAY_US + 6).is_none());
        assert_eq!(links.tell(), []);
    }

    #[test]
    fn a_week_is_enough_to_compare_with() {
        let mut links = Links::default();
        let mut is_learned =
            |path, day| see(&mut links, path, false, day * DAY_US).map(|s| s.is_learned);
        assert_eq!(is_learned("64501 64502", 0), Some(false));
        assert_eq!(is_learned("64501 64503", 6), Some(false));
        assert_eq!(is_learned("64501 64504", 7), Some(true));
    }

    #[test]
    fn what_nobody_has_seen_for_a_month_is_new_again() {
        let mut links = Links::default();
        see(&mut links, "64501 64502 64503", true, 0);
        links.sweep(31 * DAY_US);
        assert!(links.pages.iter().all(|page| page.links.is_empty()));
        assert!(see(&mut links, "64501 64502", false, 31 * DAY_US).is_some());
    }
}
