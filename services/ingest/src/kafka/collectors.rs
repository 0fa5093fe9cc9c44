//! The writers of the topics' collectors: one each, in one life for as long as this process reads.

use std::collections::BTreeMap;

use metrics::Counter;
use weir_eventlog::{DeadLetters, ForeignReader, Heard, RecordRef, Skipped};
use weir_events::{
    time::{now_us, rfc3339},
    topics::BGP_MESSAGES,
};
use weir_routing::decode::{
    json::{self, Decoded},
    openbmp,
};

use super::openbmp::{Routers, Told};
use crate::{
    bmp::{meters::Meters, router::Desk},
    clamp,
    live::{self, Clock},
    run::{Context, RunError},
    writer::{Outlet, Writer},
};

/// A longer record is set aside unread: far above any BGP message in JSON, and what is made of it
/// must fit into a record of ours.
const MOST: usize = 1 << 20;
/// A dead letter holds no more of a record; its place is in the headers.
const MOST_PAYLOAD: usize = 512 << 10;

/// What was heard.
pub(super) enum Was {
    Record,
    Leaving,
    Other,
}

pub(super) struct Collectors<'a> {
    context: &'a Context,
    group: &'a str,
    outlet: Outlet,
    dead_letters: DeadLetters,
    writers: BTreeMap<String, Writer>,
    routers: Routers,
    meters: Meters,
    most: usize,
    /// Records were passed over: an earlier life of a writer has missed something.
    missed: bool,
    records: BTreeMap<String, Counter>,
    clock: Clock,
    shown_us: i64,
}

/// Where a record stands.
#[derive(Clone, Copy)]
struct Origin<'a> {
    topic: &'a str,
    partition: u32,
    record: RecordRef<'a>,
    received_us: i64,
}

impl<'a> Collectors<'a> {
    pub(super) fn new(context: &'a Context, group: &'a str, most: usize) -> Self {
        let dead_letters = DeadLetters::new(context.publisher.clone(), "ingest");
        Self {
            context,
            group,
            outlet: Outlet::new(context.publisher.clone()),
            dead_letters: dead_letters.kept_with(&BGP_MESSAGES),
            writers: BTreeMap::new(),
            routers: Routers::new(),
            meters: Meters::new(),
            most,
            missed: false,
            records: BTreeMap::new(),
            clock: Clock::default(),
            shown_us: 0,
        }
    }

    pub(super) fn heard(&mut self, heard: &Heard<'_>) -> Result<Was, RunError> {
        match heard {
            Heard::Record {
                topic,
                partition,
                record,
            } => {
                self.count(topic);
                self.record(Origin {
                    topic,
                    partition: *partition,
                    record: *record,
                    received_us: now_us(),
                })?;
                Ok(Was::Record)
            }
            Heard::Skipped(skipped) => {
                self.skipped(skipped)?;
                Ok(Was::Record)
            }
            Heard::Leaving => Ok(Was::Leaving),
            Heard::Nothing => Ok(Was::Other),
        }
    }

    fn count(&mut self, topic: &str) {
        if let Some(counter) = self.records.get(topic) {
            return counter.increment(1);
        }
        let (group, name) = (self.group.to_owned(), topic.to_owned());
        let counter =
            metrics::counter!("pipeline_records_in_total", "group" => group, "topic" => name);
        counter.increment(1);
        self.records.insert(topic.to_owned(), counter);
    }

    fn record(&mut self, origin: Origin<'_>) -> Result<(), RunError> {
        let payload = origin.record.payload;
        if payload.is_empty() {
            // A tombstone says nothing of BGP.
            return Ok(());
        }
        if payload.len() > MOST {
            let error = format!(
                "{} bytes are more than the {MOST} of a record",
                payload.len()
            );
            return self.dead_letter(origin, "too-large", &error);
        }
        if openbmp::is_frame(payload) {
            return self.frame(origin);
        }
        let updates = match json::decode(payload) {
            Ok(updates) => updates,
            Err(error) => return self.dead_letter(origin, "undecodable", &error.to_string()),
        };
        for update in updates {
            match update {
                Ok(update) => self.update(origin, &update)?,
                Err(error) => self.dead_letter(origin, "undecodable", &error.to_string())?,
            }
        }
        Ok(())
    }

