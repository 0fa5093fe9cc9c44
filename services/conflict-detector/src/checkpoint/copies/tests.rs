//! A checkpoint on another machine is the one that was published here, in a folder and on S3.

use std::time::Duration;

use weir_objects::Config;

use super::*;
use crate::checkpoint::BlockEntry;

const LONG: Duration = Duration::from_secs(20);

fn publish(folder: &Folder, p0: i64, round: u64, content: &str) -> Manifest {
    let manifest = Manifest {
        format: FORMAT,
        partition: 3,
        topic_epoch: 4,
        round,
        p0,
        control: folder.save_shard(b"control").unwrap(),
        blocks: vec![BlockEntry {
            block: 7,
            pb: p0 + 5,
            file: folder.save_shard(content.as_bytes()).unwrap(),
        }],
        before_p0: None,
        before_last: None,
    };
    folder.publish(&manifest).unwrap();
    manifest
}

/// A machine with nothing on its disk.
fn machine(disk: &tempfile::TempDir, copies: &Copies) -> Folder {
    let mut folder = Folder::open(disk.path(), 3).unwrap();
    folder.copy_to(copies.clone()).unwrap();
    folder
}

/// As a task does on assignment; the P0 that it begins with.
fn restored(folder: &Folder, copies: &Copies) -> Option<i64> {
    let above = folder.newest().unwrap().map_or(-1, |here| here.p0);
    if let Some(fetched) = copies.newest(above, |entry| folder.holds(entry)).unwrap() {
        folder.take_in(&fetched).unwrap();
    }
    folder.newest().unwrap().map(|manifest| manifest.p0)
}

fn shards(copies: &Copies) -> usize {
    let folder = format!("{}/shards", copies.folder);
    copies.objects.list(&folder).unwrap().len()
}

fn suite(all: &Objects) {
    let objects = &all.of_stream("live");
    let copies = Copies::new(objects.clone(), 3);
    assert_eq!(greatest_topic_epoch(all, "live").unwrap(), None);
    let disks = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let here = machine(&disks[0], &copies);
    let mut last = publish(&here, 10, 1, "ten");
    for (p0, round) in [(9_000, 2), (9_500, 3), (10_000, 4)] {
        here.finish_copies(LONG);
        last = publish(&here, p0, round, &format!("state at {p0}"));
    }
    here.finish_copies(LONG);
    // Two manifests, each with its block, and the control shard of both.
    assert_eq!(copies.manifests().unwrap().len(), 2);
    assert_eq!(shards(&copies), 3);
    let epoch = greatest_topic_epoch(all, "live").unwrap();
    assert_eq!(epoch, Some(TopicEpoch(4)));
    assert_eq!(greatest_topic_epoch(all, "other").unwrap(), None);

    let there = Folder::open(disks[1].path(), 3).unwrap();
    assert_eq!(restored(&there, &copies), Some(10_000));
    assert_eq!(there.newest().unwrap().unwrap(), last);
    for entry in last.files() {
        assert_eq!(
            there.load_shard(entry).unwrap(),
            here.load_shard(entry).unwrap()
        );
    }

    // A zombie that was overtaken.
    let overtaken = publish(
        &Folder::open(disks[2].path(), 3).unwrap(),
        9_700,
        9,
        "zombie",
    );
    let zombie = Folder::open(disks[2].path(), 3).unwrap();
    let mut known = copies.known().unwrap();
    copies.copy(&zombie, &overtaken, &mut known).unwrap();
    assert_eq!(copies.manifests().unwrap()[0].p0, 10_000);
    let fresh = tempfile::tempdir().unwrap();
    let fresh = Folder::open(fresh.path(), 3).unwrap();
    assert_eq!(restored(&fresh, &copies), Some(10_000));

    // A shard of a task that died before its manifest goes once it is old; others stay.
    let count = shards(&copies);
    objects.put(&copies.shard("orphan"), "orphan").unwrap();
    let hour = Duration::from_hours(1);
    let now = SystemTime::now();
    assert_eq!(copies.sweep(now - hour).unwrap(), 0);
    assert_eq!(shards(&copies), count + 1);
    assert_eq!(copies.sweep(now + hour).unwrap(), 1);
    assert_eq!(shards(&copies), count);

    // What is further here than there stays, and damage falls back to the one before.
    publish(&there, 20_000, 5, "further");
    assert_eq!(restored(&there, &copies), Some(20_000));
    let torn = copies.shard(&last.blocks[0].file.file);
    objects.put(&torn, "torn").unwrap();
    let fresh = tempfile::tempdir().unwrap();
    let fresh = Folder::open(fresh.path(), 3).unwrap();
    assert_eq!(restored(&fresh, &copies), Some(9_700));
    for name in copies.manifests().unwrap() {
        objects.put(&name.object, "{").unwrap();
    }
    let error = copies.newest(-1, |_| false).map(drop).unwrap_err();
    assert!(
        error.to_string().contains("to replay the log instead"),
        "{error}"
    );
}

#[test]
fn a_folder_carries_checkpoints_to_another_machine() {
    let folder = tempfile::tempdir().unwrap();
    suite(&Objects::open(&folder.path().display().to_string()).unwrap());
}

#[test]
fn s3_carries_checkpoints_to_another_machine() {
    let Some(engine) = weir_engines::engine("s3") else {
        return;
    };
    let bucket = engine.get("BUCKET").unwrap();
    let config = Config {
        endpoint: Some(engine.url().to_owned()),
        access_key_id: engine.get("ACCESS_KEY_ID").map(str::to_owned),
        secret_access_key: engine.get("SECRET_ACCESS_KEY").map(Into::into),
        ..Config::at(format!("s3://{bucket}/checkpoints-{}", std::process::id()))
    };
    suite(&Objects::connect(&config).unwrap());
}

#[test]
fn while_the_copies_are_away_checkpoints_go_on_here_and_their_shards_wait() {
    let config = Config {
        endpoint: Some("http://127.0.0.1:9".to_owned()),
        access_key_id: Some("ann".to_owned()),
        secret_access_key: Some("s3cret".into()),
        retry_ms: 50,
        ..Config::at("s3://lake/x")
    };
    let copies = Copies::new(Objects::prepare(&config).unwrap(), 3);
    let disk = tempfile::tempdir().unwrap();
    let folder = machine(&disk, &copies);
    for p0 in 1..10 {
        publish(&folder, p0, 1, &format!("state at {p0}"));
    }
    assert_eq!(folder.newest().unwrap().unwrap().p0, 9);
    folder.finish_copies(LONG);
}
