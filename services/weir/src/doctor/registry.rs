//! Does the schema registry answer, and does it know our definitions? Nothing is registered here.

use weir_eventlog::schema::Registry;

use super::{Finding, Site};

const REACH: &str = "see that it runs, and [schema_registry] url and credentials; `weir topics apply` \
                     registers what is missing";

pub(super) fn compatibility(site: &Site) -> Finding {
    let registry = match Registry::open(&site.settings.schema_registry) {
        Ok(Some(registry)) => registry,
        Ok(None) => return Finding::skipped("none: records are plain protobuf"),
        Err(error) => return Finding::failed(error, REACH),
    };
    let wanted = registry.compatibility();
    match registry.other_levels() {
        Ok(others) if others.is_empty() => Finding::ok(format!("{wanted} for every subject")),
        Ok(others) => {
            let others: Vec<String> = others
                .into_iter()
                .map(|(subject, level)| format!("{subject} {level}"))
                .collect();
            let detail = format!("not {wanted}: {}", others.join(", "));
            Finding::fail(detail, "`weir topics apply` sets it")
        }
        Err(error) => Finding::failed(error, REACH),
    }
}

pub(super) fn subjects(site: &Site) -> Finding {
    let mut config = site.settings.schema_registry.clone();
    config.auto_register = false;
    match Registry::open(&config) {
        Ok(None) => Finding::skipped("none: records are plain protobuf"),
        Ok(Some(registry)) => match registry.framing() {
            Ok(_) => Finding::ok("answers and knows our definitions"),
            Err(error) => Finding::failed(error, REACH),
        },
        Err(error) => Finding::failed(error, REACH),
    }
}
