//! The tables, and how they come to be: numbered migrations, one starter at a time.
//!
//! Rows are written with their version as the write timestamp, which is far in the past for an
//! engine that buckets by time: so compaction is size-tiered. Every statement is idempotent. The
//! name `window_stats` is left to a table that is not ours.

use std::time::{Duration, Instant};

use scylla::{client::session::Session, value::Row};

use super::{
    errors::{STATEMENT, failed},
    link::applied,
};
use crate::MetricStoreError;

/// What each version adds; `{ks}` stands for the keyspace.
const MIGRATIONS: [&[&str]; 1] = [&[
    "CREATE TABLE IF NOT EXISTS {ks}.window_partials (aggregate text, key text, width_us bigint, bucket bigint, \
     start_us bigint, source_partition bigint, final boolean, synthetic boolean, \
     measures frozen<list<frozen<tuple<text, bigint>>>>, \
     PRIMARY KEY ((aggregate, key, width_us, bucket), start_us, source_partition)) \
     WITH compaction = {'class': 'SizeTieredCompactionStrategy'}",
    "CREATE TABLE IF NOT EXISTS {ks}.window_keys (aggregate text, key text, width_us bigint, last_bucket bigint, \
     PRIMARY KEY ((aggregate), key, width_us)) \
     WITH compaction = {'class': 'SizeTieredCompactionStrategy'}",
    "CREATE TABLE IF NOT EXISTS {ks}.window_newest (name text PRIMARY KEY, end_us bigint)",
    "CREATE TABLE IF NOT EXISTS {ks}.window_progress (result_partition bigint PRIMARY KEY, fence bigint, \
     next_offset bigint)",
]];

const VERSIONS: &str =
    "CREATE TABLE IF NOT EXISTS {ks}.weir_schema (name text PRIMARY KEY, version int, owner text)";

const WHAT: &str = "migrate";
/// A starter that died while it migrated holds others up for so long.
const LOCK_S: u32 = 60;
const PATIENCE: Duration = Duration::from_secs(90);
const SETTLING: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(200);

/// The migrations of one keyspace.
pub(super) struct Schema<'a> {
    pub(super) session: &'a Session,
    pub(super) hosts: &'a str,
    pub(super) keyspace: &'a str,
    pub(super) replication: &'a str,
}

impl Schema<'_> {
    /// Brings the keyspace to [`newest`]; safe when several starters do it at once. A node that is
    /// asked for a table which another starter makes just then may fail inside: it is asked again.
    pub(super) async fn migrate(&self) -> Result<(), MetricStoreError> {
        let until = Instant::now() + SETTLING;
        loop {
            match self.attempt().await {
                Err(error) if error.is_transient() && Instant::now() < until => {
                    tokio::time::sleep(PAUSE).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn attempt(&self) -> Result<(), MetricStoreError> {
        self.prepare().await?;
        self.settle().await?;
        let owner = format!("{:032x}", rand::random::<u128>());
        let until = Instant::now() + PATIENCE;
        while self.version().await? < newest() {
            if self.lock(&owner).await? {
                let done = self.apply().await;
                self.unlock(&owner).await?;
                done?;
            } else if Instant::now() > until {
                return Err(MetricStoreError::Away {
                    what: WHAT,
                    hosts: self.hosts.to_owned(),
                    reason: "another process holds the migration lock".to_owned(),
                });
            } else {
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    /// Keyspace and version table; nothing is asked of a user who may not create when they are there.
    async fn prepare(&self) -> Result<(), MetricStoreError> {
        let there =
            "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = '{ks}'";
        if self.rows(there).await?.is_empty() {
            let literal = self.replication.trim();
            if !literal.starts_with('{') || !literal.ends_with('}') || literal.contains(';') {
                return Err(MetricStoreError::Url {
                    url: "replication".to_owned(),
                    reason: format!(
                        "{literal} is no replication; want {{'class': 'NetworkTopologyStrategy', 'dc1': 3}}"
                    ),
                });
            }
            self.rows(&format!(
                "CREATE KEYSPACE IF NOT EXISTS {{ks}} WITH replication = {literal}"
            ))
            .await?;
        }
        if !self.has_versions().await? {
            self.rows(VERSIONS).await?;
        }
        Ok(())
    }

    /// The keyspace has the table of versions.
    pub(super) async fn has_versions(&self) -> Result<bool, MetricStoreError> {
        let there = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{ks}' AND table_name = 'weir_schema'";
        Ok(!self.rows(there).await?.is_empty())
    }

    /// Waits for a table that another starter has just made: it is listed before it can be read.
    async fn settle(&self) -> Result<(), MetricStoreError> {
        let until = Instant::now() + SETTLING;
        loop {
            match self.version().await {
                Err(MetricStoreError::Refused {
                    next: STATEMENT, ..
                }) if Instant::now() < until => {
                    tokio::time::sleep(PAUSE).await;
                }
                outcome => return outcome.map(|_| ()),
            }
        }
    }

    /// Version of the keyspace.
    pub(super) async fn version(&self) -> Result<i32, MetricStoreError> {
        let text = "SELECT version FROM {ks}.weir_schema WHERE name = 'windows'";
        let rows = self.rows(text).await?;
        let version = rows
            .first()
            .and_then(|row| row.columns.first()?.as_ref()?.as_int())
            .unwrap_or(0);
        if version > newest() {
            return Err(MetricStoreError::Refused {
                what: WHAT,
                hosts: self.hosts.to_owned(),
                reason: format!(
                    "keyspace {} has schema {version}, we know {}",
                    self.keyspace,
                    newest()
                ),
                next: "run the newer version of weir that made it",
            });
        }
        Ok(version)
    }

    async fn apply(&self) -> Result<(), MetricStoreError> {
        let from = self.version().await?;
        for (number, statements) in (1..).zip(MIGRATIONS).filter(|(number, _)| *number > from) {
            for statement in statements {
                self.rows(statement).await?;
            }
            self.rows(&format!(
                "INSERT INTO {{ks}}.weir_schema (name, version) VALUES ('windows', {number})"
            ))
            .await?;
        }
        Ok(())
    }

    async fn lock(&self, owner: &str) -> Result<bool, MetricStoreError> {
        self.conditional(&format!(
            "INSERT INTO {{ks}}.weir_schema (name, owner) VALUES ('lock', '{owner}') IF NOT EXISTS USING TTL {LOCK_S}"
        ))
        .await
    }

    async fn unlock(&self, owner: &str) -> Result<bool, MetricStoreError> {
        self.conditional(&format!(
            "DELETE FROM {{ks}}.weir_schema WHERE name = 'lock' IF owner = '{owner}'"
        ))
        .await
    }

    async fn conditional(&self, text: &str) -> Result<bool, MetricStoreError> {
        let text = text.replace("{ks}", self.keyspace);
        let result = self.session.query_unpaged(text, ()).await;
        let result = result.map_err(failed(WHAT, self.hosts))?;
        Ok(result.into_rows_result().is_ok_and(|rows| applied(&rows)))
    }

    async fn rows(&self, text: &str) -> Result<Vec<Row>, MetricStoreError> {
        let text = text.replace("{ks}", self.keyspace);
        let result = self.session.query_unpaged(text, ()).await;
        let result = result.map_err(failed(WHAT, self.hosts))?;
        let Ok(rows) = result.into_rows_result() else {
            return Ok(Vec::new());
        };
        Ok(rows
            .rows::<Row>()
            .map(|rows| rows.flatten().collect())
            .unwrap_or_default())
    }
}

/// The version that this build wants.
pub(super) fn newest() -> i32 {
    i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX)
}
