//! Engines started by `deploy/native/engines`, which knows how.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{Facts, origin};

/// One folder of running engines, and the script that rules over it.
#[derive(Debug)]
pub(crate) struct Native {
    folder: PathBuf,
    own: bool,
}

impl Native {
    /// The folder that all test processes share.
    pub(crate) fn shared() -> Native {
        Native {
            folder: shared_folder(),
            own: false,
        }
    }

    /// A folder for one engine; it goes with the value.
    pub(crate) fn own() -> Native {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{count}", std::process::id());
        Native {
            folder: shared_folder().join("own").join(name),
            own: true,
        }
    }

    /// Starts `name`, or finds it running, and gives its facts. It stops after this process (or after the whole
    /// `engines exec` that this process is part of, so that the next test process finds it).
    pub(crate) fn start(&self, name: &str) -> Result<Facts, String> {
        let process = std::process::id().to_string();
        let holder = match std::env::var("WEIR_ENGINES_HOLDER") {
            Ok(holder) if !self.own => holder,
            _ => process,
        };
        let printed = self.run(&["up", "--for", &holder, name])?;
        let variables = printed
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        origin::given(name, variables).ok_or_else(|| format!("no URL of {name} in {printed:?}"))
    }

    /// What the script prints; the last lines of its complaints if it fails.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let script = root().join("deploy/native/engines");
        let output = Command::new(&script)
            .args(arguments)
            .env("WEIR_ENGINES_DIR", &self.folder)
            .stdin(Stdio::null())
            .output()
            .map_err(|e| format!("cannot run {}: {e}", script.display()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(last_lines(&String::from_utf8_lossy(&output.stderr), 4))
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        if self.own
            && let Err(reason) = self.run(&["clean"])
        {
            eprintln!("cannot clean {}: {reason}", self.folder.display());
        }
    }
}

/// The shared folder if the engine that `facts` tell of was started in it, so that it can be faulted.
pub(crate) fn runs_here(name: &str, facts: &Facts) -> Option<Native> {
    let native = Native::shared();
    let known = std::fs::read_to_string(native.folder.join(name).join("facts")).ok()?;
    let url = format!("URL={}", facts.get("URL")?);
    known.lines().any(|line| line == url).then_some(native)
}

fn shared_folder() -> PathBuf {
    let folder =
        std::env::var_os("WEIR_ENGINES_DIR").map_or("target/engines".into(), PathBuf::from);
    root().join(folder)
}

/// The workspace's root: two folders above this crate.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().and_then(Path::parent).unwrap_or(here)
}

pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_stands_where_it_is_looked_for() {
        assert!(root().join("deploy/native/engines").is_file());
    }

    #[test]
    fn only_the_end_of_a_long_complaint_is_told() {
        assert_eq!(last_lines("one\ntwo\n\nthree\n", 2), "two | three");
        assert_eq!(last_lines("", 2), "");
    }

    #[test]
    fn an_unknown_engine_is_refused_with_the_names_of_those_there_are() {
        let folder = std::env::temp_dir().join(format!("weir-no-engine-{}", std::process::id()));
        let native = Native { folder, own: true };
        let reason = native.start("oracle").unwrap_err();
        assert!(reason.contains("there is no engine oracle"), "{reason}");
        assert!(reason.contains("postgres"), "{reason}");
    }
}
