//! `weir replay`: files in, every stage to its end, files out.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
    time::{Duration, Instant},
};

use serde::Serialize;
use weir_eventlog::{LogError, admin};
use weir_events::topics;
use weir_ingest::{Source, Speed, config::Files};
use weir_lifecycle::{Stop, health::Health, telemetry::Telemetry, trace};
use weir_routing::Bogons;

use crate::{
    caught_up::{self, LOOK_AGAIN},
    cli::ReplayArguments,
    compose::{self, House, Site, Stores},
    export,
    progress::{self, Failure},
    rules::{self, Tried},
    settings,
    stream::{Rules, Stream},
    summary::{Latency, Stage, Summary},
    usage,
};

/// Between two looks at progress and health.
const LOOK: Duration = Duration::from_millis(50);
/// How long the parts may take to stop once everything is written: on a busy machine, longer than a service may.
const PATIENCE: Duration = Duration::from_secs(60);

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        Self::broken(error)
    }
}

pub(crate) fn replay(arguments: ReplayArguments, telemetry: Telemetry) -> Result<(), Failure> {
    let started = Instant::now();
    let stop = Stop::new();
    stop.on_signals().map_err(Failure::broken)?;
    let collector = arguments.collector.as_deref();
    let mut settings = settings::load(arguments.config.as_deref(), &arguments.data)?;
    let knowledge = &mut settings.ingest.knowledge;
    for (asked, named) in [
        (&arguments.vrps, &mut knowledge.vrps),
        (&arguments.aspas, &mut knowledge.aspas),
        (&arguments.relations, &mut knowledge.relations),
        (&arguments.organisations, &mut knowledge.organisations),
        (&arguments.anycast, &mut knowledge.anycast),
        (&arguments.dps, &mut knowledge.dps),
        (&arguments.route_servers, &mut knowledge.route_servers),
        (&arguments.links, &mut knowledge.links),
    ] {
        *named = asked.clone().or(named.take());
    }
    let tried = arguments.rules.as_deref();
    let tried = tried
        .map(|file| rules::lay(file, &mut settings))
        .transpose()?;
    let own = match &tried {
        Some(_) => None,
        None => rules::of_settings(&settings)?,
    };
    let rules = match &tried {
        Some(tried) => Rules::Tried(&tried.judged_by),
        None => Rules::of_settings(own.as_deref()),
    };
    let (mut stream, memory) = Stream::of_replay(
        &arguments.data,
        &arguments.paths,
        &arguments.rib,
        &settings.ingest.knowledge,
        collector,
        rules,
    )
    .map_err(Failure::unusable)?;
    stream.synthetic |= arguments.synthetic;
    let _traces = trace::start(&settings.telemetry, "weir").map_err(Failure::unusable)?;
    let done = stream.dir.join("summary.json");
    if done.exists() {
        let summary = fs::read(&done).map_err(Failure::broken)?;
        let mut summary: Summary = serde_json::from_slice(&summary).map_err(Failure::broken)?;
        // The same rules may stand in another file now.
        summary.rules = tried;
        return write_files(&arguments, &Stores::open(&stream, &settings)?, &summary);
    }

    settings.ingest.source = Source::Files(Files {
        paths: arguments.paths.clone(),
        ribs: arguments.rib.clone(),
        collector: arguments.collector.clone(),
        speed: arguments.speed,
    });
    // Nothing more is to come when the input has ended: history need not wait for company.
    settings.feature_materializer.history_idle_ms = 100;
    if let Some(listen) = arguments.listen {
        settings.serving_api.listen = listen;
        settings.serving_api.grpc = None;
    }
    let site = Site {
        epoch: stream.open(memory).map_err(Failure::broken)?,
        stream,
        bogons: Bogons::nlnog(),
        broker: ([127, 0, 0, 1], 0).into(),
        serve: arguments.listen.is_some(),
        telemetry,
        health: Health::new(),
    };
    let house = compose::open(&site, &settings)?;
    let read = read_to_the_end(&house, &caught_up::order(&settings), &stop);
    let outcome = read.and_then(|()| summarise(&house, &arguments, started, tried));
    let stores = house.stores.clone();
    let summary = match outcome {
        Ok(summary) => summary,
        Err(failure) => {
            let _ = house.close();
            return Err(failure);
        }
    };
    let written =
        write_files(&arguments, &stores, &summary).and_then(|()| write_json(&done, &summary));
    house.close_within(PATIENCE).and(written)
}

