//! The cases of kept updates.

use weir_events::time::{DAY_US, MINUTE_US};

use super::{ended, incident};
use crate::{PrefixMatch, RecordError, RecordStore, UpdateRow, updates::Kept};

/// A day well in the past, so that no clock refuses it.
const NOON: i64 = 18_628 * DAY_US + DAY_US / 2;

/// An announcement at offset `offset`, `at_us`.
#[must_use]
pub fn update(offset: i64, at_us: i64, prefix: &str) -> UpdateRow {
    UpdateRow {
        offset,
        item: 0,
        event_time_us: at_us,
        receive_time_us: at_us.saturating_add(1),
        collector: "rrc12".into(),
        peer_address: [192, 0, 2, 1].into(),
        peer_asn: 64_510,
        prefix: prefix.parse().unwrap(),
        announced: true,
        as_path: "64510 {64496,64497}".into(),
        origin_asn: None,
        next_hop: Some([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into()),
        med: Some(u32::MAX),
        local_pref: None,
        communities: vec!["64496:1".into(), "64496:1:2".into()],
        from_rib: false,
        synthetic: true,
    }
}

pub async fn updates_come_back_as_they_were_and_only_once(store: &RecordStore) {
    let (fence, start) = store.raise_update_fence(5).await.unwrap();
    assert_eq!(start, 0);
    let mut withdrawn = update(8, NOON + 1, "2001:db8::/32");
    withdrawn.announced = false;
    withdrawn.communities = Vec::new();
    let mut second = update(8, NOON + 1, "10.2.0.0/16");
    second.item = 1;
    let rows = [update(7, NOON, "10.1.0.0/16"), withdrawn, second];
    for written in [3, 0] {
        let kept = store.record_updates(&rows, 5, 9, fence).await.unwrap();
        assert_eq!((kept.written, kept.refused), (written, 0));
    }
    assert_eq!(store.update_position(5).await.unwrap(), Some(9));
    assert_eq!(store.position(5).await.unwrap(), None, "a sink of its own");
    let p = |text: &str| text.parse().unwrap();
    for (prefix, from, found) in [
        (PrefixMatch::CoveredBy(p("10.0.0.0/8")), NOON, vec![0, 2]),
        (PrefixMatch::CoveredBy(p("10.0.0.0/8")), NOON + 1, vec![2]),
        (PrefixMatch::Covers(p("2001:db8::1/128")), NOON, vec![1]),
        (PrefixMatch::Exact(p("10.1.0.0/16")), NOON, vec![0]),
        (PrefixMatch::Overlaps(p("11.0.0.0/8")), NOON, vec![]),
    ] {
        let expected: Vec<_> = found
            .into_iter()
            .map(|at: usize| rows[at].clone())
            .collect();
        let read = store.updates(prefix, from, NOON + 2, 10).await.unwrap();
        assert_eq!(read, expected, "{prefix:?}");
    }
}

pub async fn updates_of_a_fenced_writer_are_refused(store: &RecordStore) {
    let (zombie, _) = store.raise_update_fence(0).await.unwrap();
    store.raise_update_fence(0).await.unwrap();
    let row = update(1, NOON, "10.0.0.0/8");
    let refused = store.record_updates(&[row], 0, 2, zombie).await;
    assert!(
        matches!(refused, Err(RecordError::Fenced { .. })),
        "{refused:?}"
    );
    assert_eq!(store.update_position(0).await.unwrap(), Some(0));
}

pub async fn strange_times_of_updates_are_counted_and_old_days_go(store: &RecordStore) {
    let (fence, _) = store.raise_update_fence(0).await.unwrap();
    let rows = [
        update(1, NOON, "10.1.0.0/16"),
        update(2, i64::MAX, "10.2.0.0/16"),
        update(3, i64::MIN, "10.3.0.0/16"),
        update(4, 0, "10.4.0.0/16"),
        update(5, NOON - 6 * DAY_US, "10.5.0.0/16"),
        update(6, NOON - 7 * DAY_US, "10.6.0.0/16"),
    ];
    let kept = store.record_updates(&rows, 0, 7, fence).await.unwrap();
    let expected = Kept {
        written: 2,
        refused: 4,
    };
    assert_eq!(kept, expected);
    let newer = update(8, NOON + DAY_US, "10.7.0.0/16");
    store.record_updates(&[newer], 0, 9, fence).await.unwrap();
    let all = PrefixMatch::CoveredBy("10.0.0.0/8".parse().unwrap());
    let left = store.updates(all, 0, i64::MAX, 10).await.unwrap();
    let left: Vec<_> = left.iter().map(|row| row.offset).collect();
    assert_eq!(left, [1, 8], "a week is kept, back from the newest row");
    let late = update(9, NOON - 6 * DAY_US, "10.8.0.0/16");
    let kept = store.record_updates(&[late], 0, 10, fence).await.unwrap();
    assert_eq!(kept.refused, 1);
}

pub async fn evidence_is_what_concerns_an_incident_in_its_time(store: &RecordStore) {
    let (fence, _) = store.raise_fence(0).await.unwrap();
    let at = 100 * MINUTE_US;
    let mut open = incident(1, 1, "10.1.2.0/24");
    open.first_seen_us = at;
    open.covering_prefix = Some("10.1.0.0/16".parse().unwrap());
    let mut over = ended(incident(2, 1, "2001:db8::/32"));
    over.first_seen_us = at;
    over.ended_at_us = Some(at + MINUTE_US);
    store.record(&[open, over], 0, 1, fence).await.unwrap();
    let cases = [
        ("10.1.2.0/24", at, true),
        ("10.1.2.0/24", at - MINUTE_US, true),
        ("10.1.2.0/24", at - MINUTE_US - 1, false),
        ("10.1.2.0/24", at + 1_000 * MINUTE_US, true),
        ("10.1.0.0/16", at, true),
        ("10.1.2.0/25", at, false),
        ("10.0.0.0/8", at, false),
        ("2001:db8::/32", at + 11 * MINUTE_US, true),
        ("2001:db8::/32", at + 11 * MINUTE_US + 1, false),
    ];
    let asked = cases.map(|(prefix, at, _)| (prefix.parse().unwrap(), at));
    let are = store.are_evidence(&asked).await.unwrap();
    for ((prefix, at, expected), is) in cases.iter().zip(are) {
        assert_eq!(is, *expected, "{prefix} at {at}");
    }
}
