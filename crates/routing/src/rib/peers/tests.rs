//! Sessions come, go and lie: what a slot makes of it.

use super::*;

const MINUTE: i64 = 60_000_000;

fn peer() -> Peer {
    "192.0.2.1:64496".parse().unwrap()
}

fn one() -> (Peers, Slot) {
    let mut peers = Peers::default();
    let (slot, generation) = peers.heard("rrc00", peer(), 0);
    assert_eq!(generation, 0);
    (peers, slot)
}

#[test]
fn one_session_says_three_times_that_it_is_up_and_gets_one_slot() {
    let mut peers = Peers::default();
    for second in 0..3 {
        assert_eq!(peers.up("rrc00", peer(), second), None);
    }
    let (slot, _) = peers.heard("rrc00", peer(), 4);
    assert_eq!(peers.up("rrc00", peer(), 5), None, "state up came last");
    assert_eq!(peers.sessions().len(), 1);
    peers.down("rrc00", peer(), MINUTE);
    assert_eq!(peers.up("rrc00", peer(), 2 * MINUTE), Some(slot));
    assert_eq!(peers.slot("rrc00", peer()), Some(Slot(1)));
    assert_eq!(peers.slot("rrc01", peer()), None);
}

#[test]
fn routes_of_a_peer_that_is_down_expire_in_silence() {
    let (mut peers, slot) = one();
    peers.down("rrc00", peer(), MINUTE);
    assert_eq!(peers.freshness(slot, 0), Freshness::Stale);
    assert_eq!(peers.expire(4 * MINUTE - 1), []);
    assert_eq!(peers.expire(4 * MINUTE), [slot]);
    assert_eq!(peers.freshness(slot, 0), Freshness::Expired);
    assert!(!peers.any_pending());
}

#[test]
fn a_peer_that_lied_keeps_its_stale_routes_for_a_day() {
    let (mut peers, slot) = one();
    peers.down("rrc00", peer(), MINUTE);
    assert_eq!(peers.heard("rrc00", peer(), 2 * MINUTE), (slot, 1));
    assert_eq!(peers.freshness(slot, 1), Freshness::Fresh);
    assert_eq!(peers.expire(10 * MINUTE), []);
    assert_eq!(peers.freshness(slot, 0), Freshness::Stale);
    assert_eq!(peers.expire(2 * MINUTE + DOUBT_US), [slot]);
    assert_eq!(peers.freshness(slot, 0), Freshness::Expired);
    assert_eq!(peers.freshness(slot, 1), Freshness::Fresh);
}

#[test]
fn the_next_session_ends_the_last_one_at_its_end_of_rib() {
    let (mut peers, old) = one();
    peers.down("rrc00", peer(), MINUTE);
    assert_eq!(peers.up("rrc00", peer(), 2 * MINUTE), Some(old));
    let (new, _) = peers.heard("rrc00", peer(), 3 * MINUTE);
    assert_ne!(old, new);
    assert_eq!(peers.earlier(new).to_vec(), [old]);
    assert_eq!(peers.expire(30 * MINUTE), [], "it is not silent");
    assert_eq!(peers.end_of_rib("rrc00", peer()), [old]);
    assert_eq!(peers.freshness(old, 0), Freshness::Expired);
    assert_eq!(peers.freshness(new, 0), Freshness::Fresh);
}

#[test]
fn a_gap_without_a_peer_doubts_the_whole_collector_for_a_day() {
    let (mut peers, slot) = one();
    let (other, _) = peers.heard("rrc01", peer(), 0);
    assert_eq!(peers.gap("rrc00", None, 0), [slot]);
    assert_eq!(peers.freshness(slot, 0), Freshness::Stale);
    assert_eq!(peers.freshness(other, 0), Freshness::Fresh);
    assert_eq!(peers.end_of_rib("rrc00", peer()), [], "no session ended");
    assert_eq!(peers.expire(DOUBT_US), [slot]);
}

#[test]
fn vantage_points_are_up_and_have_announced() {
    let (mut peers, slot) = one();
    assert_eq!(peers.vantage_points(true), 0);
    peers.announces(slot, true);
    assert_eq!(
        (peers.vantage_points(true), peers.vantage_points(false)),
        (1, 0)
    );
    peers.down("rrc00", peer(), 0);
    assert_eq!(peers.vantage_points(true), 0);
    peers.heard("rrc00", peer(), 1);
    assert_eq!(peers.vantage_points(true), 1);
    let copy = Peers::from_sessions(peers.sessions().to_vec());
    assert_eq!(copy.vantage_points(true), 1);
    assert_eq!(copy.due, peers.due);
}

#[test]
fn a_peer_that_was_down_more_often_than_a_route_can_tell_goes_on_in_a_new_slot() {
    let (mut peers, slot) = one();
    peers.announces(slot, true);
    for n in 1..=u8::MAX {
        let now = i64::from(n) * MINUTE;
        peers.down("rrc00", peer(), now);
        assert_eq!(peers.heard("rrc00", peer(), now), (slot, n));
    }
    let now = 256 * MINUTE;
    peers.down("rrc00", peer(), now);
    let next = Slot(1);
    assert_eq!(peers.heard("rrc00", peer(), now), (next, 0));
    assert_eq!(peers.freshness(slot, 255), Freshness::Stale);
    assert_eq!(peers.earlier(next).to_vec(), [slot]);
    assert_eq!(peers.vantage_points(true), 1);
    assert_eq!(peers.expire(now + DOUBT_US), [slot]);
    assert_eq!(peers.freshness(slot, 255), Freshness::Expired);
    assert_eq!(peers.heard("rrc00", peer(), now + DOUBT_US), (next, 0));
}

#[test]
fn the_next_table_ends_what_was_said_before_more_gaps_than_a_route_can_tell() {
    let (mut peers, slot) = one();
    for _ in 0..=u8::MAX {
        peers.gap("rrc00", None, MINUTE);
    }
    let (next, _) = peers.heard("rrc00", peer(), MINUTE);
    assert_eq!(peers.earlier(next).to_vec(), [slot]);
    assert_eq!(peers.up("rrc00", peer(), 2 * MINUTE), Some(next));
    assert_eq!(peers.end_of_rib("rrc00", peer()), [slot, next]);
    assert_eq!(peers.freshness(slot, 255), Freshness::Expired);
}
