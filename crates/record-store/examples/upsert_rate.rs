//! How fast incidents reach PostgreSQL through the store, against the driver alone with the same
//! statements.
//!
//! `cargo run --release -p weir-record-store --example upsert_rate -- postgres://app:app@127.0.0.1:5432/app`
//!
//! The two take turns in databases of their own on the same server, with the same incidents in
//! batches of 500, one transaction each: half new ones, half newer states of known ones. Either
//! makes the columns of its statements from the same rows. Processor seconds are those of this process; the
//! server has its own.

use std::{io::Write, time::Instant};

use chrono::{DateTime, Utc};
use rustix::time::{ClockId, clock_gettime};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use weir_events::topics::BGP_CONFLICTS;
use weir_record_store::{
    IncidentRow, RecordStore,
    conformance::{incident, statements},
};

const INCIDENTS: u32 = 30_000;
const BATCH: usize = 500;
const ROUNDS: u32 = 11;

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let url = std::env::args()
        .nth(1)
        .ok_or("want the URL of a PostgreSQL")?;
    let incidents = incidents();
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let name = format!("weir_rate_{}_{round}", std::process::id());
        let store = RecordStore::open(&made(&url, &name).await?).await?;
        let clock = Clock::start();
        through_the_store(&store, &incidents).await?;
        ours.push(clock.stop());
        store.close().await;
        administer(&url, &format!("DROP DATABASE {name}")).await?;

        let fresh = made(&url, &name).await?;
        RecordStore::open(&fresh).await?.close().await;
        let mut driver = PgConnection::connect(&fresh).await?;
        let clock = Clock::start();
        by_the_driver(&mut driver, &incidents).await?;
        raw.push(clock.stop());
        driver.close().await?;
        administer(&url, &format!("DROP DATABASE {name}")).await?;
    }
    report(median(ours), median(raw))
}

