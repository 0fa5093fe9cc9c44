//! What a program that cannot do its work says to a person: one line, and whether it ends or goes on trying.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    time::Instant,
};

use crate::program;

/// What a program said until it ended, or until it said that it waits.
pub(crate) struct Told {
    /// The line that counts: the last one of a program that ended, else what it waits for.
    pub(crate) line: String,
    /// Everything until then, on both outputs.
    pub(crate) all: String,
    /// It has given up, as a failure.
    pub(crate) ended: bool,
}

/// How a service says that it goes on trying.
const WAITS: [&str; 2] = ["not at work", "waits for its engine"];

/// Runs `command` until it ends or waits; then it is ended.
pub(crate) fn told(mut command: Command) -> Told {
    let asked = format!("{command:?}");
    command.env("WEIR__ADMIN__LISTEN", admin(&command));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (said, lines) = mpsc::channel();
    let errors = child.stderr.take().unwrap();
    let output = child.stdout.take().unwrap();
    for pipe in [
        Box::new(errors) as Box<dyn std::io::Read + Send>,
        Box::new(output),
    ] {
        let said = said.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                // Whoever listened has heard enough.
                let _ = said.send(line);
            }
        });
    }
    drop(said);
    let deadline = Instant::now() + program::LIMIT;
    let (mut all, mut last, mut waits) = (String::new(), String::new(), false);
    while !waits {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                waits = WAITS.iter().any(|mark| line.contains(mark));
                all.push_str(&line);
                all.push('\n');
                last = line;
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                program::end(&mut child);
                panic!("{asked} neither ends nor waits: {all}");
            }
        }
    }
    let ended = !waits && !child.wait().unwrap().success();
    program::end(&mut child);
    Told {
        line: last,
        all,
        ended,
    }
}

/// The address that was asked for, else a free one.
fn admin(command: &Command) -> String {
    let given = command
        .get_envs()
        .find(|(name, _)| *name == "WEIR__ADMIN__LISTEN")
        .and_then(|(_, value)| value?.to_str());
    given.unwrap_or("127.0.0.1:0").to_owned()
}

/// Where a process serves its admin paths, by its log in JSON.
pub(crate) fn admin_address(log: &str) -> &str {
    let (_, address) = log.split_once("\"admin\":\"").unwrap();
    address.split_once('"').unwrap().0
}

/// True when `command` can mount on a folder here; says so when it cannot.
pub(crate) fn is_allowed(command: &[&str]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let tried = Command::new(command[0])
        .args(&command[1..])
        .arg(folder.path())
        .output();
    let allowed = tried.is_ok_and(|output| output.status.success());
    if !allowed {
        eprintln!("skipped: `{}` is not allowed here", command.join(" "));
    }
    allowed
}
