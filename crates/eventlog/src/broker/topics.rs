//! The catalogue: topics with their ids, settings and partitions, and where each log starts.
//!
//! It is kept in `catalogue.journal`. A topic that is made anew gets a new id and a new folder, so
//! nothing of the old one, not even a committed offset, is taken for its own.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use uuid::Uuid;

use super::journal::Journal;
use super::log::Log;
use super::wire::{Reader, WireError, Writer};

/// Producer ids are given out in blocks, one journal entry each.
const PRODUCER_BLOCK: i64 = 1_000;
/// Longest topic name, in bytes.
const NAME_LIMIT: usize = 249;
/// Partitions of one topic at most.
pub(crate) const PARTITION_LIMIT: i32 = 1_024;
const TOPIC_LIMIT: usize = 1_000;

/// One partition: its log under its own lock, and who waits for it to grow.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) log: Mutex<Log>,
    /// The last append failed: told once, however often clients try again.
    pub(crate) failing: AtomicBool,
    waiting: Mutex<Vec<Arc<Notify>>>,
}

impl Partition {
    fn new(log: Log) -> Self {
        Self {
            log: Mutex::new(log),
            failing: AtomicBool::new(false),
            waiting: Mutex::new(Vec::new()),
        }
    }

    /// Makes durable what was appended before the call.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let Some(unsynced) = self.log.lock().unsynced()? else {
            return Ok(());
        };
        let result = unsynced.sync();
        Ok(self.log.lock().synced(&unsynced, result)?)
    }

    /// `waiter` is told once, at the next append.
    pub(crate) fn wait(&self, waiter: &Arc<Notify>) {
        self.waiting.lock().push(Arc::clone(waiter));
    }

    pub(crate) fn forget(&self, waiter: &Arc<Notify>) {
        self.waiting
            .lock()
            .retain(|each| !Arc::ptr_eq(each, waiter));
    }

    pub(crate) fn wake(&self) {
        for waiter in self.waiting.lock().drain(..) {
            waiter.notify_one();
        }
    }
}

/// One topic.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    pub(crate) partitions: RwLock<Vec<Arc<Partition>>>,
    pub(crate) settings: RwLock<BTreeMap<String, String>>,
}

impl Topic {
    pub(crate) fn partition(&self, index: i32) -> Option<Arc<Partition>> {
        let index = usize::try_from(index).ok()?;
        self.partitions.read().get(index).cloned()
    }

    /// A setting as a number, or what holds without it.
    pub(crate) fn number(&self, key: &str, default: i64) -> i64 {
        let settings = self.settings.read();
        settings
            .get(key)
            .and_then(|value| value.parse().ok())
            .unwrap_or(default)
    }
}

/// Why the catalogue refused a change.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogueError {
    #[error("topic '{0}' exists already")]
    Exists(String),
    #[error("there is no topic '{0}'")]
    Unknown(String),
    #[error("'{0}' is not a topic name: 1 to 249 of a-z A-Z 0-9 . _ -")]
    Name(String),
    #[error("{0}")]
    Partitions(String),
    #[error("cannot write the catalogue: {0}")]
    Storage(#[from] io::Error),
}

/// What the journal says of a topic.
struct Row {
    name: String,
    settings: BTreeMap<String, String>,
    starts: Vec<i64>,
}

/// All topics.
#[derive(Debug)]
pub(crate) struct Catalogue {
    dir: PathBuf,
    segment_bytes: u64,
    topics: RwLock<BTreeMap<String, Arc<Topic>>>,
    journal: Mutex<(Journal, Ids)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Ids {
    next: i64,
    reserved: i64,
}

impl Catalogue {
    pub(crate) fn open(dir: &Path, segment_bytes: u64) -> io::Result<Self> {
        let mut rows: BTreeMap<Uuid, Row> = BTreeMap::new();
        let mut reserved = 1;
        let journal = Journal::open(&dir.join("catalogue.journal"), |entry| {
            // An entry whose CRC holds was written by us; one of a later version is skipped.
            let _ = replay(entry, &mut rows, &mut reserved);
        })?;
        let mut topics = BTreeMap::new();
        let mut folders = Vec::new();
        for (id, row) in rows {
            let folder = folder(&row.name, id);
            let mut partitions = Vec::new();
            for (index, start) in row.starts.iter().enumerate() {
                let dir = dir.join("topics").join(&folder).join(index.to_string());
                partitions.push(Arc::new(Partition::new(Log::open(
                    &dir,
                    *start,
                    segment_bytes,
                )?)));
            }
            folders.push(folder);
            let topic = Topic {
                name: row.name.clone(),
                id,
                partitions: RwLock::new(partitions),
                settings: RwLock::new(row.settings),
            };
            topics.insert(row.name, Arc::new(topic));
        }
        remove_orphans(&dir.join("topics"), &folders)?;
        Ok(Self {
            dir: dir.to_owned(),
            segment_bytes,
            topics: RwLock::new(topics),
            journal: Mutex::new((
                journal,
                Ids {
                    next: reserved,
                    reserved,
                },
            )),
        })
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<Topic>> {
        self.topics.read().get(name).cloned()
    }

    pub(crate) fn partition(&self, topic: &str, index: i32) -> Option<Arc<Partition>> {
        self.get(topic)?.partition(index)
    }

    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        self.topics.read().values().cloned().collect()
    }

