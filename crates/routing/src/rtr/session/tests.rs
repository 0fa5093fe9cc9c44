//! Conversations, told step by step, and a cache that is made up.

mod model;

use rstest::rstest;

use super::*;
use crate::{Asn, roa::Vrp};

fn vrp(third: u8) -> Vrp {
    Vrp {
        prefix: format!("10.0.{third}.0/24").parse().unwrap(),
        max_length: 24,
        asn: Asn(64_500),
    }
}

fn prefix(announce: bool, third: u8) -> Pdu {
    let vrp = vrp(third);
    Pdu::Prefix { announce, vrp }
}

fn aspa(customer: u32, providers: &[u32]) -> Pdu {
    Pdu::Aspa {
        announce: !providers.is_empty(),
        customer: Asn(customer),
        providers: providers.iter().copied().map(Asn).collect(),
    }
}

fn response(session: u16) -> Pdu {
    Pdu::CacheResponse { session }
}

fn end(session: u16, serial: u32) -> Pdu {
    Pdu::EndOfData {
        session,
        serial: Serial(serial),
        timers: None,
    }
}

fn notify(session: u16, serial: u32) -> Pdu {
    let serial = Serial(serial);
    Pdu::SerialNotify { session, serial }
}

fn error(code: u16) -> Pdu {
    Pdu::ErrorReport {
        code,
        about: Vec::new(),
        text: "so it is".to_owned(),
    }
}

fn query(session: u16, serial: u32) -> Pdu {
    let serial = Serial(serial);
    Pdu::SerialQuery { session, serial }
}

/// Says all of it in one version; the last step.
fn say(session: &mut Session, version: u8, pdus: impl IntoIterator<Item = Pdu>) -> Step {
    let mut last = Step::Wait;
    for pdu in pdus {
        last = session.feed(&Frame { version, pdu });
    }
    last
}

/// Version 2, session 7, serial 5; VRPs 1 and 2, an ASPA of 64500.
fn loaded() -> Session {
    let mut session = Session::default();
    assert_eq!(session.connected().pdu, Pdu::ResetQuery);
    let records = [prefix(true, 1), prefix(true, 2), aspa(64_500, &[64_501])];
    say(&mut session, 2, [response(7)]);
    say(&mut session, 2, records);
    let step = say(&mut session, 2, [end(7, 5)]);
    assert!(matches!(
        step,
        Step::Loaded {
            full: true,
            changed: true,
            ask: None
        }
    ));
    session
}

/// What ended it, the code of the report, and the query of the next connection.
fn ended(session: &mut Session, step: Step) -> (String, Option<u16>, Frame) {
    let Step::End { report, fault } = step else {
        panic!("{step:?} ends nothing")
    };
    let code = report.map(|report| match report.pdu {
        Pdu::ErrorReport { code, .. } => code,
        other => panic!("{other} is no report"),
    });
    (fault.to_string(), code, session.connected())
}

#[test]
fn everything_and_then_what_changes() {
    let mut session = loaded();
    let step = say(&mut session, 2, [notify(7, 6)]);
    let Step::Ask(frame) = step else {
        panic!("{step:?}")
    };
    assert_eq!(frame.pdu, query(7, 5));
    let changes = [
        response(7),
        prefix(false, 1),
        prefix(true, 3),
        aspa(64_500, &[64_502, 64_503]),
        end(7, 6),
    ];
    let step = say(&mut session, 2, changes);
    assert!(matches!(
        step,
        Step::Loaded {
            full: false,
            changed: true,
            ask: None
        }
    ));
    assert_eq!(session.refresh().unwrap().pdu, query(7, 6));
    assert_eq!(session.refresh(), None);

    let text = String::from_utf8(session.records().vrps_json()).unwrap();
    assert_eq!(
        text,
        "{\"roas\":[\n{\"prefix\":\"10.0.2.0/24\",\"maxLength\":24,\"asn\":64500},\n\
         {\"prefix\":\"10.0.3.0/24\",\"maxLength\":24,\"asn\":64500}\n]}\n"
    );
    let text = String::from_utf8(session.records().aspas_json()).unwrap();
    assert_eq!(
        text,
        "{\"aspas\":[\n{\"customer_asid\":64500,\"providers\":[64502,64503]}\n]}\n"
    );
}

