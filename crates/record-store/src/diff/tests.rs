//! What counts as the same, what as other; and that it does not matter which side is called A.

use std::sync::Arc;

use proptest::{prelude::*, sample::select};
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::{
    conformance,
    export::IncidentJson,
    incident::{EndReason, Severity},
};

const MOAS: &str = "moas";

/// An incident that goes on. As of ours, its id is made of what it is and when it began.
fn sketch(kind: &str, prefix: &str, suspect: u32, first_seen_us: i64) -> Sketch {
    let key = format!("{kind} {prefix} {suspect} {first_seen_us}");
    let id = key.bytes().fold(7_u128, |id, byte| {
        (id ^ u128::from(byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b)
    });
    Sketch {
        id,
        kind: kind.into(),
        prefix: Some(prefix.parse().unwrap()),
        suspect_asn: Some(suspect),
        first_seen_us,
        ended_at_us: None,
        end_reason: None,
        severity: Severity::Medium,
        suspicion: Some(45),
        confirmed: false,
        synthetic: false,
    }
}

fn moas(first_seen_us: i64) -> Sketch {
    sketch(MOAS, "192.0.2.0/24", 64_500, first_seen_us)
}

fn until(mut of: Sketch, ended_at_us: i64) -> Sketch {
    of.ended_at_us = Some(ended_at_us);
    of.end_reason = Some(EndReason::Withdrawn);
    of
}

fn compare(a: &[Sketch], b: &[Sketch]) -> Result<Report, DiffError> {
    let mut comparison = Comparison::with(a.to_vec())?;
    for sketch in b {
        comparison.add(sketch.clone())?;
    }
    comparison.finish()
}

/// Each difference as its aspects, by name.
fn told(a: &[Sketch], b: &[Sketch]) -> Vec<String> {
    let report = compare(a, b).unwrap();
    let words = |difference: &Difference| {
        let names: Vec<_> = difference
            .aspects()
            .iter()
            .map(|aspect| aspect.name())
            .collect();
        names.join(" ")
    };
    report.differences.iter().map(words).collect()
}

fn with(change: impl FnOnce(&mut Sketch)) -> Sketch {
    let mut of = moas(100);
    change(&mut of);
    of
}

#[rstest]
#[case::nothing(with(|_| ()), "")]
#[case::its_end(with(|of| *of = until(of.clone(), 900)), "ended")]
#[case::severity(with(|of| of.severity = Severity::High), "severity")]
#[case::suspicion(with(|of| of.suspicion = Some(46)), "suspicion")]
#[case::confirmation(with(|of| of.confirmed = true), "confirmed")]
#[case::origin(with(|of| of.synthetic = true), "synthetic")]
#[case::two(with(|of| { of.confirmed = true; of.suspicion = Some(55) }), "suspicion confirmed")]
#[case::its_type_under_one_id(with(|of| of.kind = "flap".into()), "type")]
fn what_has_one_id_is_one_incident_and_what_differs_is_named(
    #[case] b: Sketch,
    #[case] aspects: &str,
) {
    let wanted: Vec<_> = (!aspects.is_empty())
        .then(|| aspects.to_owned())
        .into_iter()
        .collect();
    assert_eq!(told(&[moas(100)], &[b]), wanted);
}

#[rstest]
#[case::that_overlaps(&[until(moas(100), 200)], &[until(moas(150), 200)], &["began"])]
#[case::that_touches(&[until(moas(100), 200)], &[until(moas(200), 200)], &["began"])]
#[case::that_goes_on(&[moas(100)], &[moas(900)], &["began"])]
#[case::that_does_not_overlap(&[until(moas(100), 200)], &[moas(201)], &["missed", "raised"])]
#[case::of_another_suspect(&[moas(100)], &[sketch(MOAS, "192.0.2.0/24", 64_501, 100)], &["missed", "raised"])]
#[case::of_another_prefix(&[moas(100)], &[sketch(MOAS, "192.0.2.0/25", 64_500, 100)], &["missed", "raised"])]
#[case::of_another_type(&[moas(100)], &[sketch("flap", "192.0.2.0/24", 64_500, 120)], &["type began"])]
#[case::of_another_type_at_another_time(&[until(moas(100), 110)], &[sketch("flap", "192.0.2.0/24", 64_500, 120)], &["missed", "raised"])]
fn what_has_no_common_id_is_paired_with_what_is_like_it(
    #[case] a: &[Sketch],
    #[case] b: &[Sketch],
    #[case] aspects: &[&str],
) {
    let mut found = told(a, b);
    found.sort();
    assert_eq!(found, aspects);
}

/// The same of a group.
fn of_many(mut of: Sketch) -> Sketch {
    of.prefix = None;
    of
}

#[rstest]
#[case::of_its_type(&[of_many(moas(100))], &[of_many(moas(150))], &["began"])]
#[case::of_another_type(&[of_many(moas(100))], &[of_many(sketch("flap", "192.0.2.0/24", 64_500, 100))], &["missed", "raised"])]
#[case::of_a_prefix(&[of_many(moas(100))], &[moas(150)], &["missed", "raised"])]
fn what_is_about_no_single_prefix_is_paired_with_its_type_alone(
    #[case] a: &[Sketch],
    #[case] b: &[Sketch],
    #[case] aspects: &[&str],
) {
    let mut found = told(a, b);
    found.sort();
    assert_eq!(found, aspects);
}

#[test]
fn the_nearest_first_times_are_paired_and_its_own_type_comes_before_any_other() {
    let a = [moas(100), sketch("flap", "192.0.2.0/24", 64_500, 160)];
    let b = [moas(160), moas(110)];
    let report = compare(&a, &b).unwrap();
    let pairs: Vec<_> = report
        .differences
        .iter()
        .map(|of| (of.a().unwrap().first_seen_us, of.b().unwrap().first_seen_us))
        .collect();
    assert_eq!(pairs, [(100, 110), (160, 160)]);
    assert_eq!(report.differences[1].rule(), "flap -> moas");
}

#[test]
fn of_several_that_overlap_the_nearest_is_taken_and_the_rest_is_alone() {
    let a = [moas(100)];
    let b = [until(moas(50), 130), until(moas(110), 120), moas(125)];
    let report = compare(&a, &b).unwrap();
    let starts = |of: &Difference| {
        let first = |side: Option<&Sketch>| side.map(|one| one.first_seen_us);
        (first(of.a()), first(of.b()))
    };
    let pairs: Vec<_> = report.differences.iter().map(starts).collect();
    let wanted = [(None, Some(50)), (Some(100), Some(110)), (None, Some(125))];
    assert_eq!(pairs, wanted);
}

#[test]
fn the_most_severe_come_first_and_then_the_earliest() {
    let mut grave = sketch(MOAS, "198.51.100.0/24", 64_500, 900);
    grave.severity = Severity::Critical;
    let report = compare(
        &[moas(300), grave],
        &[sketch(MOAS, "203.0.113.0/24", 64_500, 200)],
    );
    let report = report.unwrap();
    let order: Vec<_> = report
        .differences
        .iter()
        .map(|of| of.either().first_seen_us)
        .collect();
    assert_eq!(order, [900, 200, 300]);
    assert_eq!((report.in_a, report.in_b, report.equal), (2, 1, 0));
    let tally = report.tally();
    assert_eq!(tally[MOAS][Aspect::Raised as usize], 1);
    assert_eq!(tally[MOAS][Aspect::Missed as usize], 2);
}

#[test]
fn lists_that_cannot_be_ours_are_refused() {
    let twice = |side, of: &Sketch| DiffError::Twice {
        side,
        id: uuid(of.id),
    };
    let (one, two) = (moas(100), moas(200));
    assert_eq!(
        compare(&[one.clone(), one.clone()], &[]),
        Err(twice("A", &one))
    );
    let b = [one.clone(), one.clone()];
    assert_eq!(compare(&[], &b), Err(twice("B", &one)), "not in A");
    assert_eq!(
        compare(std::slice::from_ref(&one), &b),
        Err(twice("B", &one)),
        "in A too"
    );
    let mut clash = two;
    clash.id = one.id;
    clash.suspect_asn = None;
    let id = uuid(one.id);
    assert_eq!(compare(&[one], &[clash]), Err(DiffError::Clash { id }));
}

#[test]
fn a_crowd_that_overlaps_is_refused_and_a_long_row_is_not() {
    let crowd = |offset: i64| -> Vec<Sketch> { (0..1_001).map(|n| moas(2 * n + offset)).collect() };
    let refused = compare(&crowd(0), &crowd(1)).unwrap_err();
    assert!(matches!(refused, DiffError::Crowded { .. }), "{refused}");
    let row = |offset: i64| -> Vec<Sketch> {
        let starts = (0..20_000).map(|n| 10 * n + offset);
        starts.map(|at| until(moas(at), at + 4)).collect()
    };
    let report = compare(&row(0), &row(1)).unwrap();
    assert_eq!(report.differences.len(), 20_000);
    assert!(
        report
            .differences
            .iter()
            .all(|of| of.a().is_some() && of.b().is_some())
    );
}

#[test]
fn a_row_and_its_line_make_the_same_sketch_and_a_line_that_is_none_says_why() {
    let mut row = conformance::incident(1, 7, "2001:db8::/32");
    row.confirmed_at_us = Some(row.first_seen_us);
    row.ended_at_us = Some(row.first_seen_us + 1);
    row.end_reason = Some(EndReason::Faded);
    let line = serde_json::to_value(IncidentJson::from(&row)).unwrap();
    let mut sketcher = Sketcher::default();
    let of_row = sketcher.row(&row).unwrap();
    let of_line = sketcher.line(line.to_string().as_bytes()).unwrap();
    assert_eq!(of_row, of_line);
    assert!(Arc::ptr_eq(&of_row.kind, &of_line.kind));
    assert_eq!(uuid(of_row.id), row.id);
    for (field, value, told) in [
        ("id", json!("1"), "`id` is \"1\": expected a UUID"),
        ("prefix", json!("192.0.2.0"), "`prefix`"),
        (
            "first_seen",
            json!("then"),
            "`first_seen` is \"then\": expected RFC 3339",
        ),
        (
            "severity",
            json!("grave"),
            "no incident as an export writes it",
        ),
        (
            "suspicion",
            json!(300),
            "no incident as an export writes it",
        ),
    ] {
        let mut spoilt = line.clone();
        spoilt[field] = value;
        let refused = sketcher.line(spoilt.to_string().as_bytes()).unwrap_err();
        assert!(refused.to_string().contains(told), "{refused}");
    }
}

/// Few prefixes, suspects and moments, so that much of it meets.
fn any_incident() -> impl Strategy<Value = Sketch> {
    let name = (
        select(vec![MOAS, "flap", "sub-prefix"]),
        select(vec!["192.0.2.0/24", "2001:db8::/32"]),
        64_500..64_502_u32,
        0..20_i64,
    );
    let life = (
        proptest::option::of(0..8_i64),
        select(EndReason::ALL),
        select(Severity::ALL),
        proptest::option::of(0..3_u8),
        any::<bool>(),
        any::<bool>(),
    );
    (name, life).prop_map(|((kind, prefix, suspect, first), life)| {
        let mut of = sketch(kind, prefix, suspect, first);
        let reason;
        (
            of.ended_at_us,
            reason,
            of.severity,
            of.suspicion,
            of.confirmed,
            of.synthetic,
        ) = life;
        of.ended_at_us = of.ended_at_us.map(|lasted| first + lasted);
        of.end_reason = of.ended_at_us.map(|_| reason);
        of
    })
}

/// A list of ours: every id once.
fn any_list() -> impl Strategy<Value = Vec<Sketch>> {
    proptest::collection::vec(any_incident(), 0..24).prop_map(|mut all| {
        let mut seen = std::collections::BTreeSet::new();
        all.retain(|of| seen.insert(of.id));
        all
    })
}

fn mirrored(difference: Difference) -> Difference {
    match difference {
        Difference::Raised(one) => Difference::Missed(one),
        Difference::Missed(one) => Difference::Raised(one),
        Difference::Changed { a, b } => Difference::Changed { a: b, b: a },
    }
}

proptest! {
    #[test]
    fn nothing_differs_from_itself(a in any_list()) {
        let report = compare(&a, &a).unwrap();
        prop_assert_eq!(&report.differences, &[]);
        prop_assert_eq!(report.equal, a.len() as u64);
    }

    #[test]
    fn the_other_way_round_is_the_mirror_image(a in any_list(), b in any_list()) {
        let (there, back) = (compare(&a, &b).unwrap(), compare(&b, &a).unwrap());
        prop_assert_eq!((there.in_a, there.in_b, there.equal), (back.in_b, back.in_a, back.equal));
        let by_rank = |mut all: Vec<Difference>| {
            all.sort_by_key(|of| (of.rank(), of.a().map(|a| a.id)));
            all
        };
        let back: Vec<_> = back.differences.into_iter().map(mirrored).collect();
        prop_assert_eq!(by_rank(there.differences), by_rank(back));
    }

    #[test]
    fn every_incident_is_told_once_at_most_and_nothing_is_lost(a in any_list(), b in any_list()) {
        let report = compare(&a, &b).unwrap();
        for (list, side) in [(&a, Difference::a as fn(&Difference) -> Option<&Sketch>), (&b, Difference::b)] {
            let mut ids: Vec<_> = report.differences.iter().filter_map(side).map(|of| of.id).collect();
            let told = ids.len();
            ids.sort_unstable();
            ids.dedup();
            prop_assert_eq!(ids.len(), told);
            prop_assert_eq!(told as u64 + report.equal, list.len() as u64);
        }
        prop_assert!(report.differences.iter().all(|of| !of.aspects().is_empty()));
    }
}
