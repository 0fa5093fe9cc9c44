//! Many incidents of one suspect at once are one: a leak of many prefixes, a transfer of many from one network to another.
//! The incidents themselves were told when they came up; the group says what they are together.

use std::collections::BTreeMap;

use uuid::Uuid;
use weir_routing::{Asn, Prefix};

use super::news::News;
use crate::{
    incident::{Change, EndReason, Incident, Kind, Member, Severity, State, insert_sorted, reason},
    signal::Part,
    thresholds::Thresholds,
};

/// Type, suspect, victim; AS 0 where that is of no matter.
pub(super) type Of = (Kind, Asn, Asn);

/// One incident that may be part of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grouped {
    pub(super) prefix: Prefix,
    /// The second in which it was opened last.
    pub(super) opened_s: i64,
    pub(super) open: bool,
}

/// What one suspect does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) parts: BTreeMap<Uuid, Grouped>,
    /// Told of, once there are enough.
    pub(super) lead: Option<Incident>,
}

/// Every suspect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Groups(pub(super) BTreeMap<Of, Group>);

fn of(part: &Part) -> Of {
    let about_one = part.kind != Kind::RouteLeak;
    let victim = part.victim.filter(|_| about_one);
    (part.kind, part.suspect, victim.unwrap_or(Asn(0)))
}

impl Groups {
    pub(super) fn take(&mut self, part: Part, t: &Thresholds, news: &mut News) {
        let of = of(&part);
        let group = self.0.entry(of).or_default();
        let grouped = Grouped {
            prefix: part.prefix,
            opened_s: news.second,
            open: part.open,
        };
        if part.open {
            group.parts.insert(part.id, grouped);
        } else if let Some(known) = group.parts.get_mut(&part.id) {
            known.open = false;
        }
        if group.lead.is_none() {
            let since = news.second.saturating_sub(t.mass_within_s.into());
            group.parts.retain(|_, known| known.opened_s > since);
            if group.parts.len() >= t.mass_at_least.max(1) as usize {
                group.lead = Some(begin(of, news));
            }
        }
        if let Some(lead) = &mut group.lead {
            for asn in part.peer_asns {
                insert_sorted(&mut lead.peer_asns, asn);
            }
        }
        group.tell(t, news);
        if group.is_over() {
            self.0.remove(&of);
        }
    }

    /// What came up too long ago to be part of anything, and is not, is forgotten.
    pub(super) fn pass(&mut self, t: &Thresholds, second: i64) {
        let since = second.saturating_sub(t.mass_within_s.into());
        self.0.retain(|_, group| {
            let mut parts = group.parts.values();
            group.lead.is_some() || parts.any(|part| part.opened_s > since)
        });
    }
}

impl Group {
    fn is_over(&self) -> bool {
        let is_ended = |lead: &Incident| lead.state == State::Ended;
        self.parts.is_empty() || self.lead.as_ref().is_some_and(is_ended)
    }

    fn tell(&mut self, t: &Thresholds, news: &mut News) {
        let Some(lead) = &mut self.lead else { return };
        let members = self.parts.iter().map(|(id, part)| Member {
            prefix: Some(part.prefix),
            incident: Some(*id),
        });
        lead.consists_of(members.collect(), self.parts.len());
        let at = news.at_us();
        lead.last_seen_us = at;
        lead.changed_at_us = at;
        lead.synthetic |= news.synthetic;
        if lead.first_seen_us != at {
            lead.change = Change::Updated;
        }
        if lead.state == State::Suspected && lead.peer_asns.len() >= t.peers_to_confirm() {
            lead.state = State::Confirmed;
            lead.confirmed_at_us = Some(at);
            if lead.change != Change::Opened {
                lead.change = Change::Confirmed;
            }
        }
        if self.parts.values().all(|part| !part.open) {
            lead.end(EndReason::Withdrawn, at);
        }
        news.tell(lead.clone());
    }
}

fn begin((kind, suspect, victim): Of, news: &News) -> Incident {
    let severity = match kind {
        Kind::RouteLeak => Severity::High,
        _ => Severity::Medium,
    };
    let about = format!("{}{}", reason::MASS, victim.0);
    let mut lead = Incident::beginning((kind, severity), None, about, suspect, news.at_us());
    if victim != Asn(0) {
        lead.victims.push(victim);
        lead.expected_origins.push(victim);
    }
    lead.reasons.push(reason::MASS);
    lead
}
