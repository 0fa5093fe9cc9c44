//! Where the tables of collectors come from, and how much of them is taken.

use serde::{Deserialize, Serialize};

use super::RisLive;

/// RIB dumps that seed what RIS Live cannot tell: what was announced before it was heard, and what was lost in a gap.
/// Of other sources nothing is fetched.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Baseline {
    /// Tables are fetched, of the collectors that are named.
    pub enabled: bool,
    /// Whose tables, once they are heard, with commas between them; absent = those that the subscriptions name as
    /// `host`. A great one is some hundreds of megabytes and 100 million routes, so none is fetched that nobody names.
    /// One stands for all: who holds a prefix is known for all collectors together.
    pub collectors: Option<String>,
    /// Archive of collectors that are called `rrcNN`, laid out as RIPE RIS does.
    pub ris_url: String,
    /// Archive of all others, laid out as RouteViews does.
    pub routeviews_url: String,
    /// A greater dump is not taken. Bytes as they come, compressed.
    pub max_bytes: u64,
    /// A dump that is not there after so long, all attempts counted, is given up; after a day in any case.
    pub timeout_seconds: u64,
    /// Attempts after one that brought nothing; each goes on where the one before it broke off.
    pub retries: u32,
    /// Until an archive is asked again for what it did not have, or did not give.
    pub look_seconds: u64,
    /// Routes of a dump that are written in a second, between the updates, which go first.
    pub routes_per_second: u32,
}

impl Default for Baseline {
    fn default() -> Self {
        Self {
            enabled: true,
            collectors: None,
            ris_url: "https://data.ris.ripe.net".to_owned(),
            routeviews_url: "https://archive.routeviews.org".to_owned(),
            max_bytes: 1 << 30,
            timeout_seconds: 3600,
            retries: 5,
            look_seconds: 600,
            routes_per_second: 20_000,
        }
    }
}

impl Baseline {
    /// Whose tables are wanted of what a source subscribes to.
    pub(crate) fn wanted(&self, source: &RisLive) -> Vec<String> {
        let mut wanted: Vec<String> = match &self.collectors {
            Some(names) => names
                .split(',')
                .map(|name| name.trim().to_owned())
                .collect(),
            None => {
                let hosts = source.subscriptions.iter();
                hosts.filter_map(|one| one.host.clone()).collect()
            }
        };
        wanted.retain(|name| !name.is_empty());
        wanted.sort_unstable();
        wanted.dedup();
        wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Subscription;

    #[test]
    fn the_tables_are_those_that_are_named_or_subscribed_to() {
        let host = |name: &str| Subscription {
            host: Some(name.to_owned()),
            ..Subscription::default()
        };
        let source = |subscriptions: Vec<Subscription>| RisLive {
            subscriptions,
            ..RisLive::default()
        };
        let named = Baseline {
            collectors: Some("rrc12, rrc01,".to_owned()),
            ..Baseline::default()
        };
        let hosts = source(vec![host("rrc21"), host("rrc21"), host("rrc06")]);
        let everything = source(vec![Subscription::default()]);
        assert_eq!(named.wanted(&hosts), ["rrc01", "rrc12"]);
        assert_eq!(Baseline::default().wanted(&hosts), ["rrc06", "rrc21"]);
        assert!(Baseline::default().wanted(&everything).is_empty());
    }
}
