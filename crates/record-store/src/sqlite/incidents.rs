//! The statements of incidents on SQLite. Batches go as JSON, one statement per table.

use serde_json::Value;
use sqlx::{Connection, QueryBuilder, Sqlite as Dialect, SqliteConnection};
use weir_events::position::StoreFence;

use super::{Sqlite, columns, open, positions, search};
use crate::{
    RecordError, Sink,
    batch::Batch,
    filter::{Cursor, Filter, MAX_PAGE},
    incident::{IncidentRow, TransitionRow},
};

const UPSERT: &str = "
INSERT INTO incidents (
  id, version, type, state, severity, family, network_start, network_end, prefix_length,
  covering_prefix, origins, expected_origins, suspect_asn, suspect_set,
  victim_asns, first_seen_us, suspected_at_us, confirmed_at_us,
  ended_at_us, end_reason, last_seen_us, reopened,
  visible_peers, total_peers, peer_asns, evidence, reasons,
  synthetic, transition, transition_at_us, suspicion, members, member_count, case_id)
SELECT
  value->>'id', value->>'version', value->>'type', value->>'state', value->>'severity',
  value->>'family', unhex(value->>'start'), unhex(value->>'end'), value->>'length',
  value->>'covering', value->>'origins', value->>'expected', value->>'suspect', value->>'set',
  value->>'victims', value->>'first_seen', value->>'suspected_at', value->>'confirmed_at',
  value->>'ended_at', value->>'end_reason', value->>'last_seen', value->>'reopened',
  value->>'visible', value->>'total', value->>'peer_asns', value->>'evidence', value->>'reasons',
  value->>'synthetic', value->>'transition', value->>'at', value->>'suspicion',
  value->>'members', value->>'member_count', value->>'case_id'
FROM json_each(?1) WHERE true
ON CONFLICT (id) DO UPDATE SET
  version = excluded.version, state = excluded.state, severity = excluded.severity,
  covering_prefix = excluded.covering_prefix, origins = excluded.origins,
  expected_origins = excluded.expected_origins, suspect_asn = excluded.suspect_asn,
  suspect_set = excluded.suspect_set, victim_asns = excluded.victim_asns,
  suspected_at_us = excluded.suspected_at_us, confirmed_at_us = excluded.confirmed_at_us,
  ended_at_us = excluded.ended_at_us, end_reason = excluded.end_reason,
  last_seen_us = excluded.last_seen_us, reopened = excluded.reopened,
  visible_peers = excluded.visible_peers, total_peers = excluded.total_peers,
  peer_asns = excluded.peer_asns, evidence = excluded.evidence, reasons = excluded.reasons,
  synthetic = excluded.synthetic, transition = excluded.transition,
  transition_at_us = excluded.transition_at_us, suspicion = excluded.suspicion,
  members = excluded.members, member_count = excluded.member_count, case_id = excluded.case_id
WHERE excluded.version > incidents.version";

const HISTORY: &str = "
INSERT OR IGNORE INTO incident_history SELECT
  value->>'id', value->>'version', value->>'transition', value->>'state', value->>'severity',
  value->>'at', value->>'visible', value->>'total', value->>'reasons', value->>'member_count'
FROM json_each(?1)";

const ASNS: &str = "
INSERT OR IGNORE INTO incident_asns
SELECT a.value, i.value->>'id' FROM json_each(?1) i, json_each(i.value, '$.asns') a";

const MEMBERS: &str = "
INSERT OR IGNORE INTO incident_members
SELECT m.value->>'family', unhex(m.value->>'start'), m.value->>'length', i.value->>'id'
FROM json_each(?1) i, json_each(i.value, '$.gathered') m";

/// Keeps the opening and the newest 255 transitions of each id: one walk over its history.
const PRUNE: &str = "
WITH kept AS MATERIALIZED (
  SELECT i.value AS id,
    (SELECT version FROM incident_history WHERE incident_id = i.value
     ORDER BY version DESC LIMIT 1 OFFSET 254) AS floor,
    (SELECT min(version) FROM incident_history WHERE incident_id = i.value) AS opening
  FROM json_each(?1) i)
DELETE FROM incident_history WHERE (incident_id, version) IN (
  SELECT h.incident_id, h.version FROM kept k JOIN incident_history h
    ON h.incident_id = k.id AND h.version > k.opening AND h.version < k.floor)";

impl Sqlite {
    /// One transaction: the fence, the rows, the position.
    pub(crate) async fn record(
        &self,
        batch: &Batch<'_>,
        partition: u32,
        next_offset: i64,
        fence: StoreFence,
    ) -> Result<(), RecordError> {
        let texts = Texts::of(batch);
        let mut guard = self.writer.lock().await;
        let outcome = write(open(&mut guard)?, &texts, partition, next_offset, fence).await;
        if matches!(outcome, Err(RecordError::Statement { .. })) {
            self.renew(&mut guard).await;
        }
        outcome
    }