/// Until ingest has flushed everything and every stage has caught up.
fn read_to_the_end(
    house: &House,
    order: &[Vec<caught_up::Stage>],
    stop: &Stop,
) -> Result<(), Failure> {
    let bar = progress::bar(house.ingest.progress().bytes_total);
    let look = |wait: Duration| {
        let input = house.ingest.progress();
        bar.set_position(input.bytes_read);
        bar.set_message(format!("{} elements", input.elements));
        if let Some(failure) = house.failure() {
            return Err(Failure::Broken(failure));
        }
        if stop.wait(wait) {
            return Err(Failure::Broken(
                "stopped; the same command resumes".to_owned(),
            ));
        }
        Ok(())
    };
    while !house.ingest.wait_finished(LOOK) {
        look(Duration::ZERO)?;
    }
    bar.set_message("read; waiting for the stages");
    caught_up::wait(&house.log, order, |_| look(LOOK_AGAIN))?;
    bar.finish_and_clear();
    Ok(())
}

fn summarise(
    house: &House,
    arguments: &ReplayArguments,
    started: Instant,
    rules: Option<Tried>,
) -> Result<Summary, Failure> {
    let stats = house.ingest.stats();
    let mut stages = std::collections::BTreeMap::new();
    let mut baseline = (0, 0);
    for board in house.boards() {
        let status = board.snapshot();
        baseline.0 += status.baseline_stable;
        baseline.1 += status.baseline_judged;
        stages.insert(status.service.clone(), Stage::of(&status.counters));
    }
    let mut dead_letters = 0;
    for topic in topics::ALL {
        dead_letters += admin::dead_letters(&house.log, &topic)?;
    }
    let paced = arguments.speed != Speed::Max;
    Ok(Summary {
        elements: stats.elements,
        announcements: stats.announcements,
        withdrawals: stats.withdrawals,
        messages: stats.messages,
        dead_letters,
        peers: stats.peers,
        prefixes: stats.prefixes,
        baseline_share: if baseline.1 == 0 {
            0.0
        } else {
            baseline.0 as f64 / baseline.1 as f64
        },
        incidents: export::counts(&house.stores)?,
        stream_seconds: match (stats.first_event_us, stats.last_event_us) {
            (Some(first), Some(last)) => (last - first) as f64 / 1e6,
            _ => 0.0,
        },
        wall_seconds: started.elapsed().as_secs_f64(),
        cpu_seconds: usage::cpu_seconds(),
        peak_rss_bytes: usage::peak_rss_bytes(),
        stages,
        detect_latency_ms: house
            .detector
            .latency()
            .percentiles()
            .filter(|_| paced)
            .map(|of| Latency {
                p50: of.p50,
                p99: of.p99,
                max: of.max,
            }),
        rules,
    })
}

fn write_files(
    arguments: &ReplayArguments,
    stores: &Stores,
    summary: &Summary,
) -> Result<(), Failure> {
    if let Some(path) = &arguments.incidents {
        write_lines(path, |out| export::incidents(stores, out))?;
    }
    if let Some(path) = &arguments.features {
        write_lines(path, |out| export::features(stores, out))?;
    }
    if let Some(path) = &arguments.windows {
        write_lines(path, |out| export::windows(stores, out))?;
    }
    match &arguments.summary {
        Some(path) => write_json(path, summary),
        None => Ok(()),
    }
}

fn write_lines(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<File>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut out = BufWriter::new(File::create(path).map_err(named(path))?);
    content(&mut out)?;
    out.flush().map_err(named(path))
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value).map_err(Failure::broken)?;
    text.push('\n');
    fs::write(path, text).map_err(named(path))
}

fn named(path: &Path) -> impl FnOnce(io::Error) -> Failure + '_ {
    move |error| Failure::Broken(format!("cannot write {}: {error}", path.display()))
}
