//! What changed in one second: at most one transition per incident.

use std::collections::BTreeMap;

use uuid::Uuid;
use weir_events::{
    position::{TopicEpoch, Version},
    time::SECOND_US,
};

use crate::{
    incident::{Change, Incident, Transition},
    links::DAY_US,
    signal::Signal,
};

/// Collects what changed in a second.
#[derive(Debug)]
pub(super) struct News {
    /// The second of stream time.
    pub(super) second: i64,
    /// The signal at hand tells of something made up.
    pub(super) synthetic: bool,
    /// The day of the signal at hand, since the Unix epoch.
    pub(super) day: i64,
    told: BTreeMap<Uuid, Incident>,
}

impl News {
    pub(super) fn of(second: i64) -> Self {
        Self {
            second,
            synthetic: false,
            day: 0,
            told: BTreeMap::new(),
        }
    }

    pub(super) fn from(&mut self, signal: &Signal) {
        self.synthetic = signal.synthetic;
        // Before the first Tick there is no second.
        let at_us = Some(self.at_us()).filter(|at| *at > 0);
        self.day = at_us.unwrap_or(signal.event_time_us).div_euclid(DAY_US);
    }

    /// The second as an event time, microseconds.
    pub(super) fn at_us(&self) -> i64 {
        self.second.saturating_mul(SECOND_US)
    }

    /// How an incident stands now. What was opened in this very second is told as opened, unless it is over.
    pub(super) fn tell(&mut self, mut incident: Incident) {
        let before = self.told.get(&incident.id).map(|before| before.change);
        if let Some(before @ (Change::Opened | Change::Reopened)) = before
            && incident.change != Change::Ended
        {
            incident.change = before;
        }
        self.told.insert(incident.id, incident);
    }

    /// Transitions with the version of the second, in the order of their ids.
    pub(super) fn publish(self, epoch: TopicEpoch, out: &mut Vec<Transition>) {
        let version = Version::new(epoch, self.second, false);
        out.extend(self.told.into_values().map(|mut incident| {
            incident.version = version;
            Transition { incident }
        }));
    }
}
