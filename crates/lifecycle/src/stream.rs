//! Which stream a deployment carries, and which of its processes this one is.

use std::path::PathBuf;

use serde::Deserialize;

/// The table `[stream]`: one deployment carries one stream.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Its name, for status.
    pub id: String,
    /// True when everything in it is made up.
    pub synthetic: bool,
    /// Folder of all state of this machine; each service has its own below.
    pub data: PathBuf,
    /// Name of this process among those of its service; absent = host name and process id.
    pub instance: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            id: "live".to_owned(),
            synthetic: false,
            data: PathBuf::from("weir-data"),
            instance: None,
        }
    }
}

impl Config {
    /// The name of this process, for status: unique among machines and processes unless it is set.
    #[must_use]
    pub fn instance(&self) -> String {
        let own = || format!("{}-{}", host(), std::process::id());
        self.instance.clone().unwrap_or_else(own)
    }
}

/// The name of this machine.
pub(crate) fn host() -> String {
    let host = rustix::system::uname();
    host.nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn a_process_without_a_name_is_called_after_its_host_and_its_number() {
        let name = Config::default().instance();
        assert!(
            name.ends_with(&format!("-{}", std::process::id())),
            "{name}"
        );
        let named = Config {
            instance: Some("a".to_owned()),
            ..Config::default()
        };
        assert_eq!(named.instance(), "a");
    }
}
