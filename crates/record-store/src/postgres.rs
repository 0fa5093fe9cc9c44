//! The PostgreSQL backend: its pool, its tables, and how a call is tried again.
//!
//! Every call is a function of what it is given, and a batch with its position is one transaction:
//! so a call whose answer was lost may be made again.

mod address;
mod columns;
mod days;
pub(crate) mod incidents;
pub(crate) mod positions;
mod search;
pub(crate) mod server;
mod updates;

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{
    ConnectOptions, Connection, PgPool,
    migrate::{Migration, MigrationType, Migrator},
    postgres::PgPoolOptions,
};

use crate::{Config, RecordError};
use address::Address;
use days::Days;

/// How often a call is made in all.
const TRIES: u32 = 3;
/// Before the second try; doubled before the third.
const BACKOFF: Duration = Duration::from_millis(100);
/// Longest that another process may take to bring the tables up to date.
const MIGRATION: Duration = Duration::from_secs(300);
/// How much longer than the server's own limit an answer is awaited.
const GRACE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub(crate) struct Postgres {
    pool: PgPool,
    address: Arc<Address>,
    days: Arc<Days>,
    /// Longest that one try may take.
    patience: Duration,
}

fn limit(ms: u64) -> Duration {
    Duration::from_millis(ms.max(1))
}

impl Postgres {
    pub(crate) async fn connect(config: &Config) -> Result<Self, RecordError> {
        let store = Self::of(config)?;
        store
            .migrate_within(limit(config.connect_timeout_ms))
            .await?;
        Ok(store)
    }

    /// Connects when it is asked something, and makes no table.
    pub(crate) fn of(config: &Config) -> Result<Self, RecordError> {
        let address = Arc::new(Address::of(config)?);
        let pool = PgPoolOptions::new()
            .max_connections(config.pool_size)
            .acquire_timeout(limit(config.acquire_timeout_ms))
            .connect_lazy_with(address.pooled(config.statement_timeout_ms));
        Ok(Self {
            pool,
            days: Arc::new(Days::new(config)),
            patience: limit(config.acquire_timeout_ms) + limit(config.statement_timeout_ms) + GRACE,
            address,
        })
    }

    /// Brings the tables up to date; the last step.
    pub(crate) async fn migrate(&self) -> Result<i64, RecordError> {
        self.migrate_within(self.patience).await
    }

    /// On a connection of its own, without a limit per statement; starters wait for each other at
    /// an advisory lock.
    async fn migrate_within(&self, connect_timeout: Duration) -> Result<i64, RecordError> {
        let steps = migrations();
        let mut connection = self
            .in_time("connect", connect_timeout, async {
                let connecting = self.address.options().connect().await;
                connecting.map_err(self.failed("connect"))
            })
            .await?;
        self.in_time("bring its tables up to date", MIGRATION, async {
            let run = steps.run_direct(None, &mut connection, false).await;
            run.map_err(RecordError::migrate(self.address.place().to_owned()))
        })
        .await?;
        // The tables stand; how the connection ends does not matter.
        let _ = connection.close().await;
        Ok(steps.iter().map(|step| step.version).max().unwrap_or(0))
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    /// Makes a call, and makes it again when the engine is away for a moment.
    async fn tried<T, F>(
        &self,
        action: &'static str,
        call: impl Fn() -> F + Send,
    ) -> Result<T, RecordError>
    where
        F: Future<Output = Result<T, RecordError>> + Send,
    {
        let mut tries = 1;
        loop {
            match self.in_time(action, self.patience, call()).await {
                Err(error) if error.is_transient() && tries < TRIES => {
                    tracing::debug!(%error, tries, "the record store is tried again");
                    let pause = BACKOFF * (1 << (tries - 1));
                    tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.5))).await;
                    tries += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn in_time<T>(
        &self,
        action: &'static str,
        limit: Duration,
        work: impl Future<Output = Result<T, RecordError>>,
    ) -> Result<T, RecordError> {
        let begun = Instant::now();
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            Err(RecordError::Silent {
                place: self.address.place().to_owned(),
                action,
                after_ms: begun.elapsed().as_millis(),
            })
        })
    }

    /// Names the server and the next step.
    fn failed(&self, action: &'static str) -> impl Fn(sqlx::Error) -> RecordError + '_ {
        move |source| RecordError::Postgres {
            place: self.address.place().to_owned(),
            action,
            hint: self.address.next_step(&source),
            source,
        }
    }
}

/// The folder `migrations/postgres`, in order; applied ones are never edited.
fn migrations() -> Migrator {
    let step = |version, name: &'static str, sql: &'static str| {
        Migration::new(
            version,
            name.into(),
            MigrationType::Simple,
            sqlx::SqlSafeStr::into_sql_str(sql),
            false,
        )
    };
    Migrator::with_migrations(vec![
        step(
            1,
            "records",
            include_str!("../migrations/postgres/0001_records.sql"),
        ),
        step(
            2,
            "suspicion",
            include_str!("../migrations/postgres/0002_suspicion.sql"),
        ),
        step(
            3,
            "suspicion unknown",
            include_str!("../migrations/postgres/0003_suspicion_unknown.sql"),
        ),
        step(
            4,
            "members",
            include_str!("../migrations/postgres/0004_members.sql"),
        ),
        step(
            5,
            "cases",
            include_str!("../migrations/postgres/0005_cases.sql"),
        ),
    ])
}
