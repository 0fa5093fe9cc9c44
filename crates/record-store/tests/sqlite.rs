//! The conformance cases on SQLite, and what only a file can do.

use weir_record_store::{RecordError, RecordStore, conformance};

fn url(folder: &tempfile::TempDir) -> String {
    format!(
        "sqlite://{}",
        folder.path().join("deep/incidents.db").display()
    )
}

macro_rules! cases {
    ($($case:ident),+ $(,)?) => {$(
        #[tokio::test]
        async fn $case() {
            let folder = tempfile::tempdir().unwrap();
            let store = RecordStore::open(&url(&folder)).await.unwrap();
            conformance::$case(&store).await;
            store.close().await;
        }
    )+};
}

weir_record_store::conformance_cases!(cases);

#[test]
fn plain_threads_write_together_and_everything_is_there_after_a_reopen() {
    let folder = tempfile::tempdir().unwrap();
    let store = RecordStore::blocking(&url(&folder)).unwrap();
    std::thread::scope(|scope| {
        for partition in 0..4_u32 {
            let store = store.clone();
            scope.spawn(move || {
                let (fence, _) = store.raise_fence(partition).unwrap();
                for n in 0..50_u32 {
                    let row = conformance::incident(partition * 100 + n, 1, "10.0.0.0/8");
                    store
                        .record(&[row], partition, i64::from(n) + 1, fence)
                        .unwrap();
                }
            });
        }
    });
    drop(store);
    let store = RecordStore::blocking(&url(&folder)).unwrap();
    assert_eq!(store.position(2).unwrap(), Some(50));
    let mut order = Vec::new();
    store
        .export_all(|row| {
            order.push((row.first_seen_us, row.id.clone()));
            Ok::<_, RecordError>(())
        })
        .unwrap();
    assert_eq!(order.len(), 200);
    assert!(order.is_sorted());
    store.close();
}

#[test]
fn what_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    std::fs::write(
        &path,
        "not a database, but long enough to look like the header of one",
    )
    .unwrap();
    let refused = RecordStore::blocking(&format!("sqlite://{}", path.display())).unwrap_err();
    assert!(refused.to_string().contains("notes.txt"), "{refused}");
    let refused = RecordStore::blocking("mysql://localhost/db").unwrap_err();
    assert!(refused.to_string().contains("mysql"), "{refused}");
}