#[test]
fn half_a_transfer_changes_nothing() {
    let mut session = loaded();
    let before = session.records().clone();
    session.refresh();
    say(
        &mut session,
        2,
        [response(7), prefix(false, 1), aspa(64_500, &[])],
    );
    assert!(!session.lost());
    assert_eq!(*session.records(), before);
    // The same changes, from where it stood.
    assert_eq!(session.connected().pdu, query(7, 5));
    let changes = [response(7), prefix(false, 1), aspa(64_500, &[]), end(7, 6)];
    say(&mut session, 2, changes);
    assert_eq!(
        (session.records().vrps(), session.records().aspas()),
        (1, 0)
    );
}

#[test]
fn a_cache_that_cannot_tell_what_came_after_tells_everything() {
    let mut session = loaded();
    session.refresh();
    let step = say(&mut session, 2, [Pdu::CacheReset]);
    let Step::Ask(frame) = step else {
        panic!("{step:?}")
    };
    assert_eq!(frame.pdu, Pdu::ResetQuery);
    let step = say(&mut session, 2, [response(8), prefix(true, 9), end(8, 1)]);
    assert!(matches!(
        step,
        Step::Loaded {
            full: true,
            changed: true,
            ..
        }
    ));
    assert_eq!(
        (session.records().vrps(), session.records().aspas()),
        (1, 0)
    );
}

#[test]
fn the_same_again_is_no_change() {
    let mut session = loaded();
    session.refresh();
    let step = say(&mut session, 2, [response(7), end(7, 5)]);
    assert!(matches!(
        step,
        Step::Loaded {
            full: false,
            changed: false,
            ..
        }
    ));
    session.at = None;
    session.connected();
    let all = [
        response(9),
        prefix(true, 1),
        prefix(true, 2),
        aspa(64_500, &[64_501]),
        end(9, 0),
    ];
    let step = say(&mut session, 2, all);
    assert!(matches!(
        step,
        Step::Loaded {
            full: true,
            changed: false,
            ..
        }
    ));
}

#[test]
fn what_is_told_of_during_a_transfer_is_asked_for_after_it() {
    let mut session = loaded();
    session.refresh();
    let step = say(&mut session, 2, [response(7), notify(7, 7), end(7, 6)]);
    let Step::Loaded {
        ask: Some(frame), ..
    } = step
    else {
        panic!("{step:?}")
    };
    assert_eq!(frame.pdu, query(7, 6));
}

#[rstest]
#[case::of_what_we_have(notify(7, 5))]
#[case::of_what_was_before(notify(7, 4))]
fn a_notify_of_nothing_new_is_passed_over(#[case] pdu: Pdu) {
    assert_eq!(say(&mut loaded(), 2, [pdu]), Step::Wait);
}

#[rstest]
#[case::session_of_a_notify(&[notify(8, 6)], "session 8, expected 7", Some(0))]
#[case::prefix_unasked(&[prefix(true, 9)], "IPv4 Prefix where Serial Notify was expected", Some(0))]
#[case::end_unasked(&[end(7, 6)], "End of Data where Serial Notify", Some(0))]
#[case::a_router(&[Pdu::ResetQuery], "Reset Query where", Some(0))]
#[case::reported(&[error(1)], "the cache reports error 1: so it is", None)]
#[case::without_versions(&[error(4)], "does not speak version 2; version 1 is tried", None)]
fn what_does_not_fit_when_nothing_was_asked_begins_anew(
    #[case] pdus: &[Pdu],
    #[case] why: &str,
    #[case] code: Option<u16>,
) {
    begins_anew(&mut loaded(), pdus, why, code);
}

