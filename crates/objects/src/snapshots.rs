//! Snapshots of one task's state among the objects, for the process that takes the task over on
//! another machine.
//!
//! `<folder>/<position, 20 digits>-<CRC-32C, 8 hex digits>.snap`, compressed, put only where there is
//! none; the greatest position is the newest, so that a writer that was overtaken changes nothing.
//! The two newest are kept. A thread of its own compresses and puts: the task never waits, but at
//! its end.

use std::{
    fs::File,
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, SyncSender},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes};

use crate::{Objects, ObjectsError};

/// If the newest is damaged, the one before still restores.
const KEPT: usize = 2;
const LEVEL: i32 = 3;
/// Read from the scratch file at once.
const CHUNK: usize = 1 << 20;

/// Writes the state as it was when it was given; called on the snapshots' own thread.
pub type Encode = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + Send>;

/// Where the snapshots of one task go.
#[derive(Clone, Debug)]
pub struct Place {
    /// Among which objects: those of one stream.
    pub objects: Objects,
    /// Their folder: `<service>/<topic>/<partition>`.
    pub folder: String,
    /// A file of this machine, for a snapshot on its way.
    pub scratch: PathBuf,
}

struct Job {
    position: i64,
    encode: Encode,
}

/// One per task.
pub struct Snapshots {
    jobs: Option<SyncSender<Job>>,
    done: Receiver<bool>,
    /// One is on its way.
    busy: bool,
    /// The last one did not get there.
    failed: bool,
    every: Duration,
    given: Instant,
    last: i64,
    thread: Option<JoinHandle<()>>,
}

impl Snapshots {
    /// Starts the thread. `last` is the position of the newest snapshot that is there; `copied` is
    /// called after each that has been put.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(place: Place, last: i64, every: Duration, copied: fn()) -> io::Result<Self> {
        // One at a time: see `busy`.
        let (jobs, todo) = mpsc::sync_channel::<Job>(1);
        let (tell, done) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("snapshots".to_owned())
            .spawn(move || {
                let away = AtomicBool::new(false);
                for job in todo {
                    let put = put(&place, job);
                    tell_once(&away, &place, &put);
                    if put.is_ok() {
                        copied();
                    }
                    if tell.send(put.is_ok()).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self {
            jobs: Some(jobs),
            done,
            busy: false,
            failed: false,
            every,
            given: Instant::now(),
            last,
            thread: Some(thread),
        })
    }

    /// True when the state at `position` should be given now.
    pub fn is_due(&mut self, position: i64) -> bool {
        while let Ok(there) = self.done.try_recv() {
            self.busy = false;
            self.failed = !there;
        }
        let new = position > self.last || self.failed;
        !self.busy && new && self.given.elapsed() >= self.every
    }

    /// Takes the state at `position`. One that fails is told and counted; the next is due all the
    /// same.
    pub fn give(&mut self, position: i64, encode: Encode) {
        let job = Job { position, encode };
        if let Some(jobs) = &self.jobs {
            self.busy = jobs.try_send(job).is_ok();
        }
        self.given = Instant::now();
        self.last = position;
    }

    /// Position of the newest one that is known to be there.
    #[must_use]
    pub fn there(&self) -> Option<i64> {
        (!self.busy && !self.failed).then_some(self.last)
    }

    /// The end of a task: waits for the one that is on its way, gives the last state if there is a
    /// newer one, and waits for that, but not longer than `within`. True when it is there.
    pub fn finish(
        mut self,
        position: i64,
        within: Duration,
        encode: impl FnOnce() -> Option<Encode>,
    ) -> bool {
        let until = Instant::now() + within;
        if self.busy {
            self.wait(until);
        }
        if !self.busy
            && (position > self.last || self.failed)
            && let Some(encode) = encode()
        {
            self.give(position, encode);
            self.wait(until);
        }
        let there = !self.busy && !self.failed;
        if !there {
            tracing::warn!(
                position,
                "the last state is on this machine only: its snapshot was not copied in time"
            );
        }
        self.jobs = None;
        // A thread that still waits for an endpoint is not waited for.
        if !self.busy
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
        there
    }

    fn wait(&mut self, until: Instant) {
        let left = until.saturating_duration_since(Instant::now());
        let there = self.done.recv_timeout(left);
        self.busy = there.is_err();
        self.failed = there != Ok(true);
    }
}

/// Before a task begins: gives the newest snapshot that is above `here`, the position of the state on
/// this machine, to `take_in`, and returns its position; see [`patiently`].
///
/// # Errors
/// As [`patiently`]; or `take_in` failed, which must have changed nothing.
pub fn bring(
    place: &Place,
    here: Option<i64>,
    pause: impl Fn(Duration) -> bool,
    take_in: impl FnOnce(&mut dyn Read) -> io::Result<()>,
) -> Result<Option<i64>, ObjectsError> {
    let fetch = || newest(&place.objects, &place.folder, here.unwrap_or(-1));
    let found = patiently(&place.folder, here.is_some(), pause, fetch)?.flatten();
    let Some((position, mut content)) = found else {
        return Ok(None);
    };
    take_in(&mut content).map_err(|error| {
        let name = format!("{}/{position:020}-*.snap", place.folder);
        unreadable(&place.objects, &name, &error.to_string())
    })?;
    tracing::info!(
        folder = place.folder,
        position,
        "state restored from its snapshot"
    );
    Ok(Some(position))
}

/// The newest snapshot whose checksum holds, if its position is above `above`: position and content.
///
/// # Errors
/// When the objects cannot be read; or there are snapshots and each of them is damaged.
pub fn newest(
    objects: &Objects,
    folder: &str,
    above: i64,
) -> Result<Option<(i64, impl Read + use<>)>, ObjectsError> {
    let mut damaged = None;
    for (position, checksum, name) in all(objects, folder)? {
        if position <= above {
            return Ok(None);
        }
        let Some(content) = objects.get(&name)? else {
            continue;
        };
        if crc32c::crc32c(&content) == checksum {
            return Ok(Some((position, decompressed(objects, &name, content)?)));
        }
        tracing::warn!(
            place = objects.place(),
            name,
            "snapshot is damaged, trying the one before"
        );
        damaged.get_or_insert(name);
    }
    damaged.map_or(Ok(None), |name| {
        Err(unreadable(objects, &name, "its checksum does not match"))
    })
}

fn decompressed(
    objects: &Objects,
    name: &str,
    content: Bytes,
) -> Result<impl Read + use<>, ObjectsError> {
    zstd::Decoder::with_buffer(content.reader())
        .map_err(|error| unreadable(objects, name, &error.to_string()))
}

fn unreadable(objects: &Objects, name: &str, reason: &str) -> ObjectsError {
    ObjectsError::Failed {
        place: objects.place().to_owned(),
        doing: format!("give {name}"),
        reason: format!("{reason}; remove the snapshots of that folder to replay the log instead"),
    }
}

/// (position, checksum, name), newest first. What is not ours is passed over.
fn all(objects: &Objects, folder: &str) -> Result<Vec<(i64, u32, String)>, ObjectsError> {
    let mut found: Vec<_> = objects
        .list(folder)?
        .into_iter()
        .filter_map(|object| {
            let file = object.name.rsplit('/').next()?.strip_suffix(".snap")?;
            let (position, checksum) = file.split_once('-')?;
            let checksum = u32::from_str_radix(checksum, 16).ok()?;
            Some((position.parse().ok()?, checksum, object.name))
        })
        .collect();
    found.sort();
    found.reverse();
    Ok(found)
}

fn put(place: &Place, job: Job) -> Result<(), ObjectsError> {
    let scratch = |source: io::Error| ObjectsError::Folder {
        folder: place.scratch.display().to_string(),
        source,
    };
    let (mut file, checksum) = compress(&place.scratch, job.encode).map_err(scratch)?;
    // Gone with the handle, however this ends.
    std::fs::remove_file(&place.scratch).map_err(scratch)?;
    let name = format!("{}/{:020}-{checksum:08x}.snap", place.folder, job.position);
    let mut upload = place.objects.upload(&name);
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = file.read(&mut chunk).map_err(scratch)?;
        if read == 0 {
            break;
        }
        upload.push(chunk.get(..read).unwrap_or_default())?;
    }
    // One that is there has this content: it is named by it.
    upload.finish_new()?;
    for (.., old) in all(&place.objects, &place.folder)?.into_iter().skip(KEPT) {
        place.objects.delete(&old)?;
    }
    Ok(())
}

