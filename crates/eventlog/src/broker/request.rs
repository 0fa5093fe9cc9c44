//! From a frame to its answer: the request header, the table of APIs with the versions that are
//! answered (none of them flexible, but for ApiVersions 3), and the way to each.

use super::api::{self, cluster, configs, consume, groups, offsets, produce, topics};
use super::error_code as code;
use super::node::Node;
use super::wire::{Reader, WireError, Writer};

/// Why a connection is closed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("malformed request: {0}")]
    Wire(#[from] WireError),
    #[error("API {key} version {version} is not answered here")]
    Unsupported { key: i16, version: i16 },
}

/// (key, lowest, highest) of every API that is answered.
pub(crate) const APIS: [(i16, i16, i16); 24] = [
    (PRODUCE, 3, 8),
    (FETCH, 4, 11),
    (LIST_OFFSETS, 1, 5),
    (METADATA, 1, 8),
    (OFFSET_COMMIT, 2, 7),
    (OFFSET_FETCH, 1, 5),
    (FIND_COORDINATOR, 0, 2),
    (JOIN_GROUP, 0, 5),
    (HEARTBEAT, 0, 3),
    (LEAVE_GROUP, 0, 3),
    (SYNC_GROUP, 0, 3),
    (DESCRIBE_GROUPS, 0, 4),
    (LIST_GROUPS, 0, 2),
    (SASL_HANDSHAKE, 0, 1),
    (API_VERSIONS, 0, 3),
    (CREATE_TOPICS, 0, 4),
    (DELETE_TOPICS, 0, 3),
    (DELETE_RECORDS, 0, 1),
    (INIT_PRODUCER_ID, 0, 1),
    (DESCRIBE_CONFIGS, 0, 3),
    (ALTER_CONFIGS, 0, 1),
    (CREATE_PARTITIONS, 0, 1),
    (DELETE_GROUPS, 0, 1),
    (INCREMENTAL_ALTER_CONFIGS, 0, 0),
];

const PRODUCE: i16 = 0;
const FETCH: i16 = 1;
const LIST_OFFSETS: i16 = 2;
const METADATA: i16 = 3;
const OFFSET_COMMIT: i16 = 8;
const OFFSET_FETCH: i16 = 9;
const FIND_COORDINATOR: i16 = 10;
const JOIN_GROUP: i16 = 11;
const HEARTBEAT: i16 = 12;
const LEAVE_GROUP: i16 = 13;
const SYNC_GROUP: i16 = 14;
const DESCRIBE_GROUPS: i16 = 15;
const LIST_GROUPS: i16 = 16;
const SASL_HANDSHAKE: i16 = 17;
const API_VERSIONS: i16 = 18;
const CREATE_TOPICS: i16 = 19;
const DELETE_TOPICS: i16 = 20;
const DELETE_RECORDS: i16 = 21;
const INIT_PRODUCER_ID: i16 = 22;
const DESCRIBE_CONFIGS: i16 = 32;
const ALTER_CONFIGS: i16 = 33;
const CREATE_PARTITIONS: i16 = 37;
const DELETE_GROUPS: i16 = 42;
const INCREMENTAL_ALTER_CONFIGS: i16 = 44;

/// Who asks, and in which version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) version: i16,
    pub(crate) client: &'a str,
    pub(crate) host: &'a str,
}

/// Answers one frame (without its length). `None`: the client wants no answer.
pub(crate) async fn answer(
    node: &Node,
    frame: &mut [u8],
    host: &str,
) -> Result<Option<Vec<u8>>, RequestError> {
    let mut reader = Reader::new(frame);
    let key = reader.i16("api key")?;
    let version = reader.i16("api version")?;
    let correlation = reader.i32("correlation id")?;
    let client = reader.nullable_text("client id")?.unwrap_or("").to_owned();
    let call = Call {
        version,
        client: &client,
        host,
    };
    let mut out = Writer::default();
    // The length is written at the end.
    out.i32(0).i32(correlation);
    if key == API_VERSIONS {
        api::versions(version, &mut out);
        return Ok(Some(finish(out)));
    }
    let known = APIS
        .iter()
        .any(|(each, low, high)| *each == key && (*low..=*high).contains(&version));
    if !known {
        return Err(RequestError::Unsupported { key, version });
    }
    if key == PRODUCE {
        let at = reader.position();
        let wanted = produce::produce(node, call, frame, at, &mut out)?;
        return Ok(wanted.then(|| finish(out)));
    }
    let request = &mut reader;
    let out_ref = &mut out;
    match key {
        FETCH => consume::fetch(node, call, request, out_ref).await?,
        LIST_OFFSETS => consume::list_offsets(node, call, request, out_ref)?,
        METADATA => cluster::metadata(node, call, request, out_ref)?,
        OFFSET_COMMIT => offsets::commit(node, call, request, out_ref)?,
        OFFSET_FETCH => offsets::fetch(node, call, request, out_ref)?,
        FIND_COORDINATOR => cluster::find_coordinator(node, call, request, out_ref)?,
        JOIN_GROUP => groups::join(node, call, request, out_ref).await?,
        HEARTBEAT => groups::heartbeat(node, call, request, out_ref)?,
        LEAVE_GROUP => groups::leave(node, call, request, out_ref)?,
        SYNC_GROUP => groups::sync(node, call, request, out_ref).await?,
        DESCRIBE_GROUPS => groups::describe(node, call, request, out_ref)?,
        LIST_GROUPS => groups::list(node, call, out_ref),
        DELETE_GROUPS => groups::delete(node, request, out_ref)?,
        CREATE_TOPICS => topics::create(node, call, request, out_ref)?,
        DELETE_TOPICS => topics::delete(node, call, request, out_ref)?,
        CREATE_PARTITIONS => topics::create_partitions(node, request, out_ref)?,
        DELETE_RECORDS => topics::delete_records(node, request, out_ref)?,
        DESCRIBE_CONFIGS => configs::describe(node, call, request, out_ref)?,
        ALTER_CONFIGS => configs::alter(node, false, request, out_ref)?,
        INCREMENTAL_ALTER_CONFIGS => configs::alter(node, true, request, out_ref)?,
        INIT_PRODUCER_ID => produce::init_producer_id(node, request, out_ref)?,
        SASL_HANDSHAKE => {
            out_ref.i16(code::UNSUPPORTED_SASL_MECHANISM).count(0);
        }
        _ => return Err(RequestError::Unsupported { key, version }),
    }
    Ok(Some(finish(out)))
}

fn finish(mut out: Writer) -> Vec<u8> {
    let length = i32::try_from(out.len().saturating_sub(4)).unwrap_or(i32::MAX);
    out.patch_i32(0, length);
    out.into_bytes()
}
