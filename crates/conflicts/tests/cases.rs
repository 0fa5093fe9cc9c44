//! What is one attack: its incidents carry the id of the first of them, strangers stay apart.

#![allow(clippy::unwrap_used, reason = "a broken fixture may panic")]

mod story;

use std::collections::BTreeMap;

use rstest::rstest;
use story::{DAY, HOUR, MINUTE, Story};
use uuid::Uuid;
use weir_conflicts::{Detector, Incident, Thresholds};
use weir_events::position::TopicEpoch;
use weir_routing::Prefix;

/// What happens, by peer, prefix and path.
#[derive(Clone, Copy, Debug)]
enum Step {
    Says(u32, &'static str, &'static str),
    Withdraws(u32, &'static str),
    Passes(i64),
    /// This list of `story::ROAS` holds.
    Learns(usize),
}
use Step::{Learns, Passes, Says, Withdraws};

/// 64500 holds a /20 and a /24 in it, 64540 the next /24, 64520 the /20 beside it, 64530 one far away in the same block.
const HELD: [(&str, u32); 5] = [
    ("10.64.0.0/20", 64_500),
    ("10.64.4.0/24", 64_500),
    ("10.64.5.0/24", 64_540),
    ("10.64.16.0/20", 64_520),
    ("10.72.0.0/20", 64_530),
];

fn settled() -> Story {
    let mut story = Story::new();
    for (prefix, origin) in HELD {
        story.rib(1, prefix, &format!("64501 {origin}"));
    }
    story.pass(MINUTE);
    story
}

fn take(story: &mut Story, step: Step) {
    match step {
        Says(peer, prefix, tail) => story.announce(peer, prefix, &format!("6450{peer} {tail}")),
        Withdraws(peer, prefix) => story.withdraw(peer, prefix),
        Passes(span) => story.pass(span),
        Learns(index) => story.learn(index, 0),
    };
}

/// Every incident as it was told last, in the order of their openings.
fn incidents(story: &Story) -> Vec<Incident> {
    let mut last: BTreeMap<Uuid, (usize, &Incident)> = BTreeMap::new();
    for (at, incident) in story.all().enumerate() {
        let first = last.get(&incident.id).map_or(at, |known| known.0);
        last.insert(incident.id, (first, incident));
    }
    let mut told: Vec<_> = last.into_values().collect();
    told.sort_unstable_by_key(|(first, _)| *first);
    told.into_iter().map(|(_, of)| of.clone()).collect()
}

/// "type prefix suspect": the number of its case, counted in the order of their first incidents.
fn cases(story: &Story) -> Vec<String> {
    let mut numbers: Vec<Uuid> = Vec::new();
    let told = incidents(story).into_iter().map(|incident| {
        if !numbers.contains(&incident.case) {
            assert_eq!(incident.case, incident.id, "named by its first: {incident}");
            numbers.push(incident.case);
        }
        let number = numbers.iter().position(|case| *case == incident.case);
        let (kind, prefix) = (incident.kind.name(), incident.prefix.unwrap());
        format!(
            "{kind} {prefix} {}: {}",
            incident.suspect,
            number.unwrap() + 1
        )
    });
    told.collect()
}

/// A moas, a part, and half an hour later what the victim answers.
const ATTACK: [Step; 7] = [
    Says(2, "10.64.0.0/20", "64510"),
    Says(3, "10.64.8.0/24", "64510"),
    Passes(HOUR / 2),
    Says(4, "10.64.8.0/24", "64500"),
    Says(5, "10.64.8.0/25", "64500"),
    Says(5, "10.64.8.128/25", "64500"),
    Says(3, "10.64.8.0/25", "64510"),
];

#[rstest]
#[case::a_moas_a_part_and_what_the_victim_answers(&ATTACK, &[
    "moas 10.64.0.0/20 64510: 1",
    "sub-prefix 10.64.8.0/24 64510: 1",
    "default-or-too-specific 10.64.8.0/25 64500: 1",
    "default-or-too-specific 10.64.8.128/25 64500: 1",
    "default-or-too-specific 10.64.8.0/25 64510: 1",
])]
#[case::a_part_and_the_whole_later(&[
    Says(2, "10.64.8.0/24", "64510"),
    Says(3, "10.64.0.0/20", "64510"),
], &["sub-prefix 10.64.8.0/24 64510: 1", "moas 10.64.0.0/20 64510: 1"])]
#[case::parts_of_one_prefix_side_by_side(&[
    Says(2, "10.64.8.0/24", "64510"),
    Says(2, "10.64.9.0/24", "64510"),
], &["sub-prefix 10.64.8.0/24 64510: 1", "sub-prefix 10.64.9.0/24 64510: 1"])]
#[case::a_part_and_one_that_was_there_beside(&[
    Says(2, "10.64.8.0/24", "64510"),
    Says(2, "10.64.4.0/24", "64510"),
    Says(2, "10.64.9.0/24", "64510"),
], &[
    "sub-prefix 10.64.8.0/24 64510: 1",
    "moas 10.64.4.0/24 64510: 1",
    "sub-prefix 10.64.9.0/24 64510: 1",
])]
#[case::what_roas_forbid_too(&[
    Learns(0),
    Says(2, "10.64.8.0/25", "64510"),
], &[
    "sub-prefix 10.64.8.0/25 64510: 1",
    "default-or-too-specific 10.64.8.0/25 64510: 1",
    "rpki-invalid 10.64.8.0/25 64510: 1",
])]
#[case::the_victim_is_faster_with_parts_of_parts(&[
    Says(2, "10.64.8.0/24", "64510"),
    Passes(HOUR / 4),
    Says(3, "10.64.8.0/25", "64500"),
    Says(2, "10.64.8.128/25", "64510"),
], &[
    "sub-prefix 10.64.8.0/24 64510: 1",
    "sub-prefix 10.64.8.0/25 64500: 1",
    "default-or-too-specific 10.64.8.0/25 64500: 1",
    "default-or-too-specific 10.64.8.128/25 64510: 1",
])]
#[case::a_set_with_the_attacker_in_it(&[
    Says(2, "10.64.8.0/24", "64510"),
    Says(3, "10.64.0.0/20", "{64509,64510}"),
], &["sub-prefix 10.64.8.0/24 64510: 1", "moas 10.64.0.0/20 64509: 1"])]
fn one_attack_is_one_case(#[case] steps: &[Step], #[case] expected: &[&str]) {
    assert_eq!(cases(&of(steps)), expected);
}

