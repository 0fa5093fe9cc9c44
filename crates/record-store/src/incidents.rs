//! Incidents: written by the sink behind `bgp-conflicts`, read by people.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use sqlx::{Connection, QueryBuilder, Row, Sqlite as Dialect, SqliteConnection};
use weir_events::{
    position::{StoreFence, TopicEpoch, Version},
    v1,
};

use crate::{
    RecordError, RecordStore, columns,
    filter::{Cursor, Filter, MAX_PAGE, Page},
    incident::{IncidentRow, Recorded, State, TransitionRow},
    search,
};

/// Name of the sink in the table of positions.
const SINK: &str = "incidents";

const UPSERT: &str = "
INSERT INTO incidents SELECT
  value->>'id', value->>'version', value->>'type', value->>'state', value->>'severity',
  value->>'family', unhex(value->>'start'), unhex(value->>'end'), value->>'length',
  value->>'covering', value->>'origins', value->>'expected', value->>'suspect', value->>'set',
  value->>'victims', value->>'first_seen', value->>'suspected_at', value->>'confirmed_at',
  value->>'ended_at', value->>'end_reason', value->>'last_seen', value->>'reopened',
  value->>'visible', value->>'total', value->>'peer_asns', value->>'evidence', value->>'reasons',
  value->>'synthetic', value->>'transition', value->>'at'
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
  transition_at_us = excluded.transition_at_us
WHERE excluded.version > incidents.version";

const HISTORY: &str = "
INSERT OR IGNORE INTO incident_history SELECT
  value->>'id', value->>'version', value->>'transition', value->>'state', value->>'severity',
  value->>'at', value->>'visible', value->>'total', value->>'reasons'
FROM json_each(?1)";

const ASNS: &str = "
INSERT OR IGNORE INTO incident_asns
SELECT a.value, i.value->>'id' FROM json_each(?1) i, json_each(i.value, '$.asns') a";

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

