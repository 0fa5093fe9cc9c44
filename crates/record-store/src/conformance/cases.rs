//! Incidents of one attack: told as one case, found by it.

use super::incident;
use crate::{Filter, RecordStore, export::IncidentJson};

pub async fn incidents_of_one_case_are_found_by_it(store: &RecordStore) {
    let (fence, _) = store.raise_fence(0).await.unwrap();
    let first = incident(1, 1, "10.0.0.0/16");
    let mut second = incident(2, 1, "10.0.0.0/24");
    second.case_id.clone_from(&first.id);
    let alone = incident(3, 1, "10.0.0.0/24");
    let mut later = second.clone();
    later.version.0 = 2;
    let rows = [first.clone(), second.clone(), alone.clone(), later.clone()];
    store.record(&rows, 0, 1, fence).await.unwrap();
    let kept = store.get(&second.id).await.unwrap().unwrap();
    assert_eq!(kept.incident, later);
    for (case, found) in [
        (first.id.as_str(), vec![&second.id, &first.id]),
        (&alone.id, vec![&alone.id]),
        (&second.id, vec![]),
        ("'; DROP TABLE incidents", vec![]),
    ] {
        let filter = Filter {
            case: Some(case.to_owned()),
            ..Filter::default()
        };
        let page = store.list(&filter, None, 100).await.unwrap();
        let ids: Vec<_> = page.incidents.iter().map(|row| &row.id).collect();
        assert_eq!(ids, found, "{case}");
    }
    let exported = store.export_page(None).await.unwrap();
    let json = serde_json::to_value(IncidentJson::from(&exported[1])).unwrap();
    assert_eq!(json["case_id"], first.id.as_str());
}
