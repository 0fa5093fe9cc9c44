//! Who stands beside whom, over all partitions, and the incidents that rest on it: a link that is new in one partition
//! may have been known in another for long. All candidates of one type about one link are one incident.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;
use uuid::Uuid;
use weir_routing::Prefix;

use super::news::News;
use crate::{
    incident::{Change, Incident, Kind, Member, State},
    links::{KEPT_DAYS, Known, Link},
    thresholds::Thresholds,
};

/// One incident and the candidates that it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Thread {
    /// The first candidate, as it was told last.
    pub(super) lead: Incident,
    /// Every candidate: its prefix, and whether it has not ended.
    pub(super) parts: BTreeMap<Uuid, (Option<Prefix>, bool)>,
}

/// All links of this partition of signals, and what is open about them.
#[derive(Clone, Debug, Default)]
pub(super) struct Threads {
    pub(super) links: FxHashMap<Link, Known>,
    pub(super) open: BTreeMap<(Kind, Link), Thread>,
    /// The day on which links were forgotten last.
    pub(super) swept: i64,
    /// Pages of links that changed.
    pub(super) dirty: BTreeSet<u32>,
}

impl Threads {
    /// A partition sees a link on a day, and has for so long; `None` = for long.
    pub(super) fn see(&mut self, link: Link, first_us: Option<i64>, day: i64) {
        let before = self.links.get(&link).copied();
        let seen = before.map_or(Known { first_us, day }, |before| Known {
            first_us: before.first_us.min(first_us),
            day: before.day.max(day),
        });
        if before != Some(seen) {
            self.links.insert(link, seen);
            self.dirty.insert(link.page());
        }
    }

    /// Once a day: forgets what no partition has seen for long.
    pub(super) fn pass(&mut self, day: i64) {
        if day <= self.swept {
            return;
        }
        self.swept = day;
        // A partition tells of what it sees once a day.
        let kept = |known: &Known| day - known.day <= KEPT_DAYS + 1;
        let gone = self.links.extract_if(|_, known| !kept(known));
        self.dirty.extend(gone.map(|(link, _)| link.page()));
    }

    /// It had been known somewhere when the candidate came up.
    fn was_known(&self, link: Link, candidate: &Incident, t: &Thresholds) -> bool {
        let Some(known) = self.links.get(&link) else {
            return false;
        };
        let since = known.first_us;
        let believed = since.map(|since| since.saturating_add(t.stable_after_us()));
        believed.is_none_or(|at| at <= candidate.first_seen_us)
    }

    /// A candidate was opened, changed or ended.
    pub(super) fn take(&mut self, candidate: Incident, t: &Thresholds, news: &mut News) {
        let at = (candidate.kind, candidate.link());
        let is_open = candidate.state != State::Ended;
        let Some(mut thread) = self.open.remove(&at) else {
            if is_open && !self.was_known(at.1, &candidate, t) {
                self.begin(at, candidate, news);
            }
            return;
        };
        let part = (candidate.prefix, is_open);
        let before = thread.parts.insert(candidate.id, part);
        if candidate.id == thread.lead.id {
            thread.lead = candidate;
            if thread.lead.change == Change::Reopened {
                // Others were open all the time.
                thread.lead.change = Change::Updated;
            }
        } else if before == Some(part) {
            self.open.insert(at, thread);
            return;
        } else {
            thread.lead.last_seen_us = thread.lead.last_seen_us.max(candidate.last_seen_us);
            thread.lead.changed_at_us = candidate.changed_at_us;
            thread.lead.change = Change::Updated;
            if !is_open {
                // Should it be the last: it ended as this one.
                thread.lead.ended_at_us = candidate.ended_at_us;
                thread.lead.end_reason = candidate.end_reason;
            }
        }
        self.tell(at, thread, news);
    }

    fn begin(&mut self, at: (Kind, Link), mut lead: Incident, news: &mut News) {
        if lead.change != Change::Reopened {
            lead.change = Change::Opened;
        }
        let parts = BTreeMap::from([(lead.id, (lead.prefix, true))]);
        self.tell(at, Thread { lead, parts }, news);
    }

    /// Tells how it stands: as its lead, until no candidate is open.
    fn tell(&mut self, at: (Kind, Link), thread: Thread, news: &mut News) {
        let mut told = thread.lead.clone();
        let is_open = thread.parts.values().any(|(_, open)| *open);
        if !is_open {
            told.state = State::Ended;
            told.change = Change::Ended;
        } else if told.end_reason.is_some() {
            told.state = confirmed_or_suspected(&told);
            (told.ended_at_us, told.end_reason) = (None, None);
            told.change = Change::Updated;
        }
        if thread.parts.len() > 1 {
            let parts = thread.parts.iter();
            let members = parts.map(|(id, (prefix, _))| Member {
                prefix: *prefix,
                incident: Some(*id),
            });
            told.consists_of(members.collect(), thread.parts.len());
        }
        news.tell(told);
        if is_open {
            self.open.insert(at, thread);
        }
    }
}

fn confirmed_or_suspected(incident: &Incident) -> State {
    if incident.confirmed_at_us.is_some() {
        State::Confirmed
    } else {
        State::Suspected
    }
}

#[cfg(test)]
mod tests {
    use weir_routing::Asn;

    use super::*;

    #[test]
    fn a_link_is_as_old_as_in_the_partition_that_knew_it_first_and_forgotten_after_a_month() {
        let (mut threads, link) = (Threads::default(), Link::new(Asn(64_501), Asn(64_500)));
        for (first_us, day) in [(Some(7), 100), (Some(5), 101), (Some(9), 101)] {
            threads.see(link, first_us, day);
        }
        let known = |threads: &Threads| threads.links.get(&link).copied();
        let expected = Known {
            first_us: Some(5),
            day: 101,
        };
        assert_eq!(known(&threads), Some(expected));
        threads.see(link, None, 101);
        threads.pass(132);
        assert_eq!(known(&threads).map(|known| known.first_us), Some(None));
        threads.dirty.clear();
        threads.pass(133);
        assert_eq!(known(&threads), None);
        assert_eq!(threads.dirty, BTreeSet::from([link.page()]));
    }
}