const POSITION: &str = "
INSERT INTO sink_positions (sink, partition, next_offset, fence) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (sink, partition) DO UPDATE SET next_offset = excluded.next_offset, fence = excluded.fence";

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
    /// `Fenced` when a later assignment has raised the fence; `Unfit` when a message cannot be a
    /// row (check with `IncidentRow::try_from` to set it aside first). Nothing is written then.
    pub async fn record(
        &self,
        incidents: &[v1::Incident],
        partition: u32,
        next_offset: i64,
        fence: StoreFence,
    ) -> Result<(), RecordError> {
        let batch = encode(incidents)?;
        let mut guard = self.sqlite().writer.lock().await;
        let outcome = write(open(&mut guard)?, &batch, partition, next_offset, fence).await;
        if matches!(outcome, Err(RecordError::Statement { .. })) {
            self.sqlite().renew(&mut guard).await;
        }
        outcome
    }

    /// The next offset that the writer of `partition` has to read; `None` before its first batch.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn position(&self, partition: u32) -> Result<Option<i64>, RecordError> {
        sqlx::query_scalar(
            "SELECT next_offset FROM sink_positions WHERE sink = ?1 AND partition = ?2",
        )
        .bind(SINK)
        .bind(partition)
        .fetch_optional(&self.sqlite().readers)
        .await
        .map_err(RecordError::statement("read a position"))
    }

    /// Raises the fence of `partition` for a new assignment, and says where it goes on (0 before
    /// the first batch). Writers with a lower fence are refused from now on.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn raise_fence(&self, partition: u32) -> Result<(StoreFence, i64), RecordError> {
        let mut guard = self.sqlite().writer.lock().await;
        let row = sqlx::query(
            "INSERT INTO sink_positions (sink, partition, next_offset, fence) VALUES (?1, ?2, 0, 1)
             ON CONFLICT (sink, partition) DO UPDATE SET fence = fence + 1
             RETURNING fence, next_offset",
        )
        .bind(SINK)
        .bind(partition)
        .fetch_one(open(&mut guard)?)
        .await
        .map_err(RecordError::statement("raise a fence"))?;
        Ok((StoreFence(row.get::<i64, _>(0).cast_unsigned()), row.get(1)))
    }

    /// The greatest topic epoch that any row carries: a topic made anew takes the next one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn greatest_epoch(&self) -> Result<Option<TopicEpoch>, RecordError> {
        let version: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM incidents")
            .fetch_one(&self.sqlite().readers)
            .await
            .map_err(RecordError::statement("read the greatest version"))?;
        Ok(version.map(|version| Version(version.cast_unsigned()).epoch()))
    }

    /// One incident with its evidence and history.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn get(&self, id: &str) -> Result<Option<Recorded>, RecordError> {
        let row = sqlx::query("SELECT * FROM incidents WHERE id = ?1")
            .bind(id)
            .fetch_optional(&self.sqlite().readers)
            .await
            .map_err(RecordError::statement("read an incident"))?;
        let Some(row) = row else { return Ok(None) };
        let mut histories = self.histories(&[id]).await?;
        Ok(Some(Recorded {
            incident: columns::incident(&row)?,
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
        let rows = sqlx::query(
            "SELECT * FROM incident_history WHERE incident_id IN (SELECT value FROM json_each(?1))
             ORDER BY incident_id, version",
        )
        .bind(Value::from(ids.to_vec()).to_string())
        .fetch_all(&self.sqlite().readers)
        .await
        .map_err(RecordError::statement("read histories"))?;
        let mut histories: HashMap<String, Vec<TransitionRow>> = HashMap::new();
        for row in &rows {
            let (id, transition) = columns::transition(row)?;
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
        let mut query = QueryBuilder::<Dialect>::new("SELECT * FROM incidents WHERE true");
        search::push_filter(&mut query, filter);
        if let Some(after) = after {
            query.push(" AND (first_seen_us, id) < (");
            query.push_bind(after.first_seen_us).push(", ");
            query.push_bind(after.id.clone()).push(")");
        }
        query.push(" ORDER BY first_seen_us DESC, id DESC LIMIT ");
        query.push_bind(i64::try_from(limit + 1).unwrap_or(i64::MAX));
        let rows = query
            .build()
            .fetch_all(&self.sqlite().readers)
            .await
            .map_err(RecordError::statement("list incidents"))?;
        let mut incidents = rows
            .iter()
            .take(limit)
            .map(columns::incident)
            .collect::<Result<Vec<_>, _>>()?;
        let next = (rows.len() > limit).then(|| incidents.last().map(Cursor::after));
        incidents.shrink_to_fit();
        Ok(Page {
            incidents,
            next: next.flatten(),
        })
    }

    /// Incidents by (type, state), in the order of both names.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn counts(&self) -> Result<Vec<Count>, RecordError> {
        let rows = sqlx::query(
            "SELECT type, state, count(*) FROM incidents GROUP BY type, state ORDER BY type, state",
        )
        .fetch_all(&self.sqlite().readers)
        .await
        .map_err(RecordError::statement("count incidents"))?;
        rows.iter()
            .map(|row| {
                let kind: String = row.get(0);
                let state = State::parse(row.get::<&str, _>(1));
                Ok(Count {
                    state: state.ok_or_else(|| RecordError::Corrupt {
                        id: kind.clone(),
                        column: "state",
                    })?,
                    kind,
                    incidents: row.get::<i64, _>(2).unsigned_abs(),
                })
            })
            .collect()
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
        let (time, id) = after.map_or((i64::MIN, ""), |c| (c.first_seen_us, c.id.as_str()));
        let rows = sqlx::query(
            "SELECT * FROM incidents WHERE (first_seen_us, id) > (?1, ?2)
             ORDER BY first_seen_us, id LIMIT ?3",
        )
        .bind(time)
        .bind(id)
        .bind(i64::try_from(MAX_PAGE).unwrap_or(i64::MAX))
        .fetch_all(&self.sqlite().readers)
        .await
        .map_err(RecordError::statement("export incidents"))?;
        rows.iter().map(columns::incident).collect()
    }
}

/// JSON texts for the statements of one batch.
struct Batch {
    /// The last state of each id.
    latest: String,
    /// Every state, in order.
    all: String,
    /// The ids.
    ids: String,
    /// Only the position moves.
    is_empty: bool,
}

/// One transaction of [`RecordStore::record`].
async fn write(
    writer: &mut SqliteConnection,
    batch: &Batch,
    partition: u32,
    next_offset: i64,
    fence: StoreFence,
) -> Result<(), RecordError> {
    let failed = || RecordError::statement("record incidents");
    let mut transaction = writer
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(failed())?;
    let current = stored_fence(&mut transaction, partition).await?;
    if fence < current {
        return Err(RecordError::Fenced {
            partition,
            held: fence,
            current,
        });
    }
    if !batch.is_empty {
        for (statement, rows) in [
            (UPSERT, &batch.latest),
            (HISTORY, &batch.all),
            (ASNS, &batch.all),
            (PRUNE, &batch.ids),
        ] {
            sqlx::query(statement)
                .bind(rows)
                .execute(&mut *transaction)
                .await
                .map_err(failed())?;
        }
    }
    sqlx::query(POSITION)
        .bind(SINK)
        .bind(partition)
        .bind(next_offset)
        .bind(fence.0.cast_signed())
        .execute(&mut *transaction)
        .await
        .map_err(failed())?;
    transaction.commit().await.map_err(failed())
}

fn encode(incidents: &[v1::Incident]) -> Result<Batch, RecordError> {
    let mut latest = BTreeMap::new();
    let mut all = Vec::with_capacity(incidents.len());
    for wire in incidents {
        let row = IncidentRow::try_from(wire).map_err(|source| RecordError::Unfit {
            id: wire.id.clone(),
            source,
        })?;
        let json = columns::to_json(&row);
        all.push(json.clone());
        let slot = latest.entry(row.id).or_insert((row.version, Value::Null));
        if row.version >= slot.0 {
            *slot = (row.version, json);
        }
    }
    let ids = latest.keys().cloned().map(Value::from).collect();
    let latest = latest.into_values().map(|(_, json)| json).collect();
    Ok(Batch {
        latest: Value::Array(latest).to_string(),
        all: Value::Array(all).to_string(),
        ids: Value::Array(ids).to_string(),
        is_empty: incidents.is_empty(),
    })
}

fn open(guard: &mut Option<SqliteConnection>) -> Result<&mut SqliteConnection, RecordError> {
    guard.as_mut().ok_or(RecordError::Statement {
        action: "write after it was closed",
        source: sqlx::Error::PoolClosed,
    })
}

async fn stored_fence(
    connection: &mut SqliteConnection,
    partition: u32,
) -> Result<StoreFence, RecordError> {
    let fence: Option<i64> =
        sqlx::query_scalar("SELECT fence FROM sink_positions WHERE sink = ?1 AND partition = ?2")
            .bind(SINK)
            .bind(partition)
            .fetch_optional(connection)
            .await
            .map_err(RecordError::statement("read a fence"))?;
    Ok(StoreFence(fence.unwrap_or_default().cast_unsigned()))
}
