//! Prefixes that vantage points lose: when that is told of, and when it is over.

#![allow(clippy::unwrap_used, reason = "a broken fixture may panic")]

#[path = "story/mod.rs"]
mod story;

use rstest::rstest;
use story::{DAY, HOUR, MINUTE, Story, told};
use weir_conflicts::{
    Detector, Thresholds,
    incident::{EndReason, Kind, Severity, State},
};
use weir_events::position::TopicEpoch;

const PREFIX: &str = "10.64.0.0/20";
const OTHERS: [&str; 5] = [
    "10.65.0.0/20",
    "10.66.0.0/20",
    "10.67.0.0/20",
    "10.68.0.0/20",
    "10.69.0.0/20",
];
const OPENED: &str = "opened visibility-loss medium confirmed brief";
const GOES_ON: &str = "updated visibility-loss medium confirmed brief";
const LASTS: &str = "updated visibility-loss high confirmed";
const ENDED: &str = "ended visibility-loss medium ended";
const EVERYWHERE: &str = "opened visibility-loss low confirmed withdrawn-everywhere";

/// AS64550 holds the prefix and others of old, seen by `peers`.
fn known(peers: u32) -> Story {
    let mut story = Story::new();
    for n in 1..=peers {
        for prefix in [PREFIX].iter().chain(&OTHERS) {
            story.rib(n, prefix, &path(n));
        }
    }
    story.pass(MINUTE);
    story
}

fn path(n: u32) -> String {
    format!("{} 64550", 64_500 + n % 100)
}

fn lose(story: &mut Story, who: std::ops::RangeInclusive<u32>) {
    for n in who {
        assert_eq!(story.withdraw(n, PREFIX), told(&[]));
    }
}

fn regain(story: &mut Story, n: u32) -> Vec<String> {
    story.announce(n, PREFIX, &path(n))
}

#[rstest]
#[case::of_twelve_seven_lose_it(12, 7, &[OPENED])]
#[case::of_twelve_exactly_half_lose_it(12, 6, &[])]
#[case::of_eleven_six_lose_it(11, 6, &[OPENED])]
#[case::of_ten_all_lose_it(10, 10, &[EVERYWHERE])]
#[case::of_ten_all_but_three_lose_it(10, 7, &[OPENED])]
#[case::of_ten_all_but_two_lose_it(10, 8, &[EVERYWHERE])]
#[case::of_nine_all_lose_it(9, 9, &[])]
fn what_fewer_than_half_carry_for_a_minute_is_told(
    #[case] peers: u32,
    #[case] lost: u32,
    #[case] expected: &[&str],
) {
    let mut story = known(peers);
    lose(&mut story, 1..=lost);
    assert_eq!(story.pass(MINUTE - 1_000_000), told(&[]));
    assert_eq!(story.pass(1_000_000), told(expected));
    assert_eq!(story.pass(9 * MINUTE), told(&[]));
    let lasts = expected.iter().filter(|line| **line == OPENED);
    let lasts: Vec<_> = lasts.map(|_| LASTS).collect();
    assert_eq!(story.pass(MINUTE), lasts);
    assert_eq!(story.pass(HOUR), told(&[]));
}

#[test]
fn it_says_who_lost_what_and_how_many_have_it() {
    let mut story = known(12);
    lose(&mut story, 1..=8);
    story.pass(MINUTE);
    let incident = story.last();
    assert_eq!(incident.kind, Kind::VisibilityLoss);
    assert_eq!(incident.suspect.0, 64_550);
    assert_eq!(incident.victims, story::asns(&[64_550]));
    assert_eq!(incident.origins, story::asns(&[64_550]));
    assert_eq!((incident.visible_peers, incident.total_peers), (4, 12));
    let lost: Vec<u32> = (64_501..=64_508).collect();
    assert_eq!(incident.peer_asns, story::asns(&lost));
    assert_eq!(incident.evidence.len(), 8);
    assert_eq!(incident.evidence[0].as_path, "64501 64550");
    assert_eq!(incident.evidence[0].event_time_us, story::START + MINUTE);
    assert_eq!(incident.changed_at_us, story::START + 2 * MINUTE);
}

#[test]
fn it_grows_and_is_over_when_half_have_it_again() {
    let mut story = known(12);
    lose(&mut story, 1..=8);
    assert_eq!(story.pass(MINUTE), [OPENED]);
    let grows = story.withdraw(9, PREFIX);
    assert_eq!(grows, [GOES_ON]);
    assert_eq!(story.last().evidence.len(), 9);
    for n in 1..=2 {
        assert_eq!(regain(&mut story, n), grows);
    }
    assert_eq!(regain(&mut story, 3), [format!("{ENDED} recovered brief")]);
    assert_eq!(story.last().end_reason, Some(EndReason::Recovered));
    assert_eq!(story.pass(HOUR), told(&[]));
}

