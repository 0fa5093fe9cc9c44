//! Do the stores answer, are their tables at the last step, and is anything set that may lose rows?

use std::time::{SystemTime, UNIX_EPOCH};

use weir_metric_store::MetricStore;
use weir_online_store::OnlineStore;
use weir_record_store::BlockingRecordStore;

use super::{Finding, Site};

const EMBEDDED: &str = "embedded: no url is set";
/// Clocks further apart than this are told, microseconds.
const APART_US: i64 = 1_000_000;

pub(super) fn records(site: &Site) -> Finding {
    const NEXT: &str =
        "see that it runs, and [record_store] url, password and rights; then `weir migrate`";
    let config = &site.settings.record_store;
    if config.url.is_empty() {
        return Finding::skipped(EMBEDDED);
    }
    let version = BlockingRecordStore::connect(config).and_then(|store| {
        let version = store.migrate();
        store.close();
        version
    });
    match version {
        Ok(version) => Finding::ok(format!("answers; tables are at version {version}")),
        Err(error) => Finding::failed(error, NEXT),
    }
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
    let apart = server.clock_us.map_or(0, |clock| clock - now_us());
    if apart.abs() > APART_US {
        let detail = format!("{name}; its clock is {} ms from ours", apart / 1_000);
        return Finding::warn(detail, "set the clocks of both machines by NTP");
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
    let server = match MetricStore::connect(config).and_then(|store| store.server()) {
        Ok(Some(server)) => server,
        Ok(None) => return Finding::ok("a file, and it opens"),
        Err(error) => return Finding::failed(error, NEXT),
    };
    let detail = format!(
        "release {}, {} nodes, tables are at version {}",
        server.release_version, server.nodes, server.schema_version
    );
    if server.schema_version != server.wanted_schema_version {
        let wanted = server.wanted_schema_version;
        Finding::fail(format!("{detail}, not {wanted}"), "`weir migrate`")
    } else if server.schema_agreement {
        Finding::ok(detail)
    } else {
        Finding::warn(
            format!("{detail}; the nodes do not agree on the tables"),
            "`nodetool describecluster` names the node that differs: see that it is up",
        )
    }
}

/// Our clock, microseconds since the Unix epoch.
fn now_us() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
}
