//! The writers of a live source: one per collector, a new life of each per connection.

use std::collections::BTreeMap;

use weir_events::time::now_us;
use weir_routing::{
    Body,
    decode::ris_live::{self, RisMessage},
};

use super::queue::Frame;
use crate::{
    baseline::Baseline,
    clamp,
    live::{self, Clock},
    reader::{Entry, Item},
    run::{Context, RunError},
    writer::{DeadLetter, Outlet, Writer},
};

/// What a frame of no collector is attributed to.
const UNKNOWN: &str = "ris-live";

pub(super) struct Collectors<'a> {
    context: &'a Context,
    outlet: Outlet,
    writers: BTreeMap<String, Live>,
    /// Counts connections of this process; a writer of an earlier one is renewed when it is heard.
    connection: u64,
    frames: u64,
    /// That octets cannot be read was said.
    told_of_raw: bool,
    clock: Clock,
    baseline: Option<Baseline>,
    /// When it was last asked what is due.
    looked_us: i64,
}

/// Entries of a table between two looks for what is live.
const MOST_AT_ONCE: usize = 32;
/// Between two looks at what is due of tables.
const LOOK_US: i64 = 100_000;

struct Live {
    writer: Writer,
    connection: u64,
}

impl<'a> Collectors<'a> {
    pub(super) fn new(context: &'a Context, baseline: Option<Baseline>) -> Self {
        Self {
            context,
            outlet: Outlet::new(context.publisher.clone()),
            writers: BTreeMap::new(),
            connection: 0,
            frames: 0,
            told_of_raw: false,
            clock: Clock::default(),
            baseline,
            looked_us: 0,
        }
    }

    pub(super) fn connected(&mut self) {
        self.connection += 1;
        self.outlet.stats.connections += 1;
    }

    /// The writer of a collector in the present connection. Its epoch is durable before it writes.
    fn writer(&mut self, collector: &str) -> Result<(&mut Writer, &mut Outlet), RunError> {
        let present = self
            .writers
            .get(collector)
            .is_some_and(|live| live.connection == self.connection);
        if !present {
            let writer = live::begin(self.context, &mut self.outlet, collector)?;
            let live = Live {
                writer,
                connection: self.connection,
            };
            self.writers.insert(collector.to_owned(), live);
            if let Some(baseline) = &mut self.baseline {
                baseline.heard(collector, now_us())?;
            }
        }
        match self.writers.get_mut(collector) {
            Some(live) => Ok((&mut live.writer, &mut self.outlet)),
            None => Err(RunError::NotStored {
                reason: format!("no writer for {collector}"),
            }),
        }
    }

    pub(super) fn frame(&mut self, frame: &Frame) -> Result<(), RunError> {
        self.frames += 1;
        match ris_live::decode(frame.text.as_bytes()) {
            Ok(ris_live::Frame::Message(message)) => self.message(frame, &message),
            Ok(ris_live::Frame::Error(message)) => {
                tracing::warn!(%message, "RIS Live says that something is wrong");
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) => self.dead_letter(UNKNOWN, frame, "undecodable", &error.to_string()),
        }
    }

    fn message(&mut self, frame: &Frame, message: &RisMessage<'_>) -> Result<(), RunError> {
        let collector = message.collector.as_deref().unwrap_or(UNKNOWN);
        if let Some(why) = &message.unread_raw {
            metrics::counter!("weir_ris_live_unread_raw_total").increment(1);
            if !std::mem::replace(&mut self.told_of_raw, true) {
                tracing::warn!(
                    collector,
                    why,
                    "the octets of a RIS Live message cannot be read: it goes on without large communities and OTC"
                );
            }
        }
        for one in &message.messages {
            if !clamp::live_admits(one.event_time_us, frame.received_us) {
                let error = live::from_the_future(one.event_time_us, frame.received_us);
                self.dead_letter(collector, frame, "future", &error)?;
                continue;
            }
            let (writer, outlet) = self.writer(collector)?;
            writer.message(outlet, one, frame.received_us)?;
            if let Some(baseline) = &mut self.baseline {
                baseline.hear(collector, one, frame.received_us);
            }
        }
        Ok(())
    }

