//! Runs the real `weir`, built in the profile of the tests, against a folder of its own.

use std::{
    collections::BTreeMap,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Condvar, Mutex, OnceLock},
    time::{Duration, Instant},
};

use parking_lot::{RwLock, RwLockWriteGuard};

/// Longest that any one run may take: a bound for what hangs, far above what a slow machine needs.
pub(crate) const LIMIT: Duration = Duration::from_secs(600);

/// The binary; built once per test run.
pub(crate) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        // The cargo that runs the tests: another one might build everything anew.
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
        let mut build = Command::new(cargo);
        // What cargo tells a test of its package would be told to build scripts too, some of which run
        // again when it differs, and with them half of all packages.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            let tells = [
                "CARGO_MANIFEST",
                "CARGO_PKG",
                "CARGO_BIN",
                "CARGO_CRATE",
                "CARGO_PRIMARY",
            ];
            if tells.iter().any(|start| name.starts_with(start)) || name == "LD_LIBRARY_PATH" {
                build.env_remove(&*name);
            }
        }
        let built = build
            // As the tests of the whole workspace are built, so that after those nothing is to do:
            // a package alone would be built anew, with fewer features of its dependencies.
            .args(["test", "--workspace", "--no-run", "--quiet", "--locked"])
            .status()
            .unwrap();
        assert!(built.success(), "weir does not build");
        // The test binary stands in target/<profile>/deps.
        let profile = std::env::current_exe()
            .unwrap()
            .parent()
            .unwrap()
            .parent()
            .unwrap()
            .to_owned();
        profile.join("weir")
    })
}

/// `weir` with these arguments, quiet, with none of the caller's settings.
pub(crate) fn weir<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    quiet(Command::new(binary()), arguments)
}

/// The same, behind everybody else: it only computes, while real engines that do not get a turn are taken for
/// dead.
pub(crate) fn patient_weir<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new("nice");
    command.args(["-n", "5"]).arg(binary());
    quiet(command, arguments)
}

fn quiet<'a>(mut command: Command, arguments: impl IntoIterator<Item = &'a str>) -> Command {
    command
        .args(arguments)
        .env("RUST_LOG", "warn")
        .stdin(Stdio::null());
    for (name, _) in std::env::vars() {
        if name.starts_with("WEIR_") {
            command.env_remove(name);
        }
    }
    command
}

/// How many of the runs that only compute may go on at once.
const TURNS: usize = 2;

/// Held for reading by each run that only computes; for writing while none may, which does not wait for new ones.
static COMPUTING: RwLock<()> = RwLock::new(());

/// Until it is dropped, no run that only computes goes on beside.
pub(crate) fn alone() -> RwLockWriteGuard<'static, ()> {
    COMPUTING.write()
}

/// [`finish`], once fewer than [`TURNS`] others are under way, and nobody must be [`alone`].
pub(crate) fn finish_in_turn(command: Command) -> Output {
    static UNDER_WAY: Mutex<usize> = Mutex::new(0);
    static OVER: Condvar = Condvar::new();
    struct Turn;
    impl Drop for Turn {
        fn drop(&mut self) {
            *UNDER_WAY.lock().unwrap() -= 1;
            OVER.notify_one();
        }
    }
    let _computing = COMPUTING.read();
    let under_way = UNDER_WAY.lock().unwrap();
    let mut under_way = OVER.wait_while(under_way, |runs| *runs >= TURNS).unwrap();
    *under_way += 1;
    drop(under_way);
    let _turn = Turn;
    finish(command)
}

/// Runs to the end, or fails the test after `LIMIT`.
pub(crate) fn finish(mut command: Command) -> Output {
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let id = child.id();
    let (done, finished) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(child.wait_with_output()));
    match finished.recv_timeout(LIMIT) {
        Ok(output) => output.unwrap(),
        Err(_) => {
            kill(id);
            panic!("weir did not end within {LIMIT:?}: {command:?}");
        }
    }
}

/// Kills the process at once, as `kill -9` does.
pub(crate) fn kill(id: u32) {
    let process = rustix::process::Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
    let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
}

/// Runs for `moment`, then kills; true when it was still running.
pub(crate) fn kill_after(mut command: Command, moment: Duration) -> bool {
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + moment;
    while Instant::now() < deadline {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::park_timeout(Duration::from_millis(2));
    }
    end(&mut child);
    true
}

/// Kills and reaps.
pub(crate) fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// True when the process died by `kill -9`.
pub(crate) fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(rustix::process::Signal::KILL.as_raw())
}

/// Lines of NDJSON, by what they tell of: `incidents`, `features`, `windows`.
pub(crate) type Exported = BTreeMap<&'static str, String>;

/// What was exported into a folder.
pub(crate) fn exported(folder: &Path) -> Exported {
    ["incidents", "features", "windows"]
        .into_iter()
        .map(|name| {
            let path = folder.join(format!("{name}.ndjson"));
            (
                name,
                std::fs::read_to_string(&path)
                    .unwrap_or_else(|error| panic!("{}: {error}", path.display())),
            )
        })
        .collect()
}
