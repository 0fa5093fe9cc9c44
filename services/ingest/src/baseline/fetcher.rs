//! The thread that fetches dumps, one after the other, and cuts them into entries; who writes them takes them from a
//! short queue, when there is nothing else to do.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender},
};

use weir_events::time::{HOUR_US, rfc3339};
use weir_lifecycle::{Stop, causes};

use super::{Failure, archive::Archive, fetch, share::Share};
use crate::{
    config::Baseline,
    decompress::BytesRead,
    input::InputFile,
    notes::Notes,
    reader::{Entry, FileReader, Item},
};

/// Entries that wait for who writes them.
pub(super) const QUEUE: usize = 1024;
/// More routes than any collector has.
const MOST_ENTRIES: u64 = 400_000_000;
/// So many records that cannot be read are no dump any more.
const MOST_BAD: u64 = 1000;
/// A dump is taken about when its name says.
const OTHER_TIME_US: i64 = HOUR_US;

/// A dump that is wanted.
pub(super) struct Order {
    pub(super) number: u64,
    pub(super) archive: Archive,
    pub(super) collector: String,
    /// When it may have been taken, the best first.
    pub(super) slots: Vec<i64>,
    /// Set when nobody wants it any more.
    pub(super) stop: Stop,
}

impl Order {
    pub(super) fn is_given_up(&self) -> bool {
        self.stop.is_set()
    }
}

/// What the thread says of an order, by its number.
pub(super) struct Word {
    pub(super) order: u64,
    pub(super) said: Said,
}

pub(super) enum Said {
    Entry(Entry),
    /// Nothing more comes; of the whole, the time that its name says.
    Over(Result<i64, Failure>),
}

pub(super) struct Fetcher {
    pub(super) config: Baseline,
    pub(super) folder: PathBuf,
    pub(super) words: SyncSender<Word>,
    pub(super) share: Share,
}

/// A file that goes with this.
struct Removed<'a>(&'a Path);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        // What stays is removed at the next start.
        let _ = fs::remove_file(self.0);
    }
}

impl Fetcher {
    /// Until nobody orders any more, or nobody hears.
    pub(super) fn run(self, orders: &Receiver<Order>) {
        for order in orders {
            self.share.begin();
            let over = Said::Over(self.serve(&order));
            if self.say(&order, over).is_err() {
                return;
            }
        }
    }

    fn say(&self, order: &Order, said: Said) -> Result<(), Failure> {
        let order = order.number;
        let sent = self.words.send(Word { order, said });
        sent.map_err(|_| Failure::GivenUp)
    }

    fn serve(&self, order: &Order) -> Result<i64, Failure> {
        for slot in &order.slots {
            let url = order.archive.url(*slot);
            match self.table(order, *slot, &url) {
                Err(Failure::Missing) => tracing::info!(url, "there is no such table"),
                other => return other.map(|()| *slot),
            }
        }
        Err(Failure::Missing)
    }

    fn table(&self, order: &Order, slot: i64, url: &str) -> Result<(), Failure> {
        let path = self.folder.join("table.part");
        let _removed = Removed(&path);
        fetch::fetch(&self.config, url, &path, order, &self.share)?;
        tracing::info!(url, "a table is here and is read");
        self.decode(order, slot, &path)
    }

    fn decode(&self, order: &Order, slot: i64, path: &Path) -> Result<(), Failure> {
        let disk = |error: std::io::Error| Failure::Disk {
            reason: error.to_string(),
        };
        let bytes = fs::metadata(path).map_err(disk)?.len();
        let file = InputFile {
            collector: order.collector.clone(),
            path: path.to_owned(),
            bytes,
            must_be_rib: true,
        };
        let (read, notes) = (BytesRead::default(), Notes::default());
        let reader = FileReader::open(&file, &read, &notes);
        let reader = reader.map_err(|error| Failure::NoTable {
            reason: causes(&error),
        })?;
        let (mut entries, mut bad) = (0, 0);
        for entry in reader {
            if order.is_given_up() {
                return Err(Failure::GivenUp);
            }
            match &entry.item {
                Item::Message(_) => entries += 1,
                Item::Bad(_) => bad += 1,
            }
            if entries > MOST_ENTRIES || bad > MOST_BAD {
                return Err(Failure::Damaged {
                    reason: format!("{entries} routes and {bad} records that cannot be read"),
                });
            }
            if (entry.time_us - slot).abs() > OTHER_TIME_US {
                return Err(Failure::NoTable {
                    reason: format!("it is of {}", rfc3339(entry.time_us)),
                });
            }
            self.share.decoded(read.get(), bytes);
            self.say(order, Said::Entry(entry))?;
        }
        if entries == 0 {
            return Err(Failure::NoTable {
                reason: "it holds no route".to_owned(),
            });
        }
        if notes.broken_files() > 0 {
            return Err(Failure::Damaged {
                reason: notes.warnings().join("; "),
            });
        }
        Ok(())
    }
}
