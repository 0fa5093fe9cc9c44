//! The statements of kept updates on PostgreSQL.

use sqlx::{PgConnection, QueryBuilder};
use weir_events::position::StoreFence;
use weir_routing::prefix::Prefix;

use super::{
    Postgres,
    columns::{self, host, int, network, text, time},
    search,
};
use crate::{
    PrefixMatch, RecordError, Sink,
    updates::{EVIDENCE_AFTER_US, EVIDENCE_BEFORE_US, Horizon, Kept, UpdateRow},
};

const INSERT: &str = "
INSERT INTO bgp_updates
SELECT event_time, $1, $2, log_offset, item, receive_time, collector, peer_address, peer_asn,
  prefix::cidr, action, as_path, origin_asn, next_hop, med, local_pref, communities::text[],
  from_rib, synthetic
FROM unnest($3::timestamptz[], $4::bigint[], $5::integer[], $6::timestamptz[], $7::text[],
  $8::inet[], $9::bigint[], $10::inet[], $11::text[], $12::text[], $13::bigint[], $14::inet[],
  $15::bigint[], $16::bigint[], $17::text[], $18::boolean[], $19::boolean[])
AS n(event_time, log_offset, item, receive_time, collector, peer_address, peer_asn, prefix, action,
  as_path, origin_asn, next_hop, med, local_pref, communities, from_rib, synthetic)
ON CONFLICT DO NOTHING";

/// Two look-ups by index rather than one with OR.
const EVIDENCE: &str = "
WITH asked AS MATERIALIZED (
  SELECT * FROM unnest($1::inet[], $2::timestamptz[]) WITH ORDINALITY AS n(prefix, at, place))
SELECT place - 1 FROM asked a WHERE EXISTS (
  SELECT FROM bgp_conflicts c WHERE c.prefix = a.prefix
    AND a.at >= c.first_seen - $3::bigint * interval '1 microsecond'
    AND a.at <= coalesce(c.ended_at, 'infinity') + $4::bigint * interval '1 microsecond')
UNION
SELECT place - 1 FROM asked a WHERE EXISTS (
  SELECT FROM bgp_conflicts c WHERE c.covering_prefix = a.prefix::cidr
    AND a.at >= c.first_seen - $3::bigint * interval '1 microsecond'
    AND a.at <= coalesce(c.ended_at, 'infinity') + $4::bigint * interval '1 microsecond')";

/// A row has no partition: another process has dropped its day.
const NO_PARTITION: &str = "23514";

impl Postgres {
    pub(crate) async fn record_updates(
        &self,
        rows: &[UpdateRow],
        partition: u32,
        next_offset: i64,
        fence: StoreFence,
    ) -> Result<Kept, RecordError> {
        let outcome = self.keep_updates(rows, partition, next_offset, fence).await;
        match outcome {
            Err(RecordError::Postgres { source, .. }) if lacks_a_day(&source) => {
                self.forget_days();
                self.keep_updates(rows, partition, next_offset, fence).await
            }
            outcome => outcome,
        }
    }

    async fn keep_updates(
        &self,
        rows: &[UpdateRow],
        partition: u32,
        next_offset: i64,
        fence: StoreFence,
    ) -> Result<Kept, RecordError> {
        let action = "record updates";
        let horizon = if rows.is_empty() {
            None
        } else {
            self.prepare_days(rows).await?
        };
        self.tried(action, || async move {
            let mut transaction = self.pool.begin().await.map_err(self.failed(action))?;
            self.advance(
                &mut transaction,
                Sink::Updates,
                partition,
                next_offset,
                fence,
            )
            .await?;
            let written = insert(&mut transaction, rows, horizon, partition)
                .await
                .map_err(self.failed(action))?;
            transaction.commit().await.map_err(self.failed(action))?;
            Ok(written)
        })
        .await
    }

