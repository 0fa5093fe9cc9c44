//! How each vantage point speaks, over all partitions, and who speaks oddly.

use std::collections::{BTreeMap, VecDeque};

use weir_events::time::SECOND_US;

use super::news::News;
use crate::{
    incident::{EndReason, Evidence, Incident, Kind, State},
    rules::{
        self,
        peer_health::{Fault, Pauses, is_clock_off, is_said_again},
    },
    signal::{Hearing, Voice},
    thresholds::Thresholds,
};

/// Seconds over which announcements are counted, and after which an oddity is over.
const WINDOW_S: i64 = 60;

/// How one vantage point speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Manner {
    /// The second in which it was heard last.
    pub(super) heard_s: i64,
    pub(super) pauses: Pauses,
    /// Of the last minute: second, announced, repeated.
    pub(super) lately: VecDeque<(i64, u32, u32)>,
    /// What is odd about it, with the second in which it was last.
    pub(super) odd: BTreeMap<Fault, (Incident, i64)>,
}

/// Every vantage point of this partition of signals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Voices(pub(super) BTreeMap<Voice, Manner>);

impl Manner {
    /// Gives what is odd.
    fn hear(&mut self, told: Hearing, second: i64, t: &Thresholds) -> [Option<Fault>; 2] {
        if self.heard_s != 0 && second > self.heard_s {
            self.pauses.note(second - self.heard_s);
        }
        self.heard_s = self.heard_s.max(second);
        if told.repeated > 0 || !self.lately.is_empty() {
            self.lately
                .push_back((second, told.announced, told.repeated));
        }
        let since = second - WINDOW_S;
        while self.lately.front().is_some_and(|(at, ..)| *at <= since) {
            self.lately.pop_front();
        }
        let sum = |of: fn(&(i64, u32, u32)) -> u32| {
            self.lately.iter().map(of).fold(0, u32::saturating_add)
        };
        let (announced, repeated) = (sum(|of| of.1), sum(|of| of.2));
        [
            is_said_again(repeated, announced, t).then_some(Fault::SaidAgain),
            is_clock_off(told.skew_us, t).then_some(Fault::ClockOff),
        ]
    }

    fn is_odd(&mut self, voice: &Voice, fault: Fault, news: &mut News) {
        let second = news.second;
        if let Some((_, last)) = self.odd.get_mut(&fault) {
            *last = second;
            return;
        }
        let incident = begin(voice, fault, news);
        news.tell(incident.clone());
        self.odd.insert(fault, (incident, second));
    }

    fn ends(&mut self, fault: Fault, why: EndReason, news: &mut News) {
        if let Some((mut incident, _)) = self.odd.remove(&fault) {
            incident.end(why, news.at_us());
            news.tell(incident);
        }
    }
}

impl Voices {
    pub(super) fn take(&mut self, voice: Voice, told: Hearing, t: &Thresholds, news: &mut News) {
        // Before the first Tick there is no time.
        if news.second <= 0 {
            return;
        }
        let manner = self.0.entry(voice.clone()).or_default();
        manner.ends(Fault::Silent, EndReason::Recovered, news);
        for fault in manner.hear(told, news.second, t).into_iter().flatten() {
            manner.is_odd(&voice, fault, news);
        }
    }

    /// Who is silent, and what is over. Who has been silent for a day is a vantage point no more.
    pub(super) fn pass(&mut self, t: &Thresholds, news: &mut News) {
        let forgotten = t.stable_after_us() / SECOND_US;
        self.0.retain(|_, manner| {
            let stays = news.second.saturating_sub(manner.heard_s) <= forgotten;
            if !stays {
                for fault in Fault::ALL {
                    manner.ends(fault, EndReason::BecameStable, news);
                }
            }
            stays
        });
        for (voice, manner) in &mut self.0 {
            let pause = news.second.saturating_sub(manner.heard_s);
            if manner.pauses.is_long(pause, t) {
                manner.is_odd(voice, Fault::Silent, news);
            }
            for fault in [Fault::SaidAgain, Fault::ClockOff] {
                let last = manner.odd.get(&fault).map(|(_, last)| *last);
                if last.is_some_and(|last| news.second - last >= WINDOW_S) {
                    manner.ends(fault, EndReason::Calmed, news);
                }
            }
        }
    }
}

fn begin(voice: &Voice, fault: Fault, news: &News) -> Incident {
    let Voice { collector, peer } = voice;
    let (kind, at) = (Kind::PeerHealth, news.at_us());
    let about = format!("{collector}|{}|{}", peer.address, fault.reason());
    let told = (kind, rules::severity(kind));
    let mut incident = Incident::beginning(told, None, about, peer.asn, at);
    // It says so itself.
    incident.state = State::Confirmed;
    incident.confirmed_at_us = Some(at);
    incident.synthetic = news.synthetic;
    incident.reasons.push(fault.reason());
    incident.peer_asns.push(peer.asn);
    incident.evidence.push(Evidence {
        peer: *peer,
        collector: collector.clone(),
        as_path: String::new(),
        event_time_us: at,
    });
    incident
}