#[rstest]
#[case::two_attackers_of_one_prefix(&[
    Says(2, "10.64.8.0/24", "64510"),
    Says(3, "10.64.0.0/20", "64511"),
], &["sub-prefix 10.64.8.0/24 64510: 1", "moas 10.64.0.0/20 64511: 2"])]
#[case::two_attackers_of_neighbours(&[
    Says(2, "10.64.0.0/20", "64510"),
    Says(3, "10.64.16.0/20", "64511"),
], &["moas 10.64.0.0/20 64510: 1", "moas 10.64.16.0/20 64511: 2"])]
#[case::one_attacker_far_apart(&[
    Says(2, "10.64.8.0/24", "64510"),
    Says(2, "10.72.0.0/20", "64510"),
], &["sub-prefix 10.64.8.0/24 64510: 1", "moas 10.72.0.0/20 64510: 2"])]
#[case::one_attacker_of_two_beside_each_other(&[
    Says(2, "10.64.4.0/24", "64510"),
    Says(2, "10.64.5.0/24", "64510"),
], &["moas 10.64.4.0/24 64510: 1", "moas 10.64.5.0/24 64510: 2"])]
#[case::two_attackers_of_one_beside_each_other(&[
    Says(2, "10.64.8.0/24", "64510"),
    Says(3, "10.64.9.0/24", "64511"),
], &["sub-prefix 10.64.8.0/24 64510: 1", "sub-prefix 10.64.9.0/24 64511: 2"])]
#[case::in_two_blocks(&[
    Says(2, "10.0.0.0/8", "64500"),
    Passes(HOUR),
    Says(2, "10.80.0.0/24", "64510"),
    Says(2, "10.0.0.0/9", "64510"),
], &["sub-prefix 10.80.0.0/24 64510: 1", "sub-prefix 10.0.0.0/9 64510: 2"])]
#[case::who_is_untidy_brings_no_strangers_together(&[
    Says(4, "10.64.8.0/25", "64500"),
    Says(2, "10.64.8.0/24", "64510"),
    Passes(MINUTE),
    Says(3, "10.64.8.0/24", "64511"),
    Says(2, "10.64.8.0/25", "64510"),
], &[
    "default-or-too-specific 10.64.8.0/25 64500: 1",
    "sub-prefix 10.64.8.0/24 64510: 2",
    "moas 10.64.8.0/24 64511: 3",
    "sub-prefix 10.64.8.0/24 64511: 3",
    "default-or-too-specific 10.64.8.0/25 64510: 2",
])]
#[case::who_attacks_the_attacker(&[
    Says(2, "10.64.8.0/23", "64510"),
    Passes(HOUR / 4),
    Says(3, "10.64.8.0/24", "64511"),
], &["sub-prefix 10.64.8.0/23 64510: 1", "sub-prefix 10.64.8.0/24 64511: 2"])]
fn strangers_stay_apart(#[case] steps: &[Step], #[case] expected: &[&str]) {
    assert_eq!(cases(&of(steps)), expected);
}

