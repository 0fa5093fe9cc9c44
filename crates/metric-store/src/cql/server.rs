//! What the node that answers is: for the doctor. Nothing is made or changed.

use std::collections::BTreeMap;

use scylla::{client::session::Session, deserialize::row::DeserializeRow, value::CqlTimestamp};

use super::{
    errors::failed,
    link::{Link, session},
    schema::{self, Schema},
};
use crate::{Config, MetricStoreError, Server, config::Address};

const WHAT: &str = "ask the node";

impl Link {
    pub(super) async fn server(&self) -> Result<Server, MetricStoreError> {
        server(&self.schema()).await
    }
}

/// As [`Link::server`], of a keyspace whose tables may not be there.
pub(super) async fn ask(config: &Config) -> Result<Server, MetricStoreError> {
    let address = Address::parse(&config.url)?;
    let hosts = address.hosts.join(",");
    let session = session(config, &address, &hosts).await?;
    server(&Schema {
        session: &session,
        hosts: &hosts,
        keyspace: &address.keyspace,
        replication: &config.replication,
    })
    .await
}

async fn server(of: &Schema<'_>) -> Result<Server, MetricStoreError> {
    let text =
        "SELECT release_version, data_center, cluster_name, toTimestamp(now()) FROM system.local";
    let local = first::<(String, String, String, CqlTimestamp)>(of, text).await?;
    let (release_version, data_center, cluster, clock) =
        local.unwrap_or((String::new(), String::new(), String::new(), CqlTimestamp(0)));
    let text = format!(
        "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = '{}'",
        of.keyspace
    );
    let replication = first::<(BTreeMap<String, String>,)>(of, &text).await?;
    Ok(Server {
        release_version,
        data_center,
        cluster,
        nodes: of.session.get_cluster_state().get_nodes_info().len(),
        schema_agreement: agree(of.session).await,
        replication: replication.map(|(map,)| map).unwrap_or_default(),
        clock_us: clock.0.saturating_mul(1_000),
        schema_version: if of.has_versions().await? {
            of.version().await?
        } else {
            0
        },
        wanted_schema_version: schema::newest(),
    })
}

async fn first<R>(of: &Schema<'_>, text: &str) -> Result<Option<R>, MetricStoreError>
where
    R: for<'f, 'm> DeserializeRow<'f, 'm>,
{
    let unreadable = |reason: &dyn std::error::Error| MetricStoreError::Refused {
        what: WHAT,
        hosts: of.hosts.to_owned(),
        reason: format!("an answer that we cannot read: {reason}"),
        next: "see that it is Apache Cassandra or ScyllaDB",
    };
    let result = of.session.query_unpaged(text, ()).await;
    let result = result.map_err(failed(WHAT, of.hosts))?;
    let rows = result
        .into_rows_result()
        .map_err(|error| unreadable(&error))?;
    rows.maybe_first_row::<R>()
        .map_err(|error| unreadable(&error))
}

/// All nodes know the same tables.
async fn agree(session: &Session) -> bool {
    matches!(session.check_schema_agreement().await, Ok(Some(_)))
}