    /// Checks what CreateTopics asks for without doing it.
    pub(crate) fn check_new(&self, name: &str, partitions: i32) -> Result<(), CatalogueError> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let named = !name.is_empty() && name.len() <= NAME_LIMIT && name.bytes().all(legal);
        if !named || name == "." || name == ".." {
            return Err(CatalogueError::Name(name.chars().take(64).collect()));
        }
        if self.topics.read().contains_key(name) {
            return Err(CatalogueError::Exists(name.to_owned()));
        }
        if !(1..=PARTITION_LIMIT).contains(&partitions) {
            return Err(CatalogueError::Partitions(format!(
                "a topic has 1 to {PARTITION_LIMIT} partitions, not {partitions}"
            )));
        }
        if self.topics.read().len() >= TOPIC_LIMIT {
            return Err(CatalogueError::Partitions(format!(
                "this broker holds at most {TOPIC_LIMIT} topics"
            )));
        }
        Ok(())
    }

    pub(crate) fn create(
        &self,
        name: &str,
        partitions: i32,
        settings: BTreeMap<String, String>,
    ) -> Result<(), CatalogueError> {
        let mut journal = self.journal.lock();
        self.check_new(name, partitions)?;
        let topic = Arc::new(Topic {
            name: name.to_owned(),
            id: Uuid::from_bytes(rand::random()),
            partitions: RwLock::new(Vec::new()),
            settings: RwLock::new(settings),
        });
        let partitions = self.open_partitions(&topic, partitions)?;
        let entry = topic_entry(&topic, &topic.settings.read(), &partitions);
        journal.0.append(&[entry])?;
        journal.0.sync()?;
        *topic.partitions.write() = partitions;
        self.topics.write().insert(name.to_owned(), topic);
        Ok(())
    }

    /// All partitions of a topic, with new ones up to `count`.
    fn open_partitions(&self, topic: &Topic, count: i32) -> io::Result<Vec<Arc<Partition>>> {
        let folder = self.dir.join("topics").join(folder(&topic.name, topic.id));
        let mut partitions = topic.partitions.read().clone();
        while i32::try_from(partitions.len()).is_ok_and(|have| have < count) {
            let dir = folder.join(partitions.len().to_string());
            let log = Log::open(&dir, 0, self.segment_bytes)?;
            partitions.push(Arc::new(Partition::new(log)));
        }
        Ok(partitions)
    }

    pub(crate) fn add_partitions(
        &self,
        name: &str,
        count: i32,
        only_check: bool,
    ) -> Result<(), CatalogueError> {
        let mut journal = self.journal.lock();
        let topic = self
            .get(name)
            .ok_or_else(|| CatalogueError::Unknown(name.to_owned()))?;
        let have = topic.partitions.read().len();
        if count > PARTITION_LIMIT || usize::try_from(count).unwrap_or(0) <= have {
            return Err(CatalogueError::Partitions(format!(
                "topic '{name}' has {have} partitions; {count} is not more, or too many"
            )));
        }
        if only_check {
            return Ok(());
        }
        let partitions = self.open_partitions(&topic, count)?;
        let entry = topic_entry(&topic, &topic.settings.read(), &partitions);
        journal.0.append(&[entry])?;
        journal.0.sync()?;
        *topic.partitions.write() = partitions;
        Ok(())
    }

    pub(crate) fn delete(&self, name: &str) -> Result<Arc<Topic>, CatalogueError> {
        let mut journal = self.journal.lock();
        let topic = self
            .get(name)
            .ok_or_else(|| CatalogueError::Unknown(name.to_owned()))?;
        let mut entry = Writer::default();
        entry.i8(2).raw(topic.id.as_bytes());
        journal.0.append(&[entry.into_bytes()])?;
        journal.0.sync()?;
        self.topics.write().remove(name);
        for partition in topic.partitions.read().iter() {
            partition.wake();
        }
        let folder = self.dir.join("topics").join(folder(name, topic.id));
        if let Err(error) = std::fs::remove_dir_all(&folder) {
            tracing::warn!(%error, topic = name, "the folder of a deleted topic is left until the next start");
        }
        Ok(topic)
    }

