//! What is answered of a prefix and of a network while the story goes on.

#![allow(clippy::unwrap_used, reason = "a broken fixture may panic")]

#[path = "story/mod.rs"]
mod story;

use rstest::rstest;
use story::{HOUR, MINUTE, START, Story, asns};
use weir_conflicts::{
    incident::Kind,
    knowledge::Rpki,
    lookup::{Around, MOST, PrefixView},
};
use weir_routing::{
    Asn, Prefix,
    roa::{Mismatch, Validity},
};

const PREFIX: &str = "10.64.0.0/20";

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn view(story: &Story, of: &str) -> PrefixView {
    story.detector.look_up_prefix(prefix(of))
}

fn around(of: &[Around]) -> Vec<String> {
    let one = |around: &Around| format!("{} {:?}", around.prefix, numbers(&around.origins));
    of.iter().map(one).collect()
}

fn numbers(asns: &[Asn]) -> Vec<u32> {
    asns.iter().map(|asn| asn.0).collect()
}

/// AS64510 holds the prefix of old, seen by 1 to 3.
fn known() -> Story {
    let mut story = Story::new();
    for n in 1..=3 {
        story.rib(n, PREFIX, &format!("{} 64510", 64_500 + n));
    }
    story.pass(MINUTE);
    story
}

#[test]
fn who_originates_a_prefix_and_who_sees_it_is_told() {
    let mut story = known();
    for n in 1..=2 {
        story.announce(n, PREFIX, &format!("{} 64599 64511", 64_500 + n));
    }
    story.pass(MINUTE);
    let view = view(&story, PREFIX);
    assert!(view.is_known);
    assert_eq!(view.as_of_us, START + 2 * MINUTE);
    assert_eq!((view.carrying, view.vantage_points), (3, 3));
    assert_eq!((view.full_feed_carrying, view.full_feed), (3, 3));
    let [hijacker, holder] = &view.origins.shown[..] else {
        panic!("{:?}", view.origins);
    };
    assert_eq!(hijacker.origin.asns(), asns(&[64_511]));
    assert_eq!((hijacker.is_stable, hijacker.stale), (false, 0));
    assert_eq!(hijacker.first_us, Some(START + MINUTE));
    assert_eq!(hijacker.rpki, Rpki::Unknown);
    let first = &hijacker.carriers.shown[0];
    assert_eq!(first.collector, "rrc00");
    assert_eq!(first.peer, story::peer(1));
    assert_eq!(first.as_path.to_string(), "64501 64599 64511");
    assert_eq!(first.since_us, START + MINUTE);
    assert!(!first.is_stale);
    assert_eq!(holder.origin.asns(), asns(&[64_510]));
    assert!(holder.is_stable);
    assert_eq!(holder.carriers.total, 1);
    let past: Vec<_> = view.history.shown.iter().collect();
    assert!(past[0].from_rib && past[0].is_present && past[1].is_present);
    assert_eq!(past[1].first_us, START + MINUTE);
    let open: Vec<_> = view.incidents.shown.iter().map(|open| open.kind).collect();
    assert!(open.contains(&Kind::Moas), "{open:?}");
    assert_eq!(view.incidents.shown[0].suspect, Asn(64_511));
}

#[test]
fn what_nobody_announces_is_not_known_and_what_went_stays_in_the_history() {
    let mut story = known();
    assert!(!view(&story, "10.66.0.0/20").is_known);
    assert!(!view(&story, "198.51.100.0/24").is_known);
    for n in 1..=3 {
        story.withdraw(n, PREFIX);
    }
    story.pass(MINUTE);
    let view = view(&story, PREFIX);
    assert!(view.is_known);
    assert_eq!((view.carrying, view.origins.total), (0, 0));
    let past = &view.history.shown[0];
    assert_eq!((past.is_present, past.last_us), (false, START + MINUTE));
}

#[test]
fn routes_of_a_session_that_is_down_are_stale_and_then_gone() {
    let mut story = known();
    story.down(3);
    let stale = view(&story, PREFIX);
    assert_eq!((stale.carrying, stale.origins.shown[0].stale), (2, 1));
    let third = stale.origins.shown[0].carriers.shown.last().unwrap();
    assert!(third.is_stale && third.peer == story::peer(3));
    story.pass(HOUR);
    assert_eq!(view(&story, PREFIX).origins.shown[0].carriers.total, 2);
}

#[rstest]
#[case::a_roa_allows_it(0, "10.80.0.0/24", 64_500, Rpki::Judged(Validity::Valid))]
#[case::too_long(
    0,
    "10.64.0.0/24",
    64_500,
    Rpki::Judged(Validity::Invalid(Mismatch::Length))
)]
#[case::another(0, PREFIX, 64_509, Rpki::Judged(Validity::Invalid(Mismatch::Asn)))]
#[case::nobody_may(
    1,
    "10.96.0.0/20",
    64_509,
    Rpki::Judged(Validity::Invalid(Mismatch::As0))
)]
#[case::no_roa(0, "10.112.0.0/20", 64_509, Rpki::Judged(Validity::NotFound))]
fn the_rpki_is_asked_as_it_holds(
    #[case] roas: usize,
    #[case] of: &str,
    #[case] origin: u32,
    #[case] says: Rpki,
) {
    let mut story = Story::new();
    story.rib(1, of, &format!("64501 {origin}"));
    assert_eq!(view(&story, of).origins.shown[0].rpki, Rpki::Unknown);
    story.learn(roas, 0);
    assert_eq!(view(&story, of).origins.shown[0].rpki, says);
    story.pass(3 * HOUR);
    assert_eq!(view(&story, of).origins.shown[0].rpki, Rpki::Stale);
}