    pub(crate) async fn incident(&self, id: &str) -> Result<Option<IncidentRow>, RecordError> {
        let row = sqlx::query("SELECT * FROM incidents WHERE id = ?1")
            .bind(id)
            .fetch_optional(&self.readers)
            .await
            .map_err(RecordError::statement("read an incident"))?;
        row.as_ref().map(columns::incident).transpose()
    }

    pub(crate) async fn histories(
        &self,
        ids: &[&str],
    ) -> Result<Vec<(String, TransitionRow)>, RecordError> {
        let rows = sqlx::query(
            "SELECT * FROM incident_history WHERE incident_id IN (SELECT value FROM json_each(?1))
             ORDER BY incident_id, version",
        )
        .bind(Value::from(ids.to_vec()).to_string())
        .fetch_all(&self.readers)
        .await
        .map_err(RecordError::statement("read histories"))?;
        rows.iter().map(columns::transition).collect()
    }

    /// Newest first, at most `limit`.
    pub(crate) async fn list(
        &self,
        filter: &Filter,
        after: Option<&Cursor>,
        limit: i64,
    ) -> Result<Vec<IncidentRow>, RecordError> {
        let mut query = QueryBuilder::<Dialect>::new("SELECT * FROM incidents WHERE true");
        search::push_filter(&mut query, filter);
        if let Some(after) = after {
            query.push(" AND (first_seen_us, id) < (");
            query.push_bind(after.first_seen_us).push(", ");
            query.push_bind(after.id.clone()).push(")");
        }
        query.push(" ORDER BY first_seen_us DESC, id DESC LIMIT ");
        query.push_bind(limit);
        let rows = query
            .build()
            .fetch_all(&self.readers)
            .await
            .map_err(RecordError::statement("list incidents"))?;
        rows.iter().map(columns::incident).collect()
    }

    /// Type, state, how many.
    pub(crate) async fn counts(&self) -> Result<Vec<(String, String, i64)>, RecordError> {
        sqlx::query_as(
            "SELECT type, state, count(*) FROM incidents GROUP BY type, state ORDER BY type, state",
        )
        .fetch_all(&self.readers)
        .await
        .map_err(RecordError::statement("count incidents"))
    }

    pub(crate) async fn export_page(
        &self,
        after: Option<&Cursor>,
    ) -> Result<Vec<IncidentRow>, RecordError> {
        let (time, id) = after.map_or((i64::MIN, ""), |c| (c.first_seen_us, c.id.as_str()));
        let rows = sqlx::query(
            "SELECT * FROM incidents WHERE (first_seen_us, id) > (?1, ?2)
             ORDER BY first_seen_us, id LIMIT ?3",
        )
        .bind(time)
        .bind(id)
        .bind(i64::try_from(MAX_PAGE).unwrap_or(i64::MAX))
        .fetch_all(&self.readers)
        .await
        .map_err(RecordError::statement("export incidents"))?;
        rows.iter().map(columns::incident).collect()
    }
}

/// JSON texts for the statements of one batch.
struct Texts {
    /// The last state of each id.
    latest: String,
    /// Every state, in order.
    all: String,
    /// The ids.
    ids: String,
    /// Only the position moves.
    is_empty: bool,
}

impl Texts {
    fn of(batch: &Batch<'_>) -> Self {
        let ids = batch.latest().map(|row| row.id.clone().into()).collect();
        let latest = batch.latest().map(columns::to_json).collect();
        let all = batch.all.iter().map(columns::to_json).collect();
        Self {
            latest: Value::Array(latest).to_string(),
            all: Value::Array(all).to_string(),
            ids: Value::Array(ids).to_string(),
            is_empty: batch.is_empty(),
        }
    }
}

async fn write(
    writer: &mut SqliteConnection,
    batch: &Texts,
    partition: u32,
    next_offset: i64,
    fence: StoreFence,
) -> Result<(), RecordError> {
    let failed = || RecordError::statement("record incidents");
    let mut transaction = writer
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(failed())?;
    positions::advance(
        &mut transaction,
        Sink::Incidents,
        partition,
        next_offset,
        fence,
    )
    .await?;
    if !batch.is_empty {
        for (statement, rows) in [
            (UPSERT, &batch.latest),
            (HISTORY, &batch.all),
            (ASNS, &batch.all),
            (MEMBERS, &batch.all),
            (PRUNE, &batch.ids),
        ] {
            sqlx::query(statement)
                .bind(rows)
                .execute(&mut *transaction)
                .await
                .map_err(failed())?;
        }
    }
    transaction.commit().await.map_err(failed())
}
