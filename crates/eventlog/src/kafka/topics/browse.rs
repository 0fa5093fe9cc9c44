//! Reads any topic, outside of any group, for a person.

use std::time::Duration;

use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};

use crate::{
    EventLog, LogError, RecordRef,
    admin::{Browse, Start},
    kafka::{Voice, group::borrowed, reader_config, refused, signed},
};

/// How long one look for records takes.
const LOOK: Duration = Duration::from_millis(200);

/// Hands each record with its partition to `each` until it answers false, until as many as wanted
/// were read, or until the ends that the log had at the start. Gives their number.
pub(crate) fn browse(
    log: &EventLog,
    wanted: &Browse<'_>,
    mut each: impl FnMut(u32, &RecordRef<'_>) -> bool,
) -> Result<u64, LogError> {
    let consumer: BaseConsumer<Voice> = reader_config(log.config(), "weir-browse")
        .set("auto.offset.reset", "earliest")
        .create_with_context(Voice::new("browse"))
        .map_err(|error| refused(&error))?;
    let failed = |error: &KafkaError| {
        let what = format!("read {}", wanted.topic);
        consumer.context().failed(what, error)
    };
    let mut open = places(log, wanted)?;
    let mut list = TopicPartitionList::new();
    for (partition, start, _) in &open {
        list.add_partition_offset(wanted.topic, signed(*partition), Offset::Offset(*start))
            .map_err(|error| failed(&error))?;
    }
    consumer.assign(&list).map_err(|error| failed(&error))?;
    let mut count = 0;
    if wanted.until_end {
        open.retain(|(_, start, end)| start < end);
    }
    while wanted.max.is_none_or(|max| count < max) && !open.is_empty() {
        match consumer.poll(LOOK) {
            None | Some(Err(KafkaError::PartitionEOF(_))) => {}
            Some(Err(error)) => {
                let error = failed(&error);
                if !error.is_transient() {
                    return Err(error);
                }
            }
            Some(Ok(message)) => {
                let partition = u32::try_from(message.partition()).unwrap_or_default();
                let beyond = |(at, _, end): &(u32, i64, i64)| {
                    *at == partition && message.offset() + 1 >= *end
                };
                if wanted.until_end {
                    if !open.iter().any(|(at, ..)| *at == partition) {
                        continue;
                    }
                    open.retain(|place| !beyond(place));
                }
                count += 1;
                if !each(partition, &borrowed(&message)) {
                    break;
                }
            }
        }
    }
    Ok(count)
}

/// (partition, where to begin, its end now).
fn places(log: &EventLog, wanted: &Browse<'_>) -> Result<Vec<(u32, i64, i64)>, LogError> {
    let lookup = log.lookup()?;
    let count = u32::try_from(lookup.partitions(wanted.topic)?).unwrap_or(u32::MAX);
    let partitions = match wanted.partition {
        Some(one) => one..one.saturating_add(1),
        None => 0..count,
    };
    partitions
        .map(|partition| {
            let (first, end) = lookup.range(wanted.topic, partition)?;
            let start = match wanted.from {
                Start::Beginning => first,
                Start::End => end,
                Start::Offset(offset) => offset.clamp(first, end),
            };
            Ok((partition, start, end))
        })
        .collect()
}
