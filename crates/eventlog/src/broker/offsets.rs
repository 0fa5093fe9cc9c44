//! Committed offsets of groups, in `offsets.journal`; keyed by topic id, so that a topic made anew
//! inherits none.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use parking_lot::Mutex;
use uuid::Uuid;

use super::journal::Journal;
use super::wire::{Reader, WireError, Writer};

/// What a group said of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) offset: i64,
    pub(crate) metadata: String,
    /// When, in milliseconds since the Unix epoch.
    pub(crate) at: i64,
}

type Place = (Uuid, i32);
type Groups = BTreeMap<String, BTreeMap<Place, Committed>>;

#[derive(Debug)]
pub(crate) struct Offsets {
    state: Mutex<(Groups, Journal)>,
    /// Commits fail, and how many have.
    #[cfg(test)]
    trial: Mutex<(bool, usize)>,
}

impl Offsets {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut groups = Groups::new();
        let journal = Journal::open(path, |entry| {
            let _ = replay(entry, &mut groups);
        })?;
        Ok(Self {
            state: Mutex::new((groups, journal)),
            #[cfg(test)]
            trial: Mutex::default(),
        })
    }

    pub(crate) fn commit(&self, group: &str, rows: Vec<(Place, Committed)>) -> io::Result<()> {
        let entries: Vec<_> = rows
            .iter()
            .map(|(place, committed)| commit_entry(group, place, committed))
            .collect();
        let mut guard = self.state.lock();
        let (groups, journal) = &mut *guard;
        #[cfg(test)]
        self.trial()?;
        journal.append(&entries)?;
        groups.entry(group.to_owned()).or_default().extend(rows);
        tidy(groups, journal);
        Ok(())
    }

    pub(crate) fn get(&self, group: &str, topic: Uuid, partition: i32) -> Option<Committed> {
        let guard = self.state.lock();
        guard.0.get(group)?.get(&(topic, partition)).cloned()
    }

    /// Everything a group committed.
    pub(crate) fn of_group(&self, group: &str) -> Vec<(Place, Committed)> {
        let guard = self.state.lock();
        let rows = guard.0.get(group).into_iter().flatten();
        rows.map(|(place, row)| (*place, row.clone())).collect()
    }

    /// Every group that committed anything, with the time of its last commit.
    pub(crate) fn groups(&self) -> Vec<(String, i64)> {
        let guard = self.state.lock();
        let newest = |rows: &BTreeMap<Place, Committed>| rows.values().map(|row| row.at).max();
        guard
            .0
            .iter()
            .map(|(group, rows)| (group.clone(), newest(rows).unwrap_or(0)))
            .collect()
    }

    pub(crate) fn delete_group(&self, group: &str) -> io::Result<bool> {
        let mut guard = self.state.lock();
        let (groups, journal) = &mut *guard;
        if !groups.contains_key(group) {
            return Ok(false);
        }
        let mut entry = Writer::default();
        entry.i8(2).text(group);
        journal.append(&[entry.into_bytes()])?;
        groups.remove(group);
        tidy(groups, journal);
        Ok(true)
    }

    pub(crate) fn delete_topic(&self, topic: Uuid) -> io::Result<()> {
        let mut guard = self.state.lock();
        let (groups, journal) = &mut *guard;
        let mut entry = Writer::default();
        entry.i8(3).raw(topic.as_bytes());
        journal.append(&[entry.into_bytes()])?;
        forget_topic(groups, topic);
        Ok(())
    }

    /// What retention must keep of a partition: the slowest offset of any group that committed on
    /// the topic; a group that did so only elsewhere on it may still need all. `None`: no group.
    pub(crate) fn floor(&self, topic: Uuid, partition: i32) -> Option<i64> {
        let guard = self.state.lock();
        let of_topic = (topic, 0)..=(topic, i32::MAX);
        guard
            .0
            .values()
            .filter(|rows| rows.range(of_topic.clone()).next().is_some())
            .map(|rows| rows.get(&(topic, partition)).map_or(0, |row| row.offset))
            .min()
    }

    /// Nobody who commits or asks waits for the disk meanwhile.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let Some(unsynced) = self.state.lock().1.unsynced()? else {
            return Ok(());
        };
        let result = unsynced.sync();
        self.state.lock().1.synced(&unsynced, result)
    }
}

