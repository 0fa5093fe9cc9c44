//! How fast rows reach a Redis through the store, against the driver alone with the same script.
//!
//! `cargo run --release -p weir-online-store --example write_rate -- redis://127.0.0.1:6379/0`
//!
//! The two take turns on the same server with the same rows in batches of 1,000: half new entities,
//! half newer rows of known ones. The driver gets its arguments ready made and keeps no index, no
//! place and no fence. Processor seconds are those of this process; the server has its own.

use std::{io::Write, time::Instant};

use fred::{
    prelude::{Builder, Client, ClientLike, Config as Driver, Value},
    types::{ClusterHash, CustomCommand},
};
use rustix::time::{ClockId, clock_gettime};
use weir_events::position::Version;
use weir_features::{Feature, FeatureRow};
use weir_online_store::{Config, OnlineStore, Progress, conformance::PUT_ROW};

const ROWS: u32 = 60_000;
const BATCH: usize = 1_000;
const ROUNDS: u32 = 5;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let url = std::env::args().nth(1).ok_or("want the URL of a Redis")?;
    let config = |key_prefix: String| Config {
        key_prefix,
        ..Config::at(&url)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let client = runtime.block_on(connected(&url))?;
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    let rows = rows();
    for round in 0..ROUNDS {
        let prefix = format!("weir-rate-{}-{round}", std::process::id());
        let store = OnlineStore::connect(&config(prefix.clone()))?;
        ours.push(timed(|| through_the_store(&store, &rows))?);
        let batches: Vec<_> = rows
            .chunks(BATCH)
            .map(|rows| rows.iter().map(|row| ready(&prefix, row)).collect())
            .collect();
        raw.push(timed(|| {
            runtime.block_on(by_the_driver(&client, &batches))
        })?);
    }
    let mut out = std::io::stdout().lock();
    let (ours, raw) = (median(ours), median(raw));
    for (name, (wall, cpu)) in [("through the store", ours), ("by the driver", raw)] {
        let rows = f64::from(ROWS);
        writeln!(
            out,
            "{name}: {:.0} rows/s, {:.0} rows per CPU-second",
            rows / wall,
            rows / cpu
        )?;
    }
    writeln!(
        out,
        "ratio: {:.2} by time, {:.2} by CPU-seconds",
        raw.0 / ours.0,
        raw.1 / ours.1
    )?;
    Ok(())
}

fn rows() -> Vec<FeatureRow> {
    let row = |number: u32| FeatureRow {
        view: "bgp_session".into(),
        entity: format!("192.0.2.{}:{}", number % 250, 64_496 + number % (ROWS / 2)).into(),
        event_time_us: 1_700_000_000_000_000 + i64::from(number),
        version: Version(u64::from(number) << 1),
        features: (0..12)
            .map(|field| Feature::new(format!("feature_{field}"), Some(i64::from(number))))
            .collect(),
        synthetic: false,
    };
    (0..ROWS).map(row).collect()
}

fn through_the_store(store: &OnlineStore, rows: &[FeatureRow]) -> Result<(), Failure> {
    let fence = store.raise_fence(0)?;
    for (rows, next_offset) in rows.chunks(BATCH).zip(1..) {
        let progress = Progress {
            partition: 0,
            next_offset,
            fence,
        };
        store.put_many(rows, progress)?;
    }
    Ok(())
}

async fn connected(url: &str) -> Result<Client, Failure> {
    let client = Builder::from_config(Driver::from_url(url)?).build()?;
    client.init().await?;
    Ok(client)
}

/// Key and arguments of a row.
type Ready = (String, Vec<Value>);

fn ready(prefix: &str, row: &FeatureRow) -> Ready {
    let key = format!("{prefix}-raw:{}:{}", row.view, row.entity);
    let names: String = row
        .features
        .iter()
        .map(|f| format!("{},", f.name))
        .collect();
    let mut words = vec![
        "@event_time_us".to_owned(),
        row.event_time_us.to_string(),
        "@version".to_owned(),
        row.version.0.to_string(),
        "@fields".to_owned(),
        names,
        "@synthetic".to_owned(),
        row.synthetic.to_string(),
    ];
    for feature in &row.features {
        words.push(feature.name.to_string());
        words.extend(feature.value.as_ref().map(ToString::to_string));
    }
    (key, words.into_iter().map(Value::from).collect())
}

async fn by_the_driver(client: &Client, batches: &[Vec<Ready>]) -> Result<(), Failure> {
    let load = CustomCommand::new_static("SCRIPT", ClusterHash::Random, false);
    let sha: String = client.custom(load, vec!["LOAD", PUT_ROW]).await?;
    for batch in batches {
        let pipeline = client.pipeline();
        for (key, words) in batch {
            let hash = ClusterHash::from(key.as_str());
            let command = CustomCommand::new_static("EVALSHA", hash, false);
            let mut all: Vec<Value> = vec![sha.as_str().into(), 1.into(), key.as_str().into()];
            all.extend(words.iter().cloned());
            pipeline.custom::<(), _>(command, all).await?;
        }
        pipeline.all::<Vec<i64>>().await?;
    }
    Ok(())
}

/// Wall seconds and processor seconds.
fn timed(work: impl FnOnce() -> Result<(), Failure>) -> Result<(f64, f64), Failure> {
    let (start, cpu) = (Instant::now(), cpu_seconds());
    work()?;
    Ok((start.elapsed().as_secs_f64(), cpu_seconds() - cpu))
}

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn median(mut rounds: Vec<(f64, f64)>) -> (f64, f64) {
    let middle = rounds.len() / 2;
    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let wall = rounds.get(middle).map_or(f64::NAN, |round| round.0);
    rounds.sort_by(|a, b| a.1.total_cmp(&b.1));
    (wall, rounds.get(middle).map_or(f64::NAN, |round| round.1))
}
