//! Which table is wanted when, and what it must not take back.

use std::sync::Arc;

use weir_events::time::{HOUR_US, parse_rfc3339};
use weir_routing::{PathAttributes, Prefix, SessionState, Update};

use super::*;
use crate::config::Baseline;

fn at(text: &str) -> i64 {
    parse_rfc3339(&format!("2026-03-01T{text}:00Z")).unwrap()
}

fn table(is_first: bool, now: &str) -> Table {
    let archive = Archive::of(&Baseline::default(), "rrc00");
    Table::new(archive, is_first, at(now))
}

fn message(event_time_us: i64, body: Body) -> Message {
    Message {
        event_time_us,
        peer: "192.0.2.1:64496".parse().unwrap(),
        body,
    }
}

fn update(announced: &[&str], withdrawn: &[&str]) -> Body {
    let nlris = |prefixes: &[&str]| {
        let prefixes = prefixes.iter();
        let parsed = prefixes.map(|prefix| prefix.parse::<Prefix>().unwrap().into());
        parsed.collect::<Vec<_>>()
    };
    Body::Update(Update {
        announced: nlris(announced),
        withdrawn: nlris(withdrawn),
        attributes: Some(Arc::new(PathAttributes::default())),
        ..Update::default()
    })
}

#[test]
fn the_first_table_is_ordered_at_once_and_one_of_after_a_gap_when_an_archive_has_it() {
    let mut first = table(true, "09:00");
    let newest = [at("08:00"), at("00:00"), at("00:00") - 8 * HOUR_US];
    assert_eq!(first.order(at("09:00")), newest);
    assert!(first.order(at("09:00")).is_empty(), "it is under way");

    let mut known = table(false, "09:00");
    for early in ["09:00", "16:00", "16:14"] {
        assert!(known.order(at(early)).is_empty(), "{early}");
    }
    assert_eq!(known.order(at("16:15")), [at("16:00")]);
}

#[test]
fn a_gap_spoils_a_later_table_but_not_the_first() {
    let mut table = table(true, "09:00");
    table.order(at("09:00"));
    assert!(!table.gap(at("09:10")));
    table.written(at("08:00"), Ticket(7));
    assert_eq!(table.written, Some((at("08:00"), Ticket(7))));
    let later = table.order(at("16:15"));
    assert_eq!(later, [at("16:00")], "what the gap took is looked for");

    assert!(table.gap(at("16:16")), "the one under way is of before it");
    assert!(table.order(at("16:30")).is_empty());
    let midnight = at("16:00") + 8 * HOUR_US;
    assert_eq!(table.order(midnight + 15 * MINUTE_US), [midnight]);
}

#[test]
fn without_a_gap_nothing_is_asked_for_again() {
    let mut table = table(true, "09:00");
    table.order(at("09:00"));
    table.written(at("08:00"), Ticket(7));
    assert!(table.order(at("23:59")).is_empty());
}

#[test]
fn what_did_not_come_is_asked_for_again_later() {
    let mut table = table(true, "09:00");
    table.order(at("09:00"));
    table.try_again(at("09:01"), 10 * MINUTE_US);
    assert!(table.order(at("09:10")).is_empty());
    assert_eq!(table.order(at("09:11")).first(), Some(&at("08:00")));
}

#[test]
fn a_dump_takes_nothing_back_that_was_said_since() {
    let mut table = table(true, "09:00");
    let said = |table: &mut Table, body| table.hear(&message(at("09:01"), body), at("09:01"));
    let dump = |prefix: &str| message(at("08:00"), update(&[prefix], &[]));
    said(&mut table, update(&[], &["10.1.0.0/16", "10.2.0.0/16"]));
    assert!(!table.admits(&dump("10.1.0.0/16")));
    assert!(table.admits(&dump("10.3.0.0/16")));
    // Of what is there again, the detector knows which is newer.
    said(&mut table, update(&["10.2.0.0/16"], &[]));
    assert!(table.admits(&dump("10.2.0.0/16")));

    let down = Body::StateChange {
        from: Some(SessionState::Established),
        to: SessionState::Idle,
    };
    said(&mut table, down);
    let other = "its session is another one";
    assert!(!table.admits(&dump("10.3.0.0/16")), "{other}");
    assert!(!table.admits(&message(at("08:00"), Body::EndOfRib)));
}

#[test]
fn what_was_said_before_a_later_table_stands_in_it() {
    let mut table = table(false, "09:00");
    let withdrawn = update(&[], &["10.1.0.0/16"]);
    let dump = message(at("16:00"), update(&["10.1.0.0/16"], &[]));
    table.hear(&message(at("15:59"), withdrawn.clone()), at("15:59"));
    assert!(table.admits(&dump));
    table.hear(&message(at("16:00"), withdrawn), at("16:00"));
    assert!(!table.admits(&dump));
}

#[test]
fn too_much_that_was_withdrawn_waits_for_the_next_table() {
    let mut table = table(true, "09:00");
    table.order(at("09:00"));
    let now = at("09:01");
    let host = |number: u32| Prefix::new(std::net::Ipv4Addr::from(number).into(), 32).unwrap();
    let most = u32::try_from(MOST_WITHDRAWN).unwrap();
    let mut spoiled = 0;
    for first in (0..=most).step_by(1000) {
        let hosts = (first..first + 1000).map(|n| host(0x0a00_0000 + n).into());
        let body = Body::Update(Update {
            withdrawn: hosts.collect(),
            ..Update::default()
        });
        spoiled += u32::from(table.hear(&message(now, body), now));
    }
    assert_eq!(spoiled, 1);
    assert_eq!(table.order(at("16:15")), [at("16:00")]);
}

#[test]
fn a_table_warms_until_it_was_read_once() {
    let mut table = table(true, "09:00");
    assert_eq!(table.warming(at("09:00"), 40), Some(0));
    table.order(at("09:00"));
    assert_eq!(table.warming(at("09:01"), 40), Some(40));
    table.written(at("08:00"), Ticket(1));
    assert_eq!(table.warming(at("09:02"), 0), Some(100));
    table.gap(at("09:03"));
    table.order(at("16:15"));
    let shown = table.warming(at("16:16"), 40);
    assert_eq!(shown, Some(100), "the baseline is there");
}