#[test]
fn of_two_attacks_the_newer_is_answered() {
    let told = cases(&of(&[
        Says(2, "10.64.8.0/24", "64511"),
        Passes(MINUTE),
        Says(3, "10.64.8.0/23", "64510"),
        Says(4, "10.64.8.0/25", "64500"),
    ]));
    let expected = [
        "sub-prefix 10.64.8.0/24 64511: 1",
        "sub-prefix 10.64.8.0/23 64510: 2",
        "default-or-too-specific 10.64.8.0/25 64500: 2",
    ];
    assert_eq!(told, expected);
}

#[rstest]
#[case::nine_minutes(9 * MINUTE, 1)]
#[case::eleven_minutes(11 * MINUTE, 2)]
fn what_ended_lately_counts(#[case] span: i64, #[case] case: u32) {
    let told = cases(&of(&[
        Says(2, "10.64.8.0/24", "64510"),
        Withdraws(2, "10.64.8.0/24"),
        Passes(span),
        Says(2, "10.64.0.0/20", "64510"),
    ]));
    let second = format!("moas 10.64.0.0/20 64510: {case}");
    assert_eq!(told, ["sub-prefix 10.64.8.0/24 64510: 1", &second]);
}

#[test]
fn what_comes_back_is_of_the_case_that_it_was() {
    let story = of(&[
        Says(2, "10.64.4.0/24", "64510"),
        Passes(MINUTE),
        Says(2, "10.64.5.0/24", "64510"),
        Passes(MINUTE),
        Says(2, "10.64.0.0/20", "64510"),
        Withdraws(2, "10.64.4.0/24"),
        Passes(MINUTE),
        Says(2, "10.64.4.0/24", "64510"),
    ]);
    assert_eq!(story.last().reopened, 1);
    let expected = [
        "moas 10.64.4.0/24 64510: 1",
        "moas 10.64.5.0/24 64510: 2",
        "moas 10.64.0.0/20 64510: 2",
    ];
    assert_eq!(cases(&story), expected);
}

#[rstest]
#[case::an_hour(HOUR, 1)]
#[case::more_than_a_day(DAY + MINUTE, 2)]
fn what_has_stood_for_a_day_names_no_case(#[case] span: i64, #[case] case: u32) {
    let told = cases(&of(&[
        Learns(0),
        Says(2, "10.64.8.0/24", "64500"),
        Passes(span),
        Learns(0),
        Says(3, "10.64.8.0/25", "64500"),
    ]));
    assert_eq!(told[0], "rpki-invalid 10.64.8.0/24 64500: 1");
    let second = format!("default-or-too-specific 10.64.8.0/25 64500: {case}");
    assert_eq!(told[1], second);
}

#[test]
fn a_restart_after_each_record_and_a_replay_leave_no_trace() {
    let whole = of(&ATTACK);
    let mut torn = settled();
    for step in ATTACK {
        take(&mut torn, step);
        restart(&mut torn);
    }
    assert!(torn.all().eq(whole.all()));

    let mut again = Detector::new(TopicEpoch(1), Thresholds::default(), story::bogons());
    let mut out = Vec::new();
    for (record, offset) in whole.records.iter().zip(1..) {
        story::apply(&mut again, record, offset, &mut out);
    }
    assert!(out.iter().map(|of| &of.incident).eq(whole.all()));
}

/// A new process, which knows what the one before had saved.
fn restart(story: &mut Story) {
    let mut next = Detector::new(TopicEpoch(1), Thresholds::default(), story::bogons());
    let before = &mut story.detector;
    next.restore_control(&before.control_snapshot().encode())
        .unwrap();
    let block = HELD[0].0.parse::<Prefix>().unwrap().block();
    let pb = i64::try_from(story.records.len()).unwrap();
    next.restore_block(block, &before.block_snapshot(block).encode(), pb)
        .unwrap();
    story::provide(&mut next);
    story.detector = next;
}

fn of(steps: &[Step]) -> Story {
    let mut story = settled();
    for step in steps {
        take(&mut story, *step);
    }
    story
}
