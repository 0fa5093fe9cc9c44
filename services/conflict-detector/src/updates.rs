//! The update writer: what is worth keeping of `bgp-updates`, one row per prefix, to the record store.
//!
//! Stateless, as the incident writer: its memory is the next offset, in the transaction of the rows.
//! It keeps updates about *watched* prefixes, and the *evidence* of incidents: updates about the very
//! prefix of an incident, or the covering prefix that it names, from a minute before it was first
//! seen to ten minutes after its end. An incident is found from an update after the update was
//! written, so each batch waits `evidence_delay_ms` in memory before the store is asked whether it
//! belongs to one; a batch that was not asked about is not acknowledged either, and is read again
//! after a restart. What concerns no incident by then is not kept.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use prost::Message;
use serde::Deserialize;
use weir_eventlog::{
    Assignment, Batch, EventLog, LogError, Next, RecordRef, Subscriber, TaskError,
};
use weir_events::{topics, v1};
use weir_lifecycle::Outlet;
use weir_record_store::{BlockingRecordStore, RecordError, UpdateRow};
use weir_routing::{
    as_path::Origin,
    prefix::Prefix,
    update::{Nlri, PathAttributes},
    wire,
};

use crate::ConfigError;

/// Group whose committed offsets say how far the store is.
pub const GROUP: &str = "weir-update-writer";

/// Records of one batch, and how long to wait for the first.
const MAX_BATCH: usize = 1_000;
const WAIT: Duration = Duration::from_millis(100);
/// Batches are gathered until they have as many rows, or for so long.
const ENOUGH: usize = 1_000;
const GATHER: Duration = Duration::from_millis(250);
/// Rows of one partition that may wait in memory; above this nothing is read.
const MAX_WAITING: usize = 20_000;

/// Which updates are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// No update; no consumer either.
    None,
    /// Those about watched prefixes, and the evidence of incidents.
    Watched,
    /// All.
    All,
}

/// Settings of the update writer, `[conflict_detector.updates]`. Unknown keys are refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Which updates are kept; absent = `watched` in PostgreSQL, `none` in SQLite, where a laptop
    /// has better things to do.
    pub keep: Option<Keep>,
    /// Prefixes to watch, as `address/length`: everything about them and inside them.
    pub watched: Vec<String>,
    /// With `watched`: keep the evidence of incidents too.
    pub evidence: bool,
    /// Milliseconds that an update waits for the incident that it may have caused.
    pub evidence_delay_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            keep: None,
            watched: Vec::new(),
            evidence: true,
            evidence_delay_ms: 2_000,
        }
    }
}

/// A checked choice.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    keep: Keep,
    watched: Vec<Prefix>,
    evidence: bool,
    delay: Duration,
}

impl Config {
    /// True when something is kept in a store that is a server, or not: then [`GROUP`] reads.
    #[must_use]
    pub fn keeps_any(&self, is_server: bool) -> bool {
        self.choice(is_server).is_ok_and(|choice| choice.is_some())
    }

    /// What to keep in a store that is a server, or not; `None` = nothing.
    pub(crate) fn choice(&self, is_server: bool) -> Result<Option<Choice>, ConfigError> {
        let watched = self.watched.iter().map(|text| {
            text.parse()
                .map_err(|_| ConfigError::Watched { text: text.clone() })
        });
        let watched = watched.collect::<Result<Vec<_>, _>>()?;
        let keep = self.keep.unwrap_or(match (is_server, watched.is_empty()) {
            (false, true) => Keep::None,
            _ => Keep::Watched,
        });
        let evidence = keep == Keep::Watched && self.evidence;
        let nothing =
            keep == Keep::None || (keep == Keep::Watched && watched.is_empty() && !evidence);
        Ok((!nothing).then_some(Choice {
            keep,
            watched,
            evidence,
            delay: match evidence {
                true => Duration::from_millis(self.evidence_delay_ms),
                false => Duration::ZERO,
            },
        }))
    }
}

