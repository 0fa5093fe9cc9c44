//! The writers of the topics' collectors: one each, in one life for as long as this process reads.

use std::collections::BTreeMap;

use metrics::Counter;
use weir_eventlog::{DeadLetters, ForeignReader, Heard, RecordRef, Skipped};
use weir_events::{time::now_us, topics::BGP_MESSAGES};
use weir_routing::decode::{
    json::{self, Decoded, JsonError},
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

/// A longer record is set aside unread: far above any BGP message in JSON, and what is made of it must fit into a
/// record of ours, of 1,000,000 bytes. The densest JSON is a list of `"1::1/128",`: each 11 bytes become 25.
const MOST: usize = 384 << 10;

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

/// Why an update is not published.
struct Fault {
    class: &'static str,
    error: String,
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
        match json::decode(payload) {
            Ok(updates) => self.updates(origin, updates),
            Err(error) => self.dead_letter(origin, "undecodable", &error.to_string()),
        }
    }

    /// A record that has faults is one dead letter, however many they are: of the first, with the number of all.
    fn updates(
        &mut self,
        origin: Origin<'_>,
        updates: Vec<Result<Decoded, JsonError>>,
    ) -> Result<(), RunError> {
        let (all, mut faults, mut first) = (updates.len(), 0, None);
        for update in updates {
            let fault = match update {
                Ok(update) => self.update(origin, &update)?,
                Err(error) => Some(Fault {
                    class: "undecodable",
                    error: error.to_string(),
                }),
            };
            faults += usize::from(fault.is_some());
            first = first.or(fault);
        }
        let Some(Fault { class, mut error }) = first else {
            return Ok(());
        };
        if all > 1 {
            error = format!("{error}; {faults} of {all} updates are set aside");
        }
        self.dead_letter(origin, class, &error)
    }

    /// Publishes one, or says why not.
    fn update(&mut self, origin: Origin<'_>, update: &Decoded) -> Result<Option<Fault>, RunError> {
        let fault = |class, error| Ok(Some(Fault { class, error }));
        let Origin { received_us, .. } = origin;
        let message = &update.message;
        if !clamp::live_admits(message.event_time_us, received_us) {
            self.outlet.stats.future += 1;
            let error = live::from_the_future(message.event_time_us, received_us);
            return fault("future", error);
        }
        let collector = match update.collector.as_deref() {
            Some(name) if live::is_collector(name) => name,
            Some(name) => {
                let name: String = name.chars().take(80).collect();
                let error = format!("{name:?} is no name of a collector");
                return fault("collector", error);
            }
            // Names that begin with it are ours.
            None => match origin.topic.trim_start_matches('_') {
                "" => "kafka",
                name => name,
            },
        };
        if let Some(error) = self.enter(collector)? {
            return fault("collector", error);
        }
        if let Some(writer) = self.writers.get_mut(collector) {
            writer.message(&mut self.outlet, message, received_us)?;
        }
        Ok(None)
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
        let writer = live::renew(self.context, &mut self.outlet, collector)?;
        self.writers.insert(collector.to_owned(), writer);
        Ok(())
    }

    /// Begins the collectors of earlier lives that are not heard yet: what they missed must be told in this one, no
    /// other will know of it.
    fn begin_known(&mut self) -> Result<(), RunError> {
        for collector in self.context.store.writers()? {
            let is_new = live::is_collector(&collector) && !self.writers.contains_key(&collector);
            if is_new && self.writers.len() < self.most {
                self.begin(&collector)?;
            } else if is_new {
                tracing::warn!(
                    collector,
                    most = self.most,
                    "not told that records were passed over: there are max_collectors of [ingest.source] already"
                );
            }
        }
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
        self.begin_known()?;
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
        let record = RecordRef {
            payload: live::kept(origin.record.payload, MOST),
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

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use weir_events::v1;
    use weir_routing::{Body, wire};

    use super::*;

    /// As long as a record may be, all of one thing; the greatest record of ours that is made of it.
    fn greatest(field: &str, opened: &str, item: &str, closed: &str) -> usize {
        let head = format!(
            r#"{{"type":"ris_message","data":{{"timestamp":1,"peer":"192.0.2.1","peer_asn":"1","type":"UPDATE",{field}{opened}"#
        );
        let tail = format!("{closed}}}}}");
        let room = MOST - head.len() - tail.len();
        let items = item.repeat(room / item.len());
        let document = format!("{head}{}{tail}", items.trim_end_matches(','));
        assert!((MOST - item.len()..=MOST).contains(&document.len()));
        let mut greatest = 0;
        for update in json::decode(document.as_bytes()).unwrap() {
            let message = update.unwrap().message;
            let whole = v1::BgpMessage {
                body: Some(wire::body(&message)),
                ..v1::BgpMessage::default()
            };
            greatest = greatest.max(whole.encoded_len());
            if let Body::Update(update) = &message.body {
                let shares = wire::split(message.peer, update).into_iter();
                let longest = shares.map(|share| share.routes.encoded_len()).max();
                greatest = greatest.max(longest.unwrap_or(0));
            }
        }
        greatest
    }

    #[test]
    fn what_is_made_of_the_longest_record_fits_into_a_record_of_ours() {
        // What a producer takes, less what stands around: header, key, collector.
        const FITS: usize = 1_000_000 - 1024;
        let announced = r#""announcements":[{"next_hop":"192.0.2.1","prefixes":"#;
        let path = r#""announcements":[{"prefixes":["1::/16"]}],"path":"#;
        let communities = r#""announcements":[{"prefixes":["1::/16"]}],"community":"#;
        for (field, opened, item, closed) in [
            (r#""withdrawals":"#, "[", r#""1::1/128","#, "]"),
            (r#""withdrawals":"#, "[", r#""1::/16","#, "]"),
            (r#""withdrawals":"#, "[", r#""::/0","#, "]"),
            (r#""withdrawals":"#, "[", r#""1.1.1.1/32","#, "]"),
            (announced, "[", r#""1::1/128","#, "]}]"),
            (path, "[", "1,", "]"),
            (path, "[", "[1],", "]"),
            (path, "[", "[1],1,", "]"),
            (path, "\"1", " 1", "\""),
            (path, "\"1", " {1} 1", "\""),
            (communities, "[", "[1,1],", "]"),
        ] {
            let length = greatest(field, opened, item, closed);
            assert!(length > MOST / 8 && length < FITS, "{item}: {length}");
        }
    }
}
