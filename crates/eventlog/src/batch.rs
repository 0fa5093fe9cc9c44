//! Records copied out of the client: a batch in one arena, and a single owned record.

/// The header that carries a W3C trace context.
pub(crate) const TRACEPARENT: &str = "traceparent";

/// One record of a batch, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// Offset in its partition.
    pub offset: i64,
    /// Produce time, milliseconds since the Unix epoch; -1 = the broker does not say.
    pub timestamp_ms: i64,
    /// Empty when the record has no key.
    pub key: &'a [u8],
    /// Empty when the record has no value.
    pub payload: &'a [u8],
    /// The header `traceparent`; empty when the record has none.
    pub trace: &'a [u8],
}

impl<'a> RecordRef<'a> {
    /// The W3C trace context that the record carries, if it is of a sampled trace.
    #[must_use]
    pub fn traceparent(&self) -> Option<&'a str> {
        if self.trace.is_empty() {
            return None;
        }
        std::str::from_utf8(self.trace).ok()
    }
}

/// One record, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Offset in its partition.
    pub offset: i64,
    /// Produce time, milliseconds since the Unix epoch; -1 = the broker does not say.
    pub timestamp_ms: i64,
    /// Empty when the record has no key.
    pub key: Vec<u8>,
    /// Empty when the record has no value.
    pub payload: Vec<u8>,
    /// The header `traceparent`; empty when the record has none.
    pub trace: Vec<u8>,
}

impl Record {
    /// The record, borrowed.
    #[must_use]
    pub fn borrow(&self) -> RecordRef<'_> {
        RecordRef {
            offset: self.offset,
            timestamp_ms: self.timestamp_ms,
            key: &self.key,
            payload: &self.payload,
            trace: &self.trace,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    offset: i64,
    timestamp_ms: i64,
    start: usize,
    key: usize,
    payload: usize,
    trace: usize,
}

/// Records of one partition in the order of the log, all bytes in one arena.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    arena: Vec<u8>,
    entries: Vec<Entry>,
}

impl Batch {
    /// Adds a record behind the others.
    pub(crate) fn push(&mut self, record: &RecordRef<'_>) {
        self.entries.push(Entry {
            offset: record.offset,
            timestamp_ms: record.timestamp_ms,
            start: self.arena.len(),
            key: record.key.len(),
            payload: record.payload.len(),
            trace: record.trace.len(),
        });
        self.arena.extend_from_slice(record.key);
        self.arena.extend_from_slice(record.payload);
        self.arena.extend_from_slice(record.trace);
    }

    /// The records in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = RecordRef<'_>> + DoubleEndedIterator {
        self.entries.iter().map(|entry| {
            let bytes = &self.arena[entry.start..][..entry.key + entry.payload + entry.trace];
            let (key, bytes) = bytes.split_at(entry.key);
            let (payload, trace) = bytes.split_at(entry.payload);
            RecordRef {
                offset: entry.offset,
                timestamp_ms: entry.timestamp_ms,
                key,
                payload,
                trace,
            }
        })
    }

    /// The last record, if there is one.
    #[must_use]
    pub fn last(&self) -> Option<RecordRef<'_>> {
        self.iter().next_back()
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when it holds no record. `Assignment::next` never gives such a batch.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of keys, values and trace contexts.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.arena.len()
    }

    /// The offset after the last record; 0 when there is none.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.entries.last().map_or(0, |entry| entry.offset + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_batch_gives_back_what_was_put_in(
            records in prop::collection::vec(
                (any::<i64>(), prop::collection::vec(any::<u8>(), 0..9), prop::collection::vec(any::<u8>(), 0..40), "[0-9a-f]{0,4}"),
                0..50,
            )
        ) {
            let mut batch = Batch::default();
            for (offset, (timestamp_ms, key, payload, trace)) in (7..).zip(&records) {
                batch.push(&RecordRef { offset, timestamp_ms: *timestamp_ms, key, payload, trace: trace.as_bytes() });
            }
            prop_assert_eq!(batch.len(), records.len());
            for (record, (offset, (timestamp_ms, key, payload, trace))) in batch.iter().zip((7..).zip(&records)) {
                prop_assert_eq!(record.traceparent(), (!trace.is_empty()).then_some(trace.as_str()));
                prop_assert_eq!(record, RecordRef { offset, timestamp_ms: *timestamp_ms, key, payload, trace: trace.as_bytes() });
            }
            let end = if records.is_empty() { 0 } else { 7 + i64::try_from(records.len()).unwrap() };
            prop_assert_eq!(batch.next_offset(), end);
        }
    }
}
