//! What every backend of the record store must do, as functions over an empty store. A case panics
//! when it does not hold.
#![expect(clippy::unwrap_used, reason = "test cases")]

mod cases;
mod members;
mod updates;

use weir_events::position::{StoreFence, TopicEpoch, Version};

use crate::{
    EndReason, Evidence, Filter, IncidentRow, PrefixMatch, RecordError, RecordStore, Severity,
    State, Transition,
};

pub use cases::*;
pub use members::*;
pub use updates::*;

/// The statements of one batch on PostgreSQL, for who measures the driver alone with them.
pub mod statements {
    use crate::postgres::{incidents, positions};

    pub const ADVANCE: &str = positions::ADVANCE;
    pub const UPSERT: &str = incidents::UPSERT;
    pub const HISTORY: &str = incidents::HISTORY;
    pub const ASNS: &str = incidents::ASNS;
    pub const PRUNE: &str = incidents::PRUNE;
}

/// An incident number `n` at version `version`, first seen at `n` seconds.
#[must_use]
pub fn incident(n: u32, version: u64, prefix: &str) -> IncidentRow {
    let seen_us = i64::from(n) * 1_000_000;
    IncidentRow {
        id: format!("{n:08x}-1111-5222-8333-444455556666"),
        version: Version(version),
        kind: "moas".into(),
        prefix: Some(prefix.parse().unwrap()),
        origins: vec![64_496, 64_500 + n],
        expected_origins: vec![64_496],
        suspect_asn: Some(64_500 + n),
        suspect_set: Vec::new(),
        victim_asns: vec![64_496],
        covering_prefix: None,
        state: State::Suspected,
        severity: Severity::Medium,
        suspicion: Some(45),
        first_seen_us: seen_us,
        suspected_at_us: Some(seen_us),
        confirmed_at_us: None,
        ended_at_us: None,
        end_reason: None,
        last_seen_us: seen_us,
        reopened: 0,
        visible_peers: 1,
        total_peers: 4,
        peer_asns: vec![64_510],
        evidence: vec![Evidence {
            collector: "rrc12".into(),
            peer_address: Some([192, 0, 2, 1].into()),
            peer_asn: 64_510,
            as_path: format!("64510 {}", 64_500 + n),
            event_time_us: seen_us,
        }],
        reasons: vec!["no-baseline".into()],
        synthetic: false,
        members: Vec::new(),
        member_count: 0,
        case_id: format!("{n:08x}-1111-5222-8333-444455556666"),
        transition: Transition::Opened,
        transition_at_us: seen_us,
    }
}

fn ended(mut incident: IncidentRow) -> IncidentRow {
    incident.state = State::Ended;
    incident.transition = Transition::Ended;
    incident.end_reason = Some(EndReason::Withdrawn);
    incident.ended_at_us = Some(incident.last_seen_us + 5_000_000);
    incident
}

pub async fn only_a_greater_version_replaces(store: &RecordStore) {
    let (fence, start) = store.raise_fence(0).await.unwrap();
    assert_eq!(start, 0);
    let new = ended(incident(1, 20, "10.0.0.0/16"));
    let old = incident(1, 10, "10.0.0.0/16");
    store
        .record(std::slice::from_ref(&new), 0, 2, fence)
        .await
        .unwrap();
    store
        .record(&[old.clone(), new, old], 0, 3, fence)
        .await
        .unwrap();
    let recorded = store
        .get("00000001-1111-5222-8333-444455556666")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(recorded.incident.state, State::Ended);
    let versions: Vec<_> = recorded.history.iter().map(|row| row.version.0).collect();
    assert_eq!(versions, [10, 20], "each transition once, in order");
    assert_eq!(store.position(0).await.unwrap(), Some(3));
}

