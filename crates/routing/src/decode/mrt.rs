//! MRT files (RFC 6396, 8050): BGP4MP and BGP4MP_ET with all their subtypes, TABLE_DUMP,
//! TABLE_DUMP_V2 with ADD-PATH, and the deprecated type 5.
//!
//! [`Records`] reads record after record from any `Read` and yields [`Message`]s; the bytes of one
//! record are parsed by `bgpkit-parser`, and what it lets pass in silence (a RIB record cut short,
//! an attribute longer than its list) is made an error here. Errors name their record; a file that
//! is cut off keeps what came before.
//!
//! Only unicast routes are routes to us. Other families, what the collector itself sent (the
//! LOCAL subtypes) and ROUTE-REFRESH yield no message and are counted ([`Skipped`]).
//!
//! Some collectors wrote ADD-PATH routes (RFC 7911) under the subtypes without it, so the parser
//! tries a list of prefixes that begins with a zero octet as ADD-PATH first. A default route in
//! front of others can be taken for a path identifier; alone, it is read as what it is.

mod table;
mod update;

use std::{
    collections::VecDeque,
    io::{self, Read},
    panic::{AssertUnwindSafe, catch_unwind},
};

use bgpkit_parser::{
    ParserError, RawMrtRecord, chunk_mrt_record,
    models::{EntryType, MrtMessage, MrtRecord, TableDumpV2Message},
};

use crate::update::{Body, Message};

/// A message and the record that held it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Number of the record in its file, counted from 1.
    pub record: u64,
    /// What it said.
    pub message: Message,
}

/// What went wrong, and in which record (counted from 1).
#[derive(Debug, thiserror::Error)]
pub enum MrtError {
    /// The input ends inside a record. Everything before it was yielded.
    #[error("record {record} is cut off: {source}")]
    CutOff {
        /// Its number.
        record: u64,
        /// Where it ended.
        source: io::Error,
    },
    /// The input could not be read. Everything before it was yielded.
    #[error("record {record} cannot be read: {source}")]
    Unreadable {
        /// Its number.
        record: u64,
        /// Why.
        source: io::Error,
    },
    /// A length that no record has: the bytes are no MRT, or damaged.
    #[error("record {record} claims {length} bytes; this is no MRT file, or it is damaged")]
    TooLong {
        /// Its number.
        record: u64,
        /// What its header claims.
        length: u32,
    },
    /// A type of record, or a part of one, that we do not read.
    #[error("record {record} is of a kind that is not read: {reason}")]
    Unsupported {
        /// Its number.
        record: u64,
        /// Which kind.
        reason: String,
    },
    /// The record does not hold what its type asks for. What could be told apart in it was yielded.
    #[error("record {record} is malformed: {reason}")]
    Malformed {
        /// Its number.
        record: u64,
        /// In which way.
        reason: String,
    },
}

impl MrtError {
    /// The record that it is about.
    #[must_use]
    pub fn record(&self) -> u64 {
        match self {
            Self::CutOff { record, .. }
            | Self::Unreadable { record, .. }
            | Self::TooLong { record, .. }
            | Self::Unsupported { record, .. }
            | Self::Malformed { record, .. } => *record,
        }
    }

    /// True when nothing more comes after it; false when only this record is lost.
    #[must_use]
    pub fn ends_input(&self) -> bool {
        matches!(
            self,
            Self::CutOff { .. } | Self::Unreadable { .. } | Self::TooLong { .. }
        )
    }

    /// True when the same file may be readable later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreadable { .. })
    }
}

/// What was read and left out, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// UPDATEs and RIB entries with routes of other families than IPv4 and IPv6 unicast.
    pub other_families: u64,
    /// UPDATEs and KEEPALIVEs that the collector sent (LOCAL subtypes).
    pub sent_by_collector: u64,
    /// ROUTE-REFRESHes, and tables of peers or their places.
    pub without_message: u64,
    /// Records of old Zebra that name no peer address.
    pub without_peer: u64,
}

/// Messages of an MRT file, in its order.
///
/// A RIB dump ends with one end of RIB for each peer that had an entry, unless it is cut off.
pub struct Records<R> {
    input: R,
    /// Records begun.
    record: u64,
    /// Records up to this one yield nothing.
    resume_after: u64,
    ended: bool,
    table: table::Table,
    pending: VecDeque<Result<Decoded, MrtError>>,
    skipped: Skipped,
}

impl<R: Read> Records<R> {
    /// Reads MRT from bytes that are already decompressed. `input` should be buffered.
    pub fn new(input: R) -> Self {
        Self::resume(input, 0)
    }

