//! Metric upserts per second and per CPU-second of this process: through [`MetricStore`], and through
//! the driver alone with the same statement on the same node.
//!
//! `cargo run --release -p weir-metric-store --example upserts -- cql://127.0.0.1:9042`
//!
//! Rows are minutes of 100 keys, 40 to a key and call, as the window writer's batches are when it
//! catches up. The driver alone has batches of the same rows and as many in flight, and neither
//! fence, position nor table of keys.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement: it fails aloud and prints its figures"
)]

use std::time::Instant;

use futures_util::{StreamExt, TryStreamExt, stream};
use rustix::time::{ClockId, clock_gettime};
use scylla::{
    client::{session::Session, session_builder::SessionBuilder},
    statement::batch::{Batch, BatchType},
};
use weir_events::{
    time::MINUTE_US,
    v1::{Measure, WindowResult},
};
use weir_metric_store::{MetricStore, Progress};

const CALLS: i64 = 20;
const KEYS: i64 = 100;
const MINUTES: i64 = 40;
const ROUNDS: usize = 9;

fn main() {
    let url = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "cql://127.0.0.1:9042".to_owned());
    let keyspace = "weir_upserts";
    let store = MetricStore::open(&format!("{url}/{keyspace}")).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let host = url.trim_start_matches("cql://").to_owned();
    let session = runtime
        .block_on(SessionBuilder::new().known_node(host).build())
        .unwrap();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let version = 2 + round as u64 * 2;
        let calls: Vec<Vec<WindowResult>> = (0..CALLS).map(|call| rows(call, version)).collect();
        let through = measured(|| through_the_store(&store, &calls));
        let alone = measured(|| runtime.block_on(driver_alone(&session, keyspace, &calls)));
        // The first round warms the node up.
        if round > 0 {
            println!(
                "store {:.0}/s {:.0}/CPU-s   driver {:.0}/s {:.0}/CPU-s",
                through.0, through.1, alone.0, alone.1
            );
            ours.push(through);
            theirs.push(alone);
        }
    }
    let ratio = |part: fn(&(f64, f64)) -> f64| {
        100.0 * ours.iter().map(part).sum::<f64>() / theirs.iter().map(part).sum::<f64>()
    };
    println!(
        "store / driver: {:.0} % per second, {:.0} % per CPU-second",
        ratio(|f| f.0),
        ratio(|f| f.1)
    );
    let text = format!("DROP KEYSPACE {keyspace}");
    runtime.block_on(session.query_unpaged(text, ())).unwrap();
}

fn rows(call: i64, version: u64) -> Vec<WindowResult> {
    let minutes = (call * MINUTES)..((call + 1) * MINUTES);
    let row = |key: i64, minute: i64| WindowResult {
        aggregate: "origin-announcements".to_owned(),
        key: (64_496 + key).to_string(),
        start_us: minute * MINUTE_US,
        end_us: (minute + 1) * MINUTE_US,
        source_partition: 0,
        version,
        r#final: false,
        measures: ["announcements", "withdrawals"]
            .map(|name| Measure {
                name: name.to_owned(),
                count: 7,
            })
            .to_vec(),
        synthetic: true,
    };
    (0..KEYS)
        .flat_map(|key| minutes.clone().map(move |minute| row(key, minute)))
        .collect()
}

fn through_the_store(store: &MetricStore, calls: &[Vec<WindowResult>]) {
    let fence = store.raise_fence(0).unwrap();
    for (rows, next_offset) in calls.iter().zip(1..) {
        store
            .put_many(
                rows,
                Progress {
                    partition: 0,
                    next_offset,
                    fence,
                },
            )
            .unwrap();
    }
}

async fn driver_alone(session: &Session, keyspace: &str, calls: &[Vec<WindowResult>]) {
    let text = format!(
        "INSERT INTO {keyspace}.window_partials (aggregate, key, width_us, bucket, start_us, source_partition, \
         final, synthetic, measures) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ? AND TTL ?"
    );
    let mut statement = session.prepare(text).await.unwrap();
    statement.set_is_idempotent(true);
    for rows in calls {
        stream::iter(rows.chunks(usize::try_from(MINUTES).unwrap()))
            .map(|rows| {
                let batch = Batch::new_with_statements(
                    BatchType::Unlogged,
                    vec![statement.clone().into(); rows.len()],
                );
                async move {
                    let values: Vec<_> = rows.iter().map(values).collect();
                    session.batch(&batch, &values).await
                }
            })
            .buffer_unordered(64)
            .try_for_each(async |_| Ok(()))
            .await
            .unwrap();
    }
}

type Values<'a> = (
    &'a str,
    &'a str,
    i64,
    i64,
    i64,
    i64,
    bool,
    bool,
    Vec<(&'a str, i64)>,
    i64,
    i32,
);

fn values(row: &WindowResult) -> Values<'_> {
    let measures = row.measures.iter();
    let measures = measures.map(|measure| (&*measure.name, measure.count.cast_signed()));
    (
        &row.aggregate,
        &row.key,
        MINUTE_US,
        // A key's windows of other buckets than the store's, so that neither overwrites the other.
        -1 - row.start_us.div_euclid(4096 * MINUTE_US),
        row.start_us,
        0,
        row.r#final,
        row.synthetic,
        measures.collect(),
        row.version.cast_signed(),
        60 * 86_400,
    )
}

/// (rows per second, rows per CPU-second of this process).
fn measured(work: impl FnOnce()) -> (f64, f64) {
    let (start, cpu) = (Instant::now(), cpu_s());
    work();
    let rows = (CALLS * KEYS * MINUTES) as f64;
    (rows / start.elapsed().as_secs_f64(), rows / (cpu_s() - cpu))
}

/// Processor seconds of all threads of this process.
fn cpu_s() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
