//! Stories of one session.

use weir_events::{
    time::{DAY_US, SECOND_US},
    v1::state_change::State,
};
use weir_routing::{Asn, Direction, Open};

use super::*;

fn open(direction: Option<Direction>, hold_time: u16) -> Open {
    Open {
        direction,
        asn: Asn(64_496),
        hold_time,
        router_id: std::net::Ipv4Addr::new(192, 0, 2, 1),
    }
}

fn flaps(session: &Session, now_us: i64) -> u64 {
    session.counts_at(now_us).flaps
}

#[test]
fn a_handshake_establishes_once_however_often_it_is_told() {
    let mut session = Session::default();
    session.open(1, &open(Some(Direction::Sent), 180));
    assert_eq!(session.state(), State::OpenSent);
    session.up(1, false);
    session.open(2, &open(Some(Direction::Received), 90));
    assert_eq!(session.state(), State::OpenConfirm);
    session.state_change(3, None, State::Established);
    session.up(3, false);
    session.keepalive(4);
    session.update(5, Some(3));
    assert_eq!(session.established_since(), Some(3));
    assert_eq!(session.hold_time(), Some(90));
    assert_eq!(flaps(&session, 5), 0);
}

#[test]
fn a_session_that_came_up_unseen_has_a_state_and_no_uptime() {
    let mut session = Session::default();
    session.update(5, None);
    assert_eq!(session.state(), State::Established);
    assert_eq!(session.established_since(), None);
    assert_eq!(session.hold_time(), None);
}

#[test]
fn a_keepalive_after_the_open_starts_the_uptime() {
    let mut session = Session::default();
    session.open(1, &open(None, 30));
    session.keepalive(2);
    session.state_change(3, Some(State::OpenConfirm), State::Established);
    assert_eq!(session.established_since(), Some(2));
    assert_eq!(session.hold_time(), Some(30));
}

#[test]
fn one_end_told_three_times_is_one_flap() {
    let mut session = Session::default();
    session.update(1, None);
    session.down(SECOND_US);
    session.state_change(SECOND_US + 1, Some(State::Established), State::Idle);
    session.down(SECOND_US + 2);
    assert_eq!(flaps(&session, SECOND_US), 1);
    assert_eq!(session.last_flap_us, Some(SECOND_US));
    assert_eq!(session.state(), State::Idle);
}

#[test]
fn a_peer_that_is_told_down_again_and_again_flaps_each_time() {
    let mut session = Session::default();
    for second in 0..5 {
        session.state_change(second, Some(State::Established), State::Idle);
        session.down(second);
        session.state_change(second, Some(State::Idle), State::Active);
    }
    assert_eq!(flaps(&session, 5), 5);
    assert_eq!(session.state(), State::Active);
}

#[test]
fn an_attempt_that_fails_is_no_flap() {
    let mut session = Session::default();
    session.state_change(1, Some(State::Connect), State::Active);
    session.open(2, &open(Some(Direction::Sent), 90));
    session.down(3);
    session.state_change(4, Some(State::OpenSent), State::Idle);
    assert_eq!(flaps(&session, 5), 0);
    assert_eq!(session.hold_time(), None);
}

#[test]
fn a_source_that_tells_only_the_new_state_is_believed() {
    let mut session = Session::default();
    session.state_change(1, None, State::Connect);
    assert_eq!(flaps(&session, 1), 0, "it connects");
    session.state_change(2, None, State::Established);
    session.state_change(3, None, State::Idle);
    assert_eq!(flaps(&session, 3), 1);
    let mut session = Session::default();
    session.state_change(1, None, State::Idle);
    assert_eq!(flaps(&session, 1), 1, "it was up before we looked");
}

#[test]
fn the_end_of_a_session_takes_its_prefixes_and_opens() {
    let mut session = Session::default();
    session.open(1, &open(None, 30));
    session.state_change(1, None, State::Established);
    session.prefixes = 7;
    session.state_change(2, None, State::Idle);
    assert_eq!((session.prefixes, session.generation), (0, 1));
    assert_eq!(session.hold_time(), None);
    assert_eq!(session.established_since(), None);
}

#[test]
fn an_open_within_a_session_is_a_new_session() {
    let mut session = Session::default();
    session.update(1, None);
    session.prefixes = 7;
    session.open(9, &open(Some(Direction::Received), 30));
    assert_eq!(session.prefixes, 0);
    assert_eq!(session.last_flap_us, Some(9));
    session.update(10, None);
    assert_eq!(session.established_since(), Some(10));
}

#[test]
fn a_gap_makes_the_start_unknown_and_keeps_the_rest() {
    let mut session = Session::default();
    session.state_change(1, None, State::Established);
    session.prefixes = 7;
    assert!(session.gap());
    assert!(!session.gap());
    assert_eq!(session.established_since(), None);
    assert_eq!(session.prefixes, 7);
    assert_eq!(session.state(), State::Established);
}

#[test]
fn counts_of_a_silent_session_decay() {
    let mut session = Session::default();
    session.update(0, None);
    session.down(1);
    assert!(!session.pass(DAY_US - 1));
    assert_eq!(
        session.counts_at(DAY_US - 1),
        Counts {
            flaps: 1,
            received: 1
        }
    );
    assert!(session.pass(DAY_US));
    assert_eq!(session.counts_at(DAY_US), Counts::default());
    assert_eq!(session.last_flap_us, Some(1));
}

#[test]
fn the_latest_path_stands_until_another_is_announced() {
    let mut session = Session::default();
    session.update(1, Some(4));
    session.update(2, None);
    assert_eq!(session.as_path_length, Some(4));
    session.update(3, Some(2));
    assert_eq!(session.as_path_length, Some(2));
}
