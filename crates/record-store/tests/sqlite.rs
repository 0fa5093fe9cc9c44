//! The conformance cases on SQLite, and what only a file can do.

use sqlx::{AssertSqlSafe, Connection, Executor, SqliteConnection};
use weir_record_store::{
    BlockingRecordStore, Config, Filter, RecordError, RecordStore, conformance, server,
};

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

/// Reads all that there is.
fn read(config: &Config) -> Result<(), RecordError> {
    let store = BlockingRecordStore::connect_to_read(config)?;
    let all = store.export_all(|_| Ok::<_, RecordError>(()));
    store.close();
    all
}

#[test]
fn who_only_reads_neither_makes_a_file_nor_changes_its_tables() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::at(url(&folder));
    let refused = read(&config).unwrap_err();
    assert!(matches!(refused, RecordError::Absent { .. }), "{refused}");
    assert!(!folder.path().join("deep").exists());

    RecordStore::blocking(&config.url).unwrap().close();
    let before = std::fs::read(folder.path().join("deep/incidents.db")).unwrap();
    read(&config).unwrap();
    assert!(std::fs::read(folder.path().join("deep/incidents.db")).unwrap() == before);
    let wanted = server::ask(&config).unwrap().unwrap().wanted_schema_version;
    execute(
        &config.url,
        "DELETE FROM _sqlx_migrations WHERE version > 1",
    )
    .unwrap();
    match read(&config).unwrap_err() {
        RecordError::Older {
            version: 1,
            wanted: last,
            ..
        } => assert_eq!(last, wanted),
        other => panic!("{other}"),
    }
    execute(&config.url, "UPDATE _sqlx_migrations SET version = 999").unwrap();
    let refused = read(&config).unwrap_err();
    assert!(
        matches!(refused, RecordError::Newer { version: 999, .. }),
        "{refused}"
    );
}

#[tokio::test]
async fn an_incident_of_before_groups_were_told_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!(
        "sqlite://{}?mode=rwc",
        folder.path().join("old.db").display()
    );
    let mut connection = SqliteConnection::connect(&file).await.unwrap();
    for step in [
        include_str!("../migrations/sqlite/0001_incidents.sql"),
        include_str!("../migrations/sqlite/0002_updates.sql"),
        include_str!("../migrations/sqlite/0003_suspicion.sql"),
        include_str!("../migrations/sqlite/0004_suspicion_unknown.sql"),
        "INSERT INTO incidents VALUES ('id', 7, 'moas', 'ended', 4, 4, x'30', x'31', 24, NULL, '[1]', '[2]', 3, '[4]',
           '[5]', 6, 8, 9, 10, 'faded', 11, 12, 13, 14, '[15]', '[16]', '[17]', 1, 'ended', 18, 19)",
        "INSERT INTO incident_history VALUES ('id', 7, 'ended', 'ended', 4, 18, 13, 14, '[17]')",
        include_str!("../migrations/sqlite/0005_members.sql"),
    ] {
        connection.execute(step).await.unwrap();
    }
    for (table, row) in [
        (
            "incidents",
            "id 7 moas ended 4 4 0 1 24 - [1] [2] 3 [4] [5] 6 8 9 10 faded 11 12 13 14 [15] [16] [17] 1 ended 18 \
             19 [] 0",
        ),
        ("incident_history", "id 7 ended ended 4 18 13 14 [17] 0"),
    ] {
        let columns = format!("SELECT name FROM pragma_table_info('{table}') ORDER BY cid");
        let columns: Vec<String> = sqlx::query_scalar(AssertSqlSafe(columns))
            .fetch_all(&mut connection)
            .await
            .unwrap();
        let texts = columns
            .iter()
            .map(|name| format!("coalesce(CAST({name} AS TEXT), '-')"));
        let all = texts.collect::<Vec<_>>().join(" || ' ' || ");
        let told: String = sqlx::query_scalar(AssertSqlSafe(format!("SELECT {all} FROM {table}")))
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(told, row);
    }
    connection.close().await.unwrap();
}

#[test]
fn an_incident_of_before_cases_were_told_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let url = url(&folder);
    let store = RecordStore::blocking(&url).unwrap();
    let (fence, _) = store.raise_fence(0).unwrap();
    let row = conformance::incident(1, 1, "10.0.0.0/8");
    let rows = [row.clone(), conformance::incident(2, 1, "10.0.0.0/8")];
    store.record(&rows, 0, 1, fence).unwrap();
    store.close();
    execute(&url, "UPDATE incidents SET case_id = NULL").unwrap();

    let of_case = Filter {
        case: Some(row.id.clone()),
        ..Filter::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let found = runtime.block_on(async {
        let store = RecordStore::open(&url).await.unwrap();
        let found = store.list(&of_case, None, 10).await.unwrap();
        store.close().await;
        found
    });
    assert_eq!(found.incidents, [row]);
}

/// Changes the file behind the back of the store.
fn execute(url: &str, statement: &'static str) -> Result<(), sqlx::Error> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let mut connection = SqliteConnection::connect(url).await?;
        connection.execute(statement).await?;
        connection.close().await
    })
}