fn report(ours: (f64, f64), raw: (f64, f64)) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    for (name, (wall, cpu)) in [("through the store", ours), ("by the driver", raw)] {
        let rows = f64::from(INCIDENTS);
        writeln!(
            out,
            "{name}: {:.0} upserts/s, {:.0} upserts per CPU-second",
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

/// First new ones, then as many newer states of them.
fn incidents() -> Vec<IncidentRow> {
    (0..INCIDENTS)
        .map(|n| {
            let (known, version) = (n % (INCIDENTS / 2), u64::from(n) + 1);
            let prefix = format!("10.{}.{}.0/24", (known >> 8) & 255, known & 255);
            incident(known, version, &prefix)
        })
        .collect()
}

async fn through_the_store(store: &RecordStore, incidents: &[IncidentRow]) -> Result<(), Failure> {
    let (fence, _) = store.raise_fence(0).await?;
    for (offset, batch) in (1..).zip(incidents.chunks(BATCH)) {
        store.record(batch, 0, offset, fence).await?;
    }
    Ok(())
}

async fn by_the_driver(driver: &mut PgConnection, rows: &[IncidentRow]) -> Result<(), Failure> {
    for (offset, rows) in (1_i64..).zip(rows.chunks(BATCH)) {
        let batch = HandMade::of(rows)?;
        let mut transaction = driver.begin().await?;
        sqlx::query(statements::ADVANCE)
            .bind(BGP_CONFLICTS.name)
            .bind(0)
            .bind(offset)
            .bind(1_i64)
            .execute(&mut *transaction)
            .await?;
        batch.columns.upsert(&mut transaction).await?;
        batch.columns.remember(&mut transaction).await?;
        sqlx::query(statements::ASNS)
            .bind(&batch.asns.0)
            .bind(&batch.asns.1)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(statements::PRUNE)
            .bind(&batch.columns.ids)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
    }
    Ok(())
}

/// The columns of one batch.
struct HandMade {
    columns: Columns,
    asns: (Vec<i64>, Vec<String>),
}

impl HandMade {
    fn of(incidents: &[IncidentRow]) -> Result<Self, Failure> {
        let asns = incidents.iter().flat_map(|row| {
            let origins = row.origins.iter().map(|asn| i64::from(*asn));
            origins.map(|asn| (asn, row.id.clone()))
        });
        Ok(Self {
            asns: asns.unzip(),
            columns: Columns::of(incidents)?,
        })
    }
}

struct Columns {
    ids: Vec<String>,
    versions: Vec<i64>,
    /// Type, state, severity, transition.
    names: [Vec<String>; 4],
    prefixes: Vec<Option<String>>,
    no_text: Vec<Option<String>>,
    /// Origins, expected origins, members of the suspect set, victims, peers.
    lists: [Vec<String>; 5],
    suspects: Vec<Option<i64>>,
    times: Vec<DateTime<Utc>>,
    no_times: Vec<Option<DateTime<Utc>>>,
    /// Reopened, visible, total, members.
    counts: [Vec<i64>; 4],
    /// Evidence, reasons.
    json: [Vec<String>; 2],
    no_members: Vec<&'static str>,
    synthetic: Vec<bool>,
    suspicions: Vec<Option<i16>>,
}

impl Columns {
    fn of(rows: &[IncidentRow]) -> Result<Self, Failure> {
        let names = |name: fn(&IncidentRow) -> String| rows.iter().map(name).collect();
        let lists = |list: fn(&IncidentRow) -> &Vec<u32>| {
            let texts = rows.iter().map(|row| {
                let numbers: Vec<_> = list(row).iter().map(ToString::to_string).collect();
                format!("{{{}}}", numbers.join(","))
            });
            texts.collect()
        };
        let counts =
            |count: fn(&IncidentRow) -> u32| rows.iter().map(|row| i64::from(count(row))).collect();
        let json = |row: &IncidentRow| -> Result<_, Failure> {
            let evidence = serde_json::to_string(&row.evidence)?;
            Ok((evidence, serde_json::to_string(&row.reasons)?))
        };
        let json = rows.iter().map(json).collect::<Result<Vec<_>, _>>()?;
        let (evidence, reasons) = json.into_iter().unzip();
        let time = |us| DateTime::from_timestamp_micros(us).unwrap_or_default();
        Ok(Self {
            ids: names(|row| row.id.clone()),
            versions: rows.iter().map(|row| row.version.0.cast_signed()).collect(),
            names: [
                names(|row| row.kind.clone()),
                names(|row| row.state.to_string()),
                names(|row| row.severity.to_string()),
                names(|row| row.transition.to_string()),
            ],
            prefixes: rows
                .iter()
                .map(|row| row.prefix.map(|prefix| prefix.to_string()))
                .collect(),
            no_text: vec![None; rows.len()],
            lists: [
                lists(|row| &row.origins),
                lists(|row| &row.expected_origins),
                lists(|row| &row.suspect_set),
                lists(|row| &row.victim_asns),
                lists(|row| &row.peer_asns),
            ],
            suspects: rows
                .iter()
                .map(|row| row.suspect_asn.map(i64::from))
                .collect(),
            times: rows.iter().map(|row| time(row.first_seen_us)).collect(),
            no_times: vec![None; rows.len()],
            counts: [
                counts(|row| row.reopened),
                counts(|row| row.visible_peers),
                counts(|row| row.total_peers),
                counts(|row| row.member_count),
            ],
            json: [evidence, reasons],
            no_members: vec!["[]"; rows.len()],
            synthetic: rows.iter().map(|row| row.synthetic).collect(),
            suspicions: rows
                .iter()
                .map(|row| row.suspicion.map(i16::from))
                .collect(),
        })
    }

    async fn upsert(&self, driver: &mut PgConnection) -> Result<(), Failure> {
        let [types, states, severities, transitions] = &self.names;
        let [origins, expected, set, victims, peers] = &self.lists;
        let [reopened, visible, total, members] = &self.counts;
        let [evidence, reasons] = &self.json;
        sqlx::query(statements::UPSERT)
            .bind(&self.ids)
            .bind(&self.versions)
            .bind(types)
            .bind(states)
            .bind(severities)
            .bind(&self.prefixes)
            .bind(&self.no_text)
            .bind(origins)
            .bind(expected)
            .bind(&self.suspects)
            .bind(set)
            .bind(victims)
            .bind(&self.times)
            .bind(&self.no_times)
            .bind(&self.no_times)
            .bind(&self.no_times)
            .bind(&self.no_text)
            .bind(&self.times)
            .bind(reopened)
            .bind(visible)
            .bind(total)
            .bind(peers)
            .bind(evidence)
            .bind(reasons)
            .bind(&self.synthetic)
            .bind(transitions)
            .bind(&self.times)
            .bind(&self.suspicions)
            .bind(&self.no_members)
            .bind(members)
            .bind(&self.ids)
            .execute(driver)
            .await?;
        Ok(())
    }

    async fn remember(&self, driver: &mut PgConnection) -> Result<(), Failure> {
        let [_, states, severities, transitions] = &self.names;
        let [_, visible, total, members] = &self.counts;
        sqlx::query(statements::HISTORY)
            .bind(&self.ids)
            .bind(&self.versions)
            .bind(transitions)
            .bind(states)
            .bind(severities)
            .bind(&self.times)
            .bind(visible)
            .bind(total)
            .bind(&self.json[1])
            .bind(members)
            .execute(driver)
            .await?;
        Ok(())
    }
}

/// Makes a database, and returns its URL.
async fn made(url: &str, name: &str) -> Result<String, Failure> {
    administer(url, &format!("CREATE DATABASE {name}")).await?;
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let (server, _) = address
        .rsplit_once('/')
        .ok_or("want a database in the URL")?;
    Ok(format!("{server}/{name}?{query}"))
}

async fn administer(url: &str, statement: &str) -> Result<(), Failure> {
    let mut connection = PgConnection::connect(url).await?;
    connection
        .execute(AssertSqlSafe(statement.to_owned()))
        .await?;
    connection.close().await?;
    Ok(())
}

/// Wall and processor time of this process.
struct Clock(Instant, f64);

impl Clock {
    fn start() -> Self {
        Self(Instant::now(), processor())
    }

    fn stop(self) -> (f64, f64) {
        (self.0.elapsed().as_secs_f64(), processor() - self.1)
    }
}

fn processor() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn median(mut rounds: Vec<(f64, f64)>) -> (f64, f64) {
    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    rounds[rounds.len() / 2]
}