#[test]
fn what_covers_a_prefix_and_what_lies_in_it_is_told_with_its_origins() {
    let mut story = Story::new();
    for (of, origin) in [
        ("0.0.0.0/0", 64_501),
        ("10.0.0.0/8", 64_502),
        ("10.64.0.0/14", 64_503),
        ("10.64.0.0/24", 64_504),
        ("10.64.8.0/22", 64_505),
        ("10.80.0.0/16", 64_506),
        ("10.64.16.0/20", 64_507),
    ] {
        story.rib(1, of, &format!("64501 {origin}"));
    }
    story.announce(2, "10.64.0.0/24", "64502 64508");
    let part = view(&story, PREFIX);
    assert_eq!(
        around(&part.covering.shown),
        [
            "10.64.0.0/14 [64503]",
            "10.0.0.0/8 [64502]",
            "0.0.0.0/0 [64501]"
        ]
    );
    assert_eq!(
        around(&part.more_specific.shown),
        ["10.64.0.0/24 [64504, 64508]", "10.64.8.0/22 [64505]"]
    );
    let whole = view(&story, "10.0.0.0/8");
    assert_eq!(whole.covering.total, 1);
    assert_eq!(whole.more_specific.total, 5);
    assert_eq!(whole.more_specific.shown[4].prefix, prefix("10.80.0.0/16"));
    assert_eq!(view(&story, "0.0.0.0/0").more_specific.total, 6);
    story.withdraw(1, "10.64.8.0/22");
    assert_eq!(view(&story, PREFIX).more_specific.total, 1);
}

#[test]
fn a_copy_for_covering_look_ups_covers_and_is_nobodys_part() {
    let mut story = Story::new();
    story.context(true).rib(1, "10.0.0.0/8", "64501 64502");
    story.context(false).rib(1, PREFIX, "64501 64503");
    assert_eq!(
        around(&view(&story, PREFIX).covering.shown),
        ["10.0.0.0/8 [64502]"]
    );
    let whole = view(&story, "10.0.0.0/8");
    assert!(!whole.is_known, "only its home knows it");
    assert_eq!(around(&whole.more_specific.shown), ["10.64.0.0/20 [64503]"]);
    assert_eq!(story.detector.look_up_asn(Asn(64_502)).ipv4.total, 0);
}

#[test]
fn lists_are_cut_and_say_how_many_there_are() {
    let mut story = Story::new();
    for n in 0..100 {
        story.rib(1, &format!("10.64.{n}.0/24"), "64501 64510");
    }
    let listed = view(&story, "10.64.0.0/16").more_specific;
    assert_eq!((listed.shown.len(), listed.total), (MOST, 100));
    assert!(!listed.is_cut);
    assert_eq!(listed.shown[1].prefix, prefix("10.64.1.0/24"));
    let of = story.detector.look_up_asn(Asn(64_510)).ipv4;
    assert_eq!((of.shown.len(), of.total), (MOST, 100));
    assert_eq!(of.shown[1].prefix, prefix("10.64.1.0/24"));
}

#[test]
fn a_network_has_prefixes_neighbours_and_incidents() {
    let mut story = known();
    story.rib(1, "2001:db8::/32", "64501 64510");
    story.rib(1, "10.80.0.0/20", "64501 64510 64512");
    for n in 1..=2 {
        story.announce(n, PREFIX, &format!("{} 64599 64511", 64_500 + n));
    }
    let holder = story.detector.look_up_asn(Asn(64_510));
    assert_eq!((holder.ipv4.total, holder.ipv6.total), (1, 1));
    let held = &holder.ipv4.shown[0];
    assert_eq!(held.prefix, prefix(PREFIX));
    assert_eq!(held.others, asns(&[64_511]));
    let beside = holder.neighbours.shown.iter().map(|beside| beside.asn.0);
    let beside: Vec<_> = beside.collect();
    assert_eq!(beside, [64_501, 64_502, 64_503, 64_512]);
    assert_eq!(holder.neighbours.shown[0].first_us, None);
    assert_eq!(holder.suspect_of.total, 0);
    assert!(holder.victim_of.total > 0);
    let other = story.detector.look_up_asn(Asn(64_511));
    assert_eq!(other.ipv4.shown[0].first_us, START + MINUTE);
    assert_eq!(
        other.neighbours.shown[0].first_us,
        Some(START + MINUTE),
        "{other:?}"
    );
    assert!(
        other
            .suspect_of
            .shown
            .iter()
            .any(|open| open.kind == Kind::Moas)
    );
    for n in 1..=2 {
        story.withdraw(n, PREFIX);
    }
    let gone = story.detector.look_up_asn(Asn(64_511));
    assert_eq!(gone.ipv4.total, 0);
    let nobody = story.detector.look_up_asn(Asn(64_598));
    assert_eq!((nobody.ipv4.total, nobody.neighbours.total), (0, 0));
}
