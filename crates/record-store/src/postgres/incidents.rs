//! The statements of incidents on PostgreSQL. A batch goes as one array per column.

use sqlx::{
    PgConnection, Postgres as Dialect, QueryBuilder, Row, postgres::PgRow,
    types::ipnetwork::IpNetwork,
};
use weir_events::position::StoreFence;
use weir_routing::prefix::Prefix;

use super::{
    Postgres,
    columns::{self, json_text, list_text, network, time},
    search,
};
use crate::{
    RecordError, Sink,
    batch::{Batch, asns, member_prefixes},
    filter::{Cursor, Filter, MAX_PAGE},
    incident::{IncidentRow, TransitionRow},
};

pub(crate) const UPSERT: &str = "
INSERT INTO bgp_conflicts AS t (
  id, version, type, state, severity, prefix, covering_prefix, origins, expected_origins,
  suspect_asn, suspect_set, victim_asns, first_seen, suspected_at, confirmed_at, ended_at,
  end_reason, last_seen, reopened, visible_peers, total_peers, peer_asns, evidence, reasons,
  synthetic, transition, transition_at, suspicion, members, member_count, case_id)
SELECT
  id::uuid, version, type, state, severity::severity, prefix::cidr, covering_prefix::cidr,
  origins::bigint[], expected_origins::bigint[], suspect_asn, suspect_set::bigint[],
  victim_asns::bigint[], first_seen, suspected_at, confirmed_at, ended_at, end_reason, last_seen,
  reopened, visible_peers, total_peers, peer_asns::bigint[], evidence::jsonb, reasons::jsonb,
  synthetic, transition, transition_at, suspicion, members::jsonb, member_count, case_id::uuid
FROM unnest(
  $1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
  $9::text[], $10::bigint[], $11::text[], $12::text[], $13::timestamptz[], $14::timestamptz[],
  $15::timestamptz[], $16::timestamptz[], $17::text[], $18::timestamptz[], $19::bigint[],
  $20::bigint[], $21::bigint[], $22::text[], $23::text[], $24::text[], $25::boolean[], $26::text[],
  $27::timestamptz[], $28::smallint[], $29::text[], $30::bigint[], $31::text[])
AS n(
  id, version, type, state, severity, prefix, covering_prefix, origins, expected_origins,
  suspect_asn, suspect_set, victim_asns, first_seen, suspected_at, confirmed_at, ended_at,
  end_reason, last_seen, reopened, visible_peers, total_peers, peer_asns, evidence, reasons,
  synthetic, transition, transition_at, suspicion, members, member_count, case_id)
ON CONFLICT (id) DO UPDATE SET
  version = excluded.version, state = excluded.state, severity = excluded.severity,
  covering_prefix = excluded.covering_prefix, origins = excluded.origins,
  expected_origins = excluded.expected_origins, suspect_asn = excluded.suspect_asn,
  suspect_set = excluded.suspect_set, victim_asns = excluded.victim_asns,
  suspected_at = excluded.suspected_at, confirmed_at = excluded.confirmed_at,
  ended_at = excluded.ended_at, end_reason = excluded.end_reason, last_seen = excluded.last_seen,
  reopened = excluded.reopened, visible_peers = excluded.visible_peers,
  total_peers = excluded.total_peers, peer_asns = excluded.peer_asns,
  evidence = excluded.evidence, reasons = excluded.reasons, synthetic = excluded.synthetic,
  transition = excluded.transition, transition_at = excluded.transition_at,
  suspicion = excluded.suspicion, members = excluded.members,
  member_count = excluded.member_count, case_id = excluded.case_id
WHERE excluded.version > t.version";

pub(crate) const HISTORY: &str = "
INSERT INTO bgp_conflict_history
SELECT id::uuid, version, transition, state, severity::severity, at, visible, total, reasons::jsonb,
  members
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::timestamptz[],
            $7::bigint[], $8::bigint[], $9::text[], $10::bigint[])
AS n(id, version, transition, state, severity, at, visible, total, reasons, members)
ON CONFLICT DO NOTHING";

pub(crate) const ASNS: &str = "
INSERT INTO bgp_conflict_asns
SELECT asn, id::uuid FROM unnest($1::bigint[], $2::text[]) AS n(asn, id)
ON CONFLICT DO NOTHING";

const MEMBERS: &str = "
INSERT INTO bgp_conflict_members
SELECT id::uuid, prefix::cidr FROM unnest($1::text[], $2::inet[]) AS n(id, prefix)
ON CONFLICT DO NOTHING";

