//! Fetch (long poll) and ListOffsets.

use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::broker::batch::LEADER_EPOCH;
use crate::broker::error_code as code;
use crate::broker::node::Node;
use crate::broker::request::Call;
use crate::broker::topics::Partition;
use crate::broker::wire::{Reader, WireError, Writer};

const LONGEST_WAIT: Duration = Duration::from_secs(60);

struct Part {
    index: i32,
    offset: i64,
    max_bytes: usize,
    partition: Option<Arc<Partition>>,
}

/// Answers at once when there is enough to read, and otherwise when there is, or after the wait.
pub(crate) async fn fetch(
    node: &Node,
    call: Call<'_>,
    request: &mut Reader<'_>,
    out: &mut Writer,
) -> Result<(), WireError> {
    let version = call.version;
    let _replica = request.i32("replica")?;
    let wait = u64::try_from(request.i32("wait")?).unwrap_or(0);
    let min_bytes = usize::try_from(request.i32("min bytes")?).unwrap_or(0);
    let max_bytes = usize::try_from(request.i32("max bytes")?).unwrap_or(0);
    let _isolation = request.i8("isolation level")?;
    let session = if version >= 7 {
        let id = request.i32("session")?;
        request.i32("session epoch")?;
        id
    } else {
        0
    };
    let topics = request.array("topics", |request| {
        let name = request.text("topic")?.to_owned();
        let parts = request.array("partitions", |request| {
            let index = request.i32("partition")?;
            if version >= 9 {
                request.i32("leader epoch")?;
            }
            let offset = request.i64("offset")?;
            if version >= 5 {
                request.i64("log start")?;
            }
            let max_bytes = usize::try_from(request.i32("partition bytes")?).unwrap_or(0);
            Ok(Part {
                index,
                offset,
                max_bytes,
                partition: node.catalogue.partition(&name, index),
            })
        })?;
        Ok((name, parts))
    })?;
    out.i32(0);
    if session != 0 {
        out.i16(code::FETCH_SESSION_ID_NOT_FOUND).i32(0).count(0);
        return Ok(());
    }
    let budget = max_bytes.min(node.config.max_fetch_bytes);
    let wait = Duration::from_millis(wait).min(LONGEST_WAIT);
    let deadline = Instant::now() + wait;
    let parts = || topics.iter().flat_map(|(_, parts)| parts);
    await_bytes(min_bytes, deadline, parts).await;
    if version >= 7 {
        out.i16(code::NONE).i32(0);
    }
    let mut read = Read { budget, bytes: 0 };
    out.array(&topics, |out, (name, parts)| {
        out.text(name);
        out.array(parts, |out, part| read_part(version, part, &mut read, out));
    });
    Ok(())
}

/// Ends when `parts` have `min_bytes` to read between them, or an error to tell, or at the deadline.
async fn await_bytes<'a, Parts>(min_bytes: usize, deadline: Instant, parts: impl Fn() -> Parts)
where
    Parts: Iterator<Item = &'a Part>,
{
    let enough = u64::try_from(min_bytes).unwrap_or(u64::MAX);
    let partitions = || parts().filter_map(|part| part.partition.as_ref());
    let waiter = Arc::new(Notify::new());
    loop {
        // Registered before looking, so that nothing slips in between.
        for partition in partitions() {
            partition.wait(&waiter);
        }
        let unread = parts().map(Part::unread).sum::<Option<u64>>();
        let done = unread.is_none_or(|bytes| bytes >= enough)
            || tokio::time::timeout_at(deadline, waiter.notified())
                .await
                .is_err();
        for partition in partitions() {
            partition.forget(&waiter);
        }
        if done {
            return;
        }
    }
}

impl Part {
    /// Bytes to read; `None` if there are many, or an error to tell.
    fn unread(&self) -> Option<u64> {
        let log = self.partition.as_ref()?.log.lock();
        let inside = (log.start()..=log.end()).contains(&self.offset);
        inside.then(|| log.unread(self.offset))?
    }
}

struct Read {
    budget: usize,
    bytes: usize,
}

