//! One input file as a stream of entries: messages, and what could not be read as one.
//!
//! Memory is bounded by one record. The format is told by content: MRT by a plausible first
//! header, JSON by a brace or bracket. A file that breaks off keeps what came before and leaves a
//! note; a time from the future is refused here, where the file's own clock is known.

mod capture;
mod json_items;
mod source;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use weir_events::time::rfc3339;
use weir_routing::{Body, Message};

use crate::{
    clamp::FileClock,
    decompress::{self, BytesRead},
    input::{self, InputError, InputFile},
    merge::Timed,
    notes::Notes,
};
use source::{Raw, Source};

/// A record that goes to the dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bad {
    /// One word: `undecodable`, `future`.
    pub(crate) class: &'static str,
    pub(crate) error: String,
    /// Its bytes as they were in the file, cut at a bound.
    pub(crate) payload: Vec<u8>,
}

/// What a record of a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Message(Message),
    Bad(Bad),
}

/// One thing read, at its place in the merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Of a message its event time; of anything else that of the message before it.
    pub(crate) time_us: i64,
    /// Number of its record or line in the file, from 1.
    pub(crate) record: u64,
    pub(crate) item: Item,
}

impl Timed for Entry {
    fn time_us(&self) -> i64 {
        self.time_us
    }
}

/// What the first look at a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// Event time of its first entry; `None`: it holds none.
    pub(crate) first_us: Option<i64>,
    /// It is a RIB dump.
    pub(crate) is_rib: bool,
}

/// The entries of one file.
pub(crate) struct FileReader {
    path: Arc<Path>,
    source: Source,
    is_rib: bool,
    clock: FileClock,
    last_us: i64,
    /// Read while looking ahead at the start.
    ahead: std::vec::IntoIter<Raw>,
    notes: Notes,
    ended: bool,
}

impl FileReader {
    /// Opens a file, tells its format, and judges its first time by its second.
    pub(crate) fn open(
        file: &InputFile,
        bytes: &BytesRead,
        notes: &Notes,
    ) -> Result<Self, InputError> {
        let content =
            decompress::open(&file.path, bytes).map_err(|source| InputError::Unreadable {
                path: file.path.clone(),
                source,
            })?;
        let (source, is_rib) = source::open(content, &file.path)?;
        if file.must_be_rib && !is_rib {
            return Err(InputError::NotRib {
                path: file.path.clone(),
            });
        }
        let mut reader = Self {
            path: file.path.as_path().into(),
            source,
            is_rib,
            clock: FileClock::default(),
            last_us: 0,
            ahead: Vec::new().into_iter(),
            notes: notes.clone(),
            ended: false,
        };
        reader.look_ahead();
        Ok(reader)
    }

    /// What the first look says, without keeping the file open.
    pub(crate) fn look(file: &InputFile) -> Result<Look, InputError> {
        let mut reader = Self::open(file, &BytesRead::default(), &Notes::default())?;
        Ok(Look {
            is_rib: reader.is_rib,
            first_us: reader.next().map(|entry| entry.time_us),
        })
    }

    /// Reads up to the second message, so that the first one's time can be judged, and so that
    /// what is bad before any message still has a time.
    fn look_ahead(&mut self) {
        const MOST: usize = 64;
        let mut ahead = Vec::new();
        let mut times = Vec::new();
        while times.len() < 2 && ahead.len() < MOST {
            let Some(raw) = self.source.next() else { break };
            ahead.push(match raw {
                // The source will have gone on when this one is judged.
                Raw::Message {
                    record, message, ..
                } => {
                    times.push(message.event_time_us);
                    let payload = self.source.bytes_of_last();
                    Raw::Message {
                        record,
                        message,
                        payload,
                    }
                }
                other => other,
            });
        }
        self.last_us = match *times {
            [first, second] if !self.is_rib && FileClock::first_is_future(first, second) => {
                // The clock starts at the second: the first is beyond its bound.
                self.clock.admits(second);
                second
            }
            [first, ..] => first,
            [] => 0,
        };
        self.ahead = ahead.into_iter();
    }

    fn entry(&self, record: u64, item: Item) -> Entry {
        Entry {
            time_us: self.last_us,
            record,
            item,
        }
    }

    fn message(&mut self, record: u64, message: Message, payload: Vec<u8>) -> Entry {
        let time_us = message.event_time_us;
        let seeds = self.is_rib || matches!(&message.body, Body::Update(u) if u.from_rib);
        if seeds || self.clock.admits(time_us) {
            self.last_us = time_us;
            return self.entry(record, Item::Message(message));
        }
        let error = format!(
            "event time {} is more than an hour after the record before it",
            rfc3339(time_us)
        );
        let bad = Bad {
            class: "future",
            error,
            payload: if payload.is_empty() {
                self.source.bytes_of_last()
            } else {
                payload
            },
        };
        self.entry(record, Item::Bad(bad))
    }

    fn broken_off(&mut self, record: u64, reason: &str) {
        self.ended = true;
        self.notes.broken_off(&self.path, record, reason);
    }
}

impl Iterator for FileReader {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        if self.ended {
            return None;
        }
        match self.ahead.next().or_else(|| self.source.next())? {
            Raw::Message {
                record,
                message,
                payload,
            } => Some(self.message(record, message, payload)),
            Raw::Bad {
                record,
                error,
                payload,
            } => Some(self.entry(
                record,
                Item::Bad(Bad {
                    class: "undecodable",
                    error,
                    payload,
                }),
            )),
            Raw::BrokenOff { record, reason } => {
                self.broken_off(record, &reason);
                None
            }
        }
    }
}

/// Gives every message of these files to `hear`, with the name of its collector, file after file. What cannot be
/// read as a message is passed over: a replay tells of it.
///
/// # Errors
/// When a file cannot be opened, or there is none.
pub fn messages(
    paths: &[PathBuf],
    collector: Option<&str>,
    mut hear: impl FnMut(&str, &Message),
) -> Result<(), InputError> {
    for file in input::find(paths, &[], collector)? {
        for entry in FileReader::open(&file, &BytesRead::default(), &Notes::default())? {
            if let Item::Message(message) = &entry.item {
                hear(&file.collector, message);
            }
        }
    }
    Ok(())
}

/// True when reading failed because the file ends too early or its compression is damaged.
fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
    )
}

#[cfg(test)]
mod tests;
