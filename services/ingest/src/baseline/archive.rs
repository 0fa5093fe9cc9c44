//! Where an archive keeps the dumps of a collector, and when it takes one.
//!
//! RIPE RIS: `rrcNN/YYYY.MM/bview.YYYYMMDD.HHMM.gz`, every eight hours. RouteViews:
//! `NAME/bgpdata/YYYY.MM/RIBS/rib.YYYYMMDD.HHMM.bz2`, every two, of which `route-views2` stands in no folder of its name.

use weir_events::time::{DAY_US, HOUR_US, rfc3339};

use crate::config::Baseline;

/// How old a first table may be.
const OLDEST_US: i64 = DAY_US;
/// A dump is taken for one of after a gap when it is so much later: clocks differ, and what is on its way is late.
const MARGIN_US: i64 = 60 * 1_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Ris,
    RouteViews,
}

/// The archive of one collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Archive {
    root: String,
    layout: Layout,
    collector: String,
}

impl Archive {
    pub(super) fn of(config: &Baseline, collector: &str) -> Self {
        let is_ris = collector
            .strip_prefix("rrc")
            .is_some_and(|rest| rest.len() == 2 && rest.bytes().all(|b| b.is_ascii_digit()));
        let (root, layout) = if is_ris {
            (&config.ris_url, Layout::Ris)
        } else {
            (&config.routeviews_url, Layout::RouteViews)
        };
        Self {
            root: root.trim_end_matches('/').to_owned(),
            layout,
            collector: collector.to_owned(),
        }
    }

    fn period_us(&self) -> i64 {
        match self.layout {
            Layout::Ris => 8 * HOUR_US,
            Layout::RouteViews => 2 * HOUR_US,
        }
    }

    /// When dumps of the last day were to be taken, the newest first.
    pub(super) fn newest(&self, now_us: i64) -> Vec<i64> {
        self.slots(now_us - OLDEST_US, now_us)
    }

    /// The first dump that tells what is there after something was lost at `gap_us`.
    pub(super) fn first_after(&self, gap_us: i64) -> i64 {
        let period = self.period_us();
        (gap_us + MARGIN_US).div_euclid(period) * period + period
    }

    /// When dumps were to be taken from `first_us` on, of which the newest day counts, the newest first.
    pub(super) fn slots(&self, first_us: i64, now_us: i64) -> Vec<i64> {
        let period = self.period_us();
        let newest = now_us.div_euclid(period) * period;
        let slots = std::iter::successors(Some(newest), |slot| Some(slot - period));
        let oldest = first_us.max(now_us - OLDEST_US);
        slots.take_while(|slot| *slot >= oldest).collect()
    }

    /// Where the dump of this time is.
    pub(super) fn url(&self, slot_us: i64) -> String {
        let text = rfc3339(slot_us);
        let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
        let (year, month, day) = (part(0, 4), part(5, 7), part(8, 10));
        let (hour, minute) = (part(11, 13), part(14, 16));
        let Self {
            root, collector, ..
        } = self;
        match self.layout {
            Layout::Ris => format!(
                "{root}/{collector}/{year}.{month}/bview.{year}{month}{day}.{hour}{minute}.gz"
            ),
            Layout::RouteViews => {
                let folder = if collector == "route-views2" {
                    String::new()
                } else {
                    format!("/{collector}")
                };
                format!(
                    "{root}{folder}/bgpdata/{year}.{month}/RIBS/rib.{year}{month}{day}.{hour}{minute}.bz2"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_events::time::parse_rfc3339;

    use super::*;

    fn at(text: &str) -> i64 {
        parse_rfc3339(text).unwrap()
    }

    fn archive(collector: &str) -> Archive {
        Archive::of(&Baseline::default(), collector)
    }

    #[test]
    fn each_archive_has_its_layout() {
        let slot = at("2026-03-07T08:00:00Z");
        for (collector, url) in [
            (
                "rrc21",
                "https://data.ris.ripe.net/rrc21/2026.03/bview.20260307.0800.gz",
            ),
            (
                "route-views.sydney",
                "https://archive.routeviews.org/route-views.sydney/bgpdata/2026.03/RIBS/rib.20260307.0800.bz2",
            ),
            (
                "route-views2",
                "https://archive.routeviews.org/bgpdata/2026.03/RIBS/rib.20260307.0800.bz2",
            ),
        ] {
            assert_eq!(archive(collector).url(slot), url);
        }
    }

    #[test]
    fn the_newest_comes_first_and_nothing_is_older_than_a_day() {
        let now = at("2026-03-01T00:07:00Z");
        let slots = archive("rrc00").newest(now);
        assert_eq!(
            slots,
            [
                at("2026-03-01T00:00:00Z"),
                at("2026-02-28T16:00:00Z"),
                at("2026-02-28T08:00:00Z")
            ]
        );
        assert_eq!(archive("route-views3").newest(now).len(), 12);
    }

    #[test]
    fn a_table_of_after_a_gap_is_of_a_later_slot() {
        let rrc = archive("rrc00");
        for (gap, slot) in [
            ("2026-03-01T07:58:59Z", "2026-03-01T08:00:00Z"),
            ("2026-03-01T07:59:00Z", "2026-03-01T16:00:00Z"),
            ("2026-03-01T08:00:00Z", "2026-03-01T16:00:00Z"),
        ] {
            assert_eq!(rrc.first_after(at(gap)), at(slot), "{gap}");
        }
        let first = rrc.first_after(at("2026-03-01T07:00:00Z"));
        assert!(rrc.slots(first, at("2026-03-01T07:59:59Z")).is_empty());
        assert_eq!(rrc.slots(first, at("2026-03-01T16:30:00Z")).len(), 2);
    }
}
