//! Tables of collectors, fetched from public archives while updates flow.
//!
//! RIS Live tells what changes. What was there before is in the dumps that collectors give to an archive: the newest
//! one seeds routes and history when a collector is first heard, and after a gap the first one that was taken later
//! says which routes are there still. Entries go out under the live writer's epoch and seq, between the updates, at a
//! bounded rate (docs/detector.md 1). A thread of its own fetches and decodes (`fetcher`, `fetch`); which table is
//! wanted, and what it must not take back, is known here (`table`); where it is, to `archive`.
//!
//! A table that does not come is named and counted, and asked for again; updates are judged without it.

mod archive;
mod fetch;
mod fetcher;
mod share;
mod table;

use std::{
    collections::BTreeMap,
    fs, io,
    path::Path,
    sync::mpsc::{Receiver, Sender, TryRecvError, channel, sync_channel},
    time::Instant,
};

use weir_eventlog::Publisher;
use weir_events::time::{MINUTE_US, SECOND_US, rfc3339};
use weir_lifecycle::Stop;
use weir_routing::Message;

use crate::{
    config::{self, RisLive},
    progress::{ProgressError, Store},
    reader::{Entry, Item},
    run::Context,
};
use archive::Archive;
use fetcher::{Fetcher, Order, QUEUE, Said, Word};
use share::Share;
use table::Table;

/// Why a table was not read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the archive has no table of the last day, or of after the gap")]
    Missing,
    #[error("the archive does not give it: {reason}")]
    Unreachable { reason: String },
    #[error("it was not there after {seconds} s (timeout_seconds of [ingest.baseline])")]
    TimedOut { seconds: u64 },
    #[error("the archive refuses it: {reason}")]
    Refused { reason: String },
    #[error("{bytes} bytes are more than {most} (max_bytes of [ingest.baseline])")]
    TooLarge { bytes: u64, most: u64 },
    #[error("it is no table of that time: {reason}")]
    NoTable { reason: String },
    #[error("it is damaged: {reason}")]
    Damaged { reason: String },
    #[error("more was withdrawn meanwhile than is remembered")]
    Overrun,
    #[error("it cannot be kept on disk: {reason}")]
    Disk { reason: String },
    /// Nobody wants it any more; nobody is told.
    #[error("it was given up")]
    GivenUp,
}

impl Failure {
    fn name(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unreachable { .. } => "unreachable",
            Self::TimedOut { .. } => "timed-out",
            Self::Refused { .. } => "refused",
            Self::TooLarge { .. } => "too-large",
            Self::NoTable { .. } => "no-table",
            Self::Damaged { .. } => "damaged",
            Self::Overrun => "overrun",
            Self::Disk { .. } => "disk",
            Self::GivenUp => "given-up",
        }
    }

    /// The same table may come later; else only another one will do.
    fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Missing
                | Self::Unreachable { .. }
                | Self::TimedOut { .. }
                | Self::Refused { .. }
                | Self::Disk { .. }
        )
    }
}

/// How many entries may go out: so many per second, a hundredth of that in one go.
struct Pace {
    per_second: f64,
    allowed: f64,
    looked: Instant,
}

impl Pace {
    fn new(per_second: u32) -> Self {
        Self {
            per_second: f64::from(per_second.max(1)),
            allowed: 0.0,
            looked: Instant::now(),
        }
    }

    fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.looked).as_secs_f64();
        self.looked = now;
        let most = (self.per_second / 100.0).max(1.0);
        self.allowed = (self.allowed + passed * self.per_second).min(most);
        let may = self.allowed >= 1.0;
        if may {
            self.allowed -= 1.0;
        }
        may
    }
}

/// The order that is under way; another one waits until its last word.
struct Reading {
    number: u64,
    collector: String,
    stop: Stop,
}

/// The tables of all collectors that are wanted.
pub(crate) struct Baseline {
    wanted: Vec<String>,
    config: config::Baseline,
    tables: BTreeMap<String, Table>,
    orders: Sender<Order>,
    words: Receiver<Word>,
    numbers: u64,
    reading: Option<Reading>,
    pace: Pace,
    share: Share,
    store: Store,
    publisher: Publisher,
}

