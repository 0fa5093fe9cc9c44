//! The record batch, format version 2 (KIP-98): its header, its checks, and the look into it that
//! a search by time needs. The records themselves are never touched.
//!
//! Offsets in bytes: base offset 0, length 8, leader epoch 12, magic 16, CRC-32C 17 (of all from
//! 21 on), attributes 21, last offset delta 23, base timestamp 27, max timestamp 35, producer id
//! 43, producer epoch 51, base sequence 53, record count 57, records 61.

use super::wire::{Reader, WireError};

/// Bytes before the records.
pub(crate) const HEADER: usize = 61;
/// Bytes that the length field does not count: the base offset and itself.
pub(crate) const PREFIX: usize = 12;
const CRC_FROM: usize = 21;
/// Our only leader epoch: there is one node, which always leads.
pub(crate) const LEADER_EPOCH: i32 = 0;

/// What is wrong with a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BatchError {
    #[error("the batch is cut short")]
    Torn,
    #[error("the batch has format version {0}, only 2 is accepted")]
    Magic(i8),
    #[error("the batch fails its CRC-32C")]
    Crc,
    #[error("the batch is malformed: {0}")]
    Malformed(&'static str),
    #[error("transactional and control batches are not accepted")]
    Transactional,
}

impl From<WireError> for BatchError {
    fn from(_: WireError) -> Self {
        Self::Torn
    }
}

/// The header, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) base_offset: i64,
    /// Of the whole batch, in bytes.
    pub(crate) size: usize,
    pub(crate) crc: u32,
    pub(crate) attributes: i16,
    pub(crate) last_offset_delta: i32,
    /// Milliseconds since the Unix epoch.
    pub(crate) base_timestamp: i64,
    /// Milliseconds since the Unix epoch.
    pub(crate) max_timestamp: i64,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
    pub(crate) records: i32,
}

impl Header {
    /// Reads the header at the start of `bytes`, which may end before the batch does.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, BatchError> {
        let mut reader = Reader::new(bytes);
        let base_offset = reader.i64("base offset")?;
        let length = reader.i32("batch length")?;
        let _leader_epoch = reader.i32("leader epoch")?;
        let magic = reader.i8("magic")?;
        let crc = reader.u32("crc")?;
        let header = Self {
            base_offset,
            size: usize::try_from(length)
                .ok()
                .and_then(|length| length.checked_add(PREFIX))
                .ok_or(BatchError::Malformed("negative length"))?,
            crc,
            attributes: reader.i16("attributes")?,
            last_offset_delta: reader.i32("last offset delta")?,
            base_timestamp: reader.i64("base timestamp")?,
            max_timestamp: reader.i64("max timestamp")?,
            producer_id: reader.i64("producer id")?,
            producer_epoch: reader.i16("producer epoch")?,
            base_sequence: reader.i32("base sequence")?,
            records: reader.i32("record count")?,
        };
        if magic != 2 {
            return Err(BatchError::Magic(magic));
        }
        if header.size < HEADER {
            return Err(BatchError::Malformed("shorter than its header"));
        }
        if header.last_offset_delta < 0 {
            return Err(BatchError::Malformed("negative offset delta"));
        }
        header
            .base_offset
            .checked_add(i64::from(header.last_offset_delta) + 1)
            .ok_or(BatchError::Malformed("offset beyond the greatest"))?;
        Ok(header)
    }

    /// The offset after its last record.
    pub(crate) fn next_offset(&self) -> i64 {
        self.base_offset
            .saturating_add(i64::from(self.last_offset_delta))
            .saturating_add(1)
    }

    pub(crate) fn is_compressed(&self) -> bool {
        self.attributes & 0x07 != 0
    }

    /// The sequence of its last record; sequences wrap from the greatest i32 to 0.
    pub(crate) fn last_sequence(&self) -> i32 {
        add_sequence(self.base_sequence, self.last_offset_delta)
    }
}

/// Sequence arithmetic: 31 bits, wrapping to 0.
pub(crate) fn add_sequence(sequence: i32, add: i32) -> i32 {
    let sum = i64::from(sequence) + i64::from(add);
    i32::try_from(sum).unwrap_or_else(|_| i32::try_from(sum - (1 << 31)).unwrap_or(0))
}

/// True when the whole batch at the start of `bytes` is there and its CRC holds.
pub(crate) fn crc_holds(header: &Header, bytes: &[u8]) -> bool {
    bytes
        .get(CRC_FROM..header.size)
        .is_some_and(|covered| crc32c::crc32c(covered) == header.crc)
}

/// Checks one batch that a producer sent: nothing before it, nothing after it.
pub(crate) fn check_produced(bytes: &[u8]) -> Result<Header, BatchError> {
    let header = Header::read(bytes)?;
    if header.size > bytes.len() {
        return Err(BatchError::Torn);
    }
    if header.size < bytes.len() {
        return Err(BatchError::Malformed("more than one batch for a partition"));
    }
    if header.records <= 0 || header.records != header.last_offset_delta.saturating_add(1) {
        return Err(BatchError::Malformed("record count and offsets differ"));
    }
    if header.attributes & 0x07 > 4 {
        return Err(BatchError::Malformed("unknown compression"));
    }
    if header.attributes & 0x30 != 0 {
        return Err(BatchError::Transactional);
    }
    if header.producer_id >= 0 && (header.producer_epoch < 0 || header.base_sequence < 0) {
        return Err(BatchError::Malformed("producer without epoch or sequence"));
    }
    if !crc_holds(&header, bytes) {
        return Err(BatchError::Crc);
    }
    Ok(header)
}

/// Writes what the broker decides into a batch; neither field is under the CRC.
pub(crate) fn place(bytes: &mut [u8], base_offset: i64) {
    if let Some(field) = bytes.get_mut(0..8) {
        field.copy_from_slice(&base_offset.to_be_bytes());
    }
    if let Some(field) = bytes.get_mut(12..16) {
        field.copy_from_slice(&LEADER_EPOCH.to_be_bytes());
    }
}

/// The first record at or after `timestamp` in a whole batch, as (offset, its timestamp).
///
/// A compressed batch is not opened: its first record stands for all, so that a search by time
/// never skips a record.
pub(crate) fn find_time(header: &Header, bytes: &[u8], timestamp: i64) -> Option<(i64, i64)> {
    if header.max_timestamp < timestamp {
        return None;
    }
    let first = Some((header.base_offset, header.base_timestamp));
    if header.is_compressed() {
        return first;
    }
    let mut reader = Reader::new(bytes.get(HEADER..header.size).unwrap_or_default());
    for _ in 0..header.records {
        let Ok(found) = record_time(&mut reader, header) else {
            return first;
        };
        if found.1 >= timestamp {
            return Some(found);
        }
    }
    first
}

fn record_time(reader: &mut Reader<'_>, header: &Header) -> Result<(i64, i64), WireError> {
    let length = reader.varint("record length")?;
    let length = usize::try_from(length).map_err(|_| WireError::Length("record"))?;
    let mut record = Reader::new(reader.take(length, "record")?);
    record.i8("attributes")?;
    let timestamp = record.varint("timestamp delta")?;
    let offset = record.varint("offset delta")?;
    Ok((
        header.base_offset.saturating_add(offset),
        header.base_timestamp.saturating_add(timestamp),
    ))
}