#[test]
fn within_ten_minutes_it_comes_back_under_its_id() {
    let mut story = known(10);
    lose(&mut story, 1..=6);
    story.pass(MINUTE);
    let id = story.last().id;
    assert_eq!(regain(&mut story, 1).len(), 1);
    lose(&mut story, 1..=1);
    assert_eq!(
        story.pass(MINUTE),
        ["reopened visibility-loss medium confirmed brief"]
    );
    assert_eq!(story.last().id, id);
}

#[test]
fn a_loss_that_is_brief_says_nothing() {
    let mut story = known(10);
    for _ in 0..5 {
        lose(&mut story, 1..=6);
        assert_eq!(story.pass(50_000_000), told(&[]));
        assert_eq!(regain(&mut story, 1), told(&[]));
        assert_eq!(story.pass(50_000_000), told(&[]));
        for n in 2..=6 {
            regain(&mut story, n);
        }
    }
}

#[test]
fn what_the_last_lose_is_milder_and_stays_so() {
    let mut story = known(10);
    lose(&mut story, 1..=6);
    assert_eq!(story.pass(MINUTE), [OPENED]);
    assert_eq!(story.pass(10 * MINUTE), [LASTS]);
    assert_eq!(story.withdraw(7, PREFIX), [LASTS], "three are left");
    let withdrawn = ["updated visibility-loss low confirmed withdrawn-everywhere"];
    assert_eq!(story.withdraw(8, PREFIX), withdrawn);
    assert_eq!(regain(&mut story, 8), withdrawn);
    assert!(story.last().suspicion() < 30);
}

#[test]
fn without_a_baseline_it_is_recorded() {
    let mut story = Story::new();
    for n in 1..=12 {
        story.announce(n, PREFIX, &path(n));
    }
    story.pass(MINUTE);
    lose(&mut story, 1..=7);
    let opened = ["opened visibility-loss info confirmed no-baseline"];
    assert_eq!(story.pass(MINUTE), opened);
}

#[rstest]
#[case::of_its_own_origin(12, 0, "low confirmed inside-what-stays")]
#[case::that_half_of_them_ever_had(6, 0, "low confirmed inside-what-stays")]
#[case::that_few_ever_had(5, 0, "medium confirmed brief")]
#[case::that_is_lost_as_well(12, 7, "medium confirmed brief")]
#[case::that_nobody_carries(0, 0, "medium confirmed brief")]
fn inside_of_a_whole_that_stays_it_is_milder(
    #[case] carry: u32,
    #[case] lose_it: u32,
    #[case] expected: &str,
) {
    let whole = "10.64.0.0/16";
    let mut story = known(12);
    for n in 1..=carry {
        story.rib(n, whole, &path(n));
    }
    story.pass(MINUTE);
    for n in 1..=lose_it {
        story.withdraw(n, whole);
    }
    lose(&mut story, 1..=7);
    let told = story.pass(MINUTE);
    assert_eq!(told[0], format!("opened visibility-loss {expected}"));
}

#[test]
fn what_flaps_is_told_of_as_that() {
    let mut story = known(12);
    for _ in 0..7 {
        for n in 1..=7 {
            story.withdraw(n, PREFIX);
        }
        for n in 1..=7 {
            regain(&mut story, n);
        }
    }
    assert_eq!(story.last().kind, Kind::Flap);
    for n in 1..=7 {
        story.withdraw(n, PREFIX);
    }
    let opened = ["opened visibility-loss low confirmed flapping"];
    assert_eq!(story.pass(MINUTE), opened);
}

#[test]
fn what_another_originates_now_was_withdrawn_by_who_did() {
    let mut story = known(12);
    for n in 1..=4 {
        story.announce(n, PREFIX, "64501 64560");
    }
    for n in 5..=12 {
        story.withdraw(n, PREFIX);
    }
    let told = story.pass(MINUTE);
    assert_eq!(told, [EVERYWHERE]);
    assert_eq!(story.last().suspect.0, 64_550);
}

#[test]
fn sessions_that_end_lose_nothing() {
    let mut story = known(20);
    for n in 1..=15 {
        story.down(n);
    }
    assert_eq!(story.pass(10 * MINUTE), told(&[]));
    // Those who are left are too few to tell.
    lose(&mut story, 16..=20);
    assert_eq!(story.pass(10 * MINUTE), told(&[]));
}

#[test]
fn who_lost_it_and_then_its_session_is_not_counted() {
    let mut story = known(20);
    lose(&mut story, 1..=11);
    for n in 1..=3 {
        story.down(n);
    }
    assert_eq!(story.pass(MINUTE), told(&[]), "9 of 17 have it");
    lose(&mut story, 12..=12);
    assert_eq!(story.pass(MINUTE), [OPENED], "8 of 17");
    assert_eq!(story.last().total_peers, 17);
    assert_eq!(story.down(4), [format!("{ENDED} unknown brief")]);
}