/// The log is not the one that the store was written from.
#[derive(Debug, thiserror::Error)]
#[error(
    "the updates stand at offset {stored} of bgp-updates-{partition}, but the log ends at {end}: \
     the log was lost or made anew; restore it, or start with another record store"
)]
struct LogLost {
    partition: u32,
    stored: i64,
    end: i64,
}

/// Starts keeping updates in `store`.
pub(crate) fn start(
    log: &EventLog,
    store: BlockingRecordStore,
    choice: Choice,
    outlet: Outlet,
) -> Result<Subscriber, LogError> {
    let task = move |assignment: Assignment| {
        Task {
            partition: assignment.partition(),
            assignment,
            store: &store,
            choice: &choice,
            outlet: &outlet,
            waiting: VecDeque::new(),
            rows: 0,
        }
        .run()
    };
    let topic = topics::BGP_UPDATES;
    Subscriber::start_sink(log, GROUP, topic, RecordError::is_overtaken, task)
}

/// Batches that wait together for the incidents that they may have caused: each look into the store and each
/// transaction costs as much for one row as for many.
struct Waiting {
    first: Instant,
    last: Instant,
    next_offset: i64,
    rows: Vec<UpdateRow>,
}

impl Waiting {
    /// One more batch may join.
    fn has_room(&self, now: Instant) -> bool {
        self.rows.len() < ENOUGH && now < self.first + GATHER
    }

    /// When nobody joins any more, and the last has waited for long enough.
    fn due(&self, delay: Duration) -> Instant {
        let full = if self.rows.len() < ENOUGH {
            self.first + GATHER
        } else {
            self.last
        };
        full.max(self.last + delay)
    }
}

/// One partition.
struct Task<'a> {
    partition: u32,
    assignment: Assignment,
    store: &'a BlockingRecordStore,
    choice: &'a Choice,
    outlet: &'a Outlet,
    waiting: VecDeque<Waiting>,
    /// Rows in `waiting`.
    rows: usize,
}

impl Task<'_> {
    fn run(mut self) -> Result<(), TaskError> {
        let Some((fence, stored)) =
            self.insist(|task| task.store.raise_update_fence(task.partition))?
        else {
            return Ok(());
        };
        let (first, end) = self.assignment.log_range()?;
        if stored > end {
            let partition = self.partition;
            return Err(LogLost {
                partition,
                stored,
                end,
            }
            .into());
        }
        let next_offset = stored.max(first);
        self.assignment.resume_at(next_offset)?;
        // A crash between the store and the commit must not leave the group behind for ever.
        self.assignment.commit(next_offset);
        loop {
            if self.rows < MAX_WAITING {
                match self.assignment.next(MAX_BATCH, self.patience())? {
                    Next::Batch(batch) => self.push(&batch),
                    Next::Idle => {}
                    // What still waits is read again by who comes next.
                    Next::Revoked | Next::Lost => return Ok(()),
                }
            } else if !self.assignment.pause(self.patience()) {
                return Ok(());
            }
            while self.patience().is_zero() {
                let Some(ripe) = self.waiting.pop_front() else {
                    break;
                };
                self.rows -= ripe.rows.len();
                let rows = self.chosen(ripe.rows)?;
                let Some(rows) = rows else { return Ok(()) };
                let next = ripe.next_offset;
                let kept = self.insist(|task| {
                    task.store
                        .record_updates(&rows, task.partition, next, fence)
                })?;
                let Some(kept) = kept else { return Ok(()) };
                metrics::counter!("updates_kept_total").increment(kept.written);
                metrics::counter!("updates_refused_total", "reason" => "event-time")
                    .increment(kept.refused);
                self.assignment.commit(next);
            }
        }
    }

    /// How long until the oldest batch may be judged; zero = now.
    fn patience(&self) -> Duration {
        self.waiting.front().map_or(WAIT, |oldest| {
            oldest
                .due(self.choice.delay)
                .saturating_duration_since(Instant::now())
                .min(WAIT)
        })
    }

    fn push(&mut self, batch: &Batch) {
        let rows: Vec<_> = batch
            .iter()
            .flat_map(|record| rows(&record))
            .filter(|row| self.choice.evidence || self.choice.is_chosen(row))
            .collect();
        self.rows += rows.len();
        let (now, next_offset) = (Instant::now(), batch.next_offset());
        match self.waiting.back_mut().filter(|last| last.has_room(now)) {
            Some(last) => {
                last.last = now;
                last.next_offset = next_offset;
                last.rows.extend(rows);
            }
            None => self.waiting.push_back(Waiting {
                first: now,
                last: now,
                next_offset,
                rows,
            }),
        }
    }

    /// Of rows that have waited: what is kept. `None` = the partition was taken away.
    fn chosen(&self, rows: Vec<UpdateRow>) -> Result<Option<Vec<UpdateRow>>, RecordError> {
        if !self.choice.evidence {
            return Ok(Some(rows));
        }
        let asked: Vec<_> = rows
            .iter()
            .map(|row| (row.prefix, row.event_time_us))
            .collect();
        let are = self.insist(|task| task.store.are_evidence(&asked))?;
        Ok(are.map(|are| {
            let judged = rows.into_iter().zip(are);
            judged
                .filter(|(row, is)| *is || self.choice.is_chosen(row))
                .map(|(row, _)| row)
                .collect()
        }))
    }

    /// Asks the store until it answers; `None` = the partition was taken away.
    fn insist<T>(
        &self,
        mut work: impl FnMut(&Self) -> Result<T, RecordError>,
    ) -> Result<Option<T>, RecordError> {
        self.outlet.insist(
            RecordError::is_transient,
            |wait| self.assignment.pause(wait),
            || work(self),
        )
    }
}