impl Baseline {
    /// Of what a source subscribes to; `None` = none is wanted. Dumps are kept below `state` while they are read.
    pub(crate) fn begin(
        context: &Context,
        source: &RisLive,
        state: &Path,
    ) -> Result<Option<Self>, io::Error> {
        let config = context.config.baseline.clone();
        let wanted = config.wanted(source);
        if !config.enabled || wanted.is_empty() {
            let why = match config.enabled {
                true => "names no collectors",
                false => "is not enabled",
            };
            tracing::info!(
                why,
                "[ingest.baseline] fetches no tables of collectors: what is not announced anew is not known"
            );
            return Ok(None);
        }
        let folder = state.join("baseline");
        fs::create_dir_all(&folder)?;
        for left in fs::read_dir(&folder)? {
            fs::remove_file(left?.path())?;
        }
        let (orders, ordered) = channel();
        let (sender, words) = sync_channel(QUEUE);
        let share = Share::default();
        let fetcher = Fetcher {
            config: config.clone(),
            folder,
            words: sender,
            share: share.clone(),
        };
        // It ends with its orders, at the latest when a server has been silent for too long: nobody waits for it.
        std::thread::Builder::new()
            .name("baseline".to_owned())
            .spawn(move || fetcher.run(&ordered))?;
        Ok(Some(Self {
            wanted,
            pace: Pace::new(config.routes_per_second),
            config,
            tables: BTreeMap::new(),
            orders,
            words,
            numbers: 0,
            reading: None,
            share,
            store: context.store.clone(),
            publisher: context.publisher.clone(),
        }))
    }

    /// A collector is heard in a new connection.
    pub(crate) fn heard(&mut self, collector: &str, now_us: i64) -> Result<(), ProgressError> {
        if self.tables.contains_key(collector) {
            self.gap(collector, now_us);
        } else if self.wanted.iter().any(|name| name == collector) {
            let is_first = self.store.table(collector)?.is_none();
            let archive = Archive::of(&self.config, collector);
            let table = Table::new(archive, is_first, now_us);
            self.tables.insert(collector.to_owned(), table);
        }
        Ok(())
    }

    /// Updates of a collector were lost.
    pub(crate) fn gap(&mut self, collector: &str, now_us: i64) {
        let table = self.tables.get_mut(collector);
        if table.is_some_and(|table| table.gap(now_us)) {
            self.give_up(collector);
        }
    }

    /// A peer has said something.
    pub(crate) fn hear(&mut self, collector: &str, message: &Message, now_us: i64) {
        let table = self.tables.get_mut(collector);
        if table.is_some_and(|table| table.hear(message, now_us)) {
            count(collector, &Failure::Overrun);
            self.give_up(collector);
        }
    }

    /// The table under way is of no use any more.
    fn give_up(&self, collector: &str) {
        if let Some(reading) = &self.reading
            && reading.collector == collector
        {
            tracing::info!(collector, "a table is given up: a later one is waited for");
            reading.stop.set();
        }
    }

    /// A table is under way: ask for entries often.
    pub(crate) fn is_under_way(&self) -> bool {
        self.reading.is_some()
    }

    /// The next entry that is to be written now, and of which collector; `None` = there is none, or not yet.
    pub(crate) fn next(&mut self, now_us: i64) -> Option<(String, Entry)> {
        while let Some(reading) = &self.reading {
            if !self.pace.take(Instant::now()) {
                return None;
            }
            let word = match self.words.try_recv() {
                Ok(word) if word.order == reading.number => word,
                Ok(_) => continue,
                Err(TryRecvError::Empty) => return None,
                Err(TryRecvError::Disconnected) => {
                    tracing::error!("who fetches tables has ended before its time");
                    self.reading = None;
                    return None;
                }
            };
            match word.said {
                Said::Entry(entry) => {
                    let table = self.tables.get(&reading.collector);
                    if reading.stop.is_set() {
                        continue;
                    }
                    let is_news = |table: &Table| match &entry.item {
                        Item::Message(message) => table.admits(message),
                        Item::Bad(_) => true,
                    };
                    if table.is_some_and(is_news) {
                        metrics::counter!("weir_baseline_entries_total").increment(1);
                        return Some((reading.collector.clone(), entry));
                    }
                    metrics::counter!("weir_baseline_outdated_total").increment(1);
                }
                Said::Over(result) => self.over(result, now_us),
            }
        }
        None
    }