/// Entry kinds: 1 commit, 2 group deleted, 3 topic deleted.
fn commit_entry(group: &str, place: &Place, committed: &Committed) -> Vec<u8> {
    let mut entry = Writer::default();
    entry.i8(1).text(group).raw(place.0.as_bytes()).i32(place.1);
    entry.i64(committed.offset).text(&committed.metadata);
    entry.i64(committed.at);
    entry.into_bytes()
}

/// Rewrites the journal when it has outgrown its content. What was asked for is in it already, so a
/// failure is nothing to tell the client.
fn tidy(groups: &Groups, journal: &mut Journal) {
    if !journal.wants_rewrite() {
        return;
    }
    let mut entries = Vec::new();
    for (group, rows) in groups {
        entries.extend(
            rows.iter()
                .map(|(place, row)| commit_entry(group, place, row)),
        );
    }
    if let Err(error) = journal.rewrite(&entries) {
        tracing::warn!(%error, "the journal of committed offsets stays as long as it is");
    }
}

fn forget_topic(groups: &mut Groups, topic: Uuid) {
    for rows in groups.values_mut() {
        rows.retain(|place, _| place.0 != topic);
    }
    groups.retain(|_, rows| !rows.is_empty());
}

fn replay(entry: &[u8], groups: &mut Groups) -> Result<(), WireError> {
    let mut reader = Reader::new(entry);
    match reader.i8("kind")? {
        1 => {
            let group = reader.text("group")?.to_owned();
            let topic = topic_id(&mut reader)?;
            let partition = reader.i32("partition")?;
            let committed = Committed {
                offset: reader.i64("offset")?,
                metadata: reader.text("metadata")?.to_owned(),
                at: reader.i64("time")?,
            };
            groups
                .entry(group)
                .or_default()
                .insert((topic, partition), committed);
        }
        2 => {
            groups.remove(reader.text("group")?);
        }
        3 => {
            let topic = topic_id(&mut reader)?;
            forget_topic(groups, topic);
        }
        _ => {}
    }
    Ok(())
}

fn topic_id(reader: &mut Reader<'_>) -> Result<Uuid, WireError> {
    Uuid::from_slice(reader.take(16, "topic id")?).map_err(|_| WireError::Short("topic id"))
}

#[cfg(test)]
impl Offsets {
    /// From now on commits fail, as on a full disk, or no longer.
    pub(crate) fn refuse(&self, refuse: bool) {
        self.trial.lock().0 = refuse;
    }

    /// How many were refused.
    pub(crate) fn refused(&self) -> usize {
        self.trial.lock().1
    }

    fn trial(&self) -> io::Result<()> {
        let mut trial = self.trial.lock();
        if trial.0 {
            trial.1 += 1;
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_taken_though_the_journal_cannot_be_rewritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("offsets.journal");
        // Nothing can be written here.
        std::fs::create_dir(folder.path().join("offsets.new")).unwrap();
        let offsets = Offsets::open(&path).unwrap();
        let place = (Uuid::from_u128(7), 0);
        for offset in 1..=400 {
            let committed = Committed {
                offset,
                metadata: "m".repeat(4_000),
                at: offset,
            };
            offsets.commit("g", vec![(place, committed)]).unwrap();
        }
        assert!(std::fs::metadata(&path).unwrap().len() > 1 << 20);
        drop(offsets);
        let offsets = Offsets::open(&path).unwrap();
        assert_eq!(offsets.get("g", place.0, 0).unwrap().offset, 400);
    }
}