    /// Places in `asked` that belong to an incident.
    pub(crate) async fn evidence(&self, asked: &[(Prefix, i64)]) -> Result<Vec<i64>, RecordError> {
        let action = "look for incidents";
        let prefixes: Vec<_> = asked.iter().map(|(prefix, _)| network(prefix)).collect();
        let times: Vec<_> = asked.iter().map(|(_, at)| time(*at)).collect();
        let (prefixes, times) = (&prefixes, &times);
        self.tried(action, || async move {
            sqlx::query_scalar(EVIDENCE)
                .bind(prefixes)
                .bind(times)
                .bind(EVIDENCE_BEFORE_US)
                .bind(EVIDENCE_AFTER_US)
                .fetch_all(&self.pool)
                .await
                .map_err(self.failed(action))
        })
        .await
    }

    pub(crate) async fn updates(
        &self,
        prefix: PrefixMatch,
        from_us: i64,
        to_us: i64,
        limit: u32,
    ) -> Result<Vec<UpdateRow>, RecordError> {
        let build = || {
            let mut query = QueryBuilder::new(columns::SELECT_UPDATES);
            query.push(" WHERE event_time >= ").push_bind(time(from_us));
            query.push(" AND event_time < ").push_bind(time(to_us));
            query.push(" AND ");
            search::push_prefix(&mut query, prefix);
            query.push(" ORDER BY event_time, partition, log_offset, item LIMIT ");
            query.push_bind(i64::from(limit));
            query
        };
        let rows = self.rows("read updates", build).await?;
        rows.iter().map(columns::update).collect()
    }
}

fn lacks_a_day(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| code == NO_PARTITION)
}

async fn insert(
    transaction: &mut PgConnection,
    rows: &[UpdateRow],
    horizon: Option<Horizon>,
    partition: u32,
) -> Result<Kept, sqlx::Error> {
    let fits = |row: &&UpdateRow| horizon.is_some_and(|horizon| horizon.holds(row));
    let all = rows.len();
    let rows: Vec<&UpdateRow> = rows.iter().filter(fits).collect();
    let mut kept = Kept {
        written: 0,
        refused: u64::try_from(all - rows.len()).unwrap_or(u64::MAX),
    };
    if rows.is_empty() {
        return Ok(kept);
    }
    macro_rules! column {
        ($row:ident => $value:expr) => {
            rows.iter().map(|$row| $value).collect::<Vec<_>>()
        };
    }
    let action = |announced| if announced { "announce" } else { "withdraw" };
    let inserted = sqlx::query(INSERT)
        .bind(Sink::Updates.topic())
        .bind(int(partition))
        .bind(column!(r => time(r.event_time_us)))
        .bind(column!(r => r.offset))
        .bind(column!(r => int(r.item)))
        .bind(column!(r => time(r.receive_time_us)))
        .bind(column!(r => text(&r.collector)))
        .bind(column!(r => host(r.peer_address)))
        .bind(column!(r => i64::from(r.peer_asn)))
        .bind(column!(r => network(&r.prefix)))
        .bind(column!(r => action(r.announced)))
        .bind(column!(r => text(&r.as_path)))
        .bind(column!(r => r.origin_asn.map(i64::from)))
        .bind(column!(r => r.next_hop.map(host)))
        .bind(column!(r => r.med.map(i64::from)))
        .bind(column!(r => r.local_pref.map(i64::from)))
        .bind(column!(r => list(&r.communities)))
        .bind(column!(r => r.from_rib))
        .bind(column!(r => r.synthetic))
        .execute(transaction)
        .await?;
    kept.written = inserted.rows_affected();
    Ok(kept)
}

/// Texts as the text of an array, each in quotes.
fn list(texts: &[String]) -> String {
    let quoted = texts.iter().map(|entry| {
        let entry = text(entry).replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{entry}\"")
    });
    format!("{{{}}}", quoted.collect::<Vec<_>>().join(","))
}
