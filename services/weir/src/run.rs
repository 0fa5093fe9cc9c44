//! `weir run`: serve at once, then read until somebody says stop.

use std::{
    path::PathBuf,
    sync::mpsc::{self, Receiver},
    time::Duration,
};

use weir_ingest::{
    Source, Speed,
    config::{Bmp, Files, Kafka, Paced, RisLive, Watch},
    ris_live,
};
use weir_lifecycle::{Stop, health::Health, telemetry::Telemetry, trace};
use weir_routing::Bogons;

use crate::{
    cli::RunArguments,
    compose::{self, House, Site},
    progress::{Failure, say},
    rules,
    settings::{self, Settings},
    stream::{Memory, Rules, Stream},
};

/// How long RIS Live may take to answer before the scenario is told instead.
const RIS_LIVE_WITHIN: Duration = Duration::from_secs(3);
/// How long serving waits for that answer: with no network the refusal comes at once.
const SERVE_WITHIN: Duration = Duration::from_millis(300);
/// The scenario: its 146 minutes in as many seconds.
const SCENARIO_SPEED: Speed = Speed::Times(60.0);
/// Between two looks at the health of the parts.
const LOOK: Duration = Duration::from_millis(200);

/// What was chosen, and why, for the person who started it.
struct Choice {
    source: Source,
    stream: Stream,
    why: String,
}

/// The answer of RIS Live, or why there is none.
type Answer = Result<(), ris_live::RisLiveError>;

pub(crate) fn run(arguments: &RunArguments, telemetry: &Telemetry) -> Result<(), Failure> {
    let stop = Stop::new();
    stop.on_signals().map_err(Failure::broken)?;
    let until_stopped = || stop.wait(LOOK);
    let settings = settings::load(arguments.config.as_deref(), &arguments.data)?;
    let _traces = trace::start(&settings.telemetry, "weir").map_err(Failure::unusable)?;
    if !arguments.source.is_empty() {
        let choice = choose(arguments, &settings)?;
        return serve(arguments, choice, telemetry, until_stopped);
    }
    let answer = ask_ris_live()?;
    let mut refused = match answer.recv_timeout(SERVE_WITHIN) {
        Ok(answer) => answer.err(),
        // Serving does not wait: it begins live, and changes over if no answer comes.
        Err(_) => None,
    };
    if refused.is_none() {
        serve(arguments, live(arguments, "asked first"), telemetry, || {
            if let Ok(Err(error)) = answer.try_recv() {
                refused = Some(error);
            }
            refused.is_some() || until_stopped()
        })?;
    }
    match refused {
        Some(error) => {
            let why = format!("RIS Live did not answer within 3 s: {error}");
            serve(
                arguments,
                scenario(arguments, &why),
                telemetry,
                until_stopped,
            )
        }
        None => Ok(()),
    }
}

/// Asks on a thread of its own.
fn ask_ris_live() -> Result<Receiver<Answer>, Failure> {
    let (tell, answer) = mpsc::channel();
    std::thread::Builder::new()
        .name("ris-live-probe".to_owned())
        .spawn(move || {
            // Nobody listens any more when the program has ended.
            let _ = tell.send(ris_live::probe(&RisLive::default().url, RIS_LIVE_WITHIN));
        })
        .map_err(Failure::broken)?;
    Ok(answer)
}

/// Opens the house of `choice` and keeps it open until `is_over`.
fn serve(
    arguments: &RunArguments,
    choice: Choice,
    telemetry: &Telemetry,
    mut is_over: impl FnMut() -> bool,
) -> Result<(), Failure> {
    let mut settings = settings::load(arguments.config.as_deref(), &arguments.data)?;
    settings.ingest.source = choice.source;
    settings.serving_api.listen = arguments.listen;
    settings.serving_api.grpc = Some(arguments.grpc);
    let bogons = if choice.stream.synthetic {
        weir_ingest::scenario::bogons()
    } else {
        Bogons::nlnog()
    };
    let site = Site {
        epoch: choice
            .stream
            .open(Memory::default())
            .map_err(Failure::broken)?,
        stream: choice.stream,
        bogons,
        broker: arguments.broker,
        serve: true,
        telemetry: telemetry.clone(),
        health: Health::new(),
    };
    let house = compose::open(&site, &settings)?;
    tell(&house, &site, &choice.why);
    while !is_over() {
        if let Some(failure) = house.failure() {
            let _ = house.close();
            return Err(Failure::Broken(failure));
        }
    }
    house.close()
}

