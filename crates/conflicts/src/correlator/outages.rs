//! What each origin holds, over all partitions, and who loses most of it at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rustc_hash::FxHashMap;
use weir_events::time::SECOND_US;
use weir_routing::{Asn, Prefix};

use super::news::News;
use crate::{
    incident::{Change, EndReason, Incident, Kind, Member, State},
    links::Link,
    rules::{self, mass_withdrawal},
    signal::Holding,
    thresholds::Thresholds,
};

/// Prefixes that an outage names.
const EXAMPLES: usize = 64;

/// What an origin lost in a second, less what it got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loss {
    pub(super) second: i64,
    pub(super) net: i64,
    /// Of what it lost, so many lay inside of nothing that it still held.
    pub(super) wholes: u32,
    pub(super) examples: Vec<Prefix>,
}

/// What an origin holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) held: u32,
    /// Empty as long as it loses nothing.
    pub(super) lately: VecDeque<Loss>,
}

/// An outage, over or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outage {
    pub(super) incident: Incident,
    /// Prefixes that it had.
    pub(super) base: u32,
    pub(super) examples: BTreeSet<Prefix>,
}

/// Every origin of this partition of signals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outages {
    pub(super) accounts: FxHashMap<Asn, Account>,
    pub(super) open: BTreeMap<Asn, Outage>,
    /// Those that are over, for as long as they may open again.
    pub(super) over: BTreeMap<Asn, Outage>,
    /// Pages of accounts that changed.
    pub(super) dirty: BTreeSet<u32>,
}

/// The page that holds an account.
pub(super) fn page(origin: Asn) -> u32 {
    Link::new(origin, origin).page()
}

impl Account {
    /// Gives what it has lost lately.
    fn add(&mut self, told: Holding, second: i64, t: &Thresholds) -> u32 {
        let gone = told.withdrawn.saturating_add(told.replaced);
        self.held = self.held.saturating_add(told.gained).saturating_sub(gone);
        let net = i64::from(told.withdrawn) - i64::from(told.gained);
        let wholes = told.withdrawn.saturating_sub(told.parts);
        if net > 0 || !self.lately.is_empty() {
            let examples = told.examples;
            self.lately.push_back(Loss {
                second,
                net,
                wholes,
                examples,
            });
        }
        let since = second.saturating_sub(t.outage_within_s.into());
        while self.lately.front().is_some_and(|loss| loss.second <= since) {
            self.lately.pop_front();
        }
        let lost: i64 = self.lately.iter().map(|loss| loss.net).sum();
        if lost <= 0 {
            self.lately.clear();
        }
        u32::try_from(lost.max(0)).unwrap_or(u32::MAX)
    }

    /// True when all that it lost lately lay inside of what it still held.
    fn lost_only_parts(&self) -> bool {
        self.lately.iter().all(|loss| loss.wholes == 0)
    }
}

impl Outages {
    pub(super) fn take(&mut self, origin: Asn, told: Holding, t: &Thresholds, news: &mut News) {
        self.dirty.insert(page(origin));
        let account = self.accounts.entry(origin).or_default();
        let lost = account.add(told, news.second, t);
        let held = account.held;
        let base = held.saturating_add(lost);
        if mass_withdrawal::is_outage(lost, base, t) && !self.open.contains_key(&origin) {
            let mut incident = begin(origin, self.over.remove(&origin), t, news.at_us());
            if account.lost_only_parts() {
                mass_withdrawal::spares_wholes(&mut incident);
            }
            let outage = Outage {
                incident,
                base,
                examples: BTreeSet::new(),
            };
            self.open.insert(origin, outage);
        }
        self.follow(origin, t, news);
        if held == 0
            && self
                .accounts
                .get(&origin)
                .is_some_and(|of| of.lately.is_empty())
        {
            self.accounts.remove(&origin);
        }
    }

    /// Brings an outage up to date, if one is open.
    fn follow(&mut self, origin: Asn, t: &Thresholds, news: &mut News) {
        let (Some(outage), Some(account)) =
            (self.open.get_mut(&origin), self.accounts.get(&origin))
        else {
            return;
        };
        let at = news.at_us();
        for example in account.lately.iter().flat_map(|loss| &loss.examples) {
            if outage.examples.len() < EXAMPLES {
                outage.examples.insert(*example);
            }
        }
        let Outage {
            incident,
            base,
            examples,
        } = outage;
        let lost = base.saturating_sub(account.held);
        let before = incident.member_count;
        let members = examples.iter().map(|prefix| Member {
            prefix: Some(*prefix),
            incident: None,
        });
        incident.consists_of(members.collect(), lost as usize);
        incident.last_seen_us = at;
        incident.changed_at_us = at;
        incident.synthetic |= news.synthetic;
        let is_worse = !account.lost_only_parts() && mass_withdrawal::reaches_wholes(incident);
        if incident.suspected_at_us != at {
            incident.change = Change::Updated;
        }
        if mass_withdrawal::is_recovered(lost, *base, t) {
            incident.end(EndReason::Recovered, at);
        } else if incident.change == Change::Updated && lost <= before && !is_worse {
            return;
        }
        news.tell(incident.clone());
        if incident.state == State::Ended
            && let Some(over) = self.open.remove(&origin)
        {
            self.over.insert(origin, over);
        }
    }

    /// What has been away for a day is how it is.
    pub(super) fn pass(&mut self, t: &Thresholds, news: &mut News) {
        let at = news.at_us();
        self.over
            .retain(|_, outage| may_reopen(&outage.incident, at, t));
        self.open.retain(|_, outage| {
            let age = at.saturating_sub(outage.incident.suspected_at_us);
            if age < t.stable_after_us().max(SECOND_US) {
                return true;
            }
            outage.incident.end(EndReason::BecameStable, at);
            news.tell(outage.incident.clone());
            false
        });
    }
}

fn may_reopen(incident: &Incident, at: i64, t: &Thresholds) -> bool {
    let ended = incident.ended_at_us.unwrap_or(i64::MAX);
    at.saturating_sub(ended) <= t.reopen_within_us()
}

/// One that was over a short time ago has begun again, or a new one has begun. Each prefix was carried by as many as
/// confirm an incident, and is by none: it is confirmed.
fn begin(origin: Asn, over: Option<Outage>, t: &Thresholds, at: i64) -> Incident {
    let over = over.map(|outage| outage.incident);
    let mut incident = match over.filter(|incident| may_reopen(incident, at, t)) {
        Some(mut incident) => {
            incident.reopen(at);
            incident.change = Change::Reopened;
            incident
        }
        None => beginning(origin, at),
    };
    incident.state = State::Confirmed;
    incident.confirmed_at_us.get_or_insert(at);
    incident
}

fn beginning(origin: Asn, at: i64) -> Incident {
    let kind = Kind::MassWithdrawal;
    let mut incident = Incident::beginning((kind, rules::severity(kind)), None, "", origin, at);
    incident.victims.push(origin);
    incident.expected_origins.push(origin);
    incident
}