    fn update(&mut self, origin: Origin<'_>, update: &Decoded) -> Result<(), RunError> {
        let Origin { received_us, .. } = origin;
        let message = &update.message;
        if !clamp::live_admits(message.event_time_us, received_us) {
            self.outlet.stats.future += 1;
            let error = format!(
                "event time {} is after its receipt at {}",
                rfc3339(message.event_time_us),
                rfc3339(received_us)
            );
            return self.dead_letter(origin, "future", &error);
        }
        let collector = match update.collector.as_deref() {
            Some(name) if live::is_collector(name) => name,
            Some(name) => {
                let name: String = name.chars().take(80).collect();
                let error = format!("{name:?} is no name of a collector");
                return self.dead_letter(origin, "collector", &error);
            }
            // Names that begin with it are ours.
            None => match origin.topic.trim_start_matches('_') {
                "" => "kafka",
                name => name,
            },
        };
        if let Some(error) = self.enter(collector)? {
            return self.dead_letter(origin, "collector", &error);
        }
        if let Some(writer) = self.writers.get_mut(collector) {
            writer.message(&mut self.outlet, message, received_us)?;
        }
        Ok(())
    }

    /// A BMP message that OpenBMP has written.
    fn frame(&mut self, origin: Origin<'_>) -> Result<(), RunError> {
        let read = Told::read(origin.record.payload);
        let named = read.and_then(|told| Ok((told.collector()?, told)));
        let (collector, told) = match named {
            Ok(named) => named,
            Err((class, error)) => return self.dead_letter(origin, class, &error),
        };
        if let Some(error) = self.enter(&collector)? {
            return self.dead_letter(origin, "collector", &error);
        }
        let Some(writer) = self.writers.get_mut(collector.as_ref()) else {
            return Ok(());
        };
        let desk = Desk {
            writer,
            outlet: &mut self.outlet,
            meters: &self.meters,
            received_us: origin.received_us,
        };
        match self.routers.hear(&collector, &told, desk)? {
            Some((class, error)) => self.dead_letter(origin, class, &error),
            None => Ok(()),
        }
    }

    /// Sees that the collector has a writer, or says why it can have none.
    fn enter(&mut self, collector: &str) -> Result<Option<String>, RunError> {
        if self.writers.contains_key(collector) {
            return Ok(None);
        }
        if self.writers.len() >= self.most {
            return Ok(Some(format!(
                "{collector} would be collector {}: max_collectors of [ingest.source] is {}",
                self.writers.len() + 1,
                self.most
            )));
        }
        self.begin(collector)?;
        Ok(None)
    }

    /// A writer in a new life. What its last life had not committed is read again, so nothing is
    /// missing in between.
    fn begin(&mut self, collector: &str) -> Result<(), RunError> {
        let (mut writer, epoch) = live::renew(self.context, &mut self.outlet, collector)?;
        if epoch > 1 && self.missed {
            live::gap(&mut writer, &mut self.outlet, 0, "records were passed over")?;
        }
        self.writers.insert(collector.to_owned(), writer);
        Ok(())
    }

    /// Nobody knows whose updates they were.
    fn skipped(&mut self, skipped: &Skipped) -> Result<(), RunError> {
        let topic = skipped.place.topic.clone();
        metrics::counter!("weir_kafka_skipped_total", "topic" => topic)
            .increment(skipped.offsets());
        match skipped.due {
            Some(due) => tracing::warn!(
                place = %skipped.place, due, next = skipped.next,
                "the log of others does not hold what was due: records were passed over"
            ),
            None => tracing::info!(
                place = %skipped.place, next = skipped.next,
                "the group has no position here: reading what is written from now on"
            ),
        }
        self.missed = true;
        for writer in self.writers.values_mut() {
            live::gap(writer, &mut self.outlet, 0, "records were passed over")?;
        }
        Ok(())
    }

    fn dead_letter(
        &mut self,
        origin: Origin<'_>,
        class: &'static str,
        error: &str,
    ) -> Result<(), RunError> {
        self.outlet.stats.dead_letters += 1;
        let payload = origin.record.payload;
        let kept = payload.len().min(MOST_PAYLOAD);
        let record = RecordRef {
            payload: payload.get(..kept).unwrap_or(payload),
            ..origin.record
        };
        let (topic, partition) = (origin.topic, origin.partition);
        self.dead_letters
            .send(topic, partition, &record, "decode", class, error)?;
        Ok(())
    }

    /// Each second of the clock, in silence too.
    pub(super) fn tick(&mut self, reader: &ForeignReader) -> Result<(), RunError> {
        let writers = self.writers.values_mut();
        self.clock.tick(self.context, &mut self.outlet, writers)?;
        let now = now_us();
        if now - self.shown_us >= weir_events::time::SECOND_US {
            self.shown_us = now;
            for (topic, partition, lag) in reader.lags() {
                let (group, topic) = (self.group.to_owned(), topic.to_owned());
                let partition = partition.to_string();
                metrics::gauge!("kafka_consumergroup_lag", "group" => group, "topic" => topic, "partition" => partition)
                    .set(u32::try_from(lag).unwrap_or(u32::MAX));
            }
        }
        Ok(())
    }

    /// Waits until everything is in the log.
    pub(super) fn flush(&mut self) -> Result<(), RunError> {
        live::flush(self.context, &mut self.outlet)
    }
}
