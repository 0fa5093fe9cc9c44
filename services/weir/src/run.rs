//! `weir run`: serve at once, then read until somebody says stop.

use std::{path::PathBuf, time::Duration};

use weir_ingest::{
    Source, Speed,
    config::{Files, Paced, RisLive, Watch},
    ris_live,
};
use weir_lifecycle::{Stop, health::Health, telemetry::Telemetry};
use weir_routing::Bogons;

use crate::{
    cli::RunArguments,
    compose::{self, Site},
    progress::{Failure, say},
    settings,
    stream::{Memory, Stream},
};

/// How long RIS Live may take to answer before the scenario is told instead.
const RIS_LIVE_WITHIN: Duration = Duration::from_secs(3);
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

pub(crate) fn run(arguments: RunArguments, telemetry: Telemetry) -> Result<(), Failure> {
    let stop = Stop::new();
    stop.on_signals().map_err(Failure::broken)?;
    let mut settings = settings::load(&arguments.data)?;
    let choice = choose(&arguments)?;
    settings.ingest.source = choice.source;
    settings.serving_api.listen = arguments.listen;

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
        telemetry,
        health: Health::new(),
    };
    let house = compose::open(&site, &settings)?;
    say(&format!("source    {}", choice.why));
    if let Some(serving) = &house.serving {
        say(&format!("page      http://{}", serving.address()));
        say(&format!(
            "API       http://{}/openapi.json",
            serving.address()
        ));
    }
    say(&format!(
        "Kafka     {}",
        house.log.config().bootstrap_servers
    ));
    say(&format!("data      {}", site.stream.dir.display()));
    say("Ctrl-C drains and stops; the next start resumes.");

    while !stop.wait(LOOK) {
        if let Some(failure) = house.failure() {
            let _ = house.close();
            return Err(Failure::Broken(failure));
        }
    }
    house.close()
}

fn choose(arguments: &RunArguments) -> Result<Choice, Failure> {
    let data = &arguments.data;
    let paced = |default| arguments.speed.unwrap_or(default);
    let live = |why: &str| Choice {
        source: Source::RisLive(RisLive::default()),
        stream: Stream::named(data, "live", false),
        why: why.to_owned(),
    };
    let scenario = |why: &str| {
        let speed = paced(SCENARIO_SPEED);
        Choice {
            why: format!(
                "bundled scenario at {speed}, synthetic: the hijack of 208.65.153.0/24 on 2008-02-24 ({why})"
            ),
            source: Source::Scenario(Paced { speed }),
            stream: Stream::named(data, "scenario", true),
        }
    };
    match arguments
        .source
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()[..]
    {
        [] => Ok(
            match ris_live::probe(&RisLive::default().url, RIS_LIVE_WITHIN) {
                Ok(()) => live("RIS Live (it answered)"),
                Err(error) => scenario(&format!("RIS Live did not answer within 3 s: {error}")),
            },
        ),
        ["ris-live"] => Ok(live("RIS Live (asked for)")),
        ["scenario"] => Ok(scenario("asked for")),
        [folder] if PathBuf::from(folder).is_dir() => Ok(Choice {
            source: Source::Watch(Watch {
                folder: folder.into(),
                collector: None,
                speed: paced(Speed::Max),
            }),
            stream: Stream::of_folder(data, folder.as_ref()).map_err(Failure::unusable)?,
            why: format!("files of {folder}, then each new one"),
        }),
        ref paths => {
            let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
            let (stream, _) =
                Stream::of_replay(data, &paths, &[], None).map_err(Failure::unusable)?;
            Ok(Choice {
                why: format!("{} files", paths.len()),
                source: Source::Files(Files {
                    paths,
                    speed: paced(Speed::Max),
                    ..Files::default()
                }),
                stream,
            })
        }
    }
}
