//! What a partition remembers of idempotent producers (KIP-98): the epoch and the last five
//! batches of each, so that a batch sent again is answered with the offset it already has.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::batch::{Header, add_sequence};
use super::wire::{Reader, WireError, Writer};

const REMEMBERED: usize = 5;
/// Producers per partition; beyond it the one that was silent longest is forgotten.
const PRODUCERS: usize = 2_000;

/// How a batch stands to what its producer sent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sequence {
    /// It follows, or there is nothing to compare with.
    Next,
    /// It is here already, at this offset.
    Duplicate(i64),
    /// A batch before it is missing, or it is too old to be remembered.
    OutOfOrder,
    /// A newer instance of the same producer has taken over.
    Fenced,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sent {
    first: i32,
    last: i32,
    offset: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Producer {
    epoch: i16,
    sent: VecDeque<Sent>,
}

/// The producers of one partition, by producer id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Producers {
    by_id: FxHashMap<i64, Producer>,
}

impl Producers {
    pub(crate) fn check(&self, batch: &Header) -> Sequence {
        if batch.producer_id < 0 {
            return Sequence::Next;
        }
        let Some(producer) = self.by_id.get(&batch.producer_id) else {
            return Sequence::Next;
        };
        if batch.producer_epoch < producer.epoch {
            return Sequence::Fenced;
        }
        if batch.producer_epoch > producer.epoch {
            return if batch.base_sequence == 0 {
                Sequence::Next
            } else {
                Sequence::OutOfOrder
            };
        }
        let same = producer
            .sent
            .iter()
            .find(|sent| sent.first == batch.base_sequence && sent.last == batch.last_sequence());
        if let Some(sent) = same {
            return Sequence::Duplicate(sent.offset);
        }
        match producer.sent.back() {
            Some(last) if add_sequence(last.last, 1) != batch.base_sequence => Sequence::OutOfOrder,
            _ => Sequence::Next,
        }
    }

    /// Remembers a batch that is in the log; its base offset is final.
    pub(crate) fn remember(&mut self, batch: &Header) {
        if batch.producer_id < 0 {
            return;
        }
        let producer = self.by_id.entry(batch.producer_id).or_default();
        if producer.epoch != batch.producer_epoch {
            producer.epoch = batch.producer_epoch;
            producer.sent.clear();
        }
        if producer.sent.len() == REMEMBERED {
            producer.sent.pop_front();
        }
        producer.sent.push_back(Sent {
            first: batch.base_sequence,
            last: batch.last_sequence(),
            offset: batch.base_offset,
        });
        if self.by_id.len() > PRODUCERS {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let oldest = self
            .by_id
            .iter()
            .min_by_key(|(_, producer)| producer.sent.back().map_or(-1, |sent| sent.offset))
            .map(|(id, _)| *id);
        if let Some(id) = oldest {
            self.by_id.remove(&id);
        }
    }

    /// As a snapshot that stands beside a segment.
    pub(crate) fn encode(&self, into: &mut Writer) {
        into.count(self.by_id.len());
        for (id, producer) in &self.by_id {
            into.i64(*id).i16(producer.epoch).count(producer.sent.len());
            for sent in &producer.sent {
                into.i32(sent.first).i32(sent.last).i64(sent.offset);
            }
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let producers = reader.array("producers", |reader| {
            let id = reader.i64("producer id")?;
            let epoch = reader.i16("producer epoch")?;
            let sent = reader.array("batches", |reader| {
                Ok(Sent {
                    first: reader.i32("first sequence")?,
                    last: reader.i32("last sequence")?,
                    offset: reader.i64("offset")?,
                })
            })?;
            let sent = VecDeque::from(sent);
            Ok((id, Producer { epoch, sent }))
        })?;
        Ok(Self {
            by_id: producers.into_iter().collect(),
        })
    }
}