    /// As [`Records::new`], but what the first `after` records say is not yielded again.
    pub fn resume(input: R, after: u64) -> Self {
        Self {
            input,
            record: 0,
            resume_after: after,
            ended: false,
            table: table::Table::default(),
            pending: VecDeque::new(),
            skipped: Skipped::default(),
        }
    }

    /// Records begun so far.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.record
    }

    /// What was left out so far.
    #[must_use]
    pub fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// Reads one record; false at the end.
    fn advance(&mut self) -> bool {
        let record = self.record + 1;
        match chunk_mrt_record(&mut self.input).map_err(|error| error.error) {
            Ok(raw) => {
                self.record = record;
                self.decode(raw);
                true
            }
            Err(ParserError::EofExpected) => {
                self.end_of_table();
                false
            }
            Err(ParserError::IoError(source) | ParserError::EofError(source)) => {
                self.record = record;
                self.pending
                    .push_back(Err(if source.kind() == io::ErrorKind::UnexpectedEof {
                        MrtError::CutOff { record, source }
                    } else {
                        MrtError::Unreadable { record, source }
                    }));
                false
            }
            Err(ParserError::OversizedRecord { length }) => {
                self.record = record;
                self.pending
                    .push_back(Err(MrtError::TooLong { record, length }));
                false
            }
            // The header is refused, but its record was read in full.
            Err(error) => {
                self.record = record;
                self.refuse(MrtError::Unsupported {
                    record,
                    reason: error.to_string(),
                });
                true
            }
        }
    }

    fn decode(&mut self, raw: RawMrtRecord) {
        let header = raw.common_header;
        let is_table = matches!(
            header.entry_type,
            EntryType::TABLE_DUMP | EntryType::TABLE_DUMP_V2
        );
        if !is_table {
            self.end_of_table();
            if self.record <= self.resume_after {
                return;
            }
        }
        let time_us = i64::from(header.timestamp) * weir_events::time::SECOND_US
            + i64::from(header.microsecond_timestamp.unwrap_or(0));
        let entries = table::declared_entries(&header, &raw.message_bytes);
        // The parser checks every length before it reads; the net is for what it may have missed,
        // since one record must not end the process.
        let parsed = catch_unwind(AssertUnwindSafe(|| raw.parse()));
        let message = match parsed {
            Ok(Ok(MrtRecord { message, .. })) => message,
            Ok(Err(ParserError::Unsupported(reason))) => {
                let record = self.record;
                return self.refuse(MrtError::Unsupported { record, reason });
            }
            Ok(Err(error)) => return self.malformed(error.to_string()),
            Err(_) => return self.malformed("the parser panicked".to_owned()),
        };
        match message {
            MrtMessage::Bgp4Mp(message) => self.bgp4mp(time_us, message),
            MrtMessage::LegacyBgp(message) => self.legacy(time_us, message),
            MrtMessage::TableDumpMessage(entry) => self.table_dump(time_us, entry),
            MrtMessage::TableDumpMessageBatch(batch) => {
                for entry in batch {
                    self.table_dump(time_us, entry);
                }
            }
            MrtMessage::TableDumpV2Message(TableDumpV2Message::PeerIndexTable(peers)) => {
                self.end_of_table();
                self.table.begin(peers);
                self.skipped.without_message += 1;
            }
            MrtMessage::TableDumpV2Message(TableDumpV2Message::RibAfi(rib)) => {
                self.rib(time_us, rib, entries);
            }
            MrtMessage::TableDumpV2Message(TableDumpV2Message::GeoPeerTable(_)) => {
                self.skipped.without_message += 1;
            }
            MrtMessage::TableDumpV2Message(TableDumpV2Message::RibGeneric(_)) => {
                let record = self.record;
                self.refuse(MrtError::Unsupported {
                    record,
                    reason: "RIB_GENERIC".to_owned(),
                });
            }
        }
    }

    fn push(&mut self, message: Message) {
        if self.record > self.resume_after {
            self.pending.push_back(Ok(Decoded {
                record: self.record,
                message,
            }));
        }
    }

    fn refuse(&mut self, error: MrtError) {
        if self.record > self.resume_after {
            self.pending.push_back(Err(error));
        }
    }

    fn malformed(&mut self, reason: String) {
        let record = self.record;
        self.refuse(MrtError::Malformed { record, reason });
    }

    /// All of the dump was read, if there was one.
    fn end_of_table(&mut self) {
        let (time_us, peers) = self.table.end();
        for peer in peers {
            self.push(Message {
                event_time_us: time_us,
                peer,
                body: Body::EndOfRib,
            });
        }
    }
}

impl<R: Read> Iterator for Records<R> {
    type Item = Result<Decoded, MrtError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.pending.pop_front() {
                return Some(item);
            }
            if self.ended {
                return None;
            }
            self.ended = !self.advance();
        }
    }
}
