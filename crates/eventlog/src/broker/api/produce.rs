//! Produce and InitProducerId: batches are checked, placed and appended as they came.

use std::ops::Range;
use std::sync::atomic::Ordering;

use crate::broker::Fsync;
use crate::broker::batch::{self, BatchError};
use crate::broker::error_code as code;
use crate::broker::log::AppendError;
use crate::broker::node::Node;
use crate::broker::request::Call;
use crate::broker::wire::{Reader, WireError, Writer};

/// Why a transactional id is refused.
pub(crate) const NO_TRANSACTIONS: &str =
    "the embedded broker has no transactions: remove transactional.id";
/// `max.message.bytes` of a topic that does not say.
pub(crate) const DEFAULT_MESSAGE_BYTES: i64 = 1_048_588;

struct Part {
    index: i32,
    records: Range<usize>,
}

/// Appends; false when the client asked for no answer (`acks=0`).
pub(crate) fn produce(
    node: &Node,
    call: Call<'_>,
    frame: &mut [u8],
    at: usize,
    out: &mut Writer,
) -> Result<bool, WireError> {
    let mut reader = Reader::new(frame);
    reader.take(at, "header")?;
    let transactional = reader.nullable_text("transactional id")?.is_some();
    let acks = reader.i16("acks")?;
    let _timeout = reader.i32("timeout")?;
    let topics = reader.array("topics", |reader| {
        let name = reader.text("topic")?.to_owned();
        let parts = reader.array("partitions", |reader| {
            let index = reader.i32("partition")?;
            let records = reader.bytes("records")?.len();
            let end = reader.position();
            Ok(Part {
                index,
                records: end - records..end,
            })
        })?;
        Ok((name, parts))
    })?;
    out.count(topics.len());
    for (name, parts) in &topics {
        out.text(name);
        out.array(parts, |out, part| {
            let bytes = frame.get_mut(part.records.clone()).unwrap_or_default();
            let result = if transactional {
                Err((
                    code::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
                    NO_TRANSACTIONS.to_owned(),
                ))
            } else if !(-1..=1).contains(&acks) {
                Err((code::INVALID_REQUIRED_ACKS, "acks is -1, 0 or 1".to_owned()))
            } else {
                append(node, name, part.index, bytes)
            };
            let (error, offset, start, text) = match result {
                Ok((offset, start)) => (code::NONE, offset, start, None),
                Err((error, text)) => (error, -1, -1, Some(text)),
            };
            out.i32(part.index).i16(error).i64(offset);
            // No log append time: records keep the time of their producer.
            out.i64(-1);
            if call.version >= 5 {
                out.i64(start);
            }
            if call.version >= 8 {
                out.count(0).nullable_text(text.as_deref());
            }
        });
    }
    out.i32(0);
    Ok(acks != 0)
}

/// Appends one batch; (base offset, log start), or an error code with its text.
fn append(
    node: &Node,
    topic: &str,
    index: i32,
    bytes: &mut [u8],
) -> Result<(i64, i64), (i16, String)> {
    let unknown = || {
        (
            code::UNKNOWN_TOPIC_OR_PARTITION,
            format!("there is no {topic}/{index}"),
        )
    };
    let topic = node.catalogue.get(topic).ok_or_else(unknown)?;
    let partition = topic.partition(index).ok_or_else(unknown)?;
    let limit = topic.number("max.message.bytes", DEFAULT_MESSAGE_BYTES);
    if i64::try_from(bytes.len()).is_ok_and(|size| size > limit) {
        let text = format!("a batch of {} bytes, {limit} are allowed", bytes.len());
        return Err((code::MESSAGE_TOO_LARGE, text));
    }
    let header = batch::check_produced(bytes).map_err(|error| {
        let code = match error {
            BatchError::Torn | BatchError::Crc => code::CORRUPT_MESSAGE,
            BatchError::Magic(_) => code::UNSUPPORTED_FOR_MESSAGE_FORMAT,
            BatchError::Malformed(_) | BatchError::Transactional => code::INVALID_RECORD,
        };
        (code, error.to_string())
    })?;
    let (appended, start) = {
        let mut log = partition.log.lock();
        (log.append(&header, bytes), log.start())
    };
    let offset = appended.map_err(|error| {
        let code = match &error {
            AppendError::OutOfOrder => code::OUT_OF_ORDER_SEQUENCE_NUMBER,
            AppendError::Fenced => code::INVALID_PRODUCER_EPOCH,
            AppendError::Broken(_) => code::KAFKA_STORAGE_ERROR,
            AppendError::Storage(cause) => {
                let told = partition.failing.swap(true, Ordering::Relaxed);
                if !told {
                    let topic = &topic.name;
                    tracing::error!(topic, partition = index, error = %cause, "cannot write the log");
                }
                code::KAFKA_STORAGE_ERROR
            }
        };
        (code, error.to_string())
    })?;
    if node.config.fsync == Fsync::Always {
        // Long, but asked for: one fsync per acknowledgement, of a batch sent again as well.
        tokio::task::block_in_place(|| partition.sync())
            .map_err(|error| (code::KAFKA_STORAGE_ERROR, error.to_string()))?;
    }
    partition.failing.store(false, Ordering::Relaxed);
    partition.wake();
    Ok((offset, start))
}

pub(crate) fn init_producer_id(
    node: &Node,
    request: &mut Reader<'_>,
    out: &mut Writer,
) -> Result<(), WireError> {
    let transactional = request.nullable_text("transactional id")?.is_some();
    out.i32(0);
    if transactional {
        out.i16(code::TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
            .i64(-1)
            .i16(-1);
        return Ok(());
    }
    match node.catalogue.new_producer_id() {
        Ok(id) => out.i16(code::NONE).i64(id).i16(0),
        Err(error) => {
            tracing::error!(%error, "cannot reserve producer ids");
            out.i16(code::KAFKA_STORAGE_ERROR).i64(-1).i16(-1)
        }
    };
    Ok(())
}
