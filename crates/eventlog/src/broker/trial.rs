//! Tests that look inside the broker: what they build batches, requests and nodes with.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};

use super::batch::{HEADER, Header, PREFIX, check_produced};
use super::node::Node;
use super::wire::{Reader, Writer};
use super::{BrokerConfig, request};

mod codec;
mod commits;
mod disk;
mod fuzz;
mod groups;
mod recovery;
mod retention;

/// 2020-09-13, in milliseconds since the Unix epoch: the time of the records of a sample.
pub(crate) const TIME: i64 = 1_600_000_000_000;

/// Who produced a batch: (producer id, epoch, first sequence).
pub(crate) type By = (i64, i16, i32);

/// Not an idempotent producer.
pub(crate) const NOBODY: By = (-1, -1, -1);

/// A whole, uncompressed batch; the n-th record is n milliseconds after `time`.
pub(crate) fn batch(by: By, time: i64, payloads: &[&[u8]]) -> Vec<u8> {
    let mut records = Vec::new();
    for (payload, number) in payloads.iter().zip(0_i64..) {
        let mut record = vec![0];
        varint(&mut record, number);
        varint(&mut record, number);
        varint(&mut record, -1);
        varint(&mut record, i64::try_from(payload.len()).unwrap());
        record.extend_from_slice(payload);
        varint(&mut record, 0);
        varint(&mut records, i64::try_from(record.len()).unwrap());
        records.extend_from_slice(&record);
    }
    let count = i32::try_from(payloads.len()).unwrap();
    let mut checked = Writer::default();
    checked.i16(0).i32(count - 1);
    checked.i64(time).i64(time + i64::from(count) - 1);
    checked.i64(by.0).i16(by.1).i32(by.2);
    checked.i32(count).raw(&records);
    let checked = checked.into_bytes();
    let mut whole = Writer::default();
    whole.i64(0).count(HEADER - PREFIX + records.len());
    whole.i32(-1).i8(2);
    whole.raw(&crc32c::crc32c(&checked).to_be_bytes());
    whole.raw(&checked);
    whole.into_bytes()
}

/// The records in whole, uncompressed batches, as (offset, payload).
pub(crate) fn records(mut bytes: &[u8]) -> Vec<(i64, Vec<u8>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let header = check_produced(bytes.get(..whole(bytes)).unwrap()).unwrap();
        let mut reader = Reader::new(bytes.get(HEADER..header.size).unwrap());
        for offset in header.base_offset..header.next_offset() {
            reader.varint("length").unwrap();
            reader.i8("attributes").unwrap();
            reader.varint("timestamp").unwrap();
            reader.varint("offset").unwrap();
            reader.varint("key").unwrap();
            let length = reader.varint("payload length").unwrap();
            let payload = reader.take(usize::try_from(length).unwrap(), "payload");
            found.push((offset, payload.unwrap().to_vec()));
            reader.varint("headers").unwrap();
        }
        bytes = bytes.get(header.size..).unwrap();
    }
    found
}

fn whole(bytes: &[u8]) -> usize {
    Header::read(bytes).unwrap().size
}

/// All that partition 0 of a topic holds.
pub(crate) fn stored(node: &Node, topic: &str) -> Vec<(i64, Vec<u8>)> {
    let partition = node.catalogue.partition(topic, 0).unwrap();
    let log = partition.log.lock();
    let mut found = Vec::new();
    let mut next = log.start();
    while let Some(slice) = log.slice(next).unwrap() {
        let mut bytes = vec![0; usize::try_from(slice.available).unwrap()];
        slice
            .file
            .read_exact_at(&mut bytes, slice.position)
            .unwrap();
        found.extend(
            records(&bytes)
                .into_iter()
                .filter(|(offset, _)| *offset >= log.start()),
        );
        next = found.last().unwrap().0 + 1;
    }
    found
}

/// A zigzag variable-length number.
pub(crate) fn varint(into: &mut Vec<u8>, value: i64) {
    let mut left = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while left >= 0x80 {
        into.push(0x80 | u8::try_from(left & 0x7f).unwrap());
        left >>= 7;
    }
    into.push(u8::try_from(left).unwrap());
}

/// A node on `dir`, without a socket.
pub(crate) fn node(dir: &Path, change: impl FnOnce(&mut BrokerConfig)) -> Node {
    let mut config = BrokerConfig {
        dir: dir.to_owned(),
        ..BrokerConfig::default()
    };
    change(&mut config);
    Node::open(config, ([127, 0, 0, 1], 9092).into()).unwrap()
}

pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
});

/// The answer of `node` to one request, without its length and correlation id.
pub(crate) fn ask(node: &Node, key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut frame = Writer::default();
    frame.i16(key).i16(version).i32(7).text("trial").raw(body);
    let answer = RUNTIME
        .block_on(request::answer(node, &mut frame.into_bytes(), "/127.0.0.1"))
        .unwrap()
        .unwrap();
    answer.get(8..).unwrap().to_vec()
}

/// Makes a topic of one partition.
pub(crate) fn create(node: &Node, topic: &str) {
    let settings = std::collections::BTreeMap::new();
    node.catalogue.create(topic, 1, settings).unwrap();
}

/// Produces one batch to partition 0 of `topic`: (error code, base offset).
pub(crate) fn produce(node: &Node, topic: &str, batch: &[u8]) -> (i16, i64) {
    let mut body = Writer::default();
    body.nullable_text(None).i16(-1).i32(1_000).count(1);
    body.text(topic).count(1).i32(0).blob(batch);
    let answer = ask(node, 0, 3, &body.into_bytes());
    let mut reader = Reader::new(&answer);
    let mut read = || {
        reader.i32("topics")?;
        reader.text("topic")?;
        reader.i32("partitions")?;
        reader.i32("partition")?;
        Ok::<_, super::wire::WireError>((reader.i16("error")?, reader.i64("offset")?))
    };
    read().unwrap()
}
