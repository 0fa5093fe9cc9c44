//! The history writer: rows from `feature-rows` into Parquet, each (entity, version) once.
//!
//! The range of offsets of a file is in the ledger before the file, and the position behind it
//! after: a writer that died in between reads the same range again and writes the same bytes to
//! the same name. Rows that the materializer published twice are dropped by the last version of
//! their entity. A writer on another machine does the same by what is in `copies.rs`.

mod copies;
mod ledger;

use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    time::{Duration, Instant},
};

use rustc_hash::FxHashMap;
use weir_eventlog::{
    Assignment, Batch, DeadLetters, LogError, Next, Publisher, RecordRef, TaskError,
    status::StatusBoard,
};
use weir_events::{
    position::{StoreFence, Version},
    topics::FEATURE_ROWS,
};
use weir_features::{FeatureRow, FeatureView};
use weir_lifecycle::{Outlet, crash_point};
use weir_objects::{Objects, ObjectsError};
use weir_offline_store::{OfflineStore, OfflineStoreError, OffsetRange};

pub use self::ledger::LedgerError;
use self::{
    copies::{Copies, Ranges, ends},
    ledger::Ledger,
};
use crate::{config::Config, online::decode, task::ACKNOWLEDGED_WITHIN};

const SILENCE: Duration = Duration::from_millis(200);

#[derive(Clone)]
pub(crate) struct HistoryWriter {
    pub(crate) config: Config,
    pub(crate) views: Vec<FeatureView>,
    pub(crate) store: OfflineStore,
    pub(crate) outlet: Outlet,
    pub(crate) ledger: PathBuf,
    /// Where what other machines need goes; none = nowhere.
    pub(crate) copies: Option<Objects>,
    pub(crate) publisher: Publisher,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) board: StatusBoard,
}

impl HistoryWriter {
    /// Runs until the partition is taken away.
    pub(crate) fn run(&self, mut assignment: Assignment) -> Result<(), TaskError> {
        let partition = assignment.partition();
        let ledger = Ledger::open(&self.ledger)?;
        let fence = ledger.raise_fence(partition)?;
        let (copies, mut ranges) = self.bring(&ledger, &assignment)?.unzip();
        let standing = ledger.standing(partition)?;
        let start = match standing.next_offset {
            Some(position) => position,
            None => assignment.log_range()?.0,
        };
        // A promised range that the log no longer holds whole cannot be written again.
        let (first, end) = assignment.log_range()?;
        let ranges = ranges.get_or_insert_default();
        if let Some(promised) = standing.range_end {
            // What was said for all writers comes first.
            ranges.entry(start).or_insert(promised);
        }
        let ends = ends(start, ranges);
        if let Some(position) = ends.back().copied().filter(|position| *position > end) {
            return Err(Box::new(LogError::OutOfRange {
                topic: FEATURE_ROWS.name.to_owned(),
                partition,
                position,
                first,
                end,
            }));
        }
        assignment.resume_at(start)?;
        assignment.commit(start);
        self.board
            .position(FEATURE_ROWS.name, partition, start, end);
        let mut pile = Pile {
            of: self,
            fence,
            partition,
            start,
            next: start,
            ends,
            copies,
            versions: ledger.versions(partition)?,
            ledger,
            rows: Vec::new(),
            changed: FxHashMap::default(),
            since: Instant::now(),
            written: 0,
        };
        let idle = Duration::from_millis(self.config.history_idle_ms);
        let mut quiet = Instant::now();
        loop {
            let goes_on = match assignment.next(self.config.batch, SILENCE.min(idle))? {
                Next::Batch(batch) => {
                    quiet = Instant::now();
                    pile.take(&batch, &assignment)?
                }
                Next::Idle => {
                    let silent = assignment.at_end() && quiet.elapsed() >= idle;
                    !(silent && pile.ends.is_empty()) || pile.flush(&assignment)?
                }
                // What is piled up stays in the log.
                Next::Revoked => {
                    pile.finish_copies();
                    false
                }
                Next::Lost => false,
            };
            if !goes_on || (pile.is_due() && !pile.flush(&assignment)?) {
                self.board.forget(FEATURE_ROWS.name, partition);
                return Ok(());
            }
        }
    }

    fn bring(
        &self,
        ledger: &Ledger,
        assignment: &Assignment,
    ) -> Result<Option<(Copies, Ranges)>, LedgerError> {
        let every = Duration::from_secs(self.config.snapshot_seconds);
        let bring = |objects| Copies::bring(objects, ledger, &self.ledger, assignment, every);
        self.copies.as_ref().map(bring).transpose()
    }
}

/// Rows of one partition on their way into a file.
struct Pile<'a> {
    of: &'a HistoryWriter,
    ledger: Ledger,
    fence: StoreFence,
    partition: u32,
    start: i64,
    next: i64,
    /// Ends of files that were promised, or written by another machine, and are not passed yet.
    ends: VecDeque<i64>,
    copies: Option<Copies>,
    /// Last version of each `view/entity` that is in the history or the pile.
    versions: FxHashMap<String, Version>,
    changed: FxHashMap<String, Version>,
    rows: Vec<FeatureRow>,
    since: Instant,
    written: u64,
}