pub async fn a_transition_that_comes_late_does_not_replace_a_newer_state(store: &RecordStore) {
    let (fence, _) = store.raise_fence(0).await.unwrap();
    let old = incident(1, 10, "10.0.0.0/16");
    let new = ended(incident(1, 20, "10.0.0.0/16"));
    // Each in a transaction of its own: inside one, the newest is picked before the store is asked.
    for (next_offset, transition) in (2..).zip([&old, &new, &old]) {
        store
            .record(std::slice::from_ref(transition), 0, next_offset, fence)
            .await
            .unwrap();
    }
    let kept = store.get(&new.id).await.unwrap().unwrap();
    assert_eq!(kept.incident.version.0, 20);
    assert_eq!(kept.incident.state, State::Ended);
}

pub async fn a_row_comes_back_as_it_was(store: &RecordStore) {
    let (fence, _) = store.raise_fence(0).await.unwrap();
    for (n, prefix) in [
        (1, "10.1.0.0/16"),
        (2, "2001:db8::/32"),
        (3, "0.0.0.0/0"),
        (4, "::/0"),
    ] {
        let mut row = incident(n, 7, prefix);
        row.covering_prefix = Some("fc00::/7".parse().unwrap());
        store
            .record(std::slice::from_ref(&row), 0, 1, fence)
            .await
            .unwrap();
        assert_eq!(store.get(&row.id).await.unwrap().unwrap().incident, row);
    }
}

pub async fn a_lower_fence_is_refused_and_writes_nothing(store: &RecordStore) {
    let (zombie, _) = store.raise_fence(3).await.unwrap();
    let (fence, _) = store.raise_fence(3).await.unwrap();
    assert!(fence > zombie);
    let refused = store
        .record(&[incident(1, 1, "10.0.0.0/8")], 3, 9, zombie)
        .await;
    assert!(
        matches!(refused, Err(RecordError::Fenced { .. })),
        "{refused:?}"
    );
    assert_eq!(store.position(3).await.unwrap(), Some(0));
    assert_eq!(store.counts().await.unwrap(), []);
    store.record(&[], 3, 4, fence).await.unwrap();
    assert_eq!(
        store.raise_fence(3).await.unwrap(),
        (StoreFence(fence.0 + 1), 4)
    );
}

pub async fn prefixes_are_found_exactly_inside_and_around(store: &RecordStore) {
    let (fence, _) = store.raise_fence(0).await.unwrap();
    let prefixes = [
        "10.0.0.0/8",
        "10.16.0.0/12",
        "10.16.4.0/24",
        "10.32.0.0/12",
        "0.0.0.0/0",
        "a00::/8",
        "::/0",
    ];
    let rows: Vec<_> = (1..)
        .zip(prefixes)
        .map(|(n, prefix)| incident(n, 1, prefix))
        .collect();
    store.record(&rows, 0, 1, fence).await.unwrap();
    let p = |text: &str| text.parse().unwrap();
    for (wanted, found) in [
        (PrefixMatch::Exact(p("10.16.0.0/12")), vec!["10.16.0.0/12"]),
        (PrefixMatch::Exact(p("10.16.0.0/13")), vec![]),
        (
            PrefixMatch::CoveredBy(p("10.16.0.0/12")),
            vec!["10.16.4.0/24", "10.16.0.0/12"],
        ),
        (
            PrefixMatch::Covers(p("10.16.0.0/12")),
            vec!["0.0.0.0/0", "10.16.0.0/12", "10.0.0.0/8"],
        ),
        (
            PrefixMatch::Covers(p("10.16.4.7/32")),
            vec!["0.0.0.0/0", "10.16.4.0/24", "10.16.0.0/12", "10.0.0.0/8"],
        ),
        (
            PrefixMatch::Overlaps(p("10.16.0.0/12")),
            vec!["0.0.0.0/0", "10.16.4.0/24", "10.16.0.0/12", "10.0.0.0/8"],
        ),
        (PrefixMatch::CoveredBy(p("::/0")), vec!["::/0", "a00::/8"]),
        (
            PrefixMatch::CoveredBy(p("0.0.0.0/0")),
            vec![
                "0.0.0.0/0",
                "10.32.0.0/12",
                "10.16.4.0/24",
                "10.16.0.0/12",
                "10.0.0.0/8",
            ],
        ),
    ] {
        let filter = Filter {
            prefix: Some(wanted),
            ..Filter::default()
        };
        let page = store.list(&filter, None, 100).await.unwrap();
        let texts: Vec<_> = page
            .incidents
            .iter()
            .filter_map(|row| row.prefix.map(|prefix| prefix.to_string()))
            .collect();
        assert_eq!(texts, found, "{wanted:?}");
    }
}

