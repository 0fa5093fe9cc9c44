//! What a PostgreSQL is, and what our user may: for the doctor. Nothing is made or changed.

use std::time::Duration;

use sqlx::{ConnectOptions, Connection, PgConnection};

use super::{address::Address, migrations};
use crate::{Config, RecordError, server::Server};

const ACTION: &str = "say what it is";

/// Version, major version, clock, whether our tables are there, whether it takes no writes, whether
/// we may make tables.
const FACTS: &str = "SELECT current_setting('server_version'), \
    current_setting('server_version_num')::int4 / 10000, \
    (extract(epoch FROM clock_timestamp()) * 1000000)::int8, \
    to_regclass('_sqlx_migrations') IS NOT NULL, \
    pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool, \
    coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)";

/// Rights on rows that we need and lack.
const RIGHTS: &str = "SELECT wanted || ' on ' || relname \
    FROM pg_class, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS wanted \
    WHERE oid IN (to_regclass('bgp_conflicts'), to_regclass('bgp_conflict_history'), \
        to_regclass('bgp_conflict_asns'), to_regclass('bgp_conflict_members'), \
        to_regclass('sink_positions'), to_regclass('streams'), to_regclass('bgp_updates')) \
    AND NOT has_table_privilege(oid, wanted) ORDER BY relname, wanted";

/// Days of updates are made and dropped by their owner.
const OWNED: &str = "SELECT coalesce((SELECT pg_has_role(relowner, 'USAGE') FROM pg_class \
    WHERE oid = to_regclass('bgp_updates')), true)";

type Facts = (String, i32, i64, bool, bool, bool);

pub(crate) async fn ask(config: &Config) -> Result<Server, RecordError> {
    let address = Address::of(config)?;
    let patience = Duration::from_millis(config.connect_timeout_ms.max(1));
    let asked = tokio::time::timeout(patience, async {
        let mut connection = address.options().connect().await?;
        let server = server(&mut connection).await?;
        // It was only read.
        let _ = connection.close().await;
        Ok(server)
    });
    let place = address.place().to_owned();
    match asked.await {
        Ok(answer) => answer.map_err(|source| RecordError::Postgres {
            place,
            action: ACTION,
            hint: address.next_step(&source),
            source,
        }),
        Err(_) => Err(RecordError::Silent {
            place,
            action: ACTION,
            after_ms: patience.as_millis(),
        }),
    }
}

async fn server(connection: &mut PgConnection) -> Result<Server, sqlx::Error> {
    let (version, major, clock_us, has_tables, read_only, may_create): Facts =
        sqlx::query_as(FACTS).fetch_one(&mut *connection).await?;
    let mut lacks = Vec::new();
    if read_only {
        lacks.push("any write: it is a standby or read-only".to_owned());
    }
    if !may_create {
        lacks.push("CREATE in the schema (tables, and the days of bgp_updates)".to_owned());
    }
    let mut schema_version = 0;
    if has_tables {
        let last = "SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success";
        (schema_version,) = sqlx::query_as(last).fetch_one(&mut *connection).await?;
        let rights: Vec<(String,)> = sqlx::query_as(RIGHTS).fetch_all(&mut *connection).await?;
        lacks.extend(rights.into_iter().map(|(right,)| right));
        let (owned,): (bool,) = sqlx::query_as(OWNED).fetch_one(&mut *connection).await?;
        if !owned {
            lacks.push("to own bgp_updates, whose days are made and dropped".to_owned());
        }
    }
    Ok(Server {
        software: "PostgreSQL",
        version,
        major: Some(major),
        clock_us: Some(clock_us),
        schema_version,
        wanted_schema_version: migrations()
            .iter()
            .map(|step| step.version)
            .max()
            .unwrap_or(0),
        lacks,
    })
}