/// Keeps the opening and the newest 255 transitions of each id.
pub(crate) const PRUNE: &str = "
WITH kept AS MATERIALIZED (
  SELECT i.id,
    (SELECT version FROM bgp_conflict_history WHERE incident_id = i.id
     ORDER BY version DESC LIMIT 1 OFFSET 254) AS floor,
    (SELECT min(version) FROM bgp_conflict_history WHERE incident_id = i.id) AS opening
  FROM unnest($1::text[]::uuid[]) AS i(id))
DELETE FROM bgp_conflict_history h USING kept k
WHERE h.incident_id = k.id AND h.version > k.opening AND h.version < k.floor";

impl Postgres {
    /// One transaction: the fence and the position, the rows.
    pub(crate) async fn record(
        &self,
        batch: &Batch<'_>,
        partition: u32,
        next_offset: i64,
        fence: StoreFence,
    ) -> Result<(), RecordError> {
        let action = "record incidents";
        self.tried(action, || async move {
            let mut transaction = self.pool.begin().await.map_err(self.failed(action))?;
            self.advance(
                &mut transaction,
                Sink::Incidents,
                partition,
                next_offset,
                fence,
            )
            .await?;
            if !batch.is_empty() {
                write(&mut transaction, batch)
                    .await
                    .map_err(self.failed(action))?;
            }
            transaction.commit().await.map_err(self.failed(action))
        })
        .await
    }

    pub(crate) async fn incident(&self, id: &str) -> Result<Option<IncidentRow>, RecordError> {
        let build = || {
            let mut query = QueryBuilder::new(columns::SELECT_INCIDENTS);
            query.push(" WHERE id = ").push_bind(id).push("::uuid");
            query
        };
        let rows = self.rows("read an incident", build).await?;
        rows.first().map(columns::incident).transpose()
    }

    pub(crate) async fn histories(
        &self,
        ids: &[&str],
    ) -> Result<Vec<(String, TransitionRow)>, RecordError> {
        let build = || {
            let mut query = QueryBuilder::new(columns::SELECT_HISTORY);
            query.push(" WHERE incident_id = ANY(").push_bind(ids);
            query.push("::text[]::uuid[]) ORDER BY incident_id, version");
            query
        };
        let rows = self.rows("read histories", build).await?;
        rows.iter().map(columns::transition).collect()
    }

    /// Newest first, at most `limit`.
    pub(crate) async fn list(
        &self,
        filter: &Filter,
        after: Option<&Cursor>,
        limit: i64,
    ) -> Result<Vec<IncidentRow>, RecordError> {
        let build = || search::list(filter, after, limit);
        let rows = self.rows("list incidents", build).await?;
        rows.iter().map(columns::incident).collect()
    }

    /// Type, state, how many.
    pub(crate) async fn counts(&self) -> Result<Vec<(String, String, i64)>, RecordError> {
        let build = || {
            QueryBuilder::new(
                "SELECT type, state, count(*) FROM bgp_conflicts GROUP BY type, state
                 ORDER BY type COLLATE \"C\", state COLLATE \"C\"",
            )
        };
        let rows = self.rows("count incidents", build).await?;
        let row = |row: &PgRow| (row.get(0), row.get(1), row.get(2));
        Ok(rows.iter().map(row).collect())
    }

    pub(crate) async fn export_page(
        &self,
        after: Option<&Cursor>,
    ) -> Result<Vec<IncidentRow>, RecordError> {
        let build = || {
            let mut query = QueryBuilder::new(columns::SELECT_INCIDENTS);
            if let Some(after) = after {
                query.push(" WHERE (first_seen, id) > (");
                search::push_cursor(&mut query, after);
            }
            query.push(" ORDER BY first_seen, id LIMIT ");
            query.push_bind(i64::try_from(MAX_PAGE).unwrap_or(i64::MAX));
            query
        };
        let rows = self.rows("export incidents", build).await?;
        rows.iter().map(columns::incident).collect()
    }

    /// Builds and runs a query; again when the engine is away for a moment.
    pub(super) async fn rows(
        &self,
        action: &'static str,
        build: impl Fn() -> QueryBuilder<Dialect> + Send + Sync,
    ) -> Result<Vec<PgRow>, RecordError> {
        let build = &build;
        self.tried(action, || async move {
            build()
                .build()
                .fetch_all(&self.pool)
                .await
                .map_err(self.failed(action))
        })
        .await
    }
}

async fn write(transaction: &mut PgConnection, batch: &Batch<'_>) -> Result<(), sqlx::Error> {
    upsert(transaction, batch).await?;
    let fresh = history(transaction, batch.all).await?;
    associate(transaction, batch.all).await?;
    gather(transaction, batch.all).await?;
    if fresh > 0 {
        let ids: Vec<&str> = batch.latest().map(|row| row.id.as_str()).collect();
        sqlx::query(PRUNE).bind(ids).execute(transaction).await?;
    }
    Ok(())
}

