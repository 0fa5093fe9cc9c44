//! A replay or a fenced task sends transitions that the store has left behind: they change nothing.

use weir_record_store::{RecordStore, State, conformance::incident};

#[tokio::test]
async fn a_transition_that_comes_late_does_not_replace_a_newer_state() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("incidents.db").display());
    let store = RecordStore::open(&url).await.unwrap();
    let (fence, _) = store.raise_fence(0).await.unwrap();
    let old = incident(1, 10, "10.0.0.0/16");
    let mut new = incident(1, 20, "10.0.0.0/16");
    new.state = weir_events::v1::incident::State::Confirmed.into();
    new.confirmed_at_us = new.last_seen_us;

    // Each in a transaction of its own: inside one, the newest is picked before the store is asked.
    for (next_offset, transition) in (2..).zip([&old, &new, &old]) {
        store
            .record(std::slice::from_ref(transition), 0, next_offset, fence)
            .await
            .unwrap();
    }
    let kept = store.get(&new.id).await.unwrap().unwrap();
    assert_eq!(kept.incident.version.0, 20);
    assert_eq!(kept.incident.state, State::Confirmed);
    store.close().await;
}
