//! Reads one batch of files in order of event time into the log.
//!
//! Everything emitted is a function of the files and of where the batch began: RIB dumps first,
//! then the rest, merged; a Tick of every collector for each second of the merged time. A resumed
//! batch is read again from its beginning and sends only what is not in the log.

use std::{collections::BTreeMap, time::Instant};

use weir_events::v1::{self, control::Kind};
use weir_lifecycle::crash_point;
use weir_routing::Body;

use crate::{
    counts::Distinct,
    input::{InputError, InputFile},
    merge::Merge,
    pacer::Pacer,
    progress::{Cursor, Keeper, Progress},
    reader::{Entry, Item, Look},
    run::{Context, Outcome, RunError},
    speed::Speed,
    ticks::Ticks,
    writer::{DeadLetter, Outlet, Writer},
};

/// Any reader of entries.
pub(crate) type Entries = Box<dyn Iterator<Item = Entry> + Send>;

/// One file of a batch, looked at.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    pub(crate) file: InputFile,
    pub(crate) look: Look,
}

/// A run over one batch, or over one after the other.
pub(crate) struct Batches {
    pub(crate) context: Context,
    outlet: Outlet,
    writers: Vec<Writer>,
    collectors: BTreeMap<String, usize>,
    /// File and record that each collector's writer was given last.
    places: Vec<(String, u64)>,
    /// Collectors whose RIB dumps are being read.
    in_rib: Vec<bool>,
    ticks: Ticks,
    pacer: Pacer,
    distinct: Distinct,
    keeper: Keeper,
    /// All but the cursors, which are filled in when it is offered.
    pub(crate) progress: Progress,
    offered: Instant,
    caught_up: bool,
    last_us: i64,
}

impl Batches {
    /// Goes on from `progress`.
    pub(crate) fn new(
        context: Context,
        progress: Progress,
        speed: Speed,
    ) -> Result<Self, std::io::Error> {
        let mut batches = Self {
            keeper: context.keeper()?,
            outlet: Outlet::new(context.publisher.clone()),
            context,
            writers: Vec::new(),
            collectors: BTreeMap::new(),
            places: Vec::new(),
            in_rib: Vec::new(),
            ticks: Ticks::after(progress.first_told_us),
            pacer: Pacer::new(speed),
            distinct: Distinct::default(),
            offered: Instant::now(),
            caught_up: false,
            last_us: progress.first_told_us.unwrap_or(0),
            progress,
        };
        let known: Vec<_> = batches.progress.collectors.keys().cloned().collect();
        for collector in known {
            batches.add(&collector);
        }
        Ok(batches)
    }

    fn add(&mut self, collector: &str) {
        if self.collectors.contains_key(collector) {
            return;
        }
        let cursor = self.progress.collectors.get(collector);
        let (first, next) = cursor.map_or((0, 0), |c| (c.first_seq, c.next_seq));
        let writer = Writer::new(collector, 0, self.context.config.synthetic);
        self.collectors
            .insert(collector.to_owned(), self.writers.len());
        self.writers.push(writer.resuming(first, next));
        self.places.push((String::new(), 0));
        self.in_rib.push(false);
        self.context.status.collector(collector);
    }

    /// Reads all lanes to their ends, or until the stop. `lanes` is sorted by collector and path.
    pub(crate) fn read(
        &mut self,
        lanes: &[Lane],
        mut open: impl FnMut(&Lane) -> Result<Entries, InputError>,
    ) -> Result<Outcome, RunError> {
        let begin = lanes.iter().filter_map(|lane| lane.look.first_us).min();
        if let Some(begin) = begin {
            self.begin(lanes, begin)?;
        }
        for is_rib in [true, false] {
            let phase: Vec<_> = lanes.iter().filter(|l| l.look.is_rib == is_rib).collect();
            let firsts = phase.iter().map(|lane| lane.look.first_us);
            let mut merge = Merge::new(firsts, |lane: usize| match phase.get(lane) {
                Some(lane) => open(lane),
                None => Ok(Box::new(std::iter::empty())),
            });
            while let Some((lane, entry)) = merge.next()? {
                let Some(lane) = phase.get(lane) else {
                    continue;
                };
                if !self.entry(lane, &entry)? {
                    return Ok(Outcome::Stopped);
                }
            }
        }
        self.end_ribs()?;
        Ok(Outcome::Finished)
    }

    /// Announces the collectors that were not known, in the order of their names.
    fn begin(&mut self, lanes: &[Lane], begin_us: i64) -> Result<(), RunError> {
        for lane in lanes {
            self.add(&lane.file.collector);
        }
        let released = weir_events::time::now_us();
        for number in self.collectors.values() {
            if let Some(writer) = self.writers.get_mut(*number)
                && writer.next_seq() == 0
            {
                let start = Kind::SourceStart(v1::SourceStart {});
                writer.control(&mut self.outlet, start, begin_us, released)?;
            }
        }
        Ok(())
    }

