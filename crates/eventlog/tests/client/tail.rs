//! Reading outside of any group, and the status that is read that way.

use prost::Message;
use weir_eventlog::{From, Tail, status::StatusBoard};
use weir_events::{
    topics::{BGP_CONFLICTS, FEATURE_ROWS, SERVICE_STATUS},
    v1,
};

use crate::harness::{PATIENCE, TestLog, Watched};

#[test]
fn a_tail_from_the_end_sees_what_comes_and_one_from_the_beginning_sees_all() {
    let log = TestLog::with_records(&BGP_CONFLICTS, 3);
    let tails = [From::End, From::Beginning].map(|from| {
        let seen = Watched::new(Vec::new());
        let told = seen.clone();
        let tail = Tail::start(
            &log.log,
            &[BGP_CONFLICTS, FEATURE_ROWS],
            from,
            move |topic, record| {
                let text = String::from_utf8(record.payload.to_vec()).unwrap();
                told.change(|seen| seen.push((topic, text)));
            },
        )
        .unwrap();
        (tail, seen)
    });
    let publisher = log.publisher();
    log.append(&publisher, &FEATURE_ROWS, [7]);
    log.append(&publisher, &BGP_CONFLICTS, [8]);
    publisher.flush(PATIENCE).unwrap();
    let [(end, new), (beginning, all)] = tails;
    new.wait("8 new records", |seen| seen.len() == 8);
    all.wait("20 records", |seen| seen.len() == 20);
    new.change(|seen| {
        seen.sort();
        let row = |topic: weir_events::topics::Topic, text: &str| (topic.name, text.to_owned());
        assert_eq!(seen[..4], vec![row(BGP_CONFLICTS, "8"); 4]);
        assert_eq!(seen[4..], vec![row(FEATURE_ROWS, "7"); 4]);
    });
    end.stop();
    drop(beginning);
}

#[test]
fn a_reporter_publishes_its_board_at_once_and_a_last_time() {
    let log = TestLog::start();
    let seen = Watched::new(Vec::new());
    let told = seen.clone();
    let tail = Tail::start(&log.log, &[SERVICE_STATUS], From::End, move |_, record| {
        assert_eq!(record.key, b"detector/one");
        let status = v1::ServiceStatus::decode(record.payload).unwrap();
        told.change(|seen| seen.push(status.counters["elements_in"]));
    })
    .unwrap();
    let board = StatusBoard::new("detector", "one", "live", false);
    board.set("elements_in", 0, 5);
    let reporter = board.report(&log.log).unwrap();
    seen.wait("the first status", |seen| seen.first() == Some(&5));
    board.set("elements_in", 0, 6);
    drop(reporter);
    seen.wait("the last status", |seen| seen.last() == Some(&6));
    tail.stop();
}
