//! What the node that answers is: for the doctor.

use scylla::client::session::Session;

use super::{errors::failed, link::Link, schema};
use crate::{MetricStoreError, Server};

const WHAT: &str = "ask the node";

impl Link {
    pub(super) async fn server(&self) -> Result<Server, MetricStoreError> {
        let text = "SELECT release_version, data_center, cluster_name FROM system.local";
        let local = self.first::<(String, String, String)>(text).await?;
        let (release_version, data_center, cluster) = local.unwrap_or_default();
        let text = format!(
            "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = '{}'",
            self.keyspace
        );
        let replication = self
            .first::<(std::collections::BTreeMap<String, String>,)>(&text)
            .await?;
        let agreed = agree(&self.session).await;
        Ok(Server {
            release_version,
            data_center,
            cluster,
            nodes: self.session.get_cluster_state().get_nodes_info().len(),
            schema_agreement: agreed,
            replication: replication.map(|(map,)| map).unwrap_or_default(),
            schema_version: self.schema().version().await?,
            wanted_schema_version: schema::newest(),
        })
    }

    async fn first<R>(&self, text: &str) -> Result<Option<R>, MetricStoreError>
    where
        R: for<'f, 'm> scylla::deserialize::row::DeserializeRow<'f, 'm>,
    {
        let result = self.session.query_unpaged(text, ()).await;
        let result = result.map_err(failed(WHAT, &self.hosts))?;
        let rows = result
            .into_rows_result()
            .map_err(|error| self.unreadable(WHAT, &error))?;
        rows.maybe_first_row::<R>()
            .map_err(|error| self.unreadable(WHAT, &error))
    }
}

/// All nodes know the same tables.
async fn agree(session: &Session) -> bool {
    matches!(session.check_schema_agreement().await, Ok(Some(_)))
}