/// The file, at its beginning, and the checksum of what is in it.
fn compress(scratch: &Path, encode: Encode) -> io::Result<(File, u32)> {
    let file = File::options()
        .create(true)
        .truncate(true)
        .read(true)
        .write(true)
        .open(scratch)?;
    let summed = Summed { file, checksum: 0 };
    let mut encoder = zstd::Encoder::new(summed, LEVEL)?;
    encode(&mut encoder)?;
    let Summed { mut file, checksum } = encoder.finish()?;
    file.rewind()?;
    Ok((file, checksum))
}

struct Summed {
    file: File,
    checksum: u32,
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        let bytes = bytes.get(..written).unwrap_or_default();
        self.checksum = crc32c::crc32c_append(self.checksum, bytes);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The first failure of a row and its end are told; each is counted.
fn tell_once(away: &AtomicBool, place: &Place, put: &Result<(), ObjectsError>) {
    let service = place
        .folder
        .split('/')
        .next()
        .unwrap_or_default()
        .to_owned();
    match put {
        Ok(()) => {
            metrics::counter!("weir_checkpoint_copies_total", "service" => service).increment(1);
            if away.swap(false, Ordering::Relaxed) {
                tracing::info!(folder = place.folder, "snapshots are copied again");
            }
        }
        Err(error) => {
            metrics::counter!("weir_checkpoint_copy_failures_total", "service" => service)
                .increment(1);
            if !away.swap(true, Ordering::Relaxed) {
                tracing::warn!(folder = place.folder, %error, "no snapshot was copied; the state of this machine goes on");
            }
        }
    }
}

/// What is fetched before a task begins. While the endpoint is away a task whose state is on this
/// machine (`has_local`) goes on with that, and says so: `None`; any other waits, for as long as
/// `pause` allows it, and never starts empty.
///
/// # Errors
/// The last failure, when the state is not on this machine and waiting does not help or is over.
pub fn patiently<T>(
    what: &str,
    has_local: bool,
    pause: impl Fn(Duration) -> bool,
    mut fetch: impl FnMut() -> Result<T, ObjectsError>,
) -> Result<Option<T>, ObjectsError> {
    const FIRST: Duration = Duration::from_millis(500);
    const MOST: Duration = Duration::from_secs(10);
    let mut wait = FIRST;
    let mut told = false;
    loop {
        let error = match fetch() {
            Ok(fetched) => return Ok(Some(fetched)),
            Err(error) => error,
        };
        if has_local {
            tracing::warn!(what, %error, "the copy cannot be read; the state of this machine is used");
            return Ok(None);
        }
        if !error.is_transient() {
            return Err(error);
        }
        if !std::mem::replace(&mut told, true) {
            tracing::warn!(what, %error, "there is no state on this machine; waiting for the copy");
        }
        if !pause(wait) {
            return Err(error);
        }
        wait = (wait * 2).min(MOST);
    }
}
