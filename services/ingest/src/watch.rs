//! A folder into which others put files: each new one after the last one read.
//!
//! Looked at every second. A file is complete when its size was the same at two looks in a row;
//! within a folder, files are read in the order of their names, and one whose name sorts before
//! the last one read there is never read. What is complete at the same look is one batch, merged by
//! time; the batch is stored before it is read, so that a restart reads the same one again.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    batch::{Batches, Entries, Lane},
    config::Watch,
    input::{self, InputError, InputFile},
    progress::Progress,
    reader::FileReader,
    run::{Context, Outcome, RunError, StartError, Task},
};

const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(crate) fn prepare(context: Context, source: Watch) -> Result<Task, StartError> {
    if let Err(error) = std::fs::read_dir(&source.folder) {
        return Err(InputError::Unreadable {
            path: source.folder,
            source: error,
        }
        .into());
    }
    let input = "watched folder".to_owned();
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
    let batches = Batches::new(context, progress, source.speed)?;
    Ok(Box::new(move || run(batches, &source)))
}

fn run(mut batches: Batches, source: &Watch) -> Result<Outcome, RunError> {
    let mut sizes = BTreeMap::new();
    loop {
        // A batch that was begun before a restart comes first.
        if batches.progress.batch.is_empty() {
            let files = complete(source, &batches.progress.read, &mut sizes);
            if files.is_empty() {
                if batches.context.stop.wait(LOOK_EVERY) {
                    batches.settle(false)?;
                    return Ok(Outcome::Stopped);
                }
                continue;
            }
            batches.next_batch();
            batches.progress.batch = files;
            batches.settle(false)?;
        }
        let files = batches.progress.batch.clone();
        let lanes = look(&batches, &files);
        let (bytes, notes) = (batches.context.bytes.clone(), batches.context.notes.clone());
        let outcome = batches.read(&lanes, |lane| -> Result<Entries, InputError> {
            Ok(Box::new(FileReader::open(&lane.file, &bytes, &notes)?))
        })?;
        if let Outcome::Stopped = outcome {
            batches.settle(false)?;
            return Ok(outcome);
        }
        for file in &files {
            let (folder, name) = place(&file.path);
            let last = batches.progress.read.entry(folder).or_default();
            if *last < name {
                *last = name;
            }
        }
        batches.progress.batch.clear();
        batches.next_batch();
        batches.settle(false)?;
    }
}

/// Looks at the files of a batch; one that is unusable is named and left out.
fn look(batches: &Batches, files: &[InputFile]) -> Vec<Lane> {
    let mut lanes = Vec::new();
    for file in files {
        match FileReader::look(file) {
            Ok(look) => lanes.push(Lane {
                file: file.clone(),
                look,
            }),
            Err(error) => {
                batches.context.notes.warn(error.to_string());
            }
        }
    }
    lanes
}

fn place(path: &Path) -> (String, String) {
    let text =
        |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let folder = path.parent().map(Path::as_os_str);
    (text(folder), text(path.file_name()))
}

/// New files whose size is what it was at the look before, sorted by collector and path.
fn complete(
    source: &Watch,
    read: &BTreeMap<String, String>,
    sizes: &mut BTreeMap<PathBuf, u64>,
) -> Vec<InputFile> {
    let mut now = BTreeMap::new();
    // A folder that is away for a moment has no new files.
    let walked = input::walk(&source.folder, true, &mut |path, bytes| {
        let (folder, name) = place(path);
        if read.get(&folder).is_none_or(|last| *last < name) {
            now.insert(path.to_owned(), bytes);
        }
    });
    if let Err(error) = walked {
        tracing::debug!(%error, "the watched folder cannot be walked now");
        return Vec::new();
    }
    let before = std::mem::replace(sizes, now);
    // A file that still grows holds back those behind it in its folder: they would be read first.
    let mut held: BTreeMap<String, ()> = BTreeMap::new();
    let mut files = Vec::new();
    for (path, bytes) in &*sizes {
        let (folder, _) = place(path);
        if before.get(path) != Some(bytes) {
            held.insert(folder, ());
        } else if !held.contains_key(&folder) {
            let collector = source.collector.clone();
            files.push(InputFile {
                collector: collector.unwrap_or_else(|| input::collector_of(path)),
                path: path.clone(),
                bytes: *bytes,
                must_be_rib: false,
            });
        }
    }
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_when_its_size_is_stable_and_its_name_is_new() {
        let folder = tempfile::tempdir().unwrap();
        let source = Watch {
            folder: folder.path().to_owned(),
            ..Watch::default()
        };
        let (mut read, mut sizes) = (BTreeMap::new(), BTreeMap::new());
        let names = |files: Vec<InputFile>| -> Vec<String> {
            files.iter().map(|f| place(&f.path).1).collect()
        };
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("a.mrt", "1");
        write("b.mrt", "1");
        assert_eq!(names(complete(&source, &read, &mut sizes)), [""; 0]);
        write("b.mrt", "12");
        write("c.mrt", "1");
        assert_eq!(names(complete(&source, &read, &mut sizes)), ["a.mrt"]);
        assert_eq!(
            names(complete(&source, &read, &mut sizes)),
            ["a.mrt", "b.mrt", "c.mrt"]
        );
        read.insert(place(&folder.path().join("b.mrt")).0, "b.mrt".to_owned());
        assert_eq!(names(complete(&source, &read, &mut sizes)), ["c.mrt"]);
    }
}