fn tell(house: &House, site: &Site, why: &str) {
    say(&format!("source    {why}"));
    if let Some(serving) = &house.serving {
        say(&format!("page      http://{}", serving.address()));
        say(&format!(
            "API       http://{}/openapi.json",
            serving.address()
        ));
        if let Some(address) = serving.grpc_address() {
            say(&format!("gRPC      {address}"));
        }
    }
    say(&format!(
        "Kafka     {}",
        house.log.config().bootstrap_servers
    ));
    say(&format!("data      {}", site.stream.dir.display()));
    say("Ctrl-C drains and stops; the next start resumes.");
}

fn live(arguments: &RunArguments, why: &str) -> Choice {
    Choice {
        source: Source::RisLive(RisLive::default()),
        stream: Stream::named(&arguments.data, "live", false),
        why: format!("RIS Live ({why})"),
    }
}

fn scenario(arguments: &RunArguments, why: &str) -> Choice {
    let speed = arguments.speed.unwrap_or(SCENARIO_SPEED);
    Choice {
        why: format!(
            "bundled scenario at {speed}, synthetic: the hijack of 208.65.153.0/24 on 2008-02-24 ({why})"
        ),
        source: Source::Scenario(Paced { speed }),
        stream: Stream::named(&arguments.data, "scenario", true),
    }
}

/// Routers that connect, as the settings say if they speak of them.
fn bmp(arguments: &RunArguments, settings: &Source) -> Choice {
    let source = match settings {
        Source::Bmp(source) => source.clone(),
        _ => Bmp::default(),
    };
    Choice {
        why: format!("routers that speak BMP to {}", source.listen),
        source: Source::Bmp(source),
        stream: Stream::named(&arguments.data, "bmp", false),
    }
}

/// Topics that others write, as the settings say.
fn kafka(arguments: &RunArguments, settings: &Settings) -> Choice {
    let mut source = match &settings.ingest.source {
        Source::Kafka(source) => source.clone(),
        _ => Kafka::default(),
    };
    *source.kafka = settings.kafka_table().clone();
    let cluster = source.cluster.as_deref();
    let topics = cluster.unwrap_or(&source.kafka).foreign_topics();
    Choice {
        why: format!("Kafka: what others write to {}", topics.join(", ")),
        source: Source::Kafka(source),
        stream: Stream::named(&arguments.data, "kafka", false),
    }
}

/// What was asked for with `--source`.
fn choose(arguments: &RunArguments, settings: &Settings) -> Result<Choice, Failure> {
    let data = &arguments.data;
    let speed = arguments.speed.unwrap_or(Speed::Max);
    match arguments
        .source
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()[..]
    {
        ["ris-live"] => Ok(live(arguments, "asked for")),
        ["bmp"] => Ok(bmp(arguments, &settings.ingest.source)),
        ["kafka"] => Ok(kafka(arguments, settings)),
        ["scenario"] => Ok(scenario(arguments, "asked for")),
        [folder] if PathBuf::from(folder).is_dir() => Ok(Choice {
            source: Source::Watch(Watch {
                folder: folder.into(),
                collector: None,
                speed,
            }),
            stream: Stream::of_folder(data, folder.as_ref()).map_err(Failure::unusable)?,
            why: format!("files of {folder}, then each new one"),
        }),
        ref paths => {
            let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
            let own = rules::of_settings(settings)?;
            let rules = Rules::of_settings(own.as_deref());
            let stream =
                Stream::of_replay(data, &paths, &[], &settings.ingest.knowledge, None, rules);
            let (stream, _) = stream.map_err(Failure::unusable)?;
            Ok(Choice {
                why: format!("{} files", paths.len()),
                source: Source::Files(Files {
                    paths,
                    speed,
                    ..Files::default()
                }),
                stream,
            })
        }
    }
}
