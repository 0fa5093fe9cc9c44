//! One record of the log into windows: dedupe, time, counts. No input or output.

use std::collections::BTreeMap;

use prost::Message;
use weir_events::{
    position::{TopicEpoch, WriterSeq},
    topics::{BGP_MESSAGES, BGP_UPDATES, Topic},
    v1::{self, WindowResult, control::Kind},
};
use weir_routing::{Asn, Body, Peer, wire};
use weir_windows::{
    Added, Aggregate, Key, ORIGIN_ANNOUNCEMENTS, PEER_MESSAGES, TimeRules, Windows,
};

use crate::counters::Counters;

/// Why a record goes to the dead letters.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("not a {message}: {reason}")]
    Undecodable {
        message: &'static str,
        reason: String,
    },
    #[error("its event time is beyond the allowed lateness")]
    Late,
}

impl Refused {
    pub(crate) fn class(&self) -> &'static str {
        match self {
            Self::Undecodable { .. } => "undecodable",
            Self::Late => "late",
        }
    }
}

/// What a record adds to one key.
pub(crate) struct Count<K> {
    key: K,
    counts: weir_windows::Counts,
}

/// A record, read: who wrote it and what it says.
pub(crate) struct Read<K> {
    collector: String,
    seq: WriterSeq,
    event_time_us: i64,
    synthetic: bool,
    said: Said<K>,
}

enum Said<K> {
    Control(Option<Kind>),
    Elements {
        elements: u64,
        from_rib: bool,
        count: Option<Count<K>>,
    },
    Copies(u64),
}

/// One kind of task: which topic, which windows, and what a record counts.
pub(crate) trait Stage: 'static {
    const TOPIC: Topic;
    const AGGREGATE: &'static Aggregate;
    type Key: Key + std::str::FromStr + Send;
    fn read(payload: &[u8]) -> Result<Read<Self::Key>, Refused>;
}

/// Messages, announcements and withdrawals of each peer.
pub(crate) struct PerPeer;
/// Announcements of each origin.
pub(crate) struct PerOrigin;

fn undecodable(message: &'static str) -> impl Fn(&dyn std::fmt::Display) -> Refused {
    move |reason| Refused::Undecodable {
        message,
        reason: reason.to_string(),
    }
}

impl Stage for PerPeer {
    const TOPIC: Topic = BGP_MESSAGES;
    const AGGREGATE: &'static Aggregate = &PEER_MESSAGES;
    type Key = Peer;

    fn read(payload: &[u8]) -> Result<Read<Peer>, Refused> {
        let refused = undecodable(BGP_MESSAGES.message);
        let mut record = v1::BgpMessage::decode(payload).map_err(|error| refused(&error))?;
        let collector = std::mem::take(&mut record.collector);
        let seq = WriterSeq {
            writer_epoch: record.writer_epoch,
            seq: record.seq,
        };
        let (event_time_us, synthetic) = (record.event_time_us, record.synthetic);
        let said = if let Some(v1::bgp_message::Body::Control(control)) = record.body {
            Said::Control(control.kind)
        } else {
            let message = wire::message(record).map_err(|error| refused(&error))?;
            match &message.body {
                Body::Update(update) => {
                    let (announced, withdrawn) =
                        (update.announced.len() as u64, update.withdrawn.len() as u64);
                    Said::Elements {
                        elements: announced + withdrawn,
                        from_rib: update.from_rib,
                        count: Some(Count {
                            key: message.peer,
                            counts: [1, announced, withdrawn, 0],
                        }),
                    }
                }
                // Not a BGP message, but what the collector noted of the session.
                Body::StateChange { .. } => Said::Elements {
                    elements: 0,
                    from_rib: false,
                    count: None,
                },
                _ => Said::Elements {
                    elements: 0,
                    from_rib: false,
                    count: Some(Count {
                        key: message.peer,
                        counts: [1, 0, 0, 0],
                    }),
                },
            }
        };
        Ok(Read {
            collector,
            seq,
            event_time_us,
            synthetic,
            said,
        })
    }
}

impl Stage for PerOrigin {
    const TOPIC: Topic = BGP_UPDATES;
    const AGGREGATE: &'static Aggregate = &ORIGIN_ANNOUNCEMENTS;
    type Key = Asn;

