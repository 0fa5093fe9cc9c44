//! Metadata and FindCoordinator: there is one node, and it is everything.

use crate::broker::error_code as code;
use crate::broker::node::{CLUSTER_ID, NODE_ID, Node};
use crate::broker::request::Call;
use crate::broker::wire::{Reader, WireError, Writer};

/// "Unknown": authorisation is not part of this broker.
const NO_OPERATIONS: i32 = i32::MIN;

pub(crate) fn metadata(
    node: &Node,
    call: Call<'_>,
    request: &mut Reader<'_>,
    out: &mut Writer,
) -> Result<(), WireError> {
    let version = call.version;
    let names = request.nullable_array("topics", |request| request.text("topic"))?;
    let names = match names {
        Some(names) => names.into_iter().map(str::to_owned).collect(),
        None => {
            let all = node.catalogue.all();
            all.iter()
                .map(|topic| topic.name.clone())
                .collect::<Vec<_>>()
        }
    };
    if version >= 3 {
        out.i32(0);
    }
    out.count(1).i32(NODE_ID);
    out.text(&node.address.ip().to_string());
    out.i32(i32::from(node.address.port())).nullable_text(None);
    if version >= 2 {
        out.text(CLUSTER_ID);
    }
    out.i32(NODE_ID);
    out.array(&names, |out, name| topic(node, version, name, out));
    if version >= 8 {
        out.i32(NO_OPERATIONS);
    }
    Ok(())
}

fn topic(node: &Node, version: i16, name: &str, out: &mut Writer) {
    let found = node.catalogue.get(name);
    let partitions = found
        .as_ref()
        .map_or(0, |topic| topic.partitions.read().len());
    out.i16(match found {
        Some(_) => code::NONE,
        None => code::UNKNOWN_TOPIC_OR_PARTITION,
    });
    out.text(name).bool(false).count(partitions);
    for index in 0..i32::try_from(partitions).unwrap_or(0) {
        out.i16(code::NONE).i32(index).i32(NODE_ID);
        if version >= 7 {
            out.i32(crate::broker::batch::LEADER_EPOCH);
        }
        out.count(1).i32(NODE_ID).count(1).i32(NODE_ID);
        if version >= 5 {
            out.count(0);
        }
    }
    if version >= 8 {
        out.i32(NO_OPERATIONS);
    }
}

pub(crate) fn find_coordinator(
    node: &Node,
    call: Call<'_>,
    request: &mut Reader<'_>,
    out: &mut Writer,
) -> Result<(), WireError> {
    let _key = request.text("key")?;
    let transactional = call.version >= 1 && request.i8("key type")? != 0;
    let error = if transactional {
        code::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    } else {
        code::NONE
    };
    if call.version >= 1 {
        out.i32(0).i16(error);
        out.nullable_text(transactional.then_some(super::produce::NO_TRANSACTIONS));
    } else {
        out.i16(error);
    }
    if transactional {
        out.i32(-1).text("").i32(-1);
        return Ok(());
    }
    out.i32(NODE_ID).text(&node.address.ip().to_string());
    out.i32(i32::from(node.address.port()));
    Ok(())
}