#[rstest]
#[case::session(&[response(8)], "session 8, expected 7", Some(0))]
#[case::session_at_the_end(&[response(7), end(8, 6)], "session 8, expected 7", Some(0))]
#[case::serial(&[response(7), end(7, 4)], "up to serial 4, expected none before 5", Some(0))]
#[case::serial_half_way(&[response(7), end(7, 5 + (1 << 31))], "expected none before 5", Some(0))]
#[case::duplicate(
    &[response(7), prefix(true, 1)],
    "10.0.1.0/24 up to 24 for AS64500 is announced and was there",
    Some(7)
)]
#[case::duplicate_of_its_own(&[response(7), prefix(true, 9), prefix(true, 9)], "was there", Some(7))]
#[case::unknown(&[response(7), prefix(false, 9)], "10.0.9.0/24", Some(6))]
#[case::withdrawn_twice(&[response(7), prefix(false, 1), prefix(false, 1)], "was not there", Some(6))]
#[case::unknown_aspa(&[response(7), aspa(64_599, &[])], "the ASPA of AS64599 is withdrawn", Some(6))]
#[case::answered_twice(&[response(7), response(7)], "Cache Response where records or End", Some(0))]
#[case::reset_half_way(&[response(7), Pdu::CacheReset], "Cache Reset where records", Some(0))]
#[case::nothing_there(&[error(2)], "reports error 2", None)]
fn what_does_not_fit_in_an_answer_begins_anew(
    #[case] pdus: &[Pdu],
    #[case] why: &str,
    #[case] code: Option<u16>,
) {
    let mut session = loaded();
    session.refresh();
    begins_anew(&mut session, pdus, why, code);
}

fn begins_anew(session: &mut Session, pdus: &[Pdu], why: &str, code: Option<u16>) {
    let before = session.records().clone();
    let step = say(session, 2, pdus.iter().cloned());
    let (fault, told, next) = ended(session, step);
    assert!(fault.contains(why), "{fault}");
    assert_eq!(told, code);
    assert_eq!(next.pdu, Pdu::ResetQuery);
    assert_eq!(*session.records(), before);
}

#[test]
fn a_pdu_of_another_version_begins_anew() {
    let mut session = loaded();
    let step = say(&mut session, 1, [notify(7, 6)]);
    let (fault, code, next) = ended(&mut session, step);
    assert_eq!(fault, "a PDU of version 1, expected 2");
    assert_eq!((code, next.version), (Some(8), 2));
}

#[test]
fn a_report_names_the_pdu_and_a_report_is_never_answered() {
    let mut session = loaded();
    session.refresh();
    let Step::End { report, .. } = say(&mut session, 2, [response(7), prefix(true, 1)]) else {
        panic!("a duplicate is no fault")
    };
    let mut about = Vec::new();
    let pdu = prefix(true, 1);
    Frame { version: 2, pdu }.encode(&mut about);
    let report = report.unwrap();
    assert!(matches!(&report.pdu, Pdu::ErrorReport { about: told, .. } if *told == about));

    let lies = [2, 10, 0, 2, 0, 0, 0, 16, 0, 0, 0, 9, 0, 0, 0, 0];
    let error = Frame::decode(&lies).unwrap_err();
    let step = loaded().malformed(error, &lies);
    assert!(matches!(step, Step::End { report: None, .. }), "{step:?}");
    let none = [2, 99, 0, 0, 0, 0, 0, 8, 1, 2, 3];
    let error = Frame::decode(&none).unwrap_err();
    let step = loaded().malformed(error, &none);
    let Step::End {
        report: Some(report),
        ..
    } = step
    else {
        panic!("{step:?}")
    };
    assert!(matches!(&report.pdu, Pdu::ErrorReport { code: 5, about, .. } if *about == none[..8]));
}