async fn upsert(transaction: &mut PgConnection, batch: &Batch<'_>) -> Result<(), sqlx::Error> {
    let rows: Vec<&IncidentRow> = batch.latest().collect();
    macro_rules! column {
        ($row:ident => $value:expr) => {
            rows.iter().map(|$row| $value).collect::<Vec<_>>()
        };
    }
    sqlx::query(UPSERT)
        .bind(column!(r => r.id.as_str()))
        .bind(column!(r => r.version.0.cast_signed()))
        .bind(column!(r => columns::text(&r.kind)))
        .bind(column!(r => r.state.as_str()))
        .bind(column!(r => r.severity.as_str()))
        .bind(column!(r => r.prefix.map(|prefix| prefix.to_string())))
        .bind(column!(r => r.covering_prefix.map(|prefix| prefix.to_string())))
        .bind(column!(r => list_text(&r.origins)))
        .bind(column!(r => list_text(&r.expected_origins)))
        .bind(column!(r => r.suspect_asn.map(i64::from)))
        .bind(column!(r => list_text(&r.suspect_set)))
        .bind(column!(r => list_text(&r.victim_asns)))
        .bind(column!(r => time(r.first_seen_us)))
        .bind(column!(r => r.suspected_at_us.map(time)))
        .bind(column!(r => r.confirmed_at_us.map(time)))
        .bind(column!(r => r.ended_at_us.map(time)))
        .bind(column!(r => r.end_reason.map(|reason| reason.as_str())))
        .bind(column!(r => time(r.last_seen_us)))
        .bind(column!(r => i64::from(r.reopened)))
        .bind(column!(r => i64::from(r.visible_peers)))
        .bind(column!(r => i64::from(r.total_peers)))
        .bind(column!(r => list_text(&r.peer_asns)))
        .bind(column!(r => json_text(&r.evidence)))
        .bind(column!(r => json_text(&r.reasons)))
        .bind(column!(r => r.synthetic))
        .bind(column!(r => r.transition.as_str()))
        .bind(column!(r => time(r.transition_at_us)))
        .bind(column!(r => r.suspicion.map(i16::from)))
        .bind(column!(r => json_text(&r.members)))
        .bind(column!(r => i64::from(r.member_count)))
        .bind(column!(r => r.case_id.as_str()))
        .execute(transaction)
        .await?;
    Ok(())
}

/// The number of rows that are new.
async fn history(transaction: &mut PgConnection, all: &[IncidentRow]) -> Result<u64, sqlx::Error> {
    macro_rules! column {
        ($row:ident => $value:expr) => {
            all.iter().map(|$row| $value).collect::<Vec<_>>()
        };
    }
    let inserted = sqlx::query(HISTORY)
        .bind(column!(r => r.id.as_str()))
        .bind(column!(r => r.version.0.cast_signed()))
        .bind(column!(r => r.transition.as_str()))
        .bind(column!(r => r.state.as_str()))
        .bind(column!(r => r.severity.as_str()))
        .bind(column!(r => time(r.transition_at_us)))
        .bind(column!(r => i64::from(r.visible_peers)))
        .bind(column!(r => i64::from(r.total_peers)))
        .bind(column!(r => json_text(&r.reasons)))
        .bind(column!(r => i64::from(r.member_count)))
        .execute(transaction)
        .await?;
    Ok(inserted.rows_affected())
}

async fn associate(transaction: &mut PgConnection, all: &[IncidentRow]) -> Result<(), sqlx::Error> {
    let mut pairs: Vec<(i64, &str)> = all
        .iter()
        .flat_map(|row| {
            let asns = asns(row).into_iter();
            asns.map(|asn| (i64::from(asn), row.id.as_str()))
        })
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    let (asns, ids): (Vec<i64>, Vec<&str>) = pairs.into_iter().unzip();
    sqlx::query(ASNS)
        .bind(asns)
        .bind(ids)
        .execute(transaction)
        .await?;
    Ok(())
}

/// The prefixes of members. Groups are few: most batches have none.
async fn gather(transaction: &mut PgConnection, all: &[IncidentRow]) -> Result<(), sqlx::Error> {
    let mut pairs: Vec<(&str, Prefix)> = all
        .iter()
        .flat_map(|row| {
            let prefixes = member_prefixes(row).into_iter();
            prefixes.map(|prefix| (row.id.as_str(), prefix))
        })
        .collect();
    if pairs.is_empty() {
        return Ok(());
    }
    pairs.sort_unstable();
    pairs.dedup();
    let (ids, prefixes): (Vec<&str>, Vec<IpNetwork>) = pairs
        .into_iter()
        .map(|(id, prefix)| (id, network(&prefix)))
        .unzip();
    sqlx::query(MEMBERS)
        .bind(ids)
        .bind(prefixes)
        .execute(transaction)
        .await?;
    Ok(())
}
