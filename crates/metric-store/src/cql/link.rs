//! The session: connected within its time, its statements prepared, calls repeated for a while.

use std::time::Duration;

use scylla::{
    client::{
        execution_profile::ExecutionProfile, session::Session, session_builder::SessionBuilder,
    },
    response::query_result::{QueryResult, QueryRowsResult},
    serialize::row::SerializeRow,
    statement::{Consistency as Replicas, SerialConsistency, prepared::PreparedStatement},
    value::{CqlValue, Row},
};
use secrecy::ExposeSecret;

use super::{errors::failed, schema::Schema, statements::Statements, tls};
use crate::{
    Config, MetricStoreError,
    config::{Address, Consistency},
};

const CONNECT: &str = "connect";
/// How often a call is tried, and the pause after the first failure.
const ATTEMPTS: u32 = 4;
const PAUSE_MS: u64 = 50;

pub(super) struct Link {
    pub(super) session: Session,
    pub(super) statements: Statements,
    pub(super) hosts: String,
    pub(super) keyspace: String,
    pub(super) replication: String,
    /// Seconds; 0 = rows stay.
    pub(super) ttl_s: i32,
}

impl Link {
    pub(super) async fn connect(config: &Config) -> Result<Self, MetricStoreError> {
        let address = Address::parse(&config.url)?;
        let hosts = address.hosts.join(",");
        let session = session(config, &address, &hosts).await?;
        Schema {
            session: &session,
            hosts: &hosts,
            keyspace: &address.keyspace,
            replication: &config.replication,
        }
        .migrate()
        .await?;
        let statements = Statements::prepare(&session, &hosts, &address.keyspace).await?;
        Ok(Self {
            session,
            statements,
            hosts,
            keyspace: address.keyspace,
            replication: config.replication.clone(),
            ttl_s: i32::try_from(config.ttl_days.min(7_300) * 86_400).unwrap_or(0),
        })
    }

    pub(super) fn schema(&self) -> Schema<'_> {
        Schema {
            session: &self.session,
            hosts: &self.hosts,
            keyspace: &self.keyspace,
            replication: &self.replication,
        }
    }

    /// One statement, tried a few times.
    pub(super) async fn execute(
        &self,
        what: &'static str,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<QueryResult, MetricStoreError> {
        self.patiently(async || {
            let result = self.session.execute_unpaged(statement, &values).await;
            result.map_err(failed(what, &self.hosts))
        })
        .await
    }

    /// One statement and its rows.
    pub(super) async fn rows(
        &self,
        what: &'static str,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<QueryRowsResult, MetricStoreError> {
        let result = self.execute(what, statement, values).await?;
        result
            .into_rows_result()
            .map_err(|error| self.unreadable(what, &error))
    }

    /// Repeats `work` while it fails in passing; only for what may be done twice.
    pub(super) async fn patiently<T>(
        &self,
        work: impl AsyncFn() -> Result<T, MetricStoreError>,
    ) -> Result<T, MetricStoreError> {
        let mut attempt = 1;
        loop {
            match work().await {
                Err(error) if error.is_transient() && attempt < ATTEMPTS => {
                    let pause = PAUSE_MS << attempt;
                    let jitter = rand::random_range(0..=pause);
                    tokio::time::sleep(Duration::from_millis(pause + jitter)).await;
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// An answer that is not of our tables.
    pub(super) fn unreadable(
        &self,
        what: &'static str,
        reason: &dyn std::error::Error,
    ) -> MetricStoreError {
        MetricStoreError::Refused {
            what,
            hosts: self.hosts.clone(),
            reason: format!("an answer that we cannot read: {reason}"),
            next: "check that the tables were made by this version (`weir migrate`)",
        }
    }
}

/// True when a conditional statement did what it said. Engines differ in the other columns.
pub(super) fn applied(rows: &QueryRowsResult) -> bool {
    let named = |spec: scylla::frame::response::result::ColumnSpec<'_>| spec.name() == "[applied]";
    let column = rows.column_specs().iter().cloned().position(named);
    let row = rows.first_row::<Row>().ok();
    let value = column
        .zip(row)
        .and_then(|(column, row)| row.columns.into_iter().nth(column)?);
    value == Some(CqlValue::Boolean(true))
}

pub(super) async fn session(
    config: &Config,
    address: &Address,
    hosts: &str,
) -> Result<Session, MetricStoreError> {
    let (replicas, serial) = match config.consistency {
        Consistency::LocalOne => (Replicas::LocalOne, SerialConsistency::LocalSerial),
        Consistency::LocalQuorum => (Replicas::LocalQuorum, SerialConsistency::LocalSerial),
        Consistency::Quorum => (Replicas::Quorum, SerialConsistency::Serial),
    };
    let profile = ExecutionProfile::builder()
        .consistency(replicas)
        .serial_consistency(Some(serial))
        .request_timeout(Some(Duration::from_millis(config.request_timeout_ms)))
        .build();
    let limit = Duration::from_millis(config.connect_timeout_ms);
    let mut builder = SessionBuilder::new()
        .known_nodes(&address.hosts)
        .connection_timeout(limit)
        .keyspaces_to_fetch([address.keyspace.clone()])
        .default_execution_profile_handle(profile.into_handle())
        .tls_context(tls::context(config, address)?);
    if let Some(user) = config.username.as_ref().or(address.username.as_ref()) {
        let password = config.password.as_ref().or(address.password.as_ref());
        builder = builder.user(
            user,
            password.map_or("", |password| password.expose_secret()),
        );
    }
    match tokio::time::timeout(limit, builder.build()).await {
        Ok(session) => session.map_err(failed(CONNECT, hosts)),
        Err(_) => Err(MetricStoreError::Away {
            what: CONNECT,
            hosts: hosts.to_owned(),
            reason: format!("no answer within {} ms", config.connect_timeout_ms),
        }),
    }
}