#[test]
fn after_updates_were_lost_who_had_it_may_have_it() {
    let mut story = known(12);
    story.gap();
    lose(&mut story, 1..=6);
    assert_eq!(story.pass(MINUTE), told(&[]));
    lose(&mut story, 7..=7);
    assert_eq!(story.pass(MINUTE), [OPENED]);
    assert_eq!(
        (story.last().visible_peers, story.last().total_peers),
        (0, 12)
    );
}

#[test]
fn updates_that_are_lost_while_it_goes_on_end_it_without_a_word_of_recovery() {
    let mut story = known(12);
    lose(&mut story, 1..=7);
    assert_eq!(story.pass(MINUTE), [OPENED]);
    assert_eq!(story.gap(), [format!("{ENDED} unknown brief")]);
}

#[test]
fn after_a_day_nobody_has_to_have_it() {
    let mut story = known(10);
    lose(&mut story, 1..=10);
    assert_eq!(story.pass(MINUTE), [EVERYWHERE]);
    assert_eq!(story.pass(DAY - 2 * MINUTE), told(&[]));
    let stable = ["ended visibility-loss low ended became-stable withdrawn-everywhere"];
    assert_eq!(story.pass(MINUTE), stable);
    assert_eq!(story.pass(7 * DAY), told(&[]));
}

#[test]
fn beacons_are_withdrawn_on_purpose() {
    let mut story = Story::new();
    let beacon = "84.205.64.0/24";
    for n in 1..=12 {
        story.announce(n, beacon, &path(n));
    }
    story.pass(MINUTE);
    for n in 1..=12 {
        story.withdraw(n, beacon);
    }
    assert_eq!(story.pass(HOUR), told(&[]));
}

#[test]
fn vantage_points_that_tell_of_little_are_not_asked() {
    let mut story = known(10);
    for n in 11..=30 {
        story.announce(n, PREFIX, &path(n));
    }
    lose(&mut story, 11..=30);
    assert_eq!(story.pass(MINUTE), told(&[]));
    // The others have lost it, and some of those show that it was not withdrawn.
    for n in 11..=13 {
        assert_eq!(regain(&mut story, n), told(&[]));
    }
    lose(&mut story, 1..=10);
    assert_eq!(story.pass(MINUTE), [OPENED]);
    assert_eq!(
        (story.last().visible_peers, story.last().total_peers),
        (0, 10)
    );
}

#[test]
fn one_that_tells_of_much_more_does_not_make_ten_others_small() {
    let mut story = known(10);
    // In the same /12, and more than a full feed may be short of.
    for n in 0..100 {
        let (third, second) = (n % 16 * 16, 70 + n / 16);
        story.rib(11, &format!("10.{second}.{third}.0/20"), &path(11));
    }
    story.pass(MINUTE);
    lose(&mut story, 1..=7);
    assert_eq!(story.pass(MINUTE), [OPENED]);
    assert_eq!(
        (story.last().visible_peers, story.last().total_peers),
        (3, 10)
    );
}

#[test]
fn an_outage_of_all_that_stands_in_a_block_is_one_of_each() {
    let mut story = Story::new();
    let prefixes = ["10.64.0.0/20", "10.65.0.0/20", "10.66.0.0/20"];
    for n in 1..=12 {
        for prefix in prefixes {
            story.rib(n, prefix, &path(n));
        }
    }
    story.pass(MINUTE);
    for prefix in prefixes {
        for n in 1..=8 {
            story.withdraw(n, prefix);
        }
    }
    assert_eq!(story.pass(MINUTE), [OPENED; 3]);
}

/// Takes what a restart has: the control shard, and the block.
fn restarted(story: &mut Story) {
    let control = story.detector.control_snapshot().encode();
    let blocks: Vec<_> = story.detector.dirty_blocks();
    let mut next = Detector::new(TopicEpoch(1), Thresholds::default(), story::bogons());
    next.restore_control(&control).unwrap();
    for block in blocks {
        let bytes = story.detector.block_snapshot(block).encode();
        next.restore_block(block, &bytes, 0).unwrap();
    }
    story.detector = next;
}

#[test]
fn a_restart_in_the_middle_of_the_minute_or_of_the_loss_changes_nothing() {
    let run = |restarts: bool| {
        let mut story = known(12);
        let restart = |story: &mut Story| {
            if restarts {
                restarted(story);
            }
        };
        lose(&mut story, 1..=7);
        story.pass(MINUTE / 2);
        restart(&mut story);
        lose(&mut story, 8..=8);
        story.pass(MINUTE / 2);
        restart(&mut story);
        story.pass(10 * MINUTE);
        assert_eq!(story.last().severity, Severity::High);
        story.withdraw(9, PREFIX);
        for n in 1..=3 {
            regain(&mut story, n);
        }
        let last = story.last().clone();
        assert_eq!(last.state, State::Ended);
        (story.told(), last)
    };
    let (once, again) = (run(false), run(true));
    assert_eq!(once.0.len(), 6, "{:?}", once.0);
    assert_eq!(once, again);
}
