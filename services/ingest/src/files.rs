//! Files that are read once, and the scenario, which is read like one.

use sha2::{Digest, Sha256};

use crate::{
    batch::{Batches, Entries, Lane},
    config,
    input::{self, InputFile},
    knowledge,
    progress::Progress,
    reader::{Entry, FileReader, Item, Look},
    run::{Context, Outcome, RunError, StartError, Task},
    scenario,
    speed::Speed,
};

/// Looks at every file, fits progress to them, and returns the run and its size in bytes.
pub(crate) fn prepare(context: Context, source: &config::Files) -> Result<(Task, u64), StartError> {
    let files = input::find(&source.paths, &source.ribs, source.collector.as_deref())?;
    let lanes = files
        .into_iter()
        .map(|file| {
            let look = FileReader::look(&file)?;
            Ok(Lane { file, look })
        })
        .collect::<Result<Vec<_>, input::InputError>>()?;
    let bytes = lanes.iter().map(|lane| lane.file.bytes).sum();
    let (progress_bytes, notes) = (context.bytes.clone(), context.notes.clone());
    for lane in lanes.iter().filter(|lane| lane.look.first_us.is_none()) {
        notes.warn(format!("{} holds no message", lane.file.path.display()));
    }
    let open = move |lane: &Lane| -> Result<Entries, input::InputError> {
        Ok(Box::new(FileReader::open(
            &lane.file,
            &progress_bytes,
            &notes,
        )?))
    };
    Ok((task(context, lanes, source.speed, open)?, bytes))
}

/// The bundled scenario as a batch of one file.
pub(crate) fn prepare_scenario(
    context: Context,
    source: &config::Paced,
) -> Result<(Task, u64), StartError> {
    let entries = || -> Entries {
        Box::new(
            (1..)
                .zip(scenario::messages())
                .map(|(record, message)| Entry {
                    time_us: message.event_time_us,
                    record,
                    item: Item::Message(message),
                }),
        )
    };
    let lane = Lane {
        file: InputFile {
            collector: scenario::COLLECTOR.to_owned(),
            path: "scenario".into(),
            bytes: 0,
            must_be_rib: false,
        },
        look: Look {
            first_us: entries().next().map(|entry| entry.time_us),
            is_rib: false,
        },
    };
    let task = task(context, vec![lane], source.speed, move |_| Ok(entries()))?;
    Ok((task, 0))
}

fn task(
    context: Context,
    lanes: Vec<Lane>,
    speed: Speed,
    open: impl FnMut(&Lane) -> Result<Entries, input::InputError> + Send + 'static,
) -> Result<Task, StartError> {
    let knowledge = knowledge::fingerprint(&context.config.knowledge)?;
    let input = fingerprint(&lanes, &knowledge);
    let progress = match context.store.load()? {
        Some(progress) => {
            progress.check(&input, &context.log)?;
            progress
        }
        None => Progress {
            input,
            ..Progress::default()
        },
    };
    if let Some(stats) = &progress.finished {
        let mut stats = stats.clone();
        for warning in &stats.warnings {
            context.notes.warn(warning.clone());
        }
        for lane in &lanes {
            context.status.collector(&lane.file.collector);
        }
        let broken = stats.broken_files;
        context.show(&mut stats);
        stats.broken_files = broken;
        context.shown.show(&stats);
        return Ok(Box::new(|| Ok(Outcome::Finished)));
    }
    let batches = Batches::new(context, progress, speed)?;
    Ok(Box::new(move || run(batches, &lanes, open)))
}

fn run(
    mut batches: Batches,
    lanes: &[Lane],
    open: impl FnMut(&Lane) -> Result<Entries, input::InputError>,
) -> Result<Outcome, RunError> {
    if batches.context.config.knowledge.names_any() {
        // First it is remembered what the input is: knowledge is a part of it.
        batches.settle(false)?;
        let begins = lanes.iter().filter_map(|lane| lane.look.first_us).min();
        knowledge::bring_once(&batches.context, begins.unwrap_or_default())?;
    }
    let outcome = batches.read(lanes, open)?;
    let finished = matches!(outcome, Outcome::Finished);
    if finished {
        batches.end_of_input()?;
    }
    batches.settle(finished)?;
    Ok(outcome)
}

/// Names, collectors, sizes and what they are judged by: what makes two inputs the same for the purpose of
/// resuming.
fn fingerprint(lanes: &[Lane], knowledge: &[[u8; 32]]) -> String {
    use std::fmt::Write as _;
    let mut hash = Sha256::new();
    for lane in lanes {
        let file = &lane.file;
        let name = file.path.file_name().unwrap_or_default().to_string_lossy();
        for part in [file.collector.as_bytes(), name.as_bytes()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.update(file.bytes.to_be_bytes());
        hash.update([u8::from(lane.look.is_rib)]);
    }
    hash.update(knowledge.as_flattened());
    hash.finalize()
        .iter()
        .fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
