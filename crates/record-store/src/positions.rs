//! How far the sinks have come, who may write, and which life of the topics the rows belong to.

use weir_events::{
    position::{StoreFence, TopicEpoch, Version},
    topics,
};

use crate::{Backend, RecordError, RecordStore};

/// The only row of the table `streams`: one store holds one stream.
pub(crate) const STREAM: &str = "stream";

/// What moves a topic into this store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sink {
    /// `bgp-conflicts`.
    Incidents,
    /// `bgp-updates`.
    Updates,
}

impl Sink {
    /// The topic that it reads.
    pub(crate) fn topic(self) -> &'static str {
        match self {
            Self::Incidents => topics::BGP_CONFLICTS.name,
            Self::Updates => topics::BGP_UPDATES.name,
        }
    }
}

impl RecordStore {
    /// The next offset of `bgp-conflicts` that the writer of `partition` has to read; `None` before
    /// its first assignment.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn position(&self, partition: u32) -> Result<Option<i64>, RecordError> {
        self.position_of(Sink::Incidents, partition).await
    }

    /// Raises the fence of `partition` of `bgp-conflicts` for a new assignment, and says where it
    /// goes on (0 before the first batch). Writers with a lower fence are refused from now on.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn raise_fence(&self, partition: u32) -> Result<(StoreFence, i64), RecordError> {
        self.raise_fence_of(Sink::Incidents, partition).await
    }

    /// As [`RecordStore::position`], of the writer of updates.
    ///
    /// # Errors
    /// As there.
    pub async fn update_position(&self, partition: u32) -> Result<Option<i64>, RecordError> {
        self.position_of(Sink::Updates, partition).await
    }

    /// As [`RecordStore::raise_fence`], of the writer of updates.
    ///
    /// # Errors
    /// As there.
    pub async fn raise_update_fence(
        &self,
        partition: u32,
    ) -> Result<(StoreFence, i64), RecordError> {
        self.raise_fence_of(Sink::Updates, partition).await
    }

    async fn position_of(&self, sink: Sink, partition: u32) -> Result<Option<i64>, RecordError> {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.position(sink, partition).await,
            Backend::Postgres(postgres) => postgres.position(sink, partition).await,
        }
    }

    async fn raise_fence_of(
        &self,
        sink: Sink,
        partition: u32,
    ) -> Result<(StoreFence, i64), RecordError> {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.raise_fence(sink, partition).await,
            Backend::Postgres(postgres) => postgres.raise_fence(sink, partition).await,
        }
    }

    /// The greatest topic epoch that this store knows, of itself or by the version of any row;
    /// `None` when it has never seen one. Who makes the topics anew takes 1 + the greatest of all
    /// stores.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn greatest_topic_epoch(&self) -> Result<Option<TopicEpoch>, RecordError> {
        let (told, version) = match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.epochs().await?,
            Backend::Postgres(postgres) => postgres.epochs().await?,
        };
        let told = told.and_then(|epoch| u32::try_from(epoch).ok());
        let seen = version.map(|version| Version(version.unsigned_abs()).epoch());
        Ok(told.map(TopicEpoch).max(seen))
    }

    /// Remembers that topics of this epoch exist; a greater one that is known stays. Returns the
    /// greatest, as [`RecordStore::greatest_topic_epoch`].
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn raise_topic_epoch(&self, at_least: TopicEpoch) -> Result<TopicEpoch, RecordError> {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.raise_epoch(at_least).await?,
            Backend::Postgres(postgres) => postgres.raise_epoch(at_least).await?,
        }
        Ok(self.greatest_topic_epoch().await?.unwrap_or(at_least))
    }
}
