//! Do the stores answer, are their tables at the last step, and is anything set that may lose rows?

use std::time::{SystemTime, UNIX_EPOCH};

use weir_metric_store::MetricStore;
use weir_online_store::OnlineStore;
use weir_record_store::server;

use super::{Finding, Site};

const EMBEDDED: &str = "embedded: no url is set";
/// Clocks further apart than this are told, microseconds.
const APART_US: i64 = 1_000_000;
/// The oldest PostgreSQL that we are tried on.
const OLDEST_POSTGRES: i32 = 15;

/// A warning when the clock of an engine is far from ours; its answer was on its way meanwhile.
fn apart(detail: &str, clock_us: Option<i64>) -> Option<Finding> {
    let apart = clock_us? - now_us();
    (apart.abs() > APART_US).then(|| {
        let detail = format!("{detail}; its clock is {} ms from ours", apart / 1_000);
        Finding::warn(detail, "set the clocks of both machines by NTP")
    })
}

/// Of tables: what is missing, if anything.
fn pending(detail: &str, version: i64, wanted: i64) -> Option<Finding> {
    let detail = match wanted - version {
        0 => return None,
        ..0 => format!("{detail}: made by a newer version"),
        _ if version == 0 => format!("{detail}: there are none yet"),
        steps => format!("{detail}: {steps} steps behind"),
    };
    let next = if version > wanted {
        "run the version that made them"
    } else {
        "`weir migrate`; a service that starts does it too"
    };
    Some(Finding::fail(detail, next))
}

pub(super) fn records(site: &Site) -> Finding {
    const NEXT: &str =
        "see that it runs, and [record_store] url, password and rights; then `weir migrate`";
    let config = &site.settings.record_store;
    if config.url.is_empty() {
        return Finding::skipped(EMBEDDED);
    }
    let server = match server::ask(config) {
        Ok(Some(server)) => server,
        Ok(None) => return Finding::ok("a file, made at the first start"),
        Err(error) => return Finding::failed(error, NEXT),
    };
    let detail = format!(
        "{} {}, tables at step {} of {}",
        server.software, server.version, server.schema_version, server.wanted_schema_version
    );
    if !server.lacks.is_empty() {
        return Finding::fail(
            format!("{detail}; our user lacks {}", server.lacks.join(", ")),
            "make our user the owner of the database or its tables, or GRANT what it lacks",
        );
    }
    let old = || {
        let old = server.major? < OLDEST_POSTGRES;
        old.then(|| {
            Finding::warn(
                &detail,
                format!("we are tried on PostgreSQL {OLDEST_POSTGRES} and newer: upgrade it"),
            )
        })
    };
    pending(&detail, server.schema_version, server.wanted_schema_version)
        .or_else(|| apart(&detail, server.clock_us))
        .or_else(old)
        .unwrap_or_else(|| Finding::ok(&detail))
}

pub(super) fn online(site: &Site) -> Finding {
    const NEXT: &str = "see that it runs, and [online_store] url, password and CA";
    let config = &site.settings.online_store;
    if config.url.is_empty() {
        return Finding::skipped(EMBEDDED);
    }
    let server = match OnlineStore::connect(config).and_then(|store| store.server()) {
        Ok(Some(server)) => server,
        Ok(None) => return Finding::ok("a file, and it opens"),
        Err(error) => return Finding::failed(error, NEXT),
    };
    let name = format!("{} {}", server.software, server.version);
    if let Some(finding) = apart(&name, server.clock_us) {
        return finding;
    }
    match server.warnings().as_slice() {
        [] => Finding::ok(name),
        warnings => Finding::warn(name, warnings.join("; ")),
    }
}

pub(super) fn metrics(site: &Site) -> Finding {
    const NEXT: &str =
        "see that it runs, and [metric_store] url, credentials and CA; then `weir migrate`";
    let config = &site.settings.metric_store;
    if config.url.is_empty() {
        return Finding::skipped(EMBEDDED);
    }
    let server = match MetricStore::ask(config) {
        Ok(Some(server)) => server,
        Ok(None) => return Finding::ok("a file"),
        Err(error) => return Finding::failed(error, NEXT),
    };
    let detail = format!(
        "release {}, {} nodes, tables at step {} of {}",
        server.release_version, server.nodes, server.schema_version, server.wanted_schema_version
    );
    let (version, wanted) = (server.schema_version, server.wanted_schema_version);
    let disagree = (!server.schema_agreement).then(|| {
        Finding::warn(
            format!("{detail}; the nodes do not agree on the tables"),
            "`nodetool describecluster` names the node that differs: see that it is up",
        )
    });
    pending(&detail, version.into(), wanted.into())
        .or(disagree)
        .or_else(|| apart(&detail, Some(server.clock_us)))
        .unwrap_or_else(|| Finding::ok(&detail))
}

/// Our clock, microseconds since the Unix epoch.
fn now_us() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn a_clock_that_is_far_from_ours_is_told_and_one_that_is_near_is_not() {
        let far = apart("redis", Some(now_us() - 10_000_000)).unwrap();
        assert_eq!(far.state, State::Warn);
        assert!(far.detail.contains("-10000 ms"), "{}", far.detail);
        assert!(apart("redis", Some(now_us() + 100_000)).is_none());
        assert!(apart("redis", None).is_none());
    }

    #[test]
    fn steps_that_are_missing_and_steps_of_a_newer_version_fail_with_what_helps() {
        assert!(pending("tables", 2, 2).is_none());
        let behind = pending("tables", 1, 3).unwrap();
        assert!(behind.detail.contains("2 steps behind") && behind.next.contains("weir migrate"));
        let newer = pending("tables", 4, 3).unwrap();
        assert!(newer.detail.contains("newer") && newer.next.contains("run the version"));
    }
}
