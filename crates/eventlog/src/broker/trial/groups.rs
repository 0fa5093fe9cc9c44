//! Groups by the clock: what is due when, and what comes of it.

use std::time::{Duration, Instant};

use crate::broker::error_code as code;
use crate::broker::groups::{Answer, Groups, Join, Joined, State};

fn member(id: &str, instance: Option<&str>) -> Join {
    Join {
        member: id.to_owned(),
        instance: instance.map(str::to_owned),
        client: "trial".to_owned(),
        host: "/127.0.0.1".to_owned(),
        session_ms: 6_000,
        rebalance_ms: 60_000,
        protocol_type: "consumer".to_owned(),
        protocols: vec![("range".to_owned(), vec![1])],
        comes_twice: true,
    }
}

fn now_of<T>(answer: Answer<T>) -> T {
    match answer {
        Answer::Now(answer) => answer,
        Answer::Later(mut later) => later.try_recv().unwrap(),
    }
}

/// Brings one static member in, as the leader with the assignment `[5]`.
fn alone(groups: &Groups, instance: &str) -> Joined {
    let answer = groups.join("g", member("", Some(instance)));
    let due = groups.expire(Instant::now()).unwrap();
    assert!(
        groups.expire(due) > Some(due),
        "joined, and its session runs"
    );
    let joined = now_of(answer);
    assert_eq!((joined.error, joined.generation), (code::NONE, 1));
    assert_eq!(joined.leader, joined.member);
    let shares = vec![(joined.member.clone(), vec![5])];
    let synced = groups.sync("g", &joined.member, Some(instance), 1, shares);
    assert_eq!(now_of(synced), (code::NONE, vec![5]));
    joined
}

fn state(groups: &Groups) -> State {
    groups.get("g").unwrap().lock().state
}

#[test]
fn nothing_is_due_without_groups() {
    assert_eq!(Groups::default().expire(Instant::now()), None);
}

#[test]
fn a_silent_member_is_dropped_when_its_session_ends_and_not_before() {
    let groups = Groups::default();
    alone(&groups, "one");
    let due = groups.expire(Instant::now()).unwrap();
    assert_eq!(groups.expire(due - Duration::from_millis(1)), Some(due));
    assert_eq!(state(&groups), State::Stable);
    assert_eq!(groups.expire(due), None);
    assert_eq!(state(&groups), State::Empty);
}

#[test]
fn a_heartbeat_puts_the_end_of_the_session_off() {
    let groups = Groups::default();
    let joined = alone(&groups, "one");
    let due = groups.expire(Instant::now()).unwrap();
    let beat = groups.heartbeat("g", &joined.member, Some("one"), 1);
    assert_eq!(beat, code::NONE);
    assert!(groups.expire(due).unwrap() > due);
    assert_eq!(state(&groups), State::Stable);
}

#[test]
fn a_static_member_takes_its_place_back_and_fences_who_held_it() {
    let groups = Groups::default();
    let old = alone(&groups, "one");
    let new = now_of(groups.join("g", member("", Some("one"))));
    assert_eq!((new.error, new.generation), (code::NONE, 1), "no rebalance");
    assert_ne!(new.member, old.member);
    let synced = groups.sync("g", &new.member, Some("one"), 1, Vec::new());
    assert_eq!(now_of(synced), (code::NONE, vec![5]));
    let beat = groups.heartbeat("g", &old.member, Some("one"), 1);
    assert_eq!(beat, code::FENCED_INSTANCE_ID);
}

#[test]
fn a_member_that_leaves_while_it_waits_is_due_by_its_session() {
    let groups = Groups::default();
    let answer = groups.join("g", member("", Some("one")));
    let second = groups.join("g", member("", Some("two")));
    drop(second);
    // One waits, two is silent: its session runs, and the join ends without it.
    let due = groups.expire(Instant::now()).unwrap();
    assert!(due > Instant::now() + Duration::from_secs(1));
    groups.expire(due);
    let joined = now_of(answer);
    assert_eq!((joined.error, joined.members.len()), (code::NONE, 1));
}

#[test]
fn an_id_that_is_given_out_is_forgotten_when_nobody_comes_with_it() {
    let groups = Groups::default();
    let first = now_of(groups.join("g", member("", None)));
    assert_eq!(first.error, code::MEMBER_ID_REQUIRED);
    let due = groups.expire(Instant::now()).unwrap();
    assert_eq!(groups.expire(due), None);
    let late = now_of(groups.join("g", member(&first.member, None)));
    assert_eq!(late.error, code::UNKNOWN_MEMBER_ID);
}
