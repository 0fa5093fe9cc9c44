//! Faults from outside: a full disk, a second process, a log that is gone or cut, damaged
//! checkpoints, Ctrl-C, a port in use. Each ends with a message that names what and where and says
//! what to do; after doing it, what is exported equals an undisturbed run.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{kills, program};

/// Elements per second: five seconds or more for the load, so that there is a middle.
const PACED: &str = "500/s";

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The last line: what a person reads first.
#[track_caller]
fn refused(output: &Output, naming: &[&str]) {
    let text = complaint(output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let last = text.trim().lines().last().unwrap_or_default();
    for name in naming {
        assert!(last.contains(name), "`{name}` is not in: {last}");
    }
}

#[track_caller]
fn finishes_as_if_undisturbed(data: &Path, how: &str) {
    let (folder, _) = kills::uninterrupted();
    let exported = kills::finished(kills::replay(folder.path(), data, "max"), data);
    kills::assert_equal(&exported, how);
}

fn attempt(data: &Path) -> Output {
    let (folder, _) = kills::uninterrupted();
    program::finish(kills::replay(folder.path(), data, "max"))
}

/// The only stream below `data`.
fn stream(data: &Path) -> PathBuf {
    begun_stream(data).unwrap()
}

/// The same, of a run that may not have come so far.
fn begun_stream(data: &Path) -> Option<PathBuf> {
    let mut streams = fs::read_dir(data.join("streams")).ok()?;
    Some(streams.next()?.unwrap().path())
}

/// Manifests of a partition, newest last; none while nothing was written.
fn manifests(data: &Path, partition: u32) -> Vec<PathBuf> {
    let folder = begun_stream(data).map(|stream| stream.join(format!("checkpoints/{partition}")));
    let Some(entries) = folder.and_then(|folder| fs::read_dir(folder).ok()) else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "json"))
        .collect();
    found.sort();
    found
}

/// Names of the shards that a manifest rests on.
fn shards(manifest: &Path) -> Vec<String> {
    let manifest: Value = serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap();
    let blocks = manifest["blocks"].as_array().unwrap().iter();
    blocks
        .chain([&manifest["control"]])
        .map(|entry| entry["file"].as_str().unwrap().to_owned())
        .collect()
}

struct Interrupted {
    data: PathBuf,
    /// What the run said that was stopped by Ctrl-C.
    first: Output,
    /// What a second run said that was started on the same folder meanwhile.
    second: Output,
}

/// A paced replay that another one disturbs and Ctrl-C stops in the middle; made once.
fn interrupted() -> &'static Interrupted {
    static RUN: OnceLock<Interrupted> = OnceLock::new();
    RUN.get_or_init(|| {
        let (folder, _) = kills::uninterrupted();
        let data = folder.path().join("interrupted");
        let child = kills::replay(folder.path(), &data, PACED)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + program::LIMIT;
        // Two checkpoints of each partition, so that one of them may be damaged.
        while (0..8).any(|partition| manifests(&data, partition).len() < 2) {
            assert!(Instant::now() < deadline, "no checkpoints were written");
            std::thread::park_timeout(Duration::from_millis(5));
        }
        let second = attempt(&data);
        let id = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
        let first = child.wait_with_output().unwrap();
        assert!(
            !stream(&data).join("summary.json").exists(),
            "Ctrl-C came too late"
        );
        Interrupted {
            data,
            first,
            second,
        }
    })
}

/// A copy of the interrupted run's folder, to damage.
fn copy(name: &str) -> PathBuf {
    let from = &interrupted().data;
    let to = from.with_file_name(name);
    let copied = Command::new("cp").arg("-r").arg(from).arg(&to).status();
    assert!(copied.unwrap().success());
    to
}

#[test]
fn ctrl_c_in_the_middle_says_that_the_same_command_resumes_and_it_does() {
    refused(&interrupted().first, &["stopped", "resumes"]);
    finishes_as_if_undisturbed(&copy("resumed"), "Ctrl-C");
}

#[test]
fn a_second_process_on_the_same_folder_is_refused_and_told_which_flag_helps() {
    let folder = stream(&interrupted().data).display().to_string();
    refused(&interrupted().second, &[&folder, "in use", "--data"]);
}

#[test]
fn without_its_log_a_stream_does_not_start_and_with_the_log_put_back_it_goes_on() {
    let data = copy("lost");
    let (log, away) = (stream(&data).join("log"), data.join("away"));
    fs::rename(&log, &away).unwrap();
    refused(&attempt(&data), &["the log", "was lost", "--data"]);
    fs::remove_dir_all(&log).unwrap();
    fs::rename(&away, &log).unwrap();
    finishes_as_if_undisturbed(&data, "a lost log that was put back");
}

