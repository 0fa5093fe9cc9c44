//! Kept updates on SQLite: the parts that are searched as columns, the row as JSON.

use serde_json::{Value, json};
use sqlx::{Connection, QueryBuilder, Sqlite as Dialect};
use weir_events::{
    position::StoreFence,
    time::{DAY_US, now_us},
};
use weir_routing::prefix::Prefix;

use super::{Sqlite, columns, open, positions, search};
use crate::{
    PrefixMatch, RecordError, Sink,
    updates::{EVIDENCE_AFTER_US, EVIDENCE_BEFORE_US, Horizon, Kept, UpdateRow},
};

const INSERT: &str = "
INSERT OR IGNORE INTO bgp_updates SELECT
  value->>'at', ?2, value->>'offset', value->>'item', value->>'family', unhex(value->>'start'),
  unhex(value->>'end'), value->>'length', value->>'row'
FROM json_each(?1)";

const EVIDENCE: &str = "
SELECT a.key FROM json_each(?1) a WHERE EXISTS (
  SELECT 1 FROM incidents i
  WHERE i.family = a.value->>'family' AND i.network_start = unhex(a.value->>'start')
    AND i.prefix_length = a.value->>'length'
    AND a.value->>'at' BETWEEN i.first_seen_us - ?2 AND coalesce(i.ended_at_us, 9e18) + ?3)
OR EXISTS (
  SELECT 1 FROM incidents i
  WHERE i.covering_prefix = a.value->>'text'
    AND a.value->>'at' BETWEEN i.first_seen_us - ?2 AND coalesce(i.ended_at_us, 9e18) + ?3)";

impl Sqlite {
    pub(crate) async fn record_updates(
        &self,
        rows: &[UpdateRow],
        partition: u32,
        next_offset: i64,
        fence: StoreFence,
    ) -> Result<Kept, RecordError> {
        let mut guard = self.writer.lock().await;
        let mut transaction = open(&mut guard)?
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(failed())?;
        positions::advance(
            &mut transaction,
            Sink::Updates,
            partition,
            next_offset,
            fence,
        )
        .await?;
        let newest: Option<i64> = sqlx::query_scalar("SELECT max(event_time_us) FROM bgp_updates")
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed())?;
        let newest = newest.map(|at| at.div_euclid(DAY_US));
        let mut kept = Kept::default();
        if let Some(horizon) = Horizon::after(rows, newest, now_us(), self.retention_days) {
            let fit: Vec<Value> = rows
                .iter()
                .filter(|row| horizon.holds(row))
                .map(to_json)
                .collect();
            let written = sqlx::query(INSERT)
                .bind(Value::Array(fit).to_string())
                .bind(partition)
                .execute(&mut *transaction)
                .await
                .map_err(failed())?;
            kept.written = written.rows_affected();
            sqlx::query("DELETE FROM bgp_updates WHERE event_time_us < ?1")
                .bind(horizon.oldest * DAY_US)
                .execute(&mut *transaction)
                .await
                .map_err(failed())?;
            kept.refused = count(rows.iter().filter(|row| !horizon.holds(row)));
        } else {
            kept.refused = count(rows.iter());
        }
        transaction.commit().await.map_err(failed())?;
        Ok(kept)
    }

    /// Places in `asked` that belong to an incident.
    pub(crate) async fn evidence(&self, asked: &[(Prefix, i64)]) -> Result<Vec<i64>, RecordError> {
        let asked = asked
            .iter()
            .map(|(prefix, at)| {
                let (family, start, _) = columns::range(prefix);
                json!({
                    "family": family, "start": columns::hex(&start), "length": prefix.length(),
                    "text": prefix.to_string(), "at": at,
                })
            })
            .collect();
        sqlx::query_scalar(EVIDENCE)
            .bind(Value::Array(asked).to_string())
            .bind(EVIDENCE_BEFORE_US)
            .bind(EVIDENCE_AFTER_US)
            .fetch_all(&self.readers)
            .await
            .map_err(RecordError::statement("look for incidents"))
    }

    pub(crate) async fn updates(
        &self,
        prefix: PrefixMatch,
        from_us: i64,
        to_us: i64,
        limit: u32,
    ) -> Result<Vec<UpdateRow>, RecordError> {
        let mut query = QueryBuilder::<Dialect>::new(
            "SELECT update_json FROM bgp_updates WHERE event_time_us >= ",
        );
        query.push_bind(from_us);
        query.push(" AND event_time_us < ").push_bind(to_us);
        query.push(" AND (");
        search::push_prefix(&mut query, prefix);
        query.push(") ORDER BY event_time_us, partition, offset, item LIMIT ");
        query.push_bind(limit);
        let texts: Vec<String> = query
            .build_query_scalar()
            .fetch_all(&self.readers)
            .await
            .map_err(RecordError::statement("read updates"))?;
        texts
            .iter()
            .map(|text| {
                serde_json::from_str(text).map_err(|_| RecordError::Corrupt {
                    id: "of bgp_updates".to_owned(),
                    column: "update_json",
                })
            })
            .collect()
    }
}

fn failed() -> impl FnOnce(sqlx::Error) -> RecordError {
    RecordError::statement("record updates")
}

fn to_json(row: &UpdateRow) -> Value {
    let (family, start, end) = columns::range(&row.prefix);
    json!({
        "at": row.event_time_us, "offset": row.offset, "item": row.item, "family": family,
        "start": columns::hex(&start), "end": columns::hex(&end),
        "length": row.prefix.length(), "row": row,
    })
}

fn count<'r>(rows: impl Iterator<Item = &'r UpdateRow>) -> u64 {
    u64::try_from(rows.count()).unwrap_or(u64::MAX)
}
