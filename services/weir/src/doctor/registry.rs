//! Does the schema registry answer, and does it know our definitions? Nothing is registered here.

use weir_eventlog::schema::Registry;

use super::{Finding, Site};

const REACH: &str = "see that it runs, and [schema_registry] url and credentials; `weir topics apply` \
                     registers what is missing";

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
