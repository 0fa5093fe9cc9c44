//! What happens now: transitions from `bgp-conflicts` and heartbeats from `service-status`, handed
//! to every open page. Bounded: who reads too slowly is told how much was missed.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use parking_lot::RwLock;
use prost::Message;
use serde::Serialize;
use tokio::sync::broadcast;
use weir_eventlog::{EventLog, From as TailFrom, LogError, RecordRef, Tail};
use weir_events::{
    time::{now_us, rfc3339},
    topics, v1,
};
use weir_record_store::{IncidentRow, Transition, export::IncidentJson};

use crate::owners::{Owner, Owners};

/// Events that a slow client may lag behind.
const BACKLOG: usize = 1024;

/// A heartbeat older than this is no longer shown.
const SILENT_US: i64 = 15_000_000;

/// One live event.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum LiveEvent {
    Incident {
        transition: Transition,
        at: String,
        version: u64,
        incident: Box<IncidentJson>,
        #[serde(skip)]
        row: Box<IncidentRow>,
    },
    Status(Strip),
}

/// The strip at the top of the page.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Strip {
    /// Greatest event time that any service has seen; the clock of the stream.
    pub(crate) stream_time: Option<String>,
    #[serde(skip)]
    pub(crate) stream_time_us: Option<i64>,
    /// Identity of the stream: live, scenario, or a replay's id.
    pub(crate) stream: Option<String>,
    pub(crate) synthetic: bool,
    pub(crate) collectors: Vec<String>,
    pub(crate) vantage_points: u32,
    /// Of the prefixes that were judged, those with a stable origin, in percent.
    pub(crate) baseline_percent: Option<f64>,
    /// Tables of collectors are being read for the first time: how far, in percent.
    pub(crate) warming_percent: Option<u32>,
    /// Records that the services have still to read.
    pub(crate) lag: i64,
    pub(crate) services: Vec<String>,
}

/// The live side of the page; cheap to clone.
#[derive(Clone)]
pub struct Live {
    inner: Arc<Inner>,
}

struct Inner {
    events: broadcast::Sender<Arc<LiveEvent>>,
    statuses: RwLock<BTreeMap<(String, String), v1::ServiceStatus>>,
    owners: RwLock<Owners>,
}

impl Default for Live {
    fn default() -> Self {
        Self::new()
    }
}

impl Live {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            inner: Arc::new(Inner {
                events: broadcast::Sender::new(BACKLOG),
                statuses: RwLock::default(),
                owners: RwLock::default(),
            }),
        }
    }

    /// Follows the log from now on, until the tail is dropped.
    pub(crate) fn follow(&self, log: &EventLog) -> Result<Tail, LogError> {
        let live = self.clone();
        let topics = [topics::BGP_CONFLICTS, topics::SERVICE_STATUS];
        Tail::start(log, &topics, TailFrom::End, move |topic, record| {
            live.take(topic, &record);
        })
    }

    fn take(&self, topic: &str, record: &RecordRef<'_>) {
        // What cannot be decoded is set aside by the writer of the store, not here.
        if topic == topics::BGP_CONFLICTS.name {
            if let Ok(incident) = v1::Incident::decode(record.payload) {
                self.incident(&incident);
            }
        } else if let Ok(status) = v1::ServiceStatus::decode(record.payload) {
            self.status(status);
        }
    }

    /// An incident has changed.
    pub fn incident(&self, wire: &v1::Incident) {
        let Ok(row) = IncidentRow::try_from(wire) else {
            return;
        };
        self.send(LiveEvent::Incident {
            transition: row.transition,
            at: rfc3339(row.transition_at_us),
            version: row.version.0,
            incident: Box::new(IncidentJson::from(&row)),
            row: Box::new(row),
        });
    }

    /// A service has said where it stands.
    pub fn status(&self, status: v1::ServiceStatus) {
        self.inner.owners.write().note(&status, Instant::now());
        {
            let mut statuses = self.inner.statuses.write();
            statuses.retain(|_, known| status.at_us - known.at_us < SILENT_US);
            statuses.insert((status.service.clone(), status.instance.clone()), status);
        }
        self.send(LiveEvent::Status(self.strip()));
    }

    fn send(&self, event: LiveEvent) {
        // No receiver is no error: nobody looks.
        let _ = self.inner.events.send(Arc::new(event));
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<LiveEvent>> {
        self.inner.events.subscribe()
    }

    /// Who answers for a partition of `bgp-updates`; else why nobody can be asked.
    pub(crate) fn owner(&self, partition: u32, now: Instant) -> Result<Owner, String> {
        self.inner.owners.read().of(partition, now)
    }

    pub(crate) fn strip(&self) -> Strip {
        let statuses = self.inner.statuses.read();
        let (mut stable, mut judged) = (0, 0);
        let mut strip = Strip::default();
        for status in statuses.values() {
            strip.stream = Some(status.stream.clone());
            strip.synthetic |= status.synthetic;
            strip.collectors.extend(status.collectors.iter().cloned());
            strip.vantage_points = strip.vantage_points.max(status.vantage_points);
            stable += status.baseline_stable;
            judged += status.baseline_judged;
            // Of several that read, who has the longest way to go.
            let all = [strip.warming_percent, status.warming_percent];
            strip.warming_percent = all.into_iter().flatten().min();
            strip.lag += status
                .partitions
                .iter()
                .map(|partition| (partition.end - partition.position).max(0))
                .sum::<i64>();
            let seen = (status.last_event_time_us != 0).then_some(status.last_event_time_us);
            strip.stream_time_us = strip.stream_time_us.max(seen);
            strip.services.push(status.service.clone());
        }
        strip.collectors.sort_unstable();
        strip.collectors.dedup();
        strip.services.dedup();
        strip.stream_time = strip.stream_time_us.map(rfc3339);
        #[expect(clippy::cast_precision_loss, reason = "a percentage")]
        if judged > 0 {
            strip.baseline_percent = Some(stable as f64 * 100.0 / judged as f64);
        }
        strip
    }

    /// The time that ages are measured against: that of the stream, else the wall clock.
    pub(crate) fn now_us(&self) -> i64 {
        self.strip().stream_time_us.unwrap_or_else(now_us)
    }
}