#[test]
fn a_log_that_ends_before_the_checkpoint_is_refused_and_whole_again_goes_on() {
    let data = copy("cut");
    let topic = fs::read_dir(stream(&data).join("log/topics"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.display().to_string().contains("/bgp-updates-"))
        .unwrap();
    let segment = topic.join("3/00000000000000000000.log");
    let whole = fs::read(&segment).unwrap();
    fs::write(&segment, &whole[..500]).unwrap();
    refused(
        &attempt(&data),
        &["bgp-updates-3", "truncated", "put the log back", "--data"],
    );
    fs::write(&segment, whole).unwrap();
    finishes_as_if_undisturbed(&data, "a cut log that was made whole");
}

#[test]
fn a_damaged_checkpoint_gives_way_to_the_one_before() {
    let data = copy("damaged");
    let mut damaged = 0;
    for partition in 0..8 {
        let manifests = manifests(&data, partition);
        let (old, new) = (shards(&manifests[0]), shards(&manifests[1]));
        for shard in new.iter().filter(|shard| !old.contains(shard)) {
            let path = manifests[1].with_file_name("shards").join(shard);
            fs::write(path, "torn").unwrap();
            damaged += 1;
        }
    }
    assert!(damaged > 0, "no checkpoint differs from the one before");
    finishes_as_if_undisturbed(&data, "damaged checkpoints");
}

#[test]
fn with_every_checkpoint_damaged_a_task_does_not_start_empty_until_it_is_told_to() {
    let data = copy("ruined");
    let folder = stream(&data).join("checkpoints/5");
    for shard in fs::read_dir(folder.join("shards")).unwrap() {
        fs::write(shard.unwrap().path(), "torn").unwrap();
    }
    let named = folder.display().to_string();
    refused(
        &attempt(&data),
        &["no checkpoint", &named, "move the folder away"],
    );
    fs::rename(&folder, data.join("away")).unwrap();
    finishes_as_if_undisturbed(&data, "moving ruined checkpoints away");
}

#[test]
fn a_brokers_port_in_use_names_the_flag() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = program::finish(program::weir([
        "--source",
        "scenario",
        "--data",
        &folder.path().display().to_string(),
        "--listen",
        "127.0.0.1:0",
        "--grpc",
        "127.0.0.1:0",
        "--broker",
        &address,
    ]));
    refused(&output, &[&address, "--broker"]);
}

/// In a mount namespace of its own: a small disk at `$1` for a first run, a large one for a second;
/// what they say and export goes to `$2`. 77: not allowed here.
const SMALL_DISK: &str = r#"
disk=$1 out=$2; shift 2
mount -t tmpfs -o size=4m none "$disk" || exit 77
"$@" 2>"$out/full.txt"; echo $? >"$out/full.code"
mount -o remount,size=256m "$disk" || exit 78
"$@" || exit $?
cp "$disk"/*.ndjson "$out"
"#;

#[test]
fn a_full_disk_is_named_and_once_there_is_room_the_same_command_goes_on() {
    let (folder, _) = kills::uninterrupted();
    let (disk, out) = (folder.path().join("disk"), folder.path().join("disk-out"));
    fs::create_dir(&disk).unwrap();
    fs::create_dir(&out).unwrap();
    let replay = kills::replay(folder.path(), &disk, "max");
    let mut command = Command::new("unshare");
    command
        .args(["-rm", "sh", "-c", SMALL_DISK, "sh"])
        .args([&disk, &out])
        .arg(replay.get_program())
        .args(replay.get_args())
        .stdin(Stdio::null());
    for (name, value) in replay.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let allowed = Command::new("unshare")
        .args(["-rm", "mount", "-t", "tmpfs", "none"])
        .arg(&disk)
        .output();
    match allowed {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            eprintln!(
                "skipped: no small disk can be mounted here: {}",
                complaint(&output)
            );
            return;
        }
        Err(error) => {
            eprintln!("skipped: `unshare` cannot be run: {error}");
            return;
        }
    }
    let output = program::finish(command);
    assert!(output.status.success(), "{}", complaint(&output));
    let said = fs::read_to_string(out.join("full.txt")).unwrap();
    assert_eq!(
        fs::read_to_string(out.join("full.code")).unwrap().trim(),
        "1",
        "{said}"
    );
    let last = said.trim().lines().last().unwrap_or_default();
    assert!(last.starts_with("weir: ") && full(last), "{last}");
    assert!(last.contains(&disk.display().to_string()), "{last}");
    kills::assert_equal(&program::exported(&out), "a full disk");
}

/// How the system, SQLite and redb call it.
fn full(line: &str) -> bool {
    ["No space left on device", "disk is full"]
        .iter()
        .any(|name| line.contains(name))
}