fn read_part(version: i16, part: &Part, read: &mut Read, out: &mut Writer) {
    out.i32(part.index);
    let head = |out: &mut Writer, error: i16, end: i64, start: i64| {
        out.i16(error).i64(end).i64(end);
        if version >= 5 {
            out.i64(start);
        }
        // No aborted transactions; then the replica to prefer, none.
        out.i32(-1);
        if version >= 11 {
            out.i32(-1);
        }
    };
    let Some(partition) = &part.partition else {
        head(out, code::UNKNOWN_TOPIC_OR_PARTITION, -1, -1);
        out.i32(0);
        return;
    };
    let (start, end, slice) = {
        let log = partition.log.lock();
        let (start, end) = (log.start(), log.end());
        let inside = (start..=end).contains(&part.offset);
        (start, end, inside.then(|| log.slice(part.offset)))
    };
    let slice = match slice {
        None => {
            head(out, code::OFFSET_OUT_OF_RANGE, end, start);
            out.i32(0);
            return;
        }
        Some(Err(error)) => {
            tracing::error!(partition = part.index, %error, "cannot read the log");
            head(out, code::KAFKA_STORAGE_ERROR, end, start);
            out.i32(0);
            return;
        }
        Some(Ok(slice)) => slice,
    };
    head(out, code::NONE, end, start);
    let room = part.max_bytes.min(read.budget.saturating_sub(read.bytes));
    let Some(slice) = slice else {
        out.i32(0);
        return;
    };
    let available = usize::try_from(slice.available).unwrap_or(usize::MAX);
    // The first batch of an answer goes out whole whatever the limits are, or nobody could pass it.
    let length = match room {
        room if room >= slice.first => room.min(available),
        _ if read.bytes == 0 => slice.first,
        _ => 0,
    };
    out.count(length);
    let at = out.len();
    if let Err(error) = slice.file.read_exact_at(out.grow(length), slice.position) {
        tracing::error!(partition = part.index, %error, "cannot read the log");
        out.truncate(at);
        out.patch_i32(at - 4, 0);
        return;
    }
    read.bytes += length;
}

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

pub(crate) fn list_offsets(
    node: &Node,
    call: Call<'_>,
    request: &mut Reader<'_>,
    out: &mut Writer,
) -> Result<(), WireError> {
    let version = call.version;
    let _replica = request.i32("replica")?;
    if version >= 2 {
        let _isolation = request.i8("isolation level")?;
        out.i32(0);
    }
    let topics = request.array("topics", |request| {
        let name = request.text("topic")?;
        let parts = request.array("partitions", |request| {
            let index = request.i32("partition")?;
            if version >= 4 {
                request.i32("leader epoch")?;
            }
            Ok((index, request.i64("timestamp")?))
        })?;
        Ok((name, parts))
    })?;
    out.array(&topics, |out, (name, parts)| {
        out.text(name);
        out.array(parts, |out, (index, timestamp)| {
            let found = match node.catalogue.partition(name, *index) {
                Some(partition) => offset_at(&partition, *timestamp),
                None => Err(code::UNKNOWN_TOPIC_OR_PARTITION),
            };
            let (error, offset, time) = match found {
                Ok((offset, time)) => (code::NONE, offset, time),
                Err(error) => (error, -1, -1),
            };
            out.i32(*index).i16(error).i64(time).i64(offset);
            if version >= 4 {
                out.i32(if offset < 0 { -1 } else { LEADER_EPOCH });
            }
        });
    });
    Ok(())
}

/// (offset, timestamp in milliseconds); both -1 when nothing is that young.
fn offset_at(partition: &Partition, timestamp: i64) -> Result<(i64, i64), i16> {
    let log = partition.log.lock();
    match timestamp {
        LATEST => Ok((log.end(), -1)),
        EARLIEST => Ok((log.start(), -1)),
        timestamp if timestamp < 0 => Err(code::INVALID_REQUEST),
        timestamp => match log.find_time(timestamp) {
            Ok(found) => Ok(found.unwrap_or((-1, -1))),
            Err(error) => {
                tracing::error!(%error, "cannot search the log by time");
                Err(code::KAFKA_STORAGE_ERROR)
            }
        },
    }
}