impl Pile<'_> {
    /// False = the partition was taken away.
    fn take(&mut self, batch: &Batch, assignment: &Assignment) -> Result<bool, TaskError> {
        for record in batch.iter() {
            // A record that belonged before it may be gone by now.
            while let Some(end) = self
                .ends
                .front()
                .copied()
                .filter(|end| *end <= record.offset)
            {
                self.next = end;
                if !self.flush(assignment)? {
                    return Ok(false);
                }
            }
            self.add(&record)?;
            if self.is_full() && !self.flush(assignment)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn add(&mut self, record: &RecordRef<'_>) -> Result<(), TaskError> {
        self.next = record.offset + 1;
        let dead_letters = &self.of.dead_letters;
        let Some(row) = decode(record, self.partition, dead_letters)? else {
            return Ok(());
        };
        let Some(view) = self.of.views.iter().find(|view| view.name == row.view) else {
            return self.refuse(record, "no view of this name");
        };
        if let Err(error) = view.values(&row) {
            return self.refuse(record, &error.to_string());
        }
        let key = row.record_key();
        if self
            .versions
            .get(&key)
            .is_some_and(|last| row.version <= *last)
        {
            return Ok(());
        }
        if self.rows.is_empty() {
            self.since = Instant::now();
        }
        self.versions.insert(key.clone(), row.version);
        self.changed.insert(key, row.version);
        self.rows.push(row);
        Ok(())
    }

    fn refuse(&self, record: &RecordRef<'_>, reason: &str) -> Result<(), TaskError> {
        self.of.dead_letters.send(
            FEATURE_ROWS.name,
            self.partition,
            record,
            "store",
            "unknown-view",
            reason,
        )?;
        Ok(())
    }

    fn is_full(&self) -> bool {
        match self.ends.front() {
            Some(end) => self.next >= *end,
            None => self.rows.len() >= self.of.config.history_rows.max(1),
        }
    }

    fn is_due(&self) -> bool {
        let limit = Duration::from_secs(self.of.config.history_seconds);
        self.ends.is_empty() && self.next > self.start && self.since.elapsed() >= limit
    }

    /// Writes what is piled up; false = the partition was taken away while the store was.
    fn flush(&mut self, assignment: &Assignment) -> Result<bool, TaskError> {
        self.since = Instant::now();
        if self.next == self.start {
            self.pass_ends();
            return Ok(true);
        }
        self.of.publisher.flush(ACKNOWLEDGED_WITHIN)?;
        let range = OffsetRange {
            partition: self.partition,
            start: self.start,
            end: self.next,
        };
        let rows = std::mem::take(&mut self.rows);
        if !rows.is_empty() {
            if !self.promise(range, assignment)? {
                return Ok(false);
            }
            crash_point("history.range.written");
            let mut by_view: BTreeMap<String, Vec<FeatureRow>> = BTreeMap::new();
            for row in rows {
                by_view.entry(row.view.to_string()).or_default().push(row);
            }
            for view in &self.of.views {
                if let Some(rows) = by_view.remove(&view.name) {
                    let written = self.of.outlet.insist(
                        OfflineStoreError::is_transient,
                        |wait| assignment.pause(wait),
                        || self.of.store.write(view, range, &rows),
                    )?;
                    // Taken away: who has the partition now reads the same range from the log.
                    if written.is_none() {
                        return Ok(false);
                    }
                    self.written += rows.len() as u64;
                }
            }
            crash_point("history.file.written");
        }
        self.ledger
            .keep(self.partition, self.next, &self.changed, self.fence)?;
        assignment.commit(self.next);
        crash_point("history.commit.after");
        self.changed.clear();
        self.start = self.next;
        self.pass_ends();
        if let Some(copies) = &mut self.copies {
            copies.kept(&self.ledger, self.next)?;
        }
        let board = &self.of.board;
        board.position(FEATURE_ROWS.name, self.partition, self.next, self.next);
        board.set("rows_out", self.partition, self.written);
        Ok(true)
    }

    /// Keeps the range of a file before the file; false = the partition was taken away meanwhile.
    fn promise(&self, range: OffsetRange, assignment: &Assignment) -> Result<bool, TaskError> {
        if let Some(copies) = &self.copies {
            let partition = self.partition;
            let ours = self.of.outlet.insist(
                ObjectsError::is_transient,
                |wait| assignment.pause(wait),
                || copies.promise(range),
            )?;
            match ours {
                Some(true) => {}
                Some(false) => return Err(Box::new(LedgerError::Fenced { partition })),
                None => return Ok(false),
            }
        }
        self.ledger.promise(self.partition, range.end, self.fence)?;
        Ok(true)
    }

    fn pass_ends(&mut self) {
        while self.ends.front().is_some_and(|end| *end <= self.next) {
            self.ends.pop_front();
        }
    }

    fn finish_copies(&mut self) {
        if let Some(copies) = self.copies.take() {
            copies.finish(&self.ledger, self.start);
        }
    }
}
