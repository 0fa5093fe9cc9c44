//! OffsetCommit and OffsetFetch.

use crate::broker::error_code as code;
use crate::broker::node::{Node, now_ms};
use crate::broker::offsets::Committed;
use crate::broker::request::Call;
use crate::broker::wire::{Reader, WireError, Writer};

/// Longest text beside an offset, in bytes.
const METADATA_LIMIT: usize = 4_096;

pub(crate) fn commit(
    node: &Node,
    call: Call<'_>,
    request: &mut Reader<'_>,
    out: &mut Writer,
) -> Result<(), WireError> {
    let version = call.version;
    let group = request.text("group")?;
    let generation = request.i32("generation")?;
    let member = request.text("member")?;
    if version <= 4 {
        let _retention = request.i64("retention")?;
    }
    let instance = match version {
        7.. => request.nullable_text("instance")?,
        _ => None,
    };
    let topics = request.array("topics", |request| {
        let name = request.text("topic")?;
        let parts = request.array("partitions", |request| {
            let index = request.i32("partition")?;
            let offset = request.i64("offset")?;
            if version >= 6 {
                request.i32("leader epoch")?;
            }
            let metadata = request.nullable_text("metadata")?.unwrap_or("");
            Ok((index, offset, metadata))
        })?;
        Ok((name, parts))
    })?;
    let refused = match group {
        "" => code::INVALID_GROUP_ID,
        group => node.groups.may_commit(group, member, instance, generation),
    };
    let mut rows = Vec::new();
    let mut errors = Vec::new();
    for (name, parts) in &topics {
        let topic = node.catalogue.get(name);
        for (index, offset, metadata) in parts {
            let known = topic
                .as_ref()
                .filter(|topic| topic.partition(*index).is_some());
            let error = match known {
                _ if refused != code::NONE => refused,
                None => code::UNKNOWN_TOPIC_OR_PARTITION,
                Some(_) if metadata.len() > METADATA_LIMIT => code::OFFSET_METADATA_TOO_LARGE,
                Some(_) if *offset < 0 => code::OFFSET_OUT_OF_RANGE,
                Some(topic) => {
                    let committed = Committed {
                        offset: *offset,
                        metadata: (*metadata).to_owned(),
                        at: now_ms(),
                    };
                    rows.push(((topic.id, *index), committed));
                    code::NONE
                }
            };
            errors.push(error);
        }
    }
    if !rows.is_empty()
        && let Err(error) = node.offsets.commit(group, rows)
    {
        tracing::error!(%error, group, "cannot write committed offsets");
        for each in errors.iter_mut().filter(|each| **each == code::NONE) {
            *each = code::KAFKA_STORAGE_ERROR;
        }
    }
    if version >= 3 {
        out.i32(0);
    }
    let mut errors = errors.into_iter();
    out.array(&topics, |out, (name, parts)| {
        out.text(name);
        out.array(parts, |out, (index, ..)| {
            out.i32(*index).i16(errors.next().unwrap_or(code::NONE));
        });
    });
    Ok(())
}

pub(crate) fn fetch(
    node: &Node,
    call: Call<'_>,
    request: &mut Reader<'_>,
    out: &mut Writer,
) -> Result<(), WireError> {
    let version = call.version;
    let group = request.text("group")?;
    let topics = request.nullable_array("topics", |request| {
        let name = request.text("topic")?.to_owned();
        let parts = request.array("partitions", |request| request.i32("partition"))?;
        Ok((name, parts))
    })?;
    let topics = topics.unwrap_or_else(|| everything(node, group));
    if version >= 3 {
        out.i32(0);
    }
    out.array(&topics, |out, (name, parts)| {
        let topic = node.catalogue.get(name);
        out.text(name);
        out.array(parts, |out, index| {
            let committed = topic
                .as_ref()
                .and_then(|topic| node.offsets.get(group, topic.id, *index));
            out.i32(*index);
            out.i64(committed.as_ref().map_or(-1, |row| row.offset));
            if version >= 5 {
                out.i32(-1);
            }
            out.text(committed.as_ref().map_or("", |row| &row.metadata));
            out.i16(code::NONE);
        });
    });
    if version >= 2 {
        out.i16(code::NONE);
    }
    Ok(())
}

fn everything(node: &Node, group: &str) -> Vec<(String, Vec<i32>)> {
    let rows = node.offsets.of_group(group);
    let mut topics = Vec::new();
    for topic in node.catalogue.all() {
        let of_topic = rows.iter().filter(|((id, _), _)| *id == topic.id);
        let parts: Vec<_> = of_topic.map(|((_, index), _)| *index).collect();
        if !parts.is_empty() {
            topics.push((topic.name.clone(), parts));
        }
    }
    topics
}
