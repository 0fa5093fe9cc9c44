//! What every backend promises; run unchanged on each of them.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    missing_docs,
    reason = "this is a test suite"
)]

use std::io::Write;

use bytes::Bytes;

use crate::Objects;

/// Every check, on objects that nobody else uses.
pub fn all(objects: &Objects) {
    what_is_put_is_given_back_and_overwritten(objects);
    a_missing_object_is_none_and_is_removed_already(objects);
    names_are_listed_below_their_folder_in_order(objects);
    of_twenty_racers_one_creates(objects);
    a_big_object_goes_in_parts_and_comes_back_whole(objects);
    a_big_object_that_is_given_up_never_was(objects);
    a_new_object_that_is_written_bit_by_bit_appears_once(objects);
    streams_under_one_url_do_not_meet(objects);
}

pub fn streams_under_one_url_do_not_meet(objects: &Objects) {
    let streams = ["live", "other", "li/ve", ".."].map(|stream| objects.of_stream(stream));
    for stream in &streams {
        assert_eq!(stream.list("").unwrap(), []);
        assert!(stream.put_new("state/one", "1").unwrap());
        let [listed] = stream.list("state").unwrap().try_into().unwrap();
        assert_eq!(listed.name, "state/one");
    }
    for stream in &streams {
        stream.delete("state/one").unwrap();
    }
}

pub fn what_is_put_is_given_back_and_overwritten(objects: &Objects) {
    objects.put("put/one", "first").unwrap();
    assert_eq!(objects.get("put/one").unwrap().unwrap(), "first");
    objects.put("put/one", "second, longer").unwrap();
    assert_eq!(objects.get("put/one").unwrap().unwrap(), "second, longer");
    objects.put("put/empty", "").unwrap();
    assert_eq!(objects.get("put/empty").unwrap().unwrap(), "");
}

pub fn a_missing_object_is_none_and_is_removed_already(objects: &Objects) {
    assert_eq!(objects.get("missing/one").unwrap(), None);
    assert!(!objects.exists("missing/one").unwrap());
    objects.delete("missing/one").unwrap();
    objects.put("missing/one", "x").unwrap();
    assert!(objects.exists("missing/one").unwrap());
    objects.delete("missing/one").unwrap();
    assert_eq!(objects.get("missing/one").unwrap(), None);
}

pub fn names_are_listed_below_their_folder_in_order(objects: &Objects) {
    for name in [
        "list/b/2",
        "list/a=1/x.bin",
        "list/b/10",
        "listed",
        "list/b-not/1",
    ] {
        objects.put(name, name.as_bytes().to_vec()).unwrap();
    }
    let names = |prefix| -> Vec<_> {
        let listed = objects.list(prefix).unwrap();
        listed.into_iter().map(|object| object.name).collect()
    };
    assert_eq!(
        names("list"),
        ["list/a=1/x.bin", "list/b-not/1", "list/b/10", "list/b/2"]
    );
    assert_eq!(names("list/b"), ["list/b/10", "list/b/2"]);
    assert!(names("list/none").is_empty());
    let sizes = objects.list("list/b").unwrap();
    assert_eq!(sizes[0].size, "list/b/10".len() as u64);
    assert!(objects.list("").unwrap().len() >= 5);
}

pub fn of_twenty_racers_one_creates(objects: &Objects) {
    let winners: Vec<_> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..20)
            .map(|racer| {
                scope.spawn(move || {
                    objects
                        .put_new("race/one", format!("racer {racer}"))
                        .unwrap()
                })
            })
            .collect();
        racers
            .into_iter()
            .enumerate()
            .filter_map(|(racer, thread)| thread.join().unwrap().then_some(racer))
            .collect()
    });
    assert_eq!(winners.len(), 1, "{winners:?}");
    let stays = objects.get("race/one").unwrap().unwrap();
    assert_eq!(stays, format!("racer {}", winners[0]));
    assert!(!objects.put_new("race/one", "late").unwrap());
    assert_eq!(objects.get("race/one").unwrap().unwrap(), stays);
}

/// 20 MiB and a bit, in which no part is like another.
fn big() -> Bytes {
    (0..5_300_000_u32).flat_map(u32::to_le_bytes).collect()
}

pub fn a_big_object_goes_in_parts_and_comes_back_whole(objects: &Objects) {
    let content = big();
    objects.put_large("big/one", &content).unwrap();
    assert!(objects.get("big/one").unwrap().unwrap() == content);
    objects.put_large("big/one", &Bytes::from("small")).unwrap();
    assert_eq!(objects.get("big/one").unwrap().unwrap(), "small");
}

pub fn a_big_object_that_is_given_up_never_was(objects: &Objects) {
    let mut upload = objects.upload("big/given-up");
    upload.write_all(&big()).unwrap();
    drop(upload);
    assert_eq!(objects.get("big/given-up").unwrap(), None);
    let listed = objects.list("big").unwrap();
    assert!(listed.iter().all(|object| object.name != "big/given-up"));
}

pub fn a_new_object_that_is_written_bit_by_bit_appears_once(objects: &Objects) {
    for (name, content) in [("new/small", Bytes::from("small")), ("new/big", big())] {
        let mut upload = objects.upload(name);
        for bit in content.chunks(700_001) {
            upload.write_all(bit).unwrap();
        }
        assert_eq!(upload.written(), content.len() as u64);
        assert!(!objects.exists(name).unwrap());
        assert!(upload.finish_new().unwrap());
        assert!(objects.get(name).unwrap().unwrap() == content);
        let mut again = objects.upload(name);
        again.write_all(&content).unwrap();
        assert!(!again.finish_new().unwrap());
    }
}
