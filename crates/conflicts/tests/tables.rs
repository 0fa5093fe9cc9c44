//! Dumps that are fetched while live: they say what is there still, and take nothing back.

mod story;

use story::{DAY, HOUR, MINUTE, Story, told};

const PREFIX: &str = "10.64.0.0/20";
const OTHER: &str = "10.80.0.0/20";

/// Three peers carry the holder's route for days, three others a stranger's for minutes; then updates are lost.
fn hijacked() -> Story {
    let mut story = Story::new();
    for peer in 1..=3 {
        story.announce(peer, PREFIX, &format!("6450{peer} 64500"));
    }
    for peer in 4..=6 {
        story.announce(peer, OTHER, &format!("6450{peer} 64500"));
    }
    story.pass(2 * DAY);
    for peer in 4..=6 {
        story.announce(peer, PREFIX, &format!("6450{peer} 64510"));
    }
    story.pass(10 * MINUTE);
    story.gap();
    story.pass(6 * HOUR);
    story
}

/// The dump of an hour ago: everybody's routes but those that the stranger had.
fn read_table(story: &mut Story) -> Vec<String> {
    let mut told = Vec::new();
    for peer in 1..=3 {
        told.extend(story.table(peer, PREFIX, &format!("6450{peer} 64500"), HOUR));
    }
    for peer in 4..=6 {
        told.extend(story.table(peer, OTHER, &format!("6450{peer} 64500"), HOUR));
    }
    told
}

/// Of what was told, what opens or ends anything, without reasons.
fn turns(lines: Vec<String>) -> Vec<String> {
    let is_turn = |line: &String| line.starts_with("opened") || line.starts_with("ended");
    let turns = lines.into_iter().filter(is_turn);
    let cut = |line: String| line.split(' ').take(5).collect::<Vec<_>>().join(" ");
    turns.map(cut).collect()
}

#[test]
fn a_withdrawal_that_was_missed_ends_its_incident_with_the_next_table() {
    let mut story = hijacked();
    assert_eq!(turns(read_table(&mut story)), told(&[]));
    assert_eq!(turns(story.end_of_table(4, HOUR)), told(&[]));
    assert_eq!(turns(story.end_of_table(5, HOUR)), told(&[]));
    let last = turns(story.end_of_table(6, HOUR));
    assert_eq!(last, ["ended moas high ended unknown"]);
    // The holder's routes are as good as heard now: else it would be a change of origin.
    let again = turns(story.announce(2, PREFIX, "64502 64511"));
    assert_eq!(again, ["opened moas high suspected"]);
}

#[test]
fn a_table_of_before_the_gap_ends_nothing() {
    let mut story = hijacked();
    for peer in 4..=6 {
        assert_eq!(story.end_of_table(peer, 7 * HOUR), told(&[]));
    }
    // Nor does the end of a table of which a part was lost in the gap.
    for peer in 4..=6 {
        assert_eq!(story.end_of_rib(peer), told(&[]));
    }
}

#[test]
fn what_stands_in_the_table_goes_on() {
    let mut story = hijacked();
    for peer in 4..=6 {
        let path = format!("6450{peer} 64510");
        assert_eq!(turns(story.table(peer, PREFIX, &path, HOUR)), told(&[]));
        assert_eq!(story.end_of_table(peer, HOUR), told(&[]));
    }
    assert_eq!(story.last().visible_peers, 3, "they count again");
    story.withdraw(4, PREFIX);
    story.withdraw(5, PREFIX);
    let last = turns(story.withdraw(6, PREFIX));
    assert_eq!(last, ["ended moas high ended withdrawn"]);
}

#[test]
fn what_was_said_after_the_gap_stays_whatever_the_table_lacks() {
    let mut story = hijacked();
    for peer in 4..=6 {
        story.announce(peer, PREFIX, &format!("6450{peer} 64510"));
        assert_eq!(story.end_of_table(peer, HOUR), told(&[]));
    }
    assert_eq!(story.last().visible_peers, 3);
}

#[test]
fn a_dump_that_is_older_than_a_route_in_doubt_does_not_replace_it() {
    let mut story = hijacked();
    for peer in 4..=6 {
        let old = story.table(peer, PREFIX, &format!("6450{peer} 64500"), 7 * HOUR);
        assert_eq!(old, told(&[]), "the stranger's came after that dump");
    }
    for peer in 4..=5 {
        let newer = story.table(peer, PREFIX, &format!("6450{peer} 64500"), HOUR);
        assert_eq!(turns(newer), told(&[]));
    }
    let last = turns(story.table(6, PREFIX, "64506 64500", HOUR));
    assert_eq!(last, ["ended moas high ended replaced"]);
}