pub async fn filters_narrow_the_list(store: &RecordStore) {
    let (fence, _) = store.raise_fence(0).await.unwrap();
    let mut other = incident(3, 1, "10.0.0.0/8");
    other.kind = "path-loop".into();
    other.severity = Severity::Info;
    other.synthetic = true;
    let rows = [
        incident(1, 1, "10.0.0.0/8"),
        ended(incident(2, 1, "10.0.0.0/8")),
        other,
    ];
    store.record(&rows, 0, 1, fence).await.unwrap();
    let any = Filter::default;
    for (filter, seconds) in [
        (any(), vec![3, 2, 1]),
        (
            Filter {
                types: vec!["moas".into()],
                ..any()
            },
            vec![2, 1],
        ),
        (
            Filter {
                types: vec!["moas".into(), "path-loop".into()],
                ..any()
            },
            vec![3, 2, 1],
        ),
        (
            Filter {
                states: vec![State::Ended],
                ..any()
            },
            vec![2],
        ),
        (
            Filter {
                severities: vec![crate::Severity::Info],
                ..any()
            },
            vec![3],
        ),
        (
            Filter {
                asn: Some(64_502),
                ..any()
            },
            vec![2],
        ),
        (
            Filter {
                asn: Some(64_496),
                ..any()
            },
            vec![3, 2, 1],
        ),
        (
            Filter {
                asn: Some(64_510),
                ..any()
            },
            vec![],
        ),
        (
            Filter {
                from_us: Some(2_000_000),
                ..any()
            },
            vec![3, 2],
        ),
        (
            Filter {
                to_us: Some(2_000_000),
                ..any()
            },
            vec![1],
        ),
        (
            Filter {
                synthetic: Some(true),
                ..any()
            },
            vec![3],
        ),
        (
            Filter {
                types: vec!["'; DROP TABLE incidents".into()],
                ..any()
            },
            vec![],
        ),
    ] {
        let page = store.list(&filter, None, 100).await.unwrap();
        let found: Vec<_> = page
            .incidents
            .iter()
            .map(|row| row.first_seen_us / 1_000_000)
            .collect();
        assert_eq!(found, seconds, "{filter:?}");
    }
    assert_eq!(store.counts().await.unwrap().len(), 3);
}

pub async fn paging_loses_and_doubles_nothing_while_rows_arrive(store: &RecordStore) {
    let (fence, _) = store.raise_fence(0).await.unwrap();
    for limit in 1..8_usize {
        // Several share a time, so that the id has to decide.
        let at = |n: u32, time: i64| {
            let mut row = incident(n, 1, "10.0.0.0/8");
            row.first_seen_us = time;
            row
        };
        let rows: Vec<_> = (100..130).map(|n| at(n, i64::from(n / 4))).collect();
        store.record(&rows, 0, 1, fence).await.unwrap();
        let (mut seen, mut cursor, mut fresh) = (Vec::new(), None, 1_000);
        loop {
            let page = store
                .list(&Filter::default(), cursor.as_ref(), limit)
                .await
                .unwrap();
            assert!(page.incidents.len() <= limit);
            seen.extend(page.incidents.into_iter().map(|row| row.id));
            fresh += 1;
            store
                .record(&[at(fresh, i64::from(fresh))], 0, 1, fence)
                .await
                .unwrap();
            match page.next {
                Some(next) => cursor = crate::Cursor::parse(&next.to_text()),
                None => break,
            }
        }
        let mut distinct = seen.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), seen.len(), "doubled at limit {limit}");
        for row in &rows {
            assert!(seen.contains(&row.id), "lost {} at limit {limit}", row.id);
        }
    }
}