impl Choice {
    /// Kept whatever the incidents are.
    fn is_chosen(&self, row: &UpdateRow) -> bool {
        self.keep == Keep::All
            || self
                .watched
                .iter()
                .any(|watched| watched.covers(&row.prefix))
    }
}

/// The rows of one record: none of a control, of a copy for covering look-ups, and of what cannot
/// be read, which the detector sends to the dead letters.
fn rows(record: &RecordRef<'_>) -> Vec<UpdateRow> {
    let Ok(update) = v1::BgpUpdate::decode(record.payload) else {
        return Vec::new();
    };
    let Some(v1::bgp_update::Body::Routes(routes)) = update.body else {
        return Vec::new();
    };
    let Ok(routes) = wire::routes(routes) else {
        return Vec::new();
    };
    if routes.context {
        return Vec::new();
    }
    let row = |item: u32, nlri: &Nlri, attributes: Option<&PathAttributes>| UpdateRow {
        offset: record.offset,
        item,
        event_time_us: update.event_time_us,
        receive_time_us: update.receive_time_us,
        collector: update.collector.clone(),
        peer_address: routes.peer.address,
        peer_asn: routes.peer.asn.0,
        prefix: nlri.prefix,
        announced: attributes.is_some(),
        as_path: attributes
            .map(|a| a.as_path.to_string())
            .unwrap_or_default(),
        origin_asn: attributes.and_then(|a| match a.as_path.origin() {
            Some(Origin::As(asn)) => Some(asn.0),
            _ => None,
        }),
        next_hop: attributes.and_then(|a| a.next_hop),
        med: attributes.and_then(|a| a.med),
        local_pref: attributes.and_then(|a| a.local_pref),
        communities: attributes.map(communities).unwrap_or_default(),
        from_rib: routes.update.from_rib,
        synthetic: update.synthetic,
    };
    let nothing_said = PathAttributes::default();
    let attributes = routes.update.attributes.as_deref().unwrap_or(&nothing_said);
    let announced = routes
        .update
        .announced
        .iter()
        .map(|nlri| (nlri, Some(attributes)));
    let withdrawn = routes.update.withdrawn.iter().map(|nlri| (nlri, None));
    (0..)
        .zip(announced.chain(withdrawn))
        .map(|(item, (nlri, attributes))| row(item, nlri, attributes))
        .collect()
}

/// RFC 1997 and RFC 8092, as text.
fn communities(attributes: &PathAttributes) -> Vec<String> {
    let plain = attributes.communities.iter().map(ToString::to_string);
    let large = attributes.large_communities.iter().map(ToString::to_string);
    plain.chain(large).collect()
}

#[cfg(test)]
mod tests;