    fn over(&mut self, result: Result<i64, Failure>, now_us: i64) {
        let Some(reading) = self.reading.take() else {
            return;
        };
        let Some(table) = self.tables.get_mut(&reading.collector) else {
            return;
        };
        if reading.stop.is_set() {
            return;
        }
        let collector = reading.collector.as_str();
        match result {
            Ok(slot_us) => {
                let (name, of) = ("whole", rfc3339(slot_us));
                metrics::counter!("weir_baseline_tables_total", "result" => name).increment(1);
                tracing::info!(collector, of, "a table was read to its end");
                table.written(slot_us, self.publisher.last());
            }
            Err(failure) => {
                count(collector, &failure);
                if failure.is_transient() {
                    let wait_us = i64::try_from(self.config.look_seconds).unwrap_or(i64::MAX);
                    table.try_again(now_us, wait_us.saturating_mul(SECOND_US));
                } else {
                    // Later than any that is there now.
                    table.want_after(now_us - MINUTE_US);
                }
            }
        }
    }

    /// Orders what is due, remembers what is in the log, and gives how far first tables are, of 100; `None` = none is
    /// under way.
    pub(crate) fn tick(&mut self, now_us: i64) -> Result<Option<u32>, ProgressError> {
        if self.reading.is_none() {
            self.order(now_us);
        }
        self.remember()?;
        let under_way = self.share.percent();
        let tables = self.tables.values();
        let parts: Vec<u64> = tables
            .filter_map(|table| table.warming(now_us, under_way))
            .collect();
        let percent = parts.iter().sum::<u64>() / (parts.len() as u64).max(1);
        let is_warming = parts.iter().any(|part| *part < 100);
        let shown = if is_warming { percent } else { 100 };
        metrics::gauge!("weir_baseline_warming_percent").set(shown as f64);
        Ok(is_warming.then_some(u32::try_from(percent).unwrap_or(100)))
    }

    /// Remembers the tables that are in the log to their ends.
    pub(crate) fn remember(&mut self) -> Result<(), ProgressError> {
        let acknowledged = self.publisher.acknowledged();
        for (collector, table) in &mut self.tables {
            if let Some((slot_us, _)) = table.written.take_if(|(_, last)| *last <= acknowledged) {
                self.store.keep_table(collector, slot_us)?;
            }
        }
        Ok(())
    }

    fn order(&mut self, now_us: i64) {
        for (collector, table) in &mut self.tables {
            let slots = table.order(now_us);
            if slots.is_empty() {
                continue;
            }
            self.numbers += 1;
            let reading = Reading {
                number: self.numbers,
                collector: collector.clone(),
                stop: Stop::new(),
            };
            let order = Order {
                number: reading.number,
                archive: table.archive.clone(),
                collector: collector.clone(),
                slots,
                stop: reading.stop.clone(),
            };
            self.share.begin();
            // Without the thread its next word is missed, which is told there.
            let _ = self.orders.send(order);
            self.reading = Some(reading);
            return;
        }
    }
}

impl Drop for Baseline {
    fn drop(&mut self) {
        if let Some(reading) = &self.reading {
            reading.stop.set();
        }
    }
}

fn count(collector: &str, failure: &Failure) {
    metrics::counter!("weir_baseline_tables_total", "result" => failure.name()).increment(1);
    let (reason, again) = (failure.to_string(), failure.is_transient());
    tracing::warn!(
        collector,
        reason,
        again,
        "no table: updates are judged without it"
    );
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn entries_go_out_at_their_pace_and_a_rest_is_not_made_up_for() {
        let mut pace = Pace::new(1000);
        let start = pace.looked;
        let mut taken = 0;
        for millisecond in 0..1000 {
            let now = start + Duration::from_millis(millisecond);
            while pace.take(now) {
                taken += 1;
            }
        }
        assert!((995..=1000).contains(&taken), "{taken}");
        let later = start + Duration::from_secs(60);
        assert_eq!((0..100).filter(|_| pace.take(later)).count(), 10);
    }
}