pub async fn the_history_is_bounded_and_keeps_the_opening(store: &RecordStore) {
    let (fence, _) = store.raise_fence(0).await.unwrap();
    let rows: Vec<_> = (1..=400)
        .map(|version| incident(1, version, "10.0.0.0/8"))
        .collect();
    for chunk in rows.chunks(64) {
        store.record(chunk, 0, 1, fence).await.unwrap();
    }
    let history = store.get(&rows[0].id).await.unwrap().unwrap().history;
    assert_eq!(history.len(), 256);
    assert_eq!(history[0].version.0, 1);
    assert_eq!(history[1].version.0, 146);
    assert_eq!(history[255].version.0, 400);
}

pub async fn strange_values_are_stored_and_never_in_the_way(store: &RecordStore) {
    let (fence, _) = store.raise_fence(0).await.unwrap();
    let mut strange = incident(1, 1, "10.0.0.0/8");
    strange.reasons = vec!["a\u{0}b".into(), "\"{},\\ ü".into()];
    strange.first_seen_us = i64::MAX;
    strange.last_seen_us = i64::MIN;
    store
        .record(std::slice::from_ref(&strange), 0, 1, fence)
        .await
        .unwrap();
    let row = store.get(&strange.id).await.unwrap().unwrap().incident;
    assert_eq!(row.reasons[1], "\"{},\\ ü");
    assert_eq!(store.get("no uuid").await.unwrap(), None);
    assert_eq!(store.get("'; DROP TABLE x").await.unwrap(), None);
}

pub async fn the_topic_epoch_only_rises(store: &RecordStore) {
    assert_eq!(store.greatest_topic_epoch().await.unwrap(), None);
    let raised = store.raise_topic_epoch(TopicEpoch(3)).await.unwrap();
    assert_eq!(raised, TopicEpoch(3));
    let raised = store.raise_topic_epoch(TopicEpoch(2)).await.unwrap();
    assert_eq!(raised, TopicEpoch(3));
    // A row that another life of the topics has written counts as well.
    let (fence, _) = store.raise_fence(0).await.unwrap();
    let version = Version::new(TopicEpoch(7), 12, false).0;
    let row = incident(1, version, "10.0.0.0/8");
    store.record(&[row], 0, 12, fence).await.unwrap();
    let greatest = store.greatest_topic_epoch().await.unwrap();
    assert_eq!(greatest, Some(TopicEpoch(7)));
}

/// Runs a macro over the names of all cases, so that every backend runs the same list.
#[macro_export]
macro_rules! conformance_cases {
    ($run:ident) => {
        $run! {
            only_a_greater_version_replaces,
            a_transition_that_comes_late_does_not_replace_a_newer_state,
            a_row_comes_back_as_it_was,
            a_lower_fence_is_refused_and_writes_nothing,
            prefixes_are_found_exactly_inside_and_around,
            filters_narrow_the_list,
            paging_loses_and_doubles_nothing_while_rows_arrive,
            the_history_is_bounded_and_keeps_the_opening,
            strange_values_are_stored_and_never_in_the_way,
            the_topic_epoch_only_rises,
            incidents_of_one_case_are_found_by_it,
            an_incident_of_no_prefix_comes_back_with_its_members,
            a_group_is_found_by_the_prefixes_of_its_members,
            a_group_is_exported_compared_and_no_evidence,
            updates_come_back_as_they_were_and_only_once,
            updates_of_a_fenced_writer_are_refused,
            strange_times_of_updates_are_counted_and_old_days_go,
            evidence_is_what_concerns_an_incident_in_its_time,
        }
    };
}