    pub(crate) fn change_settings(
        &self,
        topic: &Topic,
        settings: BTreeMap<String, String>,
    ) -> Result<(), CatalogueError> {
        let mut journal = self.journal.lock();
        let entry = topic_entry(topic, &settings, &topic.partitions.read());
        journal.0.append(&[entry])?;
        journal.0.sync()?;
        *topic.settings.write() = settings;
        Ok(())
    }

    /// Raises the start of a log, durably before anything is removed.
    pub(crate) fn delete_before(
        &self,
        topic: &Topic,
        index: usize,
        offset: i64,
    ) -> io::Result<i64> {
        let mut journal = self.journal.lock();
        let partition = topic.partitions.read().get(index).cloned();
        let Some(partition) = partition else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let mut log = partition.log.lock();
        let offset = offset.clamp(log.start(), log.end());
        let mut entry = Writer::default();
        entry.i8(3).raw(topic.id.as_bytes());
        entry.count(index).i64(offset);
        journal.0.append(&[entry.into_bytes()])?;
        journal.0.sync()?;
        log.delete_before(offset)?;
        Ok(log.start())
    }

    /// A producer id that was never given out before.
    pub(crate) fn new_producer_id(&self) -> io::Result<i64> {
        let mut guard = self.journal.lock();
        let (journal, ids) = &mut *guard;
        if ids.next >= ids.reserved {
            let reserved = ids.reserved + PRODUCER_BLOCK;
            let mut entry = Writer::default();
            entry.i8(4).i64(reserved);
            journal.append(&[entry.into_bytes()])?;
            journal.sync()?;
            ids.reserved = reserved;
        }
        ids.next += 1;
        Ok(ids.next - 1)
    }

    /// Rewrites the journal when it has outgrown its content.
    pub(crate) fn tidy(&self) -> io::Result<()> {
        let mut guard = self.journal.lock();
        let (journal, ids) = &mut *guard;
        if !journal.wants_rewrite() {
            return Ok(());
        }
        let mut entries: Vec<_> = self
            .all()
            .iter()
            .map(|topic| topic_entry(topic, &topic.settings.read(), &topic.partitions.read()))
            .collect();
        let mut entry = Writer::default();
        entry.i8(4).i64(ids.reserved);
        entries.push(entry.into_bytes());
        journal.rewrite(&entries)
    }

    /// Makes every log durable: all are tried, the first failure is told.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let mut result = Ok(());
        for topic in self.all() {
            for partition in topic.partitions.read().clone() {
                result = result.and(partition.sync());
            }
        }
        result
    }
}

fn folder(name: &str, id: Uuid) -> String {
    let name: String = name.chars().take(200).collect();
    format!("{name}-{}", id.simple())
}

fn remove_orphans(dir: &Path, known: &[String]) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if !known.iter().any(|known| name.to_str() == Some(known)) {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Entry kinds: 1 topic (whole), 2 topic deleted, 3 log start, 4 producer ids reserved.
fn topic_entry(
    topic: &Topic,
    settings: &BTreeMap<String, String>,
    partitions: &[Arc<Partition>],
) -> Vec<u8> {
    let mut entry = Writer::default();
    entry.i8(1).raw(topic.id.as_bytes()).text(&topic.name);
    entry.count(settings.len());
    for (key, value) in settings {
        entry.text(key).text(value);
    }
    entry.array(partitions, |entry, partition| {
        entry.i64(partition.log.lock().start());
    });
    entry.into_bytes()
}

fn replay(
    entry: &[u8],
    rows: &mut BTreeMap<Uuid, Row>,
    reserved: &mut i64,
) -> Result<(), WireError> {
    let mut reader = Reader::new(entry);
    let kind = reader.i8("kind")?;
    if kind == 4 {
        *reserved = reader.i64("reserved")?;
        return Ok(());
    }
    let id = reader.take(16, "topic id")?;
    let id = Uuid::from_slice(id).map_err(|_| WireError::Short("topic id"))?;
    match kind {
        1 => {
            let name = reader.text("name")?.to_owned();
            let settings = reader.array("settings", |reader| {
                let key = reader.text("key")?.to_owned();
                Ok((key, reader.text("value")?.to_owned()))
            })?;
            let starts = reader.array("starts", |reader| reader.i64("start"))?;
            let settings = settings.into_iter().collect();
            rows.insert(
                id,
                Row {
                    name,
                    settings,
                    starts,
                },
            );
        }
        2 => {
            rows.remove(&id);
        }
        3 => {
            let index = usize::try_from(reader.i32("partition")?).unwrap_or(usize::MAX);
            let offset = reader.i64("offset")?;
            let start = rows.get_mut(&id).and_then(|row| row.starts.get_mut(index));
            if let Some(start) = start {
                *start = offset;
            }
        }
        _ => {}
    }
    Ok(())
}
