//! The daily partitions of `bgp_updates`: made ahead, dropped by retention.
//!
//! A day is its number since the Unix epoch, UTC. Writers agree through the database: whoever first
//! writes into a new day makes its partition and the next ones, and drops those beyond the
//! retention, under one advisory lock.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{AssertSqlSafe, Connection, Executor, Row};
use weir_events::time::{DAY_US, now_us};

use super::{Postgres, columns};
use crate::{
    Config, RecordError,
    updates::{Horizon, UpdateRow},
};

/// Serialises who makes and drops; any number that only we use.
const LOCK: i64 = 0x7765_6972_6461_7973;
/// Longest that making or dropping waits for readers and writers of the table.
const PATIENCE: &str = "SET LOCAL lock_timeout = '5s'";

#[derive(Debug)]
pub(super) struct Days {
    retention: u32,
    ahead: u32,
    known: Mutex<Option<Known>>,
}

/// What the database was seen to hold.
#[derive(Clone, Debug, Default)]
struct Known {
    made: BTreeSet<i64>,
    /// The newest day that holds rows.
    newest: Option<i64>,
}

impl Days {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            retention: config.update_retention_days,
            ahead: config.update_days_ahead,
            known: Mutex::new(None),
        }
    }

    fn known(&self) -> Option<Known> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }

    /// Remembers; `None` = look again before the next batch.
    fn learn(&self, known: Option<Known>) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }
}

impl Postgres {
    /// Makes sure that the days of `rows` can be written; `None` when no row has a possible time.
    pub(super) async fn prepare_days(
        &self,
        rows: &[UpdateRow],
    ) -> Result<Option<Horizon>, RecordError> {
        let known = match self.days.known() {
            Some(known) => known,
            None => self.look_at_days().await?,
        };
        let horizon = Horizon::after(rows, known.newest, now_us(), self.days.retention);
        if let Some(horizon) = horizon {
            let needed = horizon.days(rows);
            if known.newest != Some(horizon.newest) || !needed.is_subset(&known.made) {
                self.make_days(horizon, needed).await?;
            }
        }
        Ok(horizon)
    }

    /// Forgets what was known, since another process has dropped a day.
    pub(super) fn forget_days(&self) {
        self.days.learn(None);
    }

    async fn look_at_days(&self) -> Result<Known, RecordError> {
        let action = "look at the days of bgp_updates";
        self.tried(action, || async move {
            let mut connection = self.pool.acquire().await.map_err(self.failed(action))?;
            let made = made(&mut connection).await.map_err(self.failed(action))?;
            let newest: Option<DateTime<Utc>> =
                sqlx::query_scalar("SELECT max(event_time) FROM bgp_updates")
                    .fetch_one(&mut *connection)
                    .await
                    .map_err(self.failed(action))?;
            let newest = newest.map(|at| at.timestamp_micros().div_euclid(DAY_US));
            Ok(Known { made, newest })
        })
        .await
    }

    async fn make_days(
        &self,
        horizon: Horizon,
        mut needed: BTreeSet<i64>,
    ) -> Result<(), RecordError> {
        let action = "make days of bgp_updates";
        needed.extend(horizon.newest..=horizon.newest + i64::from(self.days.ahead));
        let needed = &needed;
        let made = self
            .tried(action, || async move {
                self.change_days(horizon.oldest, needed)
                    .await
                    .map_err(self.failed(action))
            })
            .await?;
        self.days.learn(Some(Known {
            made,
            newest: Some(horizon.newest),
        }));
        Ok(())
    }

    async fn change_days(
        &self,
        oldest: i64,
        needed: &BTreeSet<i64>,
    ) -> Result<BTreeSet<i64>, sqlx::Error> {
        let mut connection = self.pool.acquire().await?;
        let mut transaction = connection.begin().await?;
        transaction.execute(PATIENCE).await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(LOCK)
            .execute(&mut *transaction)
            .await?;
        let mut made = made(&mut transaction).await?;
        for day in needed.difference(&made.clone()) {
            let (name, start, end) = (name(*day), midnight(*day), midnight(day + 1));
            // Names and bounds are made of numbers.
            let statement = format!(
                "CREATE TABLE {name} PARTITION OF bgp_updates FOR VALUES FROM ('{start}') TO ('{end}')"
            );
            transaction.execute(AssertSqlSafe(statement)).await?;
            made.insert(*day);
        }
        let gone: Vec<i64> = made.range(..oldest).copied().collect();
        for day in &gone {
            let statement = format!("DROP TABLE {}", name(*day));
            transaction.execute(AssertSqlSafe(statement)).await?;
            made.remove(day);
        }
        transaction.commit().await?;
        if !gone.is_empty() {
            tracing::info!(days = gone.len(), "dropped days of bgp_updates");
        }
        Ok(made)
    }
}

/// The days that have a partition, by name.
async fn made(connection: &mut sqlx::PgConnection) -> Result<BTreeSet<i64>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'bgp_updates'::regclass",
    )
    .fetch_all(connection)
    .await?;
    let day = |row: &sqlx::postgres::PgRow| {
        let date = row.get::<&str, _>(0).strip_prefix("bgp_updates_")?;
        let date = NaiveDate::parse_from_str(date, "%Y%m%d").ok()?;
        let start = date.and_hms_opt(0, 0, 0)?.and_utc();
        Some(start.timestamp_micros().div_euclid(DAY_US))
    };
    Ok(rows.iter().filter_map(day).collect())
}

/// `bgp_updates_20260131`.
fn name(day: i64) -> String {
    format!(
        "bgp_updates_{}",
        columns::time(day * DAY_US).format("%Y%m%d")
    )
}

/// `2026-01-31 00:00:00+00`.
fn midnight(day: i64) -> String {
    columns::time(day * DAY_US)
        .format("%Y-%m-%d 00:00:00+00")
        .to_string()
}
