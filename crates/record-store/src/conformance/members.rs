//! Incidents that are about no single prefix: in and back, listed, found, exported, compared.

use super::incident;
use crate::{
    Filter, IncidentRow, Member, PrefixMatch, RecordStore,
    diff::{Comparison, Sketch, Sketcher},
    export::IncidentJson,
};

/// A group number `n` of these prefixes, the first of them with an incident of its own, and of one more incident.
#[must_use]
pub fn group(n: u32, version: u64, prefixes: &[&str]) -> IncidentRow {
    let mut group = incident(n, version, "10.0.0.0/8");
    let told = |at: u32| Some(format!("{at:08x}-2222-5222-8333-444455556666"));
    group.prefix = None;
    group.members = vec![Member {
        prefix: None,
        incident_id: told(1),
    }];
    let of = |(at, text): (u32, &&str)| Member {
        prefix: Some(text.parse().unwrap()),
        incident_id: told(at).filter(|_| at == 2),
    };
    group.members.extend((2..).zip(prefixes).map(of));
    group.member_count = 300;
    group
}

async fn ids(store: &RecordStore, prefix: Option<PrefixMatch>) -> Vec<String> {
    let filter = Filter {
        prefix,
        ..Filter::default()
    };
    let page = store.list(&filter, None, 100).await.unwrap();
    let found = page.incidents.into_iter();
    found
        .inspect(|row| assert!(prefix.is_none_or(|wanted| wanted.finds(row))))
        .map(|row| row.id)
        .collect()
}

pub async fn an_incident_of_no_prefix_comes_back_with_its_members(store: &RecordStore) {
    let (fence, _) = store.raise_fence(0).await.unwrap();
    let first = group(1, 10, &["10.0.0.0/16", "2001:db8::/32"]);
    let mut next = group(1, 20, &["2001:db8::/32"]);
    next.member_count = 1;
    let rows = [first.clone(), incident(2, 10, "10.0.0.0/16")];
    store.record(&rows, 0, 1, fence).await.unwrap();
    let recorded = store.get(&first.id).await.unwrap().unwrap();
    assert_eq!(recorded.incident, first);
    let rows = [next.clone(), first];
    store.record(&rows, 0, 2, fence).await.unwrap();
    let recorded = store.get(&next.id).await.unwrap().unwrap();
    assert_eq!(recorded.incident, next);
    let counts: Vec<_> = recorded
        .history
        .iter()
        .map(|row| row.member_count)
        .collect();
    assert_eq!(counts, [300, 1]);
}

pub async fn a_group_is_found_by_the_prefixes_of_its_members(store: &RecordStore) {
    let (fence, _) = store.raise_fence(0).await.unwrap();
    let mut alone = group(3, 1, &[]);
    alone.members.clear();
    let rows = [
        incident(1, 1, "10.0.0.0/16"),
        group(2, 1, &["10.0.0.0/16", "2001:db8::/32"]),
        alone,
    ];
    store.record(&rows, 0, 1, fence).await.unwrap();
    let [one, two, three] = rows.map(|row| row.id);
    assert_eq!(ids(store, None).await, [&*three, &two, &one]);
    let p = |text: &str| text.parse().unwrap();
    for (wanted, found) in [
        (PrefixMatch::Exact(p("10.0.0.0/16")), vec![&two, &one]),
        (PrefixMatch::CoveredBy(p("10.0.0.0/8")), vec![&two, &one]),
        (PrefixMatch::CoveredBy(p("::/0")), vec![&two]),
        (PrefixMatch::Covers(p("10.0.7.0/24")), vec![&two, &one]),
        (PrefixMatch::Overlaps(p("2001:db8:7::/48")), vec![&two]),
        (PrefixMatch::Overlaps(p("192.0.2.0/24")), vec![]),
    ] {
        let ids = ids(store, Some(wanted)).await;
        assert_eq!(ids.iter().collect::<Vec<_>>(), found, "{wanted:?}");
    }
}

pub async fn a_group_is_exported_compared_and_no_evidence(store: &RecordStore) {
    let (fence, _) = store.raise_fence(0).await.unwrap();
    let row = group(1, 1, &["10.0.0.0/16"]);
    store
        .record(std::slice::from_ref(&row), 0, 1, fence)
        .await
        .unwrap();
    let exported = store.export_page(None).await.unwrap();
    assert_eq!(exported, std::slice::from_ref(&row));

    let json = serde_json::to_value(IncidentJson::from(&row)).unwrap();
    assert!(json["prefix"].is_null());
    assert_eq!(json["member_count"], 300);
    let told = "00000002-2222-5222-8333-444455556666";
    let second = serde_json::json!({ "prefix": "10.0.0.0/16", "incident_id": told });
    assert_eq!(json["members"][1], second);

    let mut sketcher = Sketcher::default();
    let of_row: Sketch = sketcher.row(&row).unwrap();
    let of_line = sketcher.line(json.to_string().as_bytes()).unwrap();
    assert_eq!(of_row, of_line);
    let mut comparison = Comparison::with(vec![of_row]).unwrap();
    comparison.add(of_line).unwrap();
    assert!(comparison.finish().unwrap().differences.is_empty());

    let member = row.prefixes().next().unwrap();
    let is = store.are_evidence(&[(member, row.first_seen_us)]).await;
    assert_eq!(is.unwrap(), [false]);
}
