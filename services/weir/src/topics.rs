//! `weir topics`: the topics of the table on a Kafka, planned, applied, looked at and removed.

mod consume;
mod decode;

use std::{fs, path::PathBuf};

use clap::Subcommand;
use weir_conflict_detector::greatest_topic_epoch;
use weir_eventlog::{
    EventLog,
    admin::{self, Desired, Step},
    schema::Registry,
};
use weir_events::position::TopicEpoch;
use weir_objects::Objects;
use weir_record_store::BlockingRecordStore;

use crate::{
    progress::{Failure, say},
    settings::Settings,
    site::{self, SiteArguments},
};

pub(crate) use consume::ConsumeArguments;

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum TopicsCommand {
    /// Make what is missing, set what differs, start each partition; a second run changes nothing.
    Apply {
        /// TOML that says how topics are kept, and which topics of others to make (see README.md).
        #[arg(long, value_name = "FILE")]
        overrides: Option<PathBuf>,
    },
    /// Say what `apply` would do, and change nothing.
    Plan {
        /// As for `apply`.
        #[arg(long, value_name = "FILE")]
        overrides: Option<PathBuf>,
    },
    /// Every topic of the cluster.
    List,
    /// One topic: partitions, leaders, copies, offsets, settings.
    Describe {
        /// Its name.
        #[arg(value_name = "NAME")]
        topic: String,
    },
    /// Read a topic and write one JSON object per record.
    Consume(ConsumeArguments),
    /// Remove a topic with everything in it.
    Delete {
        /// Its name.
        #[arg(value_name = "NAME")]
        topic: String,
        /// Its name again: nothing brings the records back.
        #[arg(long, value_name = "NAME")]
        yes: Option<String>,
    },
}

pub(crate) fn topics(command: &TopicsCommand, site: &SiteArguments) -> Result<(), Failure> {
    let settings = site.settings()?;
    let log = site::log(&settings)?;
    match command {
        TopicsCommand::Apply { overrides } => {
            apply(&log, &desired(overrides.as_ref())?)?;
            register(&settings)?;
            // So that the first record of a partition is framed like those behind it.
            let log = log
                .with_schemas(&settings.schema_registry)
                .map_err(Failure::broken)?;
            start(&log, epoch(&settings)?)
        }
        TopicsCommand::Plan { overrides } => {
            let steps = admin::plan(&log, &desired(overrides.as_ref())?)?;
            tell(&steps);
            refused(&steps)
        }
        TopicsCommand::List => list(&log),
        TopicsCommand::Describe { topic } => describe(&log, topic),
        TopicsCommand::Consume(arguments) => consume::consume(&log, arguments),
        TopicsCommand::Delete { topic, yes } => delete(&log, topic, yes.as_deref()),
    }
}

fn desired(overrides: Option<&PathBuf>) -> Result<Vec<Desired>, Failure> {
    let Some(path) = overrides else {
        return Ok(admin::table());
    };
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::Unusable(format!("cannot read {}: {error}", path.display())))?;
    admin::with_overrides(&text)
        .map_err(|error| Failure::Unusable(format!("{}: {error}", path.display())))
}

/// Takes every step that may be taken; one that must not be is told and ends in a failure.
fn apply(log: &EventLog, desired: &[Desired]) -> Result<(), Failure> {
    let steps = admin::plan(log, desired)?;
    tell(&steps);
    admin::apply(log, &steps)?;
    refused(&steps)
}

/// Begins every partition that is empty.
fn start(log: &EventLog, epoch: TopicEpoch) -> Result<(), Failure> {
    match admin::start(log, epoch)? {
        0 => {}
        started => say(&format!(
            "started  {started} partitions with topic epoch {}",
            epoch.0
        )),
    }
    Ok(())
}

fn tell(steps: &[Step]) {
    for step in steps {
        say(&step.to_string());
    }
    if !steps.iter().any(Step::is_change) {
        say("nothing to do: every topic is as it should be, but for what is listed above");
    }
}

fn refused(steps: &[Step]) -> Result<(), Failure> {
    let refused: Vec<String> = steps
        .iter()
        .filter(|step| matches!(step, Step::Refused { .. }))
        .map(Step::to_string)
        .collect();
    if refused.is_empty() {
        Ok(())
    } else {
        Err(Failure::Broken(refused.join("; ")))
    }
}

/// One more than the greatest that the record store and the copies of the checkpoints know: what a topic
/// that is made anew holds is newer than everything that was made of an earlier life of it.
fn epoch(settings: &Settings) -> Result<TopicEpoch, Failure> {
    let known = epoch_of_records(settings)?.max(epoch_of_copies(settings)?);
    Ok(TopicEpoch(
        known.map_or(1, |known| known.0.saturating_add(1)),
    ))
}

fn epoch_of_records(settings: &Settings) -> Result<Option<TopicEpoch>, Failure> {
    if settings.record_store.url.is_empty() {
        return Ok(None);
    }
    let store = BlockingRecordStore::connect(&settings.record_store).map_err(Failure::broken)?;
    let known = store.greatest_topic_epoch().map_err(Failure::broken)?;
    store.close();
    Ok(known)
}

fn epoch_of_copies(settings: &Settings) -> Result<Option<TopicEpoch>, Failure> {
    let objects = Objects::prepare_if_set(&settings.checkpoint_store).map_err(Failure::broken)?;
    objects.map_or(Ok(None), |objects| {
        greatest_topic_epoch(&objects, &settings.stream.id).map_err(Failure::broken)
    })
}

fn register(settings: &Settings) -> Result<(), Failure> {
    let Some(registry) = Registry::open(&settings.schema_registry).map_err(Failure::unusable)?
    else {
        return Ok(());
    };
    let subjects = registry.apply().map_err(Failure::broken)?;
    say(&format!(
        "schemas  {} subjects registered, {}",
        subjects.len(),
        settings.schema_registry.compatibility
    ));
    Ok(())
}

fn list(log: &EventLog) -> Result<(), Failure> {
    for topic in admin::list(log)? {
        say(&topic.name);
    }
    Ok(())
}

fn describe(log: &EventLog, name: &str) -> Result<(), Failure> {
    let Some(topic) = admin::describe(log, name)? else {
        return Err(absent(name));
    };
    say(&format!(
        "topic {name}: {} partitions",
        topic.partitions.len()
    ));
    for partition in &topic.partitions {
        let (first, end) = partition.range.unwrap_or_default();
        say(&format!(
            "  partition {} leader {} replicas {:?} in-sync {:?} offsets {first}..{end}",
            partition.id, partition.leader, partition.replicas, partition.in_sync
        ));
    }
    for (key, (value, on_topic)) in &topic.configs {
        let whose = if *on_topic { "topic" } else { "default" };
        say(&format!("  {key} = {value} ({whose})"));
    }
    Ok(())
}

fn delete(log: &EventLog, name: &str, yes: Option<&str>) -> Result<(), Failure> {
    if yes != Some(name) {
        return Err(Failure::Unusable(format!(
            "this removes {name} with everything in it: say `weir topics delete {name} --yes {name}`"
        )));
    }
    admin::delete(log, name)?;
    say(&format!("deleted  {name}"));
    Ok(())
}

fn absent(name: &str) -> Failure {
    Failure::Broken(format!(
        "there is no topic {name}: `weir topics list` tells which there are, `weir topics apply` makes ours"
    ))
}
