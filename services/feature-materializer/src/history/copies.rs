//! What a writer on another machine needs to write the same files: snapshots of the ledger, now and
//! then, and among them the range of every file, before the file.
//!
//! ```text
//! <stream>/feature-materializer/feature-rows/<partition>/ledger/<position>-<checksum>.snap
//! <stream>/feature-materializer/feature-rows/<partition>/ranges/<start, 20 digits>   its text: the end
//! ```
//! From a snapshot on, the ranges say where files end: the same rows go into files of the same names.
//! A range is put only where none has its start, so of two writers one is overtaken.

use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
    time::Duration,
};

use weir_eventlog::Assignment;
use weir_events::topics::FEATURE_ROWS;
use weir_lifecycle::crash_point;
use weir_objects::{
    Objects, ObjectsError,
    snapshots::{self, Place, Snapshots},
};
use weir_offline_store::OffsetRange;

use super::ledger::{Ledger, LedgerError};

/// Longest that the end of a task waits for its last snapshot.
const SNAPSHOT_WITHIN: Duration = Duration::from_secs(5);

/// Start -> end.
pub(super) type Ranges = BTreeMap<i64, i64>;

/// The copies of one partition.
pub(super) struct Copies {
    objects: Objects,
    partition: u32,
    folder: String,
    snapshots: Snapshots,
    /// Position of the snapshot before the newest: if that one is damaged, ranges from here on count.
    before: i64,
}

impl Copies {
    /// Takes the newest snapshot when it is further than the ledger. Also gives the ranges of files
    /// that are, or may be, there.
    pub(super) fn bring(
        objects: &Objects,
        ledger: &Ledger,
        file: &Path,
        assignment: &Assignment,
        every: Duration,
    ) -> Result<(Self, Ranges), LedgerError> {
        let partition = assignment.partition();
        let folder = format!("feature-materializer/{}/{partition}", FEATURE_ROWS.name);
        let place = Place {
            objects: objects.clone(),
            folder: format!("{folder}/ledger"),
            scratch: file.with_extension(format!("{partition}.snap")),
        };
        let pause = |wait| assignment.pause(wait);
        let here = ledger.standing(partition)?.next_offset;
        let brought =
            snapshots::bring(&place, here, pause, |from| ledger.take_in(partition, from))?;
        let listed = || ranges(objects, &folder);
        let ranges = snapshots::patiently(&folder, here.is_some(), pause, listed)?;
        let copied = || crash_point("history.copied");
        let snapshots = Snapshots::start(place, brought.or(here).unwrap_or(0), every, copied)
            .map_err(|source| ObjectsError::Folder {
                folder: file.display().to_string(),
                source,
            })?;
        let copies = Self {
            objects: objects.clone(),
            partition,
            folder,
            snapshots,
            before: 0,
        };
        Ok((copies, ranges.unwrap_or_default()))
    }

    /// Says for all writers where the file that begins at `range.start` ends. False: another one has
    /// said otherwise.
    pub(super) fn promise(&self, range: OffsetRange) -> Result<bool, ObjectsError> {
        let name = format!("{}/ranges/{:020}", self.folder, range.start);
        let end = range.end.to_string();
        if self.objects.put_new(&name, end.clone())? {
            return Ok(true);
        }
        Ok(self.objects.get(&name)?.is_some_and(|said| said == end))
    }

    /// After everything below `position` is in the history.
    pub(super) fn kept(&mut self, ledger: &Ledger, position: i64) -> Result<(), LedgerError> {
        if !self.snapshots.is_due(position) {
            return Ok(());
        }
        if let Some(there) = self.snapshots.there() {
            self.forget(self.before);
            self.before = there;
        }
        let snapshot = ledger.snapshot(self.partition, position)?;
        self.snapshots.give(position, snapshot);
        Ok(())
    }

    /// The end of a task at `position`.
    pub(super) fn finish(self, ledger: &Ledger, position: i64) {
        let last = || ledger.snapshot(self.partition, position).ok();
        self.snapshots.finish(position, SNAPSHOT_WITHIN, last);
    }

    /// Ranges below `position` are in two snapshots. What is left of them is forgotten next time.
    fn forget(&self, position: i64) {
        let old = ranges(&self.objects, &self.folder).and_then(|ranges| {
            let mut old = ranges.iter().filter(|(_, end)| **end <= position);
            old.try_for_each(|(start, _)| {
                self.objects
                    .delete(&format!("{}/ranges/{start:020}", self.folder))
            })
        });
        if old.is_err() {
            metrics::counter!("weir_checkpoint_copy_failures_total", "service" => "feature-materializer")
                .increment(1);
        }
    }
}

fn ranges(objects: &Objects, folder: &str) -> Result<Ranges, ObjectsError> {
    let mut ranges = Ranges::new();
    for object in objects.list(&format!("{folder}/ranges"))? {
        let start = object
            .name
            .rsplit('/')
            .next()
            .and_then(|name| name.parse::<i64>().ok());
        let text = objects.get(&object.name)?.unwrap_or_default();
        let end = str::from_utf8(&text)
            .ok()
            .and_then(|text| text.parse::<i64>().ok());
        ranges.extend(start.zip(end));
    }
    Ok(ranges)
}

/// Where files have to end, ascending, for a writer that stands at `start`.
pub(super) fn ends(start: i64, ranges: &Ranges) -> VecDeque<i64> {
    let mut ends = VecDeque::new();
    let mut at = start;
    for (&first, &end) in ranges.iter().filter(|(_, end)| **end > start) {
        // Between two files there were no new rows.
        ends.extend((first > at).then_some(first));
        ends.extend((end > at).then_some(end));
        at = at.max(end);
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_end_where_they_ended_and_nothing_is_written_across_a_gap() {
        let ranges = Ranges::from([(10, 20), (20, 25), (40, 50)]);
        assert_eq!(ends(0, &ranges), [10, 20, 25, 40, 50]);
        assert_eq!(ends(20, &ranges), [25, 40, 50]);
        assert_eq!(ends(22, &ranges), [25, 40, 50]);
        assert!(ends(50, &ranges).is_empty());
    }
}
