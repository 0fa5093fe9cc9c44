//! The files of a replay: incidents, features and windows, one JSON object per line, each sorted
//! by its own key. No line holds an offset or a partition, so two runs over the same input write
//! the same bytes.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use clap::Args;

use serde::Serialize;
use serde_json::{Map, Value as Json, json};
use weir_events::time::rfc3339;
use weir_feature_materializer::views;
use weir_features::{EntityKey, Value};
use weir_metric_store::MetricStore;
use weir_online_store::OnlineStore;
use weir_record_store::{
    BlockingRecordStore, IncidentRow, RecordError, State, export::IncidentJson,
};

use crate::{compose::Stores, progress::Failure, site::SiteArguments, summary::Counts};

/// Entities read at once.
const PAGE: usize = 1_000;

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "One of --incidents, --features and --windows at least. The store of each is the one that \
the settings name by url. Of one stream of `weir`:
  export WEIR__RECORD_STORE__URL=sqlite://weir-data/streams/live/incidents.db
  weir export --incidents found.ndjson"
)]
pub(crate) struct ExportArguments {
    #[command(flatten)]
    site: SiteArguments,
    /// Write the last state of every incident here, one JSON object per line.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["features", "windows"])]
    incidents: Option<PathBuf>,
    /// Write the online features of every entity here, one JSON object per line.
    #[arg(long, value_name = "FILE")]
    features: Option<PathBuf>,
    /// Write every window here, one JSON object per line.
    #[arg(long, value_name = "FILE")]
    windows: Option<PathBuf>,
}

/// From the stores that the settings name.
pub(crate) fn export(arguments: &ExportArguments) -> Result<(), Failure> {
    let settings = arguments.site.settings()?;
    let named = |url: &str, table: &str| match url {
        "" => Err(Failure::Unusable(format!(
            "[{table}] url is not set: say which store to read (for one stream of `weir`, \
             the file in its folder)"
        ))),
        _ => Ok(()),
    };
    if let Some(path) = &arguments.incidents {
        named(&settings.record_store.url, "record_store")?;
        let store = BlockingRecordStore::connect(&settings.record_store)?;
        write(path, |out| incidents_of(&store, out))?;
        store.close();
    }
    if let Some(path) = &arguments.features {
        named(&settings.online_store.url, "online_store")?;
        let store = OnlineStore::connect(&settings.online_store).map_err(Failure::broken)?;
        write(path, |out| features_of(&store, out))?;
    }
    if let Some(path) = &arguments.windows {
        named(&settings.metric_store.url, "metric_store")?;
        let store = MetricStore::connect(&settings.metric_store).map_err(Failure::broken)?;
        write(path, |out| windows_of(&store, out))?;
    }
    Ok(())
}

/// Makes the file at `path` of what `content` writes.
pub(crate) fn write(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<File>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let named = |error| Failure::Broken(format!("cannot write {}: {error}", path.display()));
    let mut out = BufWriter::new(File::create(path).map_err(named)?);
    content(&mut out)?;
    out.flush().map_err(named)
}

impl From<RecordError> for Failure {
    fn from(error: RecordError) -> Self {
        Self::broken(error)
    }
}

/// One line per id, its last state, sorted by (first_seen, id).
pub(crate) fn incidents(stores: &Stores, out: &mut impl Write) -> Result<(), Failure> {
    incidents_of(&stores.records, out)
}

fn incidents_of(store: &BlockingRecordStore, out: &mut impl Write) -> Result<(), Failure> {
    store.export_all(|row| line(out, &IncidentJson::from(row)))
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
    features_of(&stores.online, out)
}

fn features_of(store: &OnlineStore, out: &mut impl Write) -> Result<(), Failure> {
    for view in views::all() {
        let mut after: Option<EntityKey> = None;
        loop {
            let rows = store
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
    windows_of(&stores.metrics, out)
}

fn windows_of(store: &MetricStore, out: &mut impl Write) -> Result<(), Failure> {
    let mut outcome = Ok(());
    store
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
