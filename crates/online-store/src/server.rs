//! What a Redis says about itself, for `doctor` and for a warning at start.

/// Facts of one server (in a cluster: of one node). `None` = it does not tell us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// `redis` or `valkey`.
    pub software: String,
    /// Its version, for instance `7.0.15`.
    pub version: String,
    /// Its clock, microseconds since the Unix epoch.
    pub clock_us: Option<i64>,
    /// True when every write goes to an append-only file.
    pub appendonly: Option<bool>,
    /// `always`, `everysec` or `no`: when that file is made safe against a crash of the machine.
    pub appendfsync: Option<String>,
    /// True when snapshots are taken by themselves.
    pub snapshots: Option<bool>,
    /// What is done when memory is full: only `noeviction` loses no row.
    pub maxmemory_policy: Option<String>,
}

impl Server {
    /// What may lose stored rows, and what to set; empty = nothing known.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.appendonly == Some(false) {
            warnings.push(if self.snapshots == Some(false) {
                "nothing is kept over a restart of the server: set `appendonly yes`".to_owned()
            } else {
                "a crash loses what was written since the last snapshot: set `appendonly yes`"
                    .to_owned()
            });
        }
        if self.appendonly == Some(true) && self.appendfsync.as_deref() == Some("no") {
            warnings.push(
                "a crash of the machine loses what the system had not written: set \
                 `appendfsync everysec` or `always`"
                    .to_owned(),
            );
        }
        if let Some(policy) = self.maxmemory_policy.as_deref()
            && policy != "noeviction"
        {
            warnings.push(format!(
                "`maxmemory-policy {policy}` throws rows away when memory is full: set `noeviction`"
            ));
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_lose_rows_is_said() {
        let safe = Server {
            appendonly: Some(true),
            appendfsync: Some("always".to_owned()),
            maxmemory_policy: Some("noeviction".to_owned()),
            ..Server::default()
        };
        assert!(safe.warnings().is_empty());
        let risky = Server {
            appendonly: Some(false),
            snapshots: Some(false),
            maxmemory_policy: Some("allkeys-lru".to_owned()),
            ..Server::default()
        };
        let said = risky.warnings().join("\n");
        assert!(said.contains("appendonly yes") && said.contains("allkeys-lru"));
    }
}
