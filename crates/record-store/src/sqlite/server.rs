//! What a SQLite file is: for the doctor. It is opened for reading only.

use std::path::Path;

use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};

use super::migrations;
use crate::{RecordError, server::Server};

pub(crate) async fn ask(path: &Path) -> Result<Option<Server>, RecordError> {
    if !path.exists() {
        return Ok(None);
    }
    let failed = |source| RecordError::Open {
        path: path.to_owned(),
        source,
    };
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .read_only(true);
    let mut connection = options.connect().await.map_err(failed)?;
    let named = "SELECT count(*) FROM sqlite_master WHERE name = '_sqlx_migrations'";
    let (tables,): (i64,) = sqlx::query_as(named)
        .fetch_one(&mut connection)
        .await
        .map_err(failed)?;
    let mut schema_version = 0;
    if tables > 0 {
        let last = "SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success";
        (schema_version,) = sqlx::query_as(last)
            .fetch_one(&mut connection)
            .await
            .map_err(failed)?;
    }
    // It was only read.
    let _ = connection.close().await;
    Ok(Some(Server {
        software: "SQLite",
        schema_version,
        wanted_schema_version: migrations()
            .iter()
            .map(|step| step.version)
            .max()
            .unwrap_or(0),
        ..Server::default()
    }))
}
