//! `weir inject`: plants made-up incidents beside a stream that somebody has, and scores what was found of them.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use serde::de::DeserializeOwned;
use weir_conflict_detector as detector;
use weir_events::time::SECOND_US;
use weir_injection::{Label, Plan, World, frames, plan, recipes::Fact, rib, score};
use weir_routing::Bogons;

use crate::progress::{Failure, say};

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum InjectCommand {
    /// Look at a stream and plant incidents of every type beside it, with benign twins: writes frames to be replayed
    /// with the stream, the routing tables before it, what others say (VRPs, ASPAs, relations, organisations), the links
    /// of the stream as if they had been seen before, and labels.
    Plan(PlanArguments),
    /// Compare labels with the incidents that a replay wrote: recall and precision by type.
    Score {
        /// `labels.ndjson` of the plan.
        labels: PathBuf,
        /// What `weir replay --incidents` wrote.
        incidents: PathBuf,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct PlanArguments {
    /// MRT or JSON files, plain or compressed; folders with their subfolders.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Folder for what is planted.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Stories of each type and of each benign twin.
    #[arg(long, value_name = "N", default_value_t = 20)]
    each: u32,
    /// Another number casts other networks.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Name of the collector, where file names do not tell.
    #[arg(long, value_name = "NAME")]
    collector: Option<String>,
}

pub(crate) fn inject(command: &InjectCommand) -> Result<(), Failure> {
    match command {
        InjectCommand::Plan(arguments) => make(arguments),
        InjectCommand::Score { labels, incidents } => {
            let report = score::score(&lines::<Label>(labels)?, &lines(incidents)?);
            say(report.to_string().trim_end());
            Ok(())
        }
    }
}

fn make(arguments: &PlanArguments) -> Result<(), Failure> {
    let mut world = World::default();
    let collector = arguments.collector.as_deref();
    weir_ingest::messages(&arguments.paths, collector, |collector, message| {
        world.hear(collector, message);
    })
    .map_err(Failure::unusable)?;
    let plan = plan(&world, arguments.each, arguments.seed, &Bogons::nlnog());
    if plan.labels.is_empty() {
        return Err(Failure::Unusable(
            "nothing was planted: no IPv4 prefix is seen by enough vantage points, with one origin all the time"
                .to_owned(),
        ));
    }
    if let Some((odd, _)) = world.peers().iter().find(|(name, _)| !is_file_name(name)) {
        return Err(Failure::Unusable(format!(
            "the collector \"{odd}\" cannot be the name of a file: name another one with --collector"
        )));
    }
    let written = write(&arguments.out, &world, &plan)?;
    for (recipe, times) in &plan.left_out {
        say(&format!(
            "left out {times} x {recipe}: nobody was left whom it could happen to"
        ));
    }
    let stories = plan.labels.len();
    say(&format!(
        "planted {stories} stories in {} messages. Now:",
        plan.messages.len()
    ));
    let inputs: Vec<String> = arguments
        .paths
        .iter()
        .map(|p| p.display().to_string())
        .collect();
    let out = arguments.out.display();
    say(&format!(
        "  weir replay {} {written} --synthetic --incidents {out}/found.ndjson\n  \
         weir inject score {out}/labels.ndjson {out}/found.ndjson",
        inputs.join(" ")
    ));
    Ok(())
}

/// Writes everything; gives the arguments of `weir replay` that read it.
fn write(out: &Path, world: &World, plan: &Plan) -> Result<String, Failure> {
    // Where file names do not tell the collector, the folder does.
    let file = |collector: &str, what: &str| -> Result<PathBuf, Failure> {
        let folder = out.join(collector);
        fs::create_dir_all(&folder).map_err(named(&folder))?;
        Ok(folder.join(format!("{collector}.{what}")))
    };
    let mut arguments = Vec::new();
    let mut files = std::collections::BTreeMap::new();
    for planted in &plan.messages {
        let Some(point) = world.peers().get(planted.peer) else {
            continue;
        };
        let frame = frames::frame(point, planted.at_us, &planted.update);
        let text: &mut String = files.entry(point.0.as_str()).or_default();
        *text += &format!("{frame}\n");
    }
    for (collector, text) in files {
        let path = file(collector, "injected.jsonl")?;
        fs::write(&path, text).map_err(named(&path))?;
        arguments.push(path.display().to_string());
    }
    arguments.push("--rib".to_owned());
    for (collector, dump) in rib::dumps(world) {
        let path = file(collector, "bview.mrt")?;
        fs::write(&path, dump).map_err(named(&path))?;
        arguments.push(path.display().to_string());
    }
    let rpki = plan.rpki(world).to_string();
    let says = |is: fn(&Fact) -> bool| plan.facts.iter().any(is);
    for (flag, file, text, is_said) in [
        (
            "--vrps",
            "rpki.json",
            rpki.clone(),
            says(|fact| matches!(fact, Fact::Roa(..))),
        ),
        (
            "--aspas",
            "rpki.json",
            rpki,
            says(|fact| matches!(fact, Fact::NoProviders(_))),
        ),
        (
            "--relations",
            "relations.txt",
            plan.relations(),
            says(|fact| matches!(fact, Fact::Customer(..))),
        ),
        (
            "--organisations",
            "organisations.jsonl",
            plan.organisations(),
            says(|fact| matches!(fact, Fact::Siblings(..))),
        ),
    ] {
        if is_said {
            let path = out.join(file);
            fs::write(&path, text).map_err(named(&path))?;
            arguments.push(format!("{flag} {}", path.display()));
        }
    }
    let links = out.join("links.txt");
    fs::write(&links, world.links()).map_err(named(&links))?;
    arguments.push(format!("--links {}", links.display()));
    // What others say is dated at the beginning of the stream, and must hold to its end.
    let seconds = world
        .span()
        .map_or(0, |(first, last)| (last - first) / SECOND_US);
    if seconds > i64::from(detector::Config::default().thresholds.rpki_stale_after_s) {
        let path = out.join("weir.toml");
        let text = format!(
            "[conflict_detector.thresholds]\nrpki_stale_after_s = {}\n",
            seconds + 1
        );
        fs::write(&path, text).map_err(named(&path))?;
        arguments.push(format!("--config {}", path.display()));
    }
    let path = out.join("labels.ndjson");
    let mut labels = Vec::new();
    for label in &plan.labels {
        serde_json::to_writer(&mut labels, label).map_err(Failure::broken)?;
        labels.write_all(b"\n").map_err(named(&path))?;
    }
    fs::write(&path, labels).map_err(named(&path))?;
    Ok(arguments.join(" "))
}

/// True for what names a file in the folder at hand.
fn is_file_name(name: &str) -> bool {
    Path::new(name).file_name().is_some_and(|file| file == name)
}

/// Every line of a file as a value.
fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, Failure> {
    let text = fs::read_to_string(path);
    let text = text.map_err(|error| Failure::Unusable(format!("{}: {error}", path.display())))?;
    (1..)
        .zip(text.lines())
        .map(|(number, line)| {
            serde_json::from_str(line).map_err(|error| {
                Failure::Unusable(format!("{} line {number}: {error}", path.display()))
            })
        })
        .collect()
}

fn named(path: &Path) -> impl FnOnce(std::io::Error) -> Failure + '_ {
    move |error| Failure::Broken(format!("cannot write {}: {error}", path.display()))
}