#[rstest]
#[case::of_the_error(0, &[2, 0])]
#[case::the_next_lower(2, &[2, 1])]
#[case::of_one_between(1, &[2, 1])]
fn a_cache_that_refuses_a_version_is_offered_a_lower_one(#[case] of: u8, #[case] offers: &[u8]) {
    let mut session = Session::default();
    assert_eq!(session.connected().version, offers[0]);
    let step = say(&mut session, of, [error(4)]);
    assert!(matches!(
        step,
        Step::End {
            report: None,
            fault: Fault::UnsupportedVersion { .. }
        }
    ));
    assert_eq!(session.connected().version, offers[1]);
    say(
        &mut session,
        offers[1],
        [response(1), prefix(true, 1), end(1, 1)],
    );
    assert_eq!(session.records().vrps(), 1);
    assert!(!session.has_aspas());
    // It stays agreed upon.
    session.lost();
    assert_eq!(session.connected().version, offers[1]);
}

#[test]
fn a_fault_leaves_the_aspas_that_were_told_until_an_older_version_has_told_all() {
    let mut session = loaded();
    assert!(session.has_aspas());
    let step = say(&mut session, 2, [error(2)]);
    assert!(matches!(step, Step::End { .. }), "{step:?}");
    assert!(session.has_aspas() && session.records().aspas() == 1);
    session.connected();
    say(&mut session, 1, [response(8), prefix(true, 1)]);
    assert!(session.has_aspas());
    say(&mut session, 1, [end(8, 1)]);
    assert!(!session.has_aspas());
}

#[test]
fn a_cache_without_any_version_of_ours_is_refused() {
    let mut session = Session::default();
    for version in [2, 1] {
        assert_eq!(session.connected().version, version);
        say(&mut session, version, [error(4)]);
    }
    assert_eq!(session.connected().version, 0);
    let step = say(&mut session, 0, [error(4)]);
    let (fault, ..) = ended(&mut session, step);
    assert!(fault.contains("reports error 4"), "{fault}");
}

#[test]
fn an_answer_in_a_lower_version_settles_it() {
    let mut session = Session::default();
    session.connected();
    assert_eq!(say(&mut session, 0, [notify(9, 9)]), Step::Wait);
    say(
        &mut session,
        1,
        [response(1), Pdu::RouterKey, prefix(true, 1), end(1, 1)],
    );
    assert_eq!((session.version(), session.records().vrps()), (1, 1));
    assert_eq!(session.refresh().unwrap().version, 1);
}

#[test]
fn a_cache_that_hangs_up_without_a_word_is_offered_the_next_version() {
    let mut session = Session::default();
    let mut offers = Vec::new();
    for at_once in [true, true, false, true] {
        offers.push(session.connected().version);
        assert_eq!(session.lost(), at_once);
    }
    assert_eq!(offers, [2, 1, 0, 2]);
}

#[test]
fn a_version_that_was_only_guessed_is_tried_anew_after_a_loss() {
    let mut session = Session::default();
    session.connected();
    assert!(session.lost());
    assert_eq!(session.connected().version, 1);
    say(&mut session, 1, [response(7), prefix(true, 1), end(7, 1)]);
    assert!(!session.lost());
    let next = session.connected();
    assert_eq!((next.version, next.pdu), (2, Pdu::ResetQuery));
    assert_eq!(session.records().vrps(), 1);
}

#[test]
fn serials_wrap_around() {
    let mut session = Session::default();
    session.connected();
    say(&mut session, 2, [response(7), end(7, u32::MAX)]);
    let step = say(&mut session, 2, [notify(7, 0)]);
    assert!(matches!(step, Step::Ask(_)), "{step:?}");
    let step = say(&mut session, 2, [response(7), prefix(true, 1), end(7, 0)]);
    assert!(matches!(step, Step::Loaded { .. }), "{step:?}");
    assert_eq!(session.refresh().unwrap().pdu, query(7, 0));
}
