//! Incidents: written by the sink behind `bgp-conflicts`, read by people.

use std::collections::HashMap;

use weir_events::position::StoreFence;

use crate::{
    Backend, RecordError, RecordStore,
    batch::Batch,
    filter::{Cursor, Filter, MAX_PAGE, Page},
    incident::{IncidentRow, Recorded, State, TransitionRow, is_uuid},
};

/// How many incidents of one type stand in one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// Name of the rule.
    pub kind: String,
    /// Where they stand.
    pub state: State,
    /// How many.
    pub incidents: u64,
}

impl RecordStore {
    /// Writes a batch from `bgp-conflicts` and the writer's next offset, in one transaction: rows
    /// whose version is greater replace, every transition becomes a row of the history once.
    ///
    /// # Errors
    /// `Fenced` when a later assignment has raised the fence; nothing is written then.
    pub async fn record(
        &self,
        incidents: &[IncidentRow],
        partition: u32,
        next_offset: i64,
        fence: StoreFence,
    ) -> Result<(), RecordError> {
        let batch = Batch::of(incidents);
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.record(&batch, partition, next_offset, fence).await,
            Backend::Postgres(postgres) => {
                postgres.record(&batch, partition, next_offset, fence).await
            }
        }
    }

    /// One incident with its evidence and history.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn get(&self, id: &str) -> Result<Option<Recorded>, RecordError> {
        if !is_uuid(id) {
            return Ok(None);
        }
        let incident = match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.incident(id).await?,
            Backend::Postgres(postgres) => postgres.incident(id).await?,
        };
        let Some(incident) = incident else {
            return Ok(None);
        };
        let mut histories = self.histories(&[id]).await?;
        Ok(Some(Recorded {
            incident,
            history: histories.remove(id).unwrap_or_default(),
        }))
    }

    /// The transitions of several incidents, oldest first, by id.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn histories(
        &self,
        ids: &[&str],
    ) -> Result<HashMap<String, Vec<TransitionRow>>, RecordError> {
        let ids: Vec<&str> = ids.iter().copied().filter(|id| is_uuid(id)).collect();
        let rows = match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.histories(&ids).await?,
            Backend::Postgres(postgres) => postgres.histories(&ids).await?,
        };
        let mut histories: HashMap<String, Vec<TransitionRow>> = HashMap::new();
        for (id, transition) in rows {
            histories.entry(id).or_default().push(transition);
        }
        Ok(histories)
    }

    /// Incidents that match, newest (by first seen, then id) first, after `after`; at most `limit`,
    /// clamped to 1..=[`MAX_PAGE`].
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list(
        &self,
        filter: &Filter,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, RecordError> {
        let limit = limit.clamp(1, MAX_PAGE);
        // One more tells whether there is another page.
        let asked = i64::try_from(limit + 1).unwrap_or(i64::MAX);
        let mut incidents = match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.list(filter, after, asked).await?,
            Backend::Postgres(postgres) => postgres.list(filter, after, asked).await?,
        };
        let more = incidents.len() > limit;
        incidents.truncate(limit);
        let next = if more {
            incidents.last().map(Cursor::after)
        } else {
            None
        };
        Ok(Page { incidents, next })
    }

    /// Incidents by (type, state), in the order of both names.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn counts(&self) -> Result<Vec<Count>, RecordError> {
        let rows = match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.counts().await?,
            Backend::Postgres(postgres) => postgres.counts().await?,
        };
        let count = |(kind, state, incidents): (String, String, i64)| {
            let state = State::parse(&state).ok_or_else(|| RecordError::Corrupt {
                id: kind.clone(),
                column: "state",
            })?;
            Ok(Count {
                kind,
                state,
                incidents: incidents.unsigned_abs(),
            })
        };
        rows.into_iter().map(count).collect()
    }

    /// The next incidents in the order of the incident file, (first seen, id), after `after`;
    /// empty at the end.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn export_page(
        &self,
        after: Option<&Cursor>,
    ) -> Result<Vec<IncidentRow>, RecordError> {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.export_page(after).await,
            Backend::Postgres(postgres) => postgres.export_page(after).await,
        }
    }
}
