//! What cannot be reached or believed: one clear line, its kind, and no secret.

use std::{net::TcpListener, time::Instant};

use sqlx::{Connection, Executor};
use weir_record_store::{Config, RecordError, RecordStore, conformance::incident};

use crate::database::{Database, with_path};

/// The whole chain of causes, as a log would show it.
fn told(error: &RecordError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    format!("{text} {error:?}")
}

async fn refused(config: &Config) -> RecordError {
    RecordStore::connect(config).await.unwrap_err()
}

#[tokio::test]
async fn a_wrong_password_or_database_is_final_and_named_without_the_secret() {
    let Some(database) = Database::make().await else {
        return;
    };
    let mut config = database.config();
    config.password = Some("not-the-s3cret".into());
    let error = refused(&config).await;
    let text = told(&error);
    assert!(!error.is_transient(), "{text}");
    assert!(text.contains("password_file"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");

    let config = Config::at(with_path(&database.url, "weir_not_there"));
    let error = refused(&config).await;
    let text = told(&error);
    assert!(!error.is_transient(), "{text}");
    assert!(
        text.contains("weir_not_there") && text.contains("createdb"),
        "{text}"
    );
    database.drop().await;
}

#[tokio::test]
async fn the_password_of_the_settings_goes_before_that_of_the_url() {
    let Some(database) = Database::make().await else {
        return;
    };
    let (scheme, rest) = database.url.split_once("://").unwrap();
    let (login, place) = rest.split_once('@').unwrap();
    let (user, password) = login.split_once(':').unwrap();
    let mut config = Config::at(format!("{scheme}://{user}:wrong@{place}"));
    config.password = Some(password.into());
    let store = RecordStore::connect(&config).await.unwrap();
    assert!(!format!("{store:?}").contains(&format!("\"{password}\"")));
    store.close().await;
    database.drop().await;
}

#[tokio::test]
async fn a_server_that_is_away_or_silent_is_a_passing_failure_within_the_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Accepts by the system's queue, and never says a word.
    let mut config = Config::at(format!("postgres://u:s3cret@{address}/db"));
    config.connect_timeout_ms = 300;
    let begun = Instant::now();
    let error = refused(&config).await;
    assert!(error.is_transient(), "{error}");
    assert!(begun.elapsed().as_secs() < 5);
    assert!(!told(&error).contains("s3cret"));

    drop(listener);
    let error = refused(&config).await;
    assert!(error.is_transient(), "{error}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    assert!(!told(&error).contains("s3cret"));
}

#[tokio::test]
async fn tables_of_a_newer_version_are_refused() {
    let Some(database) = Database::make().await else {
        return;
    };
    database.store().await.close().await;
    let mut sql = database.sql().await;
    sql.execute(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (999, 'from tomorrow', true, '', 0)",
    )
    .await
    .unwrap();
    sql.close().await.unwrap();
    let error = refused(&database.config()).await;
    assert!(
        matches!(error, RecordError::Newer { version: 999, .. }),
        "{error}"
    );
    assert!(!error.is_transient());
    assert!(error.to_string().contains("newer version"), "{error}");
    database.drop().await;
}

#[tokio::test]
async fn a_table_that_vanished_is_final() {
    let Some(database) = Database::make().await else {
        return;
    };
    let store = database.store().await;
    let mut sql = database.sql().await;
    sql.execute("DROP TABLE sink_positions").await.unwrap();
    sql.close().await.unwrap();
    let error = store.position(0).await.unwrap_err();
    assert!(!error.is_transient(), "{error}");
    assert!(error.to_string().contains("weir migrate"), "{error}");
    store.close().await;
    database.drop().await;
}

#[tokio::test]
async fn a_table_that_was_changed_underneath_is_final_and_says_what_was_and_what_helps() {
    for (change, named) in [
        ("DROP COLUMN victim_asns", "victim_asns"),
        ("ALTER COLUMN reasons TYPE bigint USING 0", "reasons"),
        ("RENAME TO kept_elsewhere", "bgp_conflicts"),
    ] {
        let Some(database) = Database::make().await else {
            return;
        };
        let store = database.store().await;
        let (fence, _) = store.raise_fence(0).await.unwrap();
        let mut sql = database.sql().await;
        let change = format!("ALTER TABLE bgp_conflicts {change}");
        sql.execute(sqlx::AssertSqlSafe(change.clone()))
            .await
            .unwrap();
        sql.close().await.unwrap();
        let rows = [incident(1, 1, "10.0.0.0/24")];
        let error = store.record(&rows, 0, 1, fence).await.unwrap_err();
        let text = told(&error);
        assert!(!error.is_transient(), "{change}: {text}");
        for word in [
            named,
            "put back what was changed",
            "[record_store]",
            "/weir_",
        ] {
            assert!(text.contains(word), "{change}: no `{word}` in: {text}");
        }
        store.close().await;
        database.drop().await;
    }
}

#[tokio::test]
async fn tls_holds_with_the_right_authority_and_host_name_only() {
    let Some(database) = Database::make_on("postgres-tls").await else {
        return;
    };
    let store = database.store().await;
    assert_eq!(store.position(0).await.unwrap(), None);
    store.close().await;

    let (address, _) = database.url.split_once('?').unwrap();
    // The authorities of the web do not vouch for it.
    let error = refused(&Config::at(format!("{address}?sslmode=verify-full"))).await;
    assert!(!error.is_transient(), "{}", told(&error));
    assert!(error.to_string().contains("sslrootcert"), "{error}");

    // 127.0.0.2 is this machine, but no name of the certificate.
    let elsewhere = database.url.replace("@localhost:", "@127.0.0.2:");
    let error = refused(&Config::at(elsewhere)).await;
    let reached = !error.to_string().contains("is it running there");
    assert!(!reached || !error.is_transient(), "{}", told(&error));

    // The server wants TLS; without it the answer is no, and nothing is tried behind our back.
    let error = refused(&Config::at(format!("{address}?sslmode=disable"))).await;
    assert!(!error.is_transient(), "{}", told(&error));
    database.drop().await;
}

#[tokio::test]
async fn a_server_without_tls_is_refused_when_tls_was_asked_for() {
    let Some(database) = Database::make().await else {
        return;
    };
    let error = refused(&Config::at(format!("{}?sslmode=verify-full", database.url))).await;
    let text = told(&error);
    assert!(!error.is_transient(), "{text}");
    assert!(text.contains("TLS"), "{text}");
    database.drop().await;
}
