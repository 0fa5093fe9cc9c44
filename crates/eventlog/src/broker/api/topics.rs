//! CreateTopics, DeleteTopics, CreatePartitions and DeleteRecords.

use std::collections::BTreeMap;

use super::configs;
use crate::broker::error_code as code;
use crate::broker::node::Node;
use crate::broker::request::Call;
use crate::broker::topics::CatalogueError;
use crate::broker::wire::{Reader, WireError, Writer};

type Outcome = Result<(), (i16, String)>;

fn refused(error: CatalogueError) -> (i16, String) {
    let code = match &error {
        CatalogueError::Exists(_) => code::TOPIC_ALREADY_EXISTS,
        CatalogueError::Unknown(_) => code::UNKNOWN_TOPIC_OR_PARTITION,
        CatalogueError::Name(_) => code::INVALID_TOPIC,
        CatalogueError::Partitions(_) => code::INVALID_PARTITIONS,
        CatalogueError::Storage(cause) => {
            tracing::error!(error = %cause, "cannot write the catalogue");
            code::KAFKA_STORAGE_ERROR
        }
    };
    (code, error.to_string())
}

struct NewTopic<'a> {
    name: &'a str,
    partitions: i32,
    replicas: i16,
    assigned: usize,
    settings: Vec<(&'a str, Option<&'a str>)>,
}

pub(crate) fn create(
    node: &Node,
    call: Call<'_>,
    request: &mut Reader<'_>,
    out: &mut Writer,
) -> Result<(), WireError> {
    let topics = request.array("topics", |request| {
        let name = request.text("topic")?;
        let partitions = request.i32("partitions")?;
        let replicas = request.i16("replication factor")?;
        let assigned = assignments(request)?;
        let settings = request.array("configs", |request| {
            let key = request.text("config name")?;
            Ok((key, request.nullable_text("config value")?))
        })?;
        Ok(NewTopic {
            name,
            partitions,
            replicas,
            assigned,
            settings,
        })
    })?;
    let _timeout = request.i32("timeout")?;
    let only_check = call.version >= 1 && request.bool("validate only")?;
    if call.version >= 2 {
        out.i32(0);
    }
    out.array(&topics, |out, topic| {
        let outcome = create_one(node, topic, only_check);
        let (error, text) = split(&outcome);
        out.text(topic.name).i16(error);
        if call.version >= 1 {
            out.nullable_text(text);
        }
    });
    Ok(())
}

/// Reads replica assignments: their number is all that matters, there is one node.
fn assignments(request: &mut Reader<'_>) -> Result<usize, WireError> {
    let assigned = request.array("assignments", |request| {
        request.i32("partition")?;
        request.array("replicas", |request| request.i32("replica"))
    })?;
    Ok(assigned.len())
}

fn create_one(node: &Node, topic: &NewTopic<'_>, only_check: bool) -> Outcome {
    let partitions = match topic.partitions {
        -1 if topic.assigned > 0 => i32::try_from(topic.assigned).unwrap_or(i32::MAX),
        -1 => 1,
        count => count,
    };
    if ![-1, 1].contains(&topic.replicas) {
        let text = format!(
            "replication factor {}, but there is one node",
            topic.replicas
        );
        return Err((code::INVALID_REPLICATION_FACTOR, text));
    }
    node.catalogue
        .check_new(topic.name, partitions)
        .map_err(refused)?;
    let mut settings = BTreeMap::new();
    for (key, value) in &topic.settings {
        if let Some(value) = value {
            configs::check(key, value)?;
            settings.insert((*key).to_owned(), (*value).to_owned());
        }
    }
    if only_check {
        return Ok(());
    }
    let created = node.catalogue.create(topic.name, partitions, settings);
    created.map_err(refused)
}

fn split(outcome: &Outcome) -> (i16, Option<&str>) {
    match outcome {
        Ok(()) => (code::NONE, None),
        Err((error, text)) => (*error, Some(text)),
    }
}

pub(crate) fn delete(
    node: &Node,
    call: Call<'_>,
    request: &mut Reader<'_>,
    out: &mut Writer,
) -> Result<(), WireError> {
    let names = request.array("topics", |request| request.text("topic"))?;
    let _timeout = request.i32("timeout")?;
    if call.version >= 1 {
        out.i32(0);
    }
    out.array(&names, |out, name| {
        let deleted = node.catalogue.delete(name).map_err(refused);
        let outcome = deleted.and_then(|topic| {
            let forgotten = node.offsets.delete_topic(topic.id);
            forgotten.map_err(|error| refused(error.into()))
        });
        out.text(name).i16(split(&outcome).0);
    });
    Ok(())
}

pub(crate) fn create_partitions(
    node: &Node,
    request: &mut Reader<'_>,
    out: &mut Writer,
) -> Result<(), WireError> {
    let topics = request.array("topics", |request| {
        let name = request.text("topic")?;
        let count = request.i32("count")?;
        request.array("assignments", |request| {
            request.array("replicas", |request| request.i32("replica"))
        })?;
        Ok((name, count))
    })?;
    let _timeout = request.i32("timeout")?;
    let only_check = request.bool("validate only")?;
    out.i32(0);
    out.array(&topics, |out, (name, count)| {
        let added = node.catalogue.add_partitions(name, *count, only_check);
        let outcome = added.map_err(refused);
        let (error, text) = split(&outcome);
        out.text(name).i16(error).nullable_text(text);
    });
    Ok(())
}

pub(crate) fn delete_records(
    node: &Node,
    request: &mut Reader<'_>,
    out: &mut Writer,
) -> Result<(), WireError> {
    let topics = request.array("topics", |request| {
        let name = request.text("topic")?;
        let parts = request.array("partitions", |request| {
            Ok((request.i32("partition")?, request.i64("offset")?))
        })?;
        Ok((name, parts))
    })?;
    let _timeout = request.i32("timeout")?;
    out.i32(0);
    out.array(&topics, |out, (name, parts)| {
        out.text(name);
        out.array(parts, |out, (index, offset)| {
            let (low, error) = match delete_one(node, name, *index, *offset) {
                Ok(low) => (low, code::NONE),
                Err(error) => (-1, error),
            };
            out.i32(*index).i64(low).i16(error);
        });
    });
    Ok(())
}

/// Offset -1 means all that is there.
fn delete_one(node: &Node, name: &str, index: i32, offset: i64) -> Result<i64, i16> {
    let unknown = code::UNKNOWN_TOPIC_OR_PARTITION;
    let topic = node.catalogue.get(name).ok_or(unknown)?;
    let partition = topic.partition(index).ok_or(unknown)?;
    let end = partition.log.lock().end();
    let offset = if offset == -1 { end } else { offset };
    if !(0..=end).contains(&offset) {
        return Err(code::OFFSET_OUT_OF_RANGE);
    }
    let index = usize::try_from(index).map_err(|_| unknown)?;
    node.catalogue
        .delete_before(&topic, index, offset)
        .map_err(|error| {
            tracing::error!(%error, topic = name, "cannot delete records");
            code::KAFKA_STORAGE_ERROR
        })
}