    /// One entry; false when the stop came first.
    fn entry(&mut self, lane: &Lane, entry: &Entry) -> Result<bool, RunError> {
        let Some(number) = self.collectors.get(&lane.file.collector).copied() else {
            return Ok(true);
        };
        let seeds = lane.look.is_rib
            || matches!(&entry.item, Item::Message(m) if matches!(&m.body, Body::Update(u) if u.from_rib));
        if seeds {
            if let Some(in_rib) = self.in_rib.get_mut(number) {
                *in_rib = true;
            }
        } else {
            self.end_ribs()?;
            if !self.tick(entry.time_us)? {
                return Ok(false);
            }
        }
        self.caught_up = self.caught_up || self.writers.iter().all(|w| !w.is_behind());
        let released = if seeds || !self.caught_up {
            weir_events::time::now_us()
        } else {
            let elements = match &entry.item {
                Item::Message(message) => message.body.elements(),
                Item::Bad(_) => 0,
            };
            self.pacer
                .release(entry.time_us, elements, &self.context.stop)
        };
        if self.context.stop.is_set() {
            return Ok(false);
        }
        self.last_us = self.last_us.max(entry.time_us);
        let (Some(writer), Some(place)) =
            (self.writers.get_mut(number), self.places.get_mut(number))
        else {
            return Ok(true);
        };
        match &entry.item {
            Item::Message(message) => {
                self.distinct.saw(number, message, &mut self.outlet.stats);
                writer.message(&mut self.outlet, message, released)?;
            }
            Item::Bad(bad) => {
                let letter = DeadLetter {
                    class: bad.class,
                    error: &bad.error,
                    payload: &bad.payload,
                    origin: &lane.file.path.to_string_lossy(),
                    record: entry.record,
                };
                writer.dead_letter(&mut self.outlet, &letter, released)?;
            }
        }
        crash_point("ingest.published");
        if self.offered.elapsed() >= crate::progress::PERIOD {
            place.0 = lane.file.path.display().to_string();
            place.1 = entry.record;
            self.offer()?;
        }
        Ok(true)
    }

    /// Tells the seconds up to `time_us`; false when the stop came first.
    fn tick(&mut self, time_us: i64) -> Result<bool, RunError> {
        let mut step = None;
        while let Some(second) = self.ticks.next(&mut step, time_us) {
            let released = if self.caught_up {
                self.pacer.release(second, 0, &self.context.stop)
            } else {
                weir_events::time::now_us()
            };
            if self.context.stop.is_set() {
                return Ok(false);
            }
            for writer in &mut self.writers {
                let tick = Kind::Tick(v1::Tick {});
                writer.control(&mut self.outlet, tick, second, released)?;
            }
        }
        Ok(true)
    }

    fn end_ribs(&mut self) -> Result<(), RunError> {
        let released = weir_events::time::now_us();
        for (writer, in_rib) in self.writers.iter_mut().zip(&mut self.in_rib) {
            if std::mem::take(in_rib) {
                let end = Kind::EndOfRib(v1::EndOfRib::default());
                writer.control(&mut self.outlet, end, self.last_us, released)?;
            }
        }
        Ok(())
    }

    /// Says that nothing more comes.
    pub(crate) fn end_of_input(&mut self) -> Result<(), RunError> {
        let released = weir_events::time::now_us();
        for writer in &mut self.writers {
            let end = Kind::EndOfInput(v1::EndOfInput {});
            writer.control(&mut self.outlet, end, self.last_us, released)?;
        }
        Ok(())
    }

    /// Where the next batch begins: what is read from now on counts from here.
    pub(crate) fn next_batch(&mut self) {
        self.progress.first_told_us = self.ticks.told();
        for writer in &self.writers {
            let cursor = self
                .progress
                .collectors
                .entry(writer.collector().to_owned());
            cursor.or_default().first_seq = writer.next_seq();
        }
    }

    /// Shows where the run stands, and offers it to be stored.
    pub(crate) fn offer(&mut self) -> Result<(), RunError> {
        self.offered = Instant::now();
        self.context.show(&mut self.outlet.stats);
        if let Some(reason) = self.keeper.failure() {
            return Err(RunError::NotStored { reason });
        }
        for (writer, (file, record)) in self.writers.iter().zip(&self.places) {
            let cursor: &mut Cursor = self
                .progress
                .collectors
                .entry(writer.collector().to_owned())
                .or_default();
            // A run that stops while it is behind has the same log as the one before it.
            cursor.next_seq = cursor.next_seq.max(writer.next_seq());
            if !file.is_empty() {
                cursor.file.clone_from(file);
                cursor.record = *record;
            }
        }
        self.keeper.offer(self.progress.clone(), self.outlet.last());
        Ok(())
    }

    /// Stores where the run stands; waits for it.
    pub(crate) fn settle(&mut self, finished: bool) -> Result<(), RunError> {
        self.context.show(&mut self.outlet.stats);
        if finished {
            self.progress.finished = Some(self.outlet.stats.clone());
        }
        self.offer()?;
        if self.keeper.settle(None) {
            Ok(())
        } else {
            let reason = self.keeper.failure().unwrap_or_default();
            Err(RunError::NotStored { reason })
        }
    }
}