    /// A table of a collector is under way.
    pub(super) fn is_warming(&self) -> bool {
        self.baseline.as_ref().is_some_and(Baseline::is_under_way)
    }

    /// Writes some entries of a table, as many as may go out now; false when there are none.
    pub(super) fn seed(&mut self) -> Result<bool, RunError> {
        let now = now_us();
        for written in 0..MOST_AT_ONCE {
            let next = self
                .baseline
                .as_mut()
                .and_then(|baseline| baseline.next(now));
            let Some((collector, entry)) = next else {
                return Ok(written > 0);
            };
            self.entry(&collector, &entry, now)?;
        }
        Ok(true)
    }

    /// An entry of a table, by the writer that tells what is live.
    fn entry(&mut self, collector: &str, entry: &Entry, now: i64) -> Result<(), RunError> {
        let (writer, outlet) = self.writer(collector)?;
        match &entry.item {
            Item::Message(message) if message.body == Body::EndOfRib => {
                writer.end_of_table(outlet, message, now)?;
            }
            Item::Message(message) => writer.message(outlet, message, now)?,
            Item::Bad(bad) => {
                let letter = DeadLetter {
                    class: bad.class,
                    error: &bad.error,
                    payload: &bad.payload,
                    origin: "table",
                    record: entry.record,
                };
                writer.dead_letter(outlet, &letter, now)?;
            }
        }
        Ok(())
    }

    fn dead_letter(
        &mut self,
        collector: &str,
        frame: &Frame,
        class: &'static str,
        error: &str,
    ) -> Result<(), RunError> {
        let record = self.frames;
        let payload = live::kept(frame.text.as_bytes(), live::MOST_PAYLOAD);
        let letter = DeadLetter {
            class,
            error,
            payload,
            origin: UNKNOWN,
            record,
        };
        // A frame that names no collector must not make one.
        if collector == UNKNOWN {
            let mut nobody = Writer::new(UNKNOWN, 0, false);
            nobody.dead_letter(&mut self.outlet, &letter, frame.received_us)?;
            return Ok(());
        }
        let (writer, outlet) = self.writer(collector)?;
        writer.dead_letter(outlet, &letter, frame.received_us)?;
        Ok(())
    }

    /// The connection is gone: what its collectors say from now on is not heard.
    pub(super) fn lost(&mut self, reason: &str) -> Result<(), RunError> {
        self.gap(0, reason)
    }

    /// The log could not keep up.
    pub(super) fn dropped(&mut self, count: u64) -> Result<(), RunError> {
        tracing::warn!(count, "frames of RIS Live dropped, the log is too slow");
        metrics::counter!("weir_ris_live_dropped_total").increment(count);
        self.outlet.stats.dropped += count;
        self.gap(count, "overload")
    }

    fn gap(&mut self, lost: u64, reason: &str) -> Result<(), RunError> {
        for (collector, live) in &mut self.writers {
            if live.connection == self.connection {
                live::gap(&mut live.writer, &mut self.outlet, lost, reason)?;
                if let Some(baseline) = &mut self.baseline {
                    baseline.gap(collector, now_us());
                }
            }
        }
        Ok(())
    }

    /// Each second of the clock, in silence too.
    pub(super) fn tick(&mut self) -> Result<(), RunError> {
        let now = now_us();
        if let Some(baseline) = &mut self.baseline
            && now - self.looked_us >= LOOK_US
        {
            self.looked_us = now;
            self.context.status.warming(baseline.tick(now)?);
        }
        let writers = self.writers.values_mut().map(|live| &mut live.writer);
        self.clock.tick(self.context, &mut self.outlet, writers)
    }

    /// Waits until everything is in the log.
    pub(super) fn flush(&mut self) -> Result<(), RunError> {
        live::flush(self.context, &mut self.outlet)?;
        if let Some(baseline) = &mut self.baseline {
            baseline.remember()?;
        }
        Ok(())
    }
}
