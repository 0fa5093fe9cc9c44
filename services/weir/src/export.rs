//! The files of a replay: incidents, features and windows, one JSON object per line, each sorted
//! by its own key. No line holds an offset or a partition, so two runs over the same input write
//! the same bytes.

use std::{collections::BTreeMap, io::Write};

use serde::Serialize;
use serde_json::{Map, Value as Json, json};
use weir_events::time::rfc3339;
use weir_feature_materializer::views;
use weir_features::{EntityKey, Value};
use weir_record_store::{IncidentRow, RecordError, State, export::IncidentJson};

use crate::{compose::Stores, progress::Failure, summary::Counts};

/// Entities read at once.
const PAGE: usize = 1_000;

impl From<RecordError> for Failure {
    fn from(error: RecordError) -> Self {
        Self::broken(error)
    }
}

/// One line per id, its last state, sorted by (first_seen, id).
pub(crate) fn incidents(stores: &Stores, out: &mut impl Write) -> Result<(), Failure> {
    stores
        .records
        .export_all(|row| line(out, &IncidentJson::from(row)))
}

/// How many incidents of each type were opened, confirmed at some time, and are over.
pub(crate) fn counts(stores: &Stores) -> Result<BTreeMap<String, Counts>, Failure> {
    let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
    stores
        .records
        .export_all(|row: &IncidentRow| -> Result<(), Failure> {
            let of_type = counts.entry(row.kind.clone()).or_default();
            of_type.suspected += 1;
            of_type.confirmed += u64::from(row.confirmed_at_us.is_some());
            of_type.ended += u64::from(row.state == State::Ended);
            Ok(())
        })?;
    Ok(counts)
}

/// One line per (view, entity).
pub(crate) fn features(stores: &Stores, out: &mut impl Write) -> Result<(), Failure> {
    for view in views::all() {
        let mut after: Option<EntityKey> = None;
        loop {
            let rows = stores
                .online
                .rows(&view.name, after.as_ref(), PAGE)
                .map_err(Failure::broken)?;
            for row in &rows {
                let features: Map<String, Json> = row
                    .features
                    .iter()
                    .map(|feature| {
                        (
                            feature.name.to_string(),
                            feature.value.as_ref().map_or(Json::Null, plain),
                        )
                    })
                    .collect();
                line(
                    out,
                    &json!({
                        "view": row.view,
                        "entity": row.entity.as_str(),
                        "event_time": rfc3339(row.event_time_us),
                        "features": features,
                        "synthetic": row.synthetic,
                    }),
                )?;
            }
            match rows.last() {
                Some(last) => after = Some(last.entity.clone()),
                None => break,
            }
        }
    }
    Ok(())
}

/// One line per (aggregate, key, width, start), summed over source partitions.
pub(crate) fn windows(stores: &Stores, out: &mut impl Write) -> Result<(), Failure> {
    let mut outcome = Ok(());
    stores
        .metrics
        .export(|window| {
            if outcome.is_err() {
                return;
            }
            let measures: Map<String, Json> = window
                .measures
                .iter()
                .map(|(name, count)| (name.clone(), json!(count)))
                .collect();
            outcome = line(
                out,
                &json!({
                    "aggregate": window.aggregate,
                    "key": window.key,
                    "start": rfc3339(window.start_us),
                    "end": rfc3339(window.end_us),
                    "measures": measures,
                    "final": window.is_final,
                    "synthetic": window.synthetic,
                }),
            );
        })
        .map_err(Failure::broken)?;
    outcome
}

fn plain(value: &Value) -> Json {
    match value {
        Value::Int64(number) => json!(number),
        Value::Float64(number) => json!(number),
        Value::Text(text) => json!(text),
        Value::Boolean(fact) => json!(fact),
        Value::Timestamp(micros) => json!(rfc3339(*micros)),
    }
}

fn line(out: &mut impl Write, value: &impl Serialize) -> Result<(), Failure> {
    serde_json::to_writer(&mut *out, value).map_err(Failure::broken)?;
    out.write_all(b"\n").map_err(Failure::broken)
}