    fn read(payload: &[u8]) -> Result<Read<Asn>, Refused> {
        let refused = undecodable(BGP_UPDATES.message);
        let record = v1::BgpUpdate::decode(payload).map_err(|error| refused(&error))?;
        let said = match record.body {
            Some(v1::bgp_update::Body::Control(control)) => Said::Control(control.kind),
            Some(v1::bgp_update::Body::Routes(routes)) => {
                let routes = wire::routes(routes).map_err(|error| refused(&error))?;
                let update = &routes.update;
                let elements = update.elements() as u64;
                let announced = update.announced.len() as u64;
                // An AS_SET is filed under its lowest ASN.
                let origin = update
                    .attributes
                    .as_ref()
                    .and_then(|attributes| attributes.as_path.origin());
                if routes.context {
                    Said::Copies(elements)
                } else {
                    Said::Elements {
                        elements,
                        from_rib: update.from_rib,
                        count: origin.filter(|_| announced > 0).map(|origin| Count {
                            key: origin.suspect(),
                            counts: [announced, 0, 0, 0],
                        }),
                    }
                }
            }
            None => return Err(refused(&"it has no body")),
        };
        Ok(Read {
            collector: record.collector,
            seq: WriterSeq {
                writer_epoch: record.writer_epoch,
                seq: record.seq,
            },
            event_time_us: record.event_time_us,
            synthetic: record.synthetic,
            said,
        })
    }
}

/// Everything that one task knows.
pub(crate) struct Fold<S: Stage> {
    pub(crate) partition: u32,
    pub(crate) epoch: TopicEpoch,
    pub(crate) windows: Windows<S::Key>,
    /// Highest emission of each writer.
    pub(crate) writers: BTreeMap<String, WriterSeq>,
    pub(crate) counters: Counters,
    /// Of the record before the position: who wrote it. For the check at restore.
    pub(crate) last: (String, WriterSeq),
}

impl<S: Stage> Fold<S> {
    pub(crate) fn new(partition: u32, epoch: TopicEpoch, rules: TimeRules) -> Self {
        Self {
            partition,
            epoch,
            windows: Windows::new(S::AGGREGATE, rules),
            writers: BTreeMap::new(),
            counters: Counters::default(),
            last: Default::default(),
        }
    }

    /// Applies the record at `offset`; rows that it makes due go to `row`. Returns its event time.
    pub(crate) fn apply(
        &mut self,
        offset: i64,
        payload: &[u8],
        row: &mut impl FnMut(WindowResult),
    ) -> Result<i64, Refused> {
        self.last = Default::default();
        let read = match S::read(payload) {
            Ok(read) => read,
            Err(refused) => {
                self.counters.undecodable += 1;
                return Err(refused);
            }
        };
        self.last = (read.collector.clone(), read.seq);
        if matches!(read.said, Said::Control(Some(Kind::TopicStart(_)))) {
            return Ok(read.event_time_us);
        }
        match self.writers.get_mut(&read.collector) {
            Some(highest) if *highest >= read.seq => {
                self.counters.duplicates += 1;
                return Ok(read.event_time_us);
            }
            Some(highest) => *highest = read.seq,
            None => {
                self.writers.insert(read.collector.clone(), read.seq);
            }
        }
        let time = read.event_time_us;
        match read.said {
            Said::Control(kind) => self.control(offset, &read.collector, time, kind.as_ref(), row),
            Said::Copies(elements) => self.counters.copies += elements,
            Said::Elements {
                elements,
                from_rib,
                count,
            } => {
                self.windows.hear(&read.collector, time);
                self.counters.elements_in += elements;
                if from_rib {
                    self.counters.seeded += elements;
                } else if let Some(Count { key, counts }) = count
                    && self.windows.add(key, time, &counts, read.synthetic) == Added::TooLate
                {
                    self.counters.late += elements;
                    self.counters.late_records += 1;
                    return Err(Refused::Late);
                } else {
                    self.counters.counted += elements;
                }
            }
        }
        Ok(time)
    }

    fn control(
        &mut self,
        offset: i64,
        collector: &str,
        time: i64,
        kind: Option<&Kind>,
        row: &mut impl FnMut(WindowResult),
    ) {
        let (epoch, partition, rows) = (self.epoch, self.partition, &mut self.counters.rows);
        let publish = |window| {
            *rows += 1;
            row(weir_windows::wire::result(
                S::AGGREGATE,
                &window,
                epoch,
                partition,
                offset + 1,
            ));
        };
        match kind {
            Some(Kind::Tick(_)) => self.windows.tick(collector, time, publish),
            Some(Kind::EndOfInput(_)) => self.windows.end_of_input(collector, time, publish),
            // Knowledge belongs to no collector; the start of a topic is not a time.
            Some(Kind::KnowledgeChanged(_) | Kind::TopicStart(_)) | None => {}
            Some(_) => self.windows.hear(collector, time),
        }
    }
}

/// Who wrote a record, for the check at restore; nothing when it cannot be read.
pub(crate) fn written_by<S: Stage>(payload: &[u8]) -> (String, WriterSeq) {
    S::read(payload)
        .map(|read| (read.collector, read.seq))
        .unwrap_or_default()
}
